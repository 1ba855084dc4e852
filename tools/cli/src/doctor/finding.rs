//! One finding of `doctor`, as a row.

use serde_json::{Value, json};

/// What was found: about what, whether it is wrong, and what to do then.
pub(super) struct Finding {
    pub(super) what: String,
    pub(super) is: String,
    pub(super) wrong: Option<&'static str>,
}

impl Finding {
    pub(super) fn row(&self) -> Value {
        let verdict = if self.wrong.is_some() { "warn" } else { "ok" };
        json!({ "what": self.what, "finding": self.is, "verdict": verdict, "to_do": self.wrong })
    }
}
