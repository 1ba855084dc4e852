//! What a person asks of the ledger: what is parked, what came in lately, what was refused, and a subject's story.

use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hookledger_core::model::debt::{DUE_SHARDS, DueKey};
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::StoreError;

use super::item::{Item, RECENT_SHARDS, Reader, key_of, recent_shard_name, row_from, s};
use super::owed::due_key;
use super::read::{collection, parked, query, walk};
use super::schema::RECENT_INDEX;
use super::table::DynamoLedger;

/// Partitions asked at the same time.
const CONCURRENT_QUERIES: usize = 8;
/// The most rows of one subject that are shown.
const MAX_STORY: usize = 10_000;

/// An entry, as the index of what came in lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The entry's key.
    pub key: ItemKey,
    /// When it came in.
    pub received_at: UnixMs,
}

/// One row of a subject's story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryLine {
    /// Its key.
    pub key: ItemKey,
    /// Its state, where its kind has one.
    pub state: Option<String>,
    /// Everything else about it that is a text or a number, by name. No body and no document.
    pub columns: Vec<(String, String)>,
}

/// A result row with its document.
#[derive(Clone, PartialEq, Eq)]
pub struct StoredRow {
    /// Its sort key.
    pub sk: String,
    /// Its columns, by name.
    pub columns: Vec<(String, String)>,
    /// The provider's JSON, byte for byte.
    pub document: Vec<u8>,
}

impl std::fmt::Debug for StoredRow {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StoredRow").field("sk", &self.sk).field("document_bytes", &self.document.len()).finish()
    }
}

impl DynamoLedger {
    /// Entries that wait for a person, the longest waiting first. `due_at` is when they were parked.
    pub async fn list_parked(&self, limit: usize) -> Result<Vec<DueKey>, StoreError> {
        let of_shard = |shard| walk(parked(&self.table, shard), limit);
        let shards = stream::iter(0..DUE_SHARDS).map(of_shard).buffered(CONCURRENT_QUERIES);
        let items: Vec<Vec<Item>> = shards.try_collect().await?;
        let mut found = items.iter().flatten().map(due_key).collect::<Result<Vec<_>, _>>()?;
        found.sort_by(|a, b| (a.due_at, &a.key).cmp(&(b.due_at, &b.key)));
        found.truncate(limit);
        Ok(found)
    }

    /// Entries that came in on a UTC day (`2026-11-22`), the latest first.
    pub async fn list_recent(&self, day: &str, limit: usize) -> Result<Vec<Pointer>, StoreError> {
        let of_shard = |shard| async move {
            let query = query(&self.table, "#recent_shard = :shard")
                .index_name(RECENT_INDEX)
                .expression_attribute_values(":shard", s(recent_shard_name(day, shard)))
                .scan_index_forward(false);
            walk(query, limit).await
        };
        let shards = stream::iter(0..RECENT_SHARDS).map(of_shard).buffered(CONCURRENT_QUERIES);
        let items: Vec<Vec<Item>> = shards.try_collect().await?;
        let mut recent = items.iter().flatten().filter_map(pointer).collect::<Vec<_>>();
        recent.sort_by(|a, b| (b.received_at, &a.key).cmp(&(a.received_at, &b.key)));
        recent.truncate(limit);
        Ok(recent)
    }

    /// Every row of a subject, in the order of their sort keys.
    pub async fn story(&self, pk: &str) -> Result<Vec<StoryLine>, StoreError> {
        let items = walk(collection(&self.table, pk, ""), MAX_STORY).await?;
        Ok(items.iter().filter_map(story_line).collect())
    }

    /// The result rows of a subject whose sort keys start with `prefix`, with their documents.
    pub async fn rows(&self, pk: &str, prefix: &str) -> Result<Vec<StoredRow>, StoreError> {
        let items = walk(collection(&self.table, pk, prefix), MAX_STORY).await?;
        let subject = Subject::from_stored(pk.to_string());
        let mut rows = Vec::with_capacity(items.len());
        for item in &items {
            let key = key_of(item).unwrap_or_else(|| subject.item(prefix));
            let (columns, stored) = row_from(item, &key)?;
            let document = self.load_bytes(&key, stored, "document").await?;
            rows.push(StoredRow { sk: key.sk, columns, document });
        }
        Ok(rows)
    }
}

fn pointer(item: &Item) -> Option<Pointer> {
    let key = key_of(item)?;
    let received_at = Reader::new(item, &key).optional_instant("received_at")?;
    Some(Pointer { key, received_at })
}

fn story_line(item: &Item) -> Option<StoryLine> {
    let key = key_of(item)?;
    let state = Reader::new(item, &key).optional_text("state");
    let hidden = ["pk", "sk", "state", "due_shard", "recent_shard", "token_digest"];
    let mut columns = Vec::new();
    for (name, value) in item.iter().filter(|(name, _)| !hidden.contains(&name.as_str())) {
        match value {
            AttributeValue::S(text) | AttributeValue::N(text) => columns.push((name.clone(), text.clone())),
            AttributeValue::Bool(yes) => columns.push((name.clone(), yes.to_string())),
            AttributeValue::M(_) => columns.extend(Reader::new(item, &key).texts(name)),
            _ => {}
        }
    }
    columns.sort();
    Some(StoryLine { key, state, columns })
}
