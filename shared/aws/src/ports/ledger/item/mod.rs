//! Rows as DynamoDB items. Every attribute's name is spelled here and in the expressions that touch it, and nowhere
//! else. What is unknown is left alone, so that an older version can read a newer one's rows; what is missing makes
//! the row [`StoreError::Corrupt`].

mod attribute;
mod entry;
mod owed;
mod result;

pub(crate) use attribute::{
    Chunks, FACT_PREFIX, Item, Place, RECENT_SHARDS, Reader, STATUS_SK, Stored, b, body_chunks, key_attributes, key_of,
    ms, n, put, recent_shard_name, s, ttl,
};
pub(crate) use entry::{ENTRY_ATTRIBUTES, entry_from, entry_item, origin, progress_text};
pub(crate) use owed::{
    OWED_ATTRIBUTES, circuit_from, circuit_item, expectation_from, expectation_item, listing_from, listing_item,
};
pub(crate) use result::{
    MORE, RowAt, fact_from, fact_item, kept_from, refused_item, row_from, row_item, status_from, status_item,
};
