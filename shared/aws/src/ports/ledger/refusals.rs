//! The quarantine: a few refused deliveries for each provider and minute, so that a person can look at what knocks.
//!
//! The cap holds without counting: a refusal is written under one of the slots that its source has among the forty of its
//! minute and shelf, and only if the slot is free. Each process remembers the slots it found taken, so a flood costs it no more than
//! forty writes a minute and shelf, and the few that count the rest.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::refused::Kept;
use hookledger_core::model::refused::{Refused, Shelf};
use hookledger_core::ports::{Quarantine, Refusals, StoreError};

use super::item::{Item, MORE, kept_from, key_attributes, key_of, n, refused_item, s};
use super::read::{collection, walk};
use super::table::{DynamoLedger, store_error};
use super::write::{Update, put_if};

impl Refusals for DynamoLedger {
    async fn refuse(&self, refused: &Refused) -> Result<bool, StoreError> {
        let minute = refused.minute();
        let shelf = Shelf::of(&refused.code);
        while let Some(slot) = self.slots.next(refused.provider, shelf, &minute, refused.slots()) {
            let key = refused.key_at(slot);
            // Function against function: each slot is filled once, by whichever of them comes first.
            if put_if(&self.table, refused_item(&key, refused), "attribute_not_exists(#pk)", &[]).await?.happened() {
                return Ok(true);
            }
        }
        self.count_more(refused, shelf, &minute).await;
        Ok(false)
    }
}

impl DynamoLedger {
    /// Counts what finds no slot on the row of one that it might have had. Not each: at 1, 2, 4, 8 and so on, so that a flood
    /// of a million costs a process twenty writes, and half of it at least is told of. A count that fails changes nothing.
    async fn count_more(&self, refused: &Refused, shelf: Shelf, minute: &str) {
        let Some(more) = self.slots.more(refused.provider, shelf, minute) else { return };
        let Some(slot) = refused.slots().next() else { return };
        // Function against an operator who removed the row: it does not come back as a count alone.
        let update = Update::only_if(&refused.key_at(slot), "attribute_exists(#pk)").add(MORE, n(more));
        let _ = update.send(&self.table).await;
    }
}

impl Quarantine for DynamoLedger {
    async fn kept(
        &self,
        provider: ProviderId,
        day: &str,
        before: Option<&ItemKey>,
        limit: usize,
    ) -> Result<Vec<Kept>, StoreError> {
        let query = collection(&self.table, &Refused::collection(provider, day), "").scan_index_forward(false);
        let query = query.set_exclusive_start_key(before.map(key_attributes));
        let kept = |item: &Item| key_of(item).map(|key| kept_from(item, &key, provider));
        walk(query, limit).await?.iter().filter_map(kept).collect()
    }

    async fn remove(&self, key: &ItemKey, digest: &str) -> Result<bool, StoreError> {
        // Operator against operator, or against a flood that fills a slot again: only what was looked at goes.
        let removal = self.table.client.delete_item().table_name(&self.table.name);
        let removed = removal
            .set_key(Some(key_attributes(key)))
            .condition_expression("#digest = :digest")
            .expression_attribute_names("#digest", "digest")
            .expression_attribute_values(":digest", s(digest))
            .send()
            .await;
        match removed {
            Ok(_) => Ok(true),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => Ok(false),
                _ => Err(store_error(&error)),
            },
        }
    }
}
