//! The ledger in DynamoDB: one table, item collections by subject.
//!
//! ```text
//! item     rows as items, and back          entries    admit … settle         operator   what a person asks
//! codec    bytes: compressed, in chunks     owed       expectations, listings, circuits
//! write    one conditional write            results    rows, facts, status
//! read     consistent reads, queries        refusals   the quarantine              desk       what a person does, erase
//! ```
//!
//! The happy path of an event is exactly one `PutItem` (admit) and one `UpdateItem` (settle). Each condition carries a
//! comment that says which race it decides.

pub mod schema;

mod bodies;
mod codec;
mod desk;
mod erase;
mod entries;
mod item;
mod operator;
mod owed;
mod read;
mod refusals;
mod results;
mod slots;
mod table;
mod write;

pub use erase::Content;
pub use operator::{Filter, MAX_STORY, Pointer, Ran, RefusedLine, StoredRow, StoryLine};
pub use table::DynamoLedger;

#[cfg(test)]
mod tests;
