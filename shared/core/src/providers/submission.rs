//! Requests that go to a provider in our name.

use crate::model::provider_call::{ApiRequest, Trouble};

/// A request that goes to the provider in our name. What it carries is never stored and never logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The request: the same for the same document and URL, byte for byte.
    pub request: ApiRequest,
    /// How many things it asks for.
    pub items: usize,
}

/// What stands before a submission's digest in its own reference: what is owed from the moment before a request is sent
/// until its completion is expected under the provider's id for it. See [`crate::desk::submit`].
pub const SUBMISSION: &str = "submission:";

/// Why a document can't be submitted. Names the field and the rule, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsubmittable {
    /// Not JSON, or not an object.
    #[error("the document is not a JSON object")]
    NotAnObject,
    /// A field is absent or breaks its rule.
    #[error("field {field} must be {rule}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// A field that the provider's documents do not name, so nobody knows what it would do.
    #[error("field {name} is not documented by the provider: nothing was sent")]
    Undocumented {
        /// The field's name, if it is a plain one; else a word in its place.
        name: String,
    },
    /// A field of one item of a list is absent or breaks its rule.
    #[error("field {list}[{index}].{field} must be {rule}")]
    Item {
        /// The list's name.
        list: &'static str,
        /// Which item, from 0.
        index: usize,
        /// The field's name.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

/// The longest name of a field that is told, in bytes.
const MAX_FIELD_NAME_BYTES: usize = 64;

impl Unsubmittable {
    /// Refuses a field by its name. One that is none, since it may hold anything, is not told.
    pub(crate) fn undocumented(name: &str) -> Self {
        let plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.len() <= MAX_FIELD_NAME_BYTES
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        Self::Undocumented { name: if plain { name.into() } else { "(its name is none of a field)".into() } }
    }
}

/// What the answer to a submission means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It was taken; its completion is to be expected under this reference.
    Accepted {
        /// As [`Polls::expectation`](crate::providers::Polls::expectation) takes it.
        reference: String,
    },
    /// It was not taken, or nobody can say.
    Trouble(Trouble),
}
