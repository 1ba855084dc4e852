//! What a person mends: with a plan first, and the outcome of each row.

pub(crate) mod replay;
