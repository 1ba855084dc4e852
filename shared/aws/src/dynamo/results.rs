//! What work leaves behind: result rows, status facts, the current status.

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use hookledger_core::debt::{Fact, Status};
use hookledger_core::entry::Row;
use hookledger_core::identity::{ItemKey, Subject};
use hookledger_core::ports::StoreError;

use super::item::{
    FACT_PREFIX, Item, STATUS_SK, fact_from, fact_item, key_of, n, row_item, s, status_from, status_item,
};
use super::read::{collection, get, walk};
use super::write::{Update, put_if};
use super::{DynamoLedger, store_error};
use crate::telemetry::now;

/// The most items one `BatchWriteItem` takes.
const BATCH: usize = 25;
/// How often what a batch left unwritten is tried again. With the waits below that is about a second and a half; then
/// the work is put off instead.
const BATCH_TRIES: u32 = 6;
/// The first wait between two tries; each next one is twice as long.
const BATCH_WAIT: Duration = Duration::from_millis(50);
/// More facts than a subject can have: a status would have to be reached ten thousand times.
const MAX_FACTS: usize = 10_000;

impl DynamoLedger {
    pub(super) async fn write_rows(&self, subject: &Subject, rows: &[Row]) -> Result<(), StoreError> {
        let expires_at = self.end_of(now());
        // A batch may not name a key twice. Of two rows under one key the later one counts, as if written in turn.
        let rows: BTreeMap<&str, &Row> = rows.iter().map(|row| (row.sk.as_str(), row)).collect();
        let mut batch = Vec::with_capacity(BATCH);
        for row in rows.into_values() {
            let key = subject.item(row.sk.as_str());
            let document = self.store_bytes(&key, &row.document, expires_at).await?;
            batch.push(row_item(&key, row, document, expires_at));
            if batch.len() == BATCH {
                self.write_batch(std::mem::take(&mut batch)).await?;
            }
        }
        self.write_batch(batch).await
    }

    async fn write_batch(&self, items: Vec<Item>) -> Result<(), StoreError> {
        let mut puts = Vec::with_capacity(items.len());
        for item in items {
            let put = PutRequest::builder().set_item(Some(item)).build();
            let put = put.map_err(|_| StoreError::Refused("a row could not be built"))?;
            puts.push(WriteRequest::builder().put_request(put).build());
        }
        for attempt in 0..BATCH_TRIES {
            if puts.is_empty() {
                return Ok(());
            }
            if attempt > 0 {
                tokio::time::sleep(BATCH_WAIT * 2u32.pow(attempt - 1)).await;
            }
            let request = self.table.client.batch_write_item().request_items(&self.table.name, puts);
            let output = request.send().await.map_err(|error| store_error(&error))?;
            // Not unconditional success: under throttling DynamoDB takes a part and hands back the rest.
            puts = output.unprocessed_items.unwrap_or_default().into_values().flatten().collect();
        }
        if puts.is_empty() { Ok(()) } else { Err(StoreError::Unavailable("throttled")) }
    }

    pub(super) async fn read_facts(&self, subject: &Subject) -> Result<Vec<Fact>, StoreError> {
        let items = walk(collection(&self.table, subject.as_str(), FACT_PREFIX), MAX_FACTS).await?;
        let fact = |item: &Item| fact_from(item, &key_of(item).unwrap_or_else(|| subject.item(FACT_PREFIX)));
        items.iter().map(fact).collect()
    }

    pub(super) async fn write_fact(&self, subject: &Subject, fact: &Fact) -> Result<bool, StoreError> {
        // Push against poll: whichever entry writes the fact owns its effect; the other settles as already known.
        Ok(put_if(&self.table, fact_item(subject, fact), "attribute_not_exists(#pk)", &[]).await?.happened())
    }

    pub(super) async fn mark_fact(
        &self,
        subject: &Subject,
        status: &str,
        number: u32,
        by: &ItemKey,
    ) -> Result<bool, StoreError> {
        let key = subject.item(Fact::sk(status, number));
        // Delivery against delivery: two pushes of the same status are two facts, so only one of them may be taken for
        // this one. The same push again, after a crash, is still the one.
        let condition = "attribute_exists(#pk) AND (attribute_not_exists(#matched_pk) \
                         OR (#matched_pk = :matched_pk AND #matched_sk = :matched_sk))";
        let update = Update::only_if(&key, condition).set("matched_pk", s(&by.pk)).set("matched_sk", s(&by.sk));
        Ok(update.send(&self.table).await?.happened())
    }

    pub(super) async fn read_status(&self, subject: &Subject) -> Result<Option<Status>, StoreError> {
        let key = subject.item(STATUS_SK);
        get(&self.table, &key, None).await?.map(|item| status_from(&item, &key)).transpose()
    }

    pub(super) async fn write_status(
        &self,
        subject: &Subject,
        seen: Option<u64>,
        status: &Status,
    ) -> Result<bool, StoreError> {
        let item = status_item(subject, status);
        let written = match seen {
            // Move against move: a status is folded from what was read; if that moved on, the fold starts over.
            Some(seen) => put_if(&self.table, item, "#version = :seen", &[("seen", n(seen))]).await?,
            // First move against first move.
            None => put_if(&self.table, item, "attribute_not_exists(#pk)", &[]).await?,
        };
        Ok(written.happened())
    }
}
