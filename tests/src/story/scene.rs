//! Where a story is told: on a running stack, with ids of its own.

use std::sync::Mutex;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::local::{Local, Outcome};

/// What the rows share.
pub struct Scene {
    /// The stack.
    pub local: Local,
    /// Makes every id of this telling its own, so that a stack can be told the story again.
    pub run: String,
    /// Subjects of which exactly one event must have been published by the end.
    pub(super) published_once: Mutex<Vec<String>>,
}

impl Scene {
    /// A scene on the running stack.
    pub async fn open() -> Outcome<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
        let run = now.as_secs().to_string();
        Ok(Self { local: Local::attach().await?, run, published_once: Mutex::default() })
    }

    /// An id of this telling.
    pub fn id(&self, name: &str) -> String {
        format!("{name}-{}", self.run)
    }
}
