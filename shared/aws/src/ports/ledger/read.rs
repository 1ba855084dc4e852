//! Reads: one row, or a query walked to its end. All reads of the table itself are consistent; those of an index can't
//! be, so nothing is decided by what an index says.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use hookledger_core::model::debt::parked_shard_name;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::StoreError;

use super::item::{Item, key_attributes, s};
use super::schema::DUE_INDEX;
use super::table::{Table, store_error};
use super::write::names;

/// The most pages of one query. A page holds up to 1 MB: a collection beyond 100 MB is not one we wrote.
const MAX_PAGES: usize = 100;

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
    let mut items: Vec<Item> = Vec::new();
    let mut from = query.get_exclusive_start_key().clone();
    for _ in 0..MAX_PAGES {
        let wanted = limit.saturating_sub(items.len());
        if wanted == 0 {
            return Ok(items);
        }
        // The limit of a page is a signed 32-bit number. Above it a page's megabyte ends it long before.
        let page = query
            .clone()
            .limit(i32::try_from(wanted).unwrap_or(i32::MAX))
            .set_exclusive_start_key(from)
            .send()
            .await
            .map_err(|error| store_error(&error))?;
        items.extend(page.items.unwrap_or_default());
        from = page.last_evaluated_key;
        if from.as_ref().is_none_or(Item::is_empty) {
            return Ok(items);
        }
    }
    Err(StoreError::Refused("the collection is larger than anything written here"))
}
