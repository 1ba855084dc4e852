//! One finding of `doctor`, as a row.

use serde_json::{Value, json};

/// What was found, and about what.
pub(crate) struct Finding {
    pub(crate) what: String,
    pub(crate) is: String,
    pub(crate) verdict: Verdict,
}

/// Whether it is as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Ok,
    /// It is not, and this is to be done.
    Warn(&'static str),
    /// Nobody looked, so nobody knows.
    Unknown,
}

impl Verdict {
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warn(_) => "warn",
            Self::Unknown => "unknown",
        }
    }
}

impl Finding {
    /// With what is to be done, where it is wrong.
    pub(crate) fn new(what: impl Into<String>, is: impl Into<String>, wrong: Option<&'static str>) -> Self {
        Self { what: what.into(), is: is.into(), verdict: wrong.map_or(Verdict::Ok, Verdict::Warn) }
    }

    /// Of what was not looked at, and why not.
    pub(crate) fn unknown(what: impl Into<String>, is: impl Into<String>) -> Self {
        Self { what: what.into(), is: is.into(), verdict: Verdict::Unknown }
    }

    /// What is to be done, if anything is.
    pub(crate) fn to_do(&self) -> Option<&'static str> {
        if let Verdict::Warn(to_do) = self.verdict { Some(to_do) } else { None }
    }

    pub(crate) fn row(&self) -> Value {
        json!({ "what": self.what, "finding": self.is, "verdict": self.verdict.word(), "to_do": self.to_do() })
    }
}
