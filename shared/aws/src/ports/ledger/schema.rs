//! The table, as `template.yaml` declares it, for engines that are not set up by a template: those of the tests.

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::BuildError;
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection, ProjectionType,
    ScalarAttributeType,
};
use hookledger_core::ports::StoreError;

use super::table::store_error;

/// The index over what is owed: shard and due time.
pub const DUE_INDEX: &str = "due";
/// The index over what came in: day and shard, time of receipt.
pub const RECENT_INDEX: &str = "recent";

/// What the index `recent` holds of an entry beside its keys.
const LISTED: [&str; 4] = ["provider", "event_type", "origin", "proof"];

/// Creates the table.
pub async fn create_table(client: &Client, name: &str) -> Result<(), StoreError> {
    let parts = || -> Result<_, BuildError> {
        let key = [key("pk", KeyType::Hash)?, key("sk", KeyType::Range)?];
        // Keys only: every attribute more would be written, and paid, again whenever it is put off.
        let keys = Projection::builder().projection_type(ProjectionType::KeysOnly).build();
        // What a list is filtered by and never changes: it is written once, with the entry.
        let listed = Projection::builder()
            .projection_type(ProjectionType::Include)
            .set_non_key_attributes(Some(LISTED.map(str::to_owned).into()))
            .build();
        let due = index(DUE_INDEX, "due_shard", "due_at", keys)?;
        let recent = index(RECENT_INDEX, "recent_shard", "received_at", listed)?;
        let attributes = [
            attribute("pk", ScalarAttributeType::S)?,
            attribute("sk", ScalarAttributeType::S)?,
            attribute("due_shard", ScalarAttributeType::S)?,
            attribute("due_at", ScalarAttributeType::N)?,
            attribute("recent_shard", ScalarAttributeType::S)?,
            attribute("received_at", ScalarAttributeType::N)?,
        ];
        Ok((key, [due, recent], attributes))
    };
    let (key, indexes, attributes) = parts().map_err(|_| StoreError::Refused("the table's definition is not whole"))?;
    client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .set_key_schema(Some(key.into()))
        .set_attribute_definitions(Some(attributes.into()))
        .set_global_secondary_indexes(Some(indexes.into()))
        .send()
        .await
        .map_err(|error| store_error(&error))?;
    Ok(())
}

fn index(name: &str, hash: &str, range: &str, projection: Projection) -> Result<GlobalSecondaryIndex, BuildError> {
    GlobalSecondaryIndex::builder()
        .index_name(name)
        .key_schema(key(hash, KeyType::Hash)?)
        .key_schema(key(range, KeyType::Range)?)
        .projection(projection)
        .build()
}

fn key(name: &str, kind: KeyType) -> Result<KeySchemaElement, BuildError> {
    KeySchemaElement::builder().attribute_name(name).key_type(kind).build()
}

fn attribute(name: &str, kind: ScalarAttributeType) -> Result<AttributeDefinition, BuildError> {
    AttributeDefinition::builder().attribute_name(name).attribute_type(kind).build()
}
