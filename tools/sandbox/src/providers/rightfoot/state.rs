//! What Rightfoot remembers: batches of balance checks, answers it has given, and schedules.

use std::time::{Duration, Instant};

use http::Uri;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// A batch of balance checks.
#[derive(Default)]
pub(super) struct Batch {
    pub(super) balances: Vec<Box<RawValue>>,
    pub(super) complete: bool,
    pub(super) complete_at: Option<Instant>,
    /// Each request names its own webhook URL; one on this machine is honoured.
    pub(super) webhook_url: Option<Uri>,
    /// For so long after it was first shown, it is shown without its balances.
    pub(super) empty_for: Duration,
    pub(super) shown_at: Option<Instant>,
    pub(super) page_spelling: Spelling,
    /// So many page tokens are refused.
    pub(super) refuse_tokens: u32,
}

impl Batch {
    pub(super) fn is_complete(&self) -> bool {
        self.complete || self.complete_at.is_some_and(|at| at <= Instant::now())
    }

    /// Whether it is complete, and shows nothing yet. Counted from the first look, so that somebody sees it.
    pub(super) fn is_empty_yet(&mut self) -> bool {
        self.shown_at.get_or_insert_with(Instant::now).elapsed() < self.empty_for
    }
}

/// How a page says whether another one follows.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Spelling {
    /// As the newest documents have it.
    #[default]
    Snake,
    /// As older ones have it.
    Camel,
    /// By its token alone.
    NoFlag,
}

impl Spelling {
    /// What is odd about a page that is followed by another.
    pub(super) fn oddity(self) -> Option<&'static str> {
        match self {
            Self::Snake => None,
            Self::Camel => Some("page_in_camel_case"),
            Self::NoFlag => Some("page_without_flag"),
        }
    }
}

/// An answer that an identical request is given again.
#[derive(Clone)]
pub(super) struct Answered {
    pub(super) at: Instant,
    pub(super) answer: Submitted,
}

#[derive(Clone, Serialize)]
pub(super) struct Submitted {
    pub(super) batch_id: String,
    pub(super) submitted_at: String,
    pub(super) message: &'static str,
}

/// What is said about a schedule. That is all there is: it names no batch and no authorizer.
#[derive(Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Schedule {
    #[serde(default)]
    pub(super) name: Option<String>,
    #[serde(default)]
    pub(super) last_run_at: Option<String>,
    pub(super) next_run_at: String,
    #[serde(default)]
    pub(super) total_authorizers: u64,
}
