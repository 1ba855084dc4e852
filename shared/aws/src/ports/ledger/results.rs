//! What work leaves behind: result rows, status facts, the current status.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::model::row::{MAX_ALIKE_ROWS, Row, Snapshot, nth_sk};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Results, StoreError};

use super::item::{
    FACT_PREFIX, Item, RowAt, STATUS_SK, fact_from, fact_item, key_of, ms, n, row_item, s, status_from, status_item,
};
use super::read::{collection, get, get_all_whole, walk};
use super::table::DynamoLedger;
use super::write::{Update, Written, put_if};
use crate::ports::clock::now;

/// Rows written at the same time.
const ROWS_IN_FLIGHT: usize = 25;
/// More facts than a subject can have: a status would have to be reached ten thousand times.
const MAX_FACTS: usize = 10_000;

impl Results for DynamoLedger {
    async fn put_rows(&self, subject: &Subject, rows: &[Row], snapshot: &Snapshot) -> Result<(), StoreError> {
        let at = |place| RowAt { asked_at: snapshot.asked_at, place };
        // Rows under one key go one after the other: their numbers follow the order of the answer.
        let mut by_key: BTreeMap<&str, Vec<(&Row, RowAt)>> = BTreeMap::new();
        for (row, index) in rows.iter().zip(0..) {
            by_key.entry(row.sk.as_str()).or_default().push((row, at(snapshot.place_of(row, index))));
        }
        let written = stream::iter(by_key.into_values()).map(|alike| async move {
            for (row, at) in alike {
                self.write_row(subject, row, &at, snapshot.walk).await?;
            }
            Ok(())
        });
        written.buffer_unordered(ROWS_IN_FLIGHT).try_collect().await
    }

    async fn facts(&self, subject: &Subject) -> Result<Vec<Fact>, StoreError> {
        let items = walk(collection(&self.table, subject.as_str(), FACT_PREFIX), MAX_FACTS).await?;
        let fact = |item: &Item| fact_from(item, &key_of(item).unwrap_or_else(|| subject.item(FACT_PREFIX)));
        items.iter().map(fact).collect()
    }

    async fn put_fact(&self, subject: &Subject, fact: &Fact) -> Result<bool, StoreError> {
        // Push against poll: whichever entry writes the fact owns its effect; the other settles as already known.
        Ok(put_if(&self.table, fact_item(subject, fact), "attribute_not_exists(#pk)", &[]).await?.happened())
    }

    async fn match_fact(&self, subject: &Subject, status: &str, number: u32, by: &ItemKey) -> Result<bool, StoreError> {
        let key = subject.item(Fact::sk(status, number));
        // Delivery against delivery: two pushes of the same status are two facts, so only one of them may be taken for
        // this one. The same push again, after a crash, is still the one.
        let condition = "attribute_exists(#pk) AND (attribute_not_exists(#matched_pk) \
                         OR (#matched_pk = :matched_pk AND #matched_sk = :matched_sk))";
        let update = Update::only_if(&key, condition).set("matched_pk", s(&by.pk)).set("matched_sk", s(&by.sk));
        Ok(update.send(&self.table).await?.happened())
    }

    async fn status(&self, subject: &Subject) -> Result<Option<Status>, StoreError> {
        let key = subject.item(STATUS_SK);
        get(&self.table, &key, None).await?.map(|item| status_from(&item, &key)).transpose()
    }

    async fn move_status(&self, subject: &Subject, seen: Option<u64>, status: &Status) -> Result<bool, StoreError> {
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

impl DynamoLedger {
    /// The current status of each of these subjects that has one, for people.
    pub async fn statuses(
        &self,
        subjects: &[Subject],
    ) -> Result<BTreeMap<Subject, Result<Status, StoreError>>, StoreError> {
        let keys: Vec<ItemKey> = subjects.iter().map(|subject| subject.item(STATUS_SK)).collect();
        let items = get_all_whole(&self.table, &keys).await?;
        let known = |item: &Item| {
            let key = key_of(item)?;
            Some((key.subject(), status_from(item, &key)))
        };
        Ok(items.iter().filter_map(known).collect())
    }

    async fn write_row(&self, subject: &Subject, row: &Row, at: &RowAt, walk: UnixMs) -> Result<(), StoreError> {
        let expires_at = self.end_of(now());
        for nth in 1..=MAX_ALIKE_ROWS {
            let key = subject.item(nth_sk(&row.sk, nth));
            let document = self.store_bytes(&key, &row.document, expires_at).await?;
            let item = row_item(&key, row, at, document, expires_at);
            // Answer against answer: the one that was asked for later stands, whichever comes last. And row against row:
            // what was asked for since this walk began, and has another place, is another row; it stays, and this one goes
            // under the next number.
            let condition = "attribute_not_exists(#asked_at) OR #asked_at < :walk \
                             OR (#asked_at <= :asked_at AND #place = :place)";
            let values = [("asked_at", ms(at.asked_at)), ("walk", ms(walk)), ("place", n(at.place))];
            match put_if(&self.table, item, condition, &values).await? {
                Written::Lost(there) if at.is_beside(&there) => {}
                Written::Done(_) | Written::Lost(_) => return Ok(()),
            }
        }
        Err(StoreError::Refused("more than 100 rows of one answer stand under one key"))
    }
}
