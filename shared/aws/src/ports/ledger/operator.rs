//! What a person asks of the ledger: what is parked, what came in lately, what was refused, and a subject's story.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hookledger_core::flows::reconcile::Report;
use hookledger_core::model::act::Act;
use hookledger_core::model::debt::{DUE_SHARDS, Debt, DueKey, RECONCILER_PK, shard_name};
use hookledger_core::model::entry::Origin;
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::StoreError;

use super::desk::{HISTORY, acts};
use super::item::{
    Item, RECENT_SHARDS, Reader, key_attributes, key_of, ms, n, origin, put, recent_shard_name, row_from, s,
};
use super::owed::{debt_from, due_key};
use super::read::{collection, get, get_all, parked, query, walk, walk_wanted};
use super::schema::{DUE_INDEX, RECENT_INDEX};
use super::table::DynamoLedger;
use super::write::put_if;

/// Partitions asked at the same time.
const CONCURRENT_QUERIES: usize = 8;
/// The most rows of one subject that are shown.
pub const MAX_STORY: usize = 100_000;
/// How the sort keys of the reconciler's last runs begin.
const RUN_PREFIX: &str = "run#";
/// How the sort keys of entries begin.
const ENTRY_PREFIX: &str = "event#";
/// Rows of a page that is filtered.
const FILTERED_PAGE: usize = 4_000;
/// More runs than there are ranges of shards.
const MAX_RUNS: usize = 100;

/// An entry, as the index of what came in lists it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pointer {
    /// The entry's key.
    pub key: ItemKey,
    /// When it came in.
    pub received_at: UnixMs,
    /// The provider's own name for its type.
    pub event_type: String,
    /// Push or poll.
    pub origin: Option<Origin>,
    /// The id of the secret or token that proved it.
    pub proof: Option<String>,
}

/// A refused delivery that was kept, without its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedLine {
    /// When it came.
    pub at: UnixMs,
    /// Why it was refused, in a word.
    pub code: String,
    /// The address that it came from.
    pub source_ip: Option<String>,
}

/// Which entries of the index are listed: those that have what is named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Filter<'a> {
    /// The provider.
    pub provider: Option<&'a str>,
    /// The type, as the provider names it.
    pub event_type: Option<&'a str>,
    /// Push or poll.
    pub origin: Option<&'a str>,
}

impl Filter<'_> {
    fn named(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let all = [("provider", self.provider), ("event_type", self.event_type), ("origin", self.origin)];
        all.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    fn is_open(&self) -> bool {
        self.named().next().is_none()
    }

    /// The query, filtered where the table is: what does not fit is not sent.
    fn of(&self, mut query: QueryFluentBuilder) -> QueryFluentBuilder {
        // The index of a table that an earlier version made has the keys alone: whoever asked looks at the rows.
        let term = |(name, _)| format!("(#{name} = :{name} OR attribute_not_exists(#{name}))");
        let terms: Vec<String> = self.named().map(term).collect();
        if terms.is_empty() {
            return query;
        }
        for (name, value) in self.named() {
            query = query.expression_attribute_names(format!("#{name}"), name);
            query = query.expression_attribute_values(format!(":{name}"), s(value));
        }
        query.filter_expression(terms.join(" AND "))
    }
}

