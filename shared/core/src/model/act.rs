//! What people do to rows. Each act is written down in its row, by the same write that does it.

use crate::model::time::UnixMs;

/// Who orders something, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Who: the ARN that AWS knows the caller by.
    pub by: String,
    /// Why, in their own words.
    pub why: Option<String>,
}

impl Order {
    /// What comes of it.
    pub fn act(&self, what: &str, at: UnixMs) -> Act {
        Act { at, by: self.by.clone(), what: what.into(), why: self.why.clone() }
    }
}

/// What a person did to a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Act {
    /// When.
    pub at: UnixMs,
    /// Who: the ARN that AWS knows the caller by.
    pub by: String,
    /// What: `replay`, `close`, `erase`, `send`, `reverify`, `expect put`, `expect cancel`.
    pub what: String,
    /// Why, in their own words.
    pub why: Option<String>,
}
