//! Reads: one row, or a query walked to its end. All reads of the table itself are consistent; those of an index can't
//! be, so nothing is decided by what an index says.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::KeysAndAttributes;
use aws_sdk_dynamodb::types::builders::KeysAndAttributesBuilder;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hookledger_core::model::debt::parked_shard_name;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::StoreError;

use super::item::{ENTRY_ATTRIBUTES, Item, OWED_ATTRIBUTES, key_attributes, s};
use super::schema::DUE_INDEX;
use super::table::{Table, store_error};
use super::write::names;

/// The most pages of one query. A page holds up to 1 MB: a collection beyond 100 MB is not one we wrote.
const MAX_PAGES: usize = 100;
/// The most rows of one batch of reads, which DynamoDB sets; and batches asked at the same time.
const MAX_BATCH: usize = 100;
const CONCURRENT_BATCHES: usize = 8;

/// Reads a row, or some of its attributes.
pub(crate) async fn get(table: &Table, key: &ItemKey, attributes: Option<&[&str]>) -> Result<Option<Item>, StoreError> {
    let mut request =
        table.client.get_item().table_name(&table.name).set_key(Some(key_attributes(key))).consistent_read(true);
    if let Some(attributes) = attributes {
        for name in attributes {
            request = request.expression_attribute_names(format!("#{name}"), *name);
        }
        let list: Vec<String> = attributes.iter().map(|name| format!("#{name}")).collect();
        request = request.projection_expression(list.join(", "));
    }
    let output = request.send().await.map_err(|error| store_error(&error))?;
    Ok(output.item)
}

/// A query of one collection, or of the part of it whose sort keys start with `prefix`. Consistent.
pub(crate) fn collection(table: &Table, pk: &str, prefix: &str) -> QueryFluentBuilder {
    let query = query(table, if prefix.is_empty() { "#pk = :pk" } else { "#pk = :pk AND begins_with(#sk, :prefix)" })
        .expression_attribute_values(":pk", s(pk))
        .consistent_read(true);
    if prefix.is_empty() { query } else { query.expression_attribute_values(":prefix", s(prefix)) }
}

/// A query with this key condition.
pub(crate) fn query(table: &Table, condition: &str) -> QueryFluentBuilder {
    let mut request = table.client.query().table_name(&table.name).key_condition_expression(condition);
    for name in names(&[condition]) {
        request = request.expression_attribute_names(format!("#{name}"), name);
    }
    request
}

/// The query of a shard's entries that wait for a person, the longest waiting first.
pub(crate) fn parked(table: &Table, shard: u8) -> QueryFluentBuilder {
    query(table, "#due_shard = :shard")
        .index_name(DUE_INDEX)
        .expression_attribute_values(":shard", s(parked_shard_name(shard)))
}

/// Walks a query until `limit` items or its end.
pub(crate) async fn walk(query: QueryFluentBuilder, limit: usize) -> Result<Vec<Item>, StoreError> {
    // The limit of a page is a signed 32-bit number. Above it a page's megabyte ends it long before.
    let query = query.limit(i32::try_from(limit).unwrap_or(i32::MAX).max(1));
    walk_wanted(query, limit, |item| Some(item.clone())).await
}

/// Walks a query until `limit` items that are wanted, or its end.
pub(crate) async fn walk_wanted<T>(
    query: QueryFluentBuilder,
    limit: usize,
    wanted: impl Fn(&Item) -> Option<T>,
) -> Result<Vec<T>, StoreError> {
    let mut found: Vec<T> = Vec::new();
    let mut from = query.get_exclusive_start_key().clone();
    for _ in 0..MAX_PAGES {
        if found.len() >= limit {
            return Ok(found);
        }
        let page = query.clone().set_exclusive_start_key(from).send().await.map_err(|error| store_error(&error))?;
        let room = limit.saturating_sub(found.len());
        found.extend(page.items().iter().filter_map(&wanted).take(room));
        from = page.last_evaluated_key;
        if from.as_ref().is_none_or(Item::is_empty) {
            return Ok(found);
        }
    }
    Err(StoreError::Refused("the collection is larger than anything written here"))
}

/// Reads these rows, without their bodies.
pub(crate) async fn get_all(table: &Table, keys: &[ItemKey]) -> Result<Vec<Item>, StoreError> {
    let mut wanted = KeysAndAttributes::builder();
    let names = ENTRY_ATTRIBUTES.iter().chain(OWED_ATTRIBUTES);
    for name in names.clone() {
        wanted = wanted.expression_attribute_names(format!("#{name}"), *name);
    }
    let names: BTreeSet<String> = names.map(|name| format!("#{name}")).collect();
    let names = names.into_iter().collect::<Vec<_>>().join(", ");
    get_in_batches(table, keys, &wanted.projection_expression(names)).await
}

/// Reads these rows, each whole: for those that are small.
pub(crate) async fn get_all_whole(table: &Table, keys: &[ItemKey]) -> Result<Vec<Item>, StoreError> {
    get_in_batches(table, keys, &KeysAndAttributes::builder()).await
}

/// A hundred with each call.
async fn get_in_batches(
    table: &Table,
    keys: &[ItemKey],
    wanted: &KeysAndAttributesBuilder,
) -> Result<Vec<Item>, StoreError> {
    let of_batch = |batch: &[ItemKey]| {
        let keys = batch.iter().map(key_attributes).collect();
        get_batch(table, wanted.clone().set_keys(Some(keys)).consistent_read(true))
    };
    let batches: Vec<_> = keys.chunks(MAX_BATCH).map(of_batch).collect();
    let items: Vec<Vec<Item>> = stream::iter(batches).buffered(CONCURRENT_BATCHES).try_collect().await?;
    Ok(items.into_iter().flatten().collect())
}

async fn get_batch(table: &Table, wanted: KeysAndAttributesBuilder) -> Result<Vec<Item>, StoreError> {
    let mut left = Some(wanted.build().map_err(|_| StoreError::Refused("the request could not be built"))?);
    let mut found = Vec::new();
    for _ in 0..MAX_PAGES {
        let Some(wanted) = left.take() else { return Ok(found) };
        let answer = table.client.batch_get_item().request_items(&table.name, wanted).send().await;
        let answer = answer.map_err(|error| store_error(&error))?;
        let of_table = |items: HashMap<String, Vec<Item>>| items.into_values().flatten();
        found.extend(answer.responses.map(of_table).into_iter().flatten());
        left = answer.unprocessed_keys.and_then(|left| left.into_values().next()).filter(|left| !left.keys.is_empty());
    }
    Err(StoreError::Unavailable("the table does not get round to all of the rows"))
}