/// A run of the reconciler, as it left word of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ran {
    /// The shards it was for, `00-63`.
    pub shards: String,
    /// When it was over.
    pub at: UnixMs,
    /// What it did.
    pub report: Report,
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
    /// What waits for a person, the latest first: at most `limit` of each shard, so `limit` at least if there are as many.
    /// `due_at` is since when.
    pub async fn list_parked(&self, limit: usize) -> Result<Vec<DueKey>, StoreError> {
        let of_shard = |shard| walk(parked(&self.table, shard).scan_index_forward(false), limit);
        let mut found = self.of_shards(of_shard).await?;
        found.sort_by(|a, b| (b.due_at, &a.key).cmp(&(a.due_at, &b.key)));
        Ok(found)
    }

    /// What is owed, the oldest first; of each shard at most `limit`.
    pub async fn list_owed(&self, limit: usize) -> Result<Vec<DueKey>, StoreError> {
        let of_shard = |shard| {
            let query = query(&self.table, "#due_shard = :shard").index_name(DUE_INDEX);
            walk(query.expression_attribute_values(":shard", s(shard_name(shard))), limit)
        };
        let mut found = self.of_shards(of_shard).await?;
        found.sort_by(|a, b| (a.due_at, &a.key).cmp(&(b.due_at, &b.key)));
        Ok(found)
    }

    async fn of_shards<F: Future<Output = Result<Vec<Item>, StoreError>>>(
        &self,
        of_shard: impl Fn(u8) -> F,
    ) -> Result<Vec<DueKey>, StoreError> {
        let shards = stream::iter(0..DUE_SHARDS).map(of_shard).buffered(CONCURRENT_QUERIES);
        let items: Vec<Vec<Item>> = shards.try_collect().await?;
        items.iter().flatten().map(due_key).collect()
    }

    /// Entries that came in on the UTC day of `until`, from `since` to `until`, the latest first: the first `limit` that
    /// the filter takes.
    pub async fn list_recent(
        &self,
        since: UnixMs,
        until: UnixMs,
        limit: usize,
        filter: &Filter<'_>,
    ) -> Result<Vec<Pointer>, StoreError> {
        let day = until.day();
        // Where nothing is filtered, so many of each shard are enough; else a page is long, since most of it goes.
        let page = if filter.is_open() { limit.min(FILTERED_PAGE) } else { FILTERED_PAGE };
        let of_shard = |shard| {
            let query = query(&self.table, "#recent_shard = :shard AND #received_at BETWEEN :since AND :until")
                .index_name(RECENT_INDEX)
                .expression_attribute_values(":shard", s(recent_shard_name(&day, shard)))
                .expression_attribute_values(":since", ms(since))
                .expression_attribute_values(":until", ms(until))
                .scan_index_forward(false)
                .limit(i32::try_from(page).unwrap_or(i32::MAX).max(1));
            walk_wanted(filter.of(query), limit, pointer)
        };
        let shards = stream::iter(0..RECENT_SHARDS).map(of_shard).buffered(CONCURRENT_QUERIES);
        let found: Vec<Vec<Pointer>> = shards.try_collect().await?;
        let mut recent: Vec<Pointer> = found.into_iter().flatten().collect();
        recent.sort_by(|a, b| (b.received_at, &a.key).cmp(&(a.received_at, &b.key)));
        recent.truncate(limit);
        Ok(recent)
    }

    /// The entries of a subject.
    pub async fn entries_of(&self, subject: &str) -> Result<Vec<ItemKey>, StoreError> {
        let query = collection(&self.table, subject, ENTRY_PREFIX).projection_expression("#pk, #sk");
        Ok(walk(query, MAX_STORY).await?.iter().filter_map(key_of).collect())
    }

    /// What is known of these rows, without bodies. One that is gone is left out; one that this version can't read says so.
    pub async fn look_at(&self, keys: &[ItemKey]) -> Result<BTreeMap<ItemKey, Result<Debt, StoreError>>, StoreError> {
        let items = get_all(&self.table, keys).await?;
        let known = |item: &Item| Some((key_of(item)?, debt_from(item, &key_of(item)?)));
        Ok(items.iter().filter_map(known).collect())
    }

    /// Leaves word of a run, for people: one row for each range of shards, the last run's.
    pub async fn record_run(&self, shards: &RangeInclusive<u8>, at: UnixMs, report: &Report) -> Result<(), StoreError> {
        let range = format!("{:02}-{:02}", shards.start(), shards.end());
        let mut item = key_attributes(&ItemKey { pk: RECONCILER_PK.into(), sk: format!("{RUN_PREFIX}{range}") });
        put(&mut item, "at", ms(at));
        let counts = [
            ("due", report.due),
            ("carried_out", report.carried_out),
            ("left", report.left),
            ("failed", report.failed),
        ];
        for (name, count) in counts {
            put(&mut item, name, n(count as u64));
        }
        put(&mut item, "oldest_secs", n(report.oldest_secs));
        // Run against run, where one lasts longer than a minute: the later one's word stands.
        put_if(&self.table, item, "attribute_not_exists(#pk) OR #at < :at", &[("at", ms(at))]).await.map(drop)
    }

    /// The last run of each range of shards.
    pub async fn list_runs(&self) -> Result<Vec<Ran>, StoreError> {
        let rows = walk(collection(&self.table, RECONCILER_PK, RUN_PREFIX), MAX_RUNS).await?;
        let ran = |item: &Item| {
            let key = key_of(item).unwrap_or_else(|| ItemKey { pk: RECONCILER_PK.into(), sk: RUN_PREFIX.into() });
            let reader = Reader::new(item, &key);
            let report = Report {
                due: reader.number("due")?,
                carried_out: reader.number("carried_out")?,
                left: reader.number("left")?,
                failed: reader.number("failed")?,
                oldest_secs: reader.number("oldest_secs")?,
            };
            let shards = key.sk.trim_start_matches(RUN_PREFIX).to_string();
            Ok(Ran { shards, at: reader.instant("at")?, report })
        };
        rows.iter().map(ran).collect()
    }

    /// What was refused of a provider on the UTC day of `until`, and kept, from `since` to `until`: the latest `limit`.
    pub async fn refused_between(
        &self,
        provider: ProviderId,
        since: UnixMs,
        until: UnixMs,
        limit: usize,
    ) -> Result<Vec<RefusedLine>, StoreError> {
        let minute = |at: UnixMs| at.to_string().chars().take("2026-11-22T10:15".len()).collect::<String>();
        let query = query(&self.table, "#pk = :pk AND #sk BETWEEN :first AND :last")
            .expression_attribute_values(":pk", s(Refused::collection(provider, &until.day())))
            .expression_attribute_values(":first", s(minute(since)))
            // After every slot of its minute.
            .expression_attribute_values(":last", s(format!("{}#~", minute(until))))
            .projection_expression("#pk, #sk, #refused_at, #code, #source_ip")
            .expression_attribute_names("#refused_at", "refused_at")
            .expression_attribute_names("#code", "code")
            .expression_attribute_names("#source_ip", "source_ip")
            .scan_index_forward(false);
        let line = |item: &Item| {
            let key = key_of(item)?;
            let reader = Reader::new(item, &key);
            let at = reader.optional_instant("refused_at").filter(|at| (since..=until).contains(at))?;
            let code = reader.optional_text("code").unwrap_or_default();
            Some(RefusedLine { at, code, source_ip: reader.optional_text("source_ip") })
        };
        walk_wanted(query, limit, line).await
    }

    /// Whether anything is known about a subject.
    pub async fn is_known(&self, pk: &str) -> Result<bool, StoreError> {
        Ok(!walk(collection(&self.table, pk, "").projection_expression("#pk"), 1).await?.is_empty())
    }

    /// Every row of a subject, in the order of their sort keys.
    pub async fn story(&self, pk: &str) -> Result<Vec<StoryLine>, StoreError> {
        let items = walk(collection(&self.table, pk, ""), MAX_STORY).await?;
        Ok(items.iter().filter_map(story_line).collect())
    }

    /// One row of a subject.
    pub async fn story_of(&self, key: &ItemKey) -> Result<Option<StoryLine>, StoreError> {
        Ok(get(&self.table, key, None).await?.as_ref().and_then(story_line))
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
    let reader = Reader::new(item, &key);
    let text = |name: &str| reader.optional_text(name);
    let (received_at, event_type) = (reader.optional_instant("received_at")?, text("event_type").unwrap_or_default());
    let (origin, proof) = (text("origin").and_then(|text| origin(&text)), text("proof"));
    Some(Pointer { key, received_at, event_type, origin, proof })
}

/// An act on one line.
fn told(Act { at, by, what, why }: &Act) -> String {
    let why = why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
    format!("{at} {what} by {by}{why}")
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
            AttributeValue::L(_) if name == HISTORY => {
                let acts = acts(item, &key);
                columns.extend(acts.iter().zip(1..).map(|(act, n)| (format!("{HISTORY} {n}"), told(act))));
            }
            AttributeValue::M(_) => columns.extend(Reader::new(item, &key).texts(name)),
            _ => {}
        }
    }
    columns.sort();
    Some(StoryLine { key, state, columns })
}
