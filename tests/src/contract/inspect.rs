//! What both ledgers show beyond the port.

use std::collections::BTreeMap;

use hookledger_aws::ports::ledger::DynamoLedger;
use hookledger_core::model::debt::DueKey;
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::Row;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Quarantine;

use super::{Inspect, ReadRow};
use crate::memory::MemoryLedger;

/// More rows than any case writes.
const ALL: usize = 1000;

impl Inspect for MemoryLedger {
    async fn rows_of(&self, subject: &Subject, prefix: &str) -> BTreeMap<String, ReadRow> {
        let read = |row: Row| {
            let columns = row.columns.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
            (row.sk, ReadRow { columns, document: row.document })
        };
        self.rows(subject).into_iter().filter(|row| row.sk.starts_with(prefix)).map(read).collect()
    }

    async fn parked(&self) -> Vec<DueKey> {
        self.parked()
    }

    async fn refusals(&self, provider: ProviderId, day: &str) -> Vec<Refused> {
        self.refusals().into_iter().filter(|refused| refused.provider == provider && refused.at.day() == day).collect()
    }

    async fn expires_at(&self, key: &ItemKey) -> Option<UnixMs> {
        self.expires_at(key)
    }
}

impl Inspect for DynamoLedger {
    async fn rows_of(&self, subject: &Subject, prefix: &str) -> BTreeMap<String, ReadRow> {
        let rows = self.rows(subject.as_str(), prefix).await.expect("the store answers");
        let read = |row: hookledger_aws::ports::ledger::StoredRow| {
            (row.sk, ReadRow { columns: row.columns.into_iter().collect(), document: row.document })
        };
        rows.into_iter().map(read).collect()
    }

    async fn parked(&self) -> Vec<DueKey> {
        let mut parked = self.list_parked(ALL).await.expect("the store answers");
        parked.sort_by(|a, b| (a.due_at, &a.key).cmp(&(b.due_at, &b.key)));
        parked
    }

    async fn refusals(&self, provider: ProviderId, day: &str) -> Vec<Refused> {
        let kept = self.kept(provider, day, None, ALL).await.expect("the store answers");
        kept.into_iter().map(|kept| kept.refused).collect()
    }

    async fn expires_at(&self, key: &ItemKey) -> Option<UnixMs> {
        let story = self.story(&key.pk).await.expect("the store answers");
        let row = story.into_iter().find(|line| line.key == *key)?;
        let (_, secs) = row.columns.into_iter().find(|(name, _)| name == "expires_at")?;
        Some(UnixMs::from_secs(secs.parse().expect("the end is a number of seconds")))
    }
}
