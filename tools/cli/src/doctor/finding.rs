//! One finding of `doctor`, as a row.

use serde_json::{Value, json};

/// What was found: about what, whether it is wrong, and what to do then.
pub(crate) struct Finding {
    pub(crate) what: String,
    pub(crate) is: String,
    pub(crate) wrong: Option<&'static str>,
}

impl Finding {
    pub(crate) fn row(&self) -> Value {
        let verdict = if self.wrong.is_some() { "warn" } else { "ok" };
        json!({ "what": self.what, "finding": self.is, "verdict": verdict, "to_do": self.wrong })
    }
}
