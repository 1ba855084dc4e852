//! What a person sees of the ledger. No body is shown unless it is asked for.

mod back;
mod cursor;
pub(crate) mod events;
pub(crate) mod export;
pub(crate) mod find;
pub(crate) mod follow;
pub(crate) mod owed;
pub(crate) mod parked;
pub(crate) mod show;
pub(crate) mod stats;
pub(crate) mod status;
pub(crate) mod statuses;
pub(crate) mod story;
