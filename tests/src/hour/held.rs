//! What the ledger holds of one run, and what was published about it, read from outside.

use std::collections::{BTreeMap, HashMap};
use std::io::Read;

use aws_sdk_dynamodb::types::AttributeValue;
use flate2::read::DeflateDecoder;
use hookledger_core::model::identity::ItemKey;
use serde_json::Value;

use crate::local::{Local, Outcome};

/// Everything about one run.
#[derive(Clone, Debug, Default)]
pub struct Held {
    /// The entries.
    pub entries: BTreeMap<ItemKey, Entry>,
    /// The result rows.
    pub rows: BTreeMap<ItemKey, Row>,
    /// The status facts' keys.
    pub facts: Vec<ItemKey>,
    /// By fact, the entry whose effect it is.
    pub owners: BTreeMap<ItemKey, ItemKey>,
    /// Subjects' current statuses.
    pub statuses: BTreeMap<String, String>,
    /// Expectations and watches.
    pub waits: BTreeMap<ItemKey, Wait>,
    /// What was published, by its stable id.
    pub published: BTreeMap<String, Vec<Value>>,
}

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// `open`, `done`, `ignored` or `parked`.
    pub state: String,
    /// The provider's name for it, or `delivery.lost`.
    pub event_type: String,
    /// `push` or `poll`.
    pub origin: String,
    /// Why it stands where it stands.
    pub reason: String,
    /// What was delivered, or found, where it is stored beside it.
    pub body: Option<String>,
}

/// A result row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its columns.
    pub columns: BTreeMap<String, String>,
    /// Its document, where it is stored beside it.
    pub document: Option<String>,
}

/// An expectation or a watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wait {
    /// `waiting`, `met`, `closed` or `expired`.
    pub state: String,
    /// Polls so far.
    pub polls: u64,
}

impl Held {
    /// Reads it.
    pub async fn read(local: &Local, run: &str) -> Outcome<Self> {
        let mut held = Self::default();
        for item in local.items(run).await? {
            held.take(&item);
        }
        for detail in local.observer.published_of(run).await? {
            let id = detail["id"].as_str().unwrap_or("none").to_string();
            held.published.entry(id).or_default().push(detail);
        }
        Ok(held)
    }

    /// Whether both hold the same, however often was asked in between.
    pub fn equals(&self, other: &Self) -> bool {
        let entries = (&self.entries, &self.rows) == (&other.entries, &other.rows);
        entries && (&self.facts, &self.statuses, &self.published) == (&other.facts, &other.statuses, &other.published)
    }

    fn take(&mut self, item: &HashMap<String, AttributeValue>) {
        let text = |name: &str| item.get(name).and_then(|value| value.as_s().ok()).cloned().unwrap_or_default();
        let key = ItemKey { pk: text("pk"), sk: text("sk") };
        let kind = key.sk.split('#').next().unwrap_or_default().to_string();
        match kind.as_str() {
            "event" => {
                let (state, event_type) = (text("state"), text("event_type"));
                let (origin, reason, body) = (text("origin"), text("reason"), stored(item, "body"));
                let entry = Entry { state, event_type, origin, reason, body };
                self.entries.insert(key, entry);
            }
            "fact" => {
                self.owners.insert(key.clone(), ItemKey { pk: text("owner_pk"), sk: text("owner_sk") });
                self.facts.push(key);
            }
            "state" => {
                self.statuses.insert(key.pk, text("status"));
            }
            "expectation" | "watch" => {
                let polls = item.get("polls").and_then(|value| value.as_n().ok()?.parse().ok()).unwrap_or_default();
                self.waits.insert(key, Wait { state: text("state"), polls });
            }
            _ => {
                self.rows.insert(key, row(item));
            }
        }
    }
}

fn row(item: &HashMap<String, AttributeValue>) -> Row {
    let columns = item.get("columns").and_then(|value| value.as_m().ok());
    let columns = columns.into_iter().flatten();
    let columns = columns.filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone())));
    Row { columns: columns.collect(), document: stored(item, "document") }
}

/// Bytes that are stored in the item itself, as text: as they came, or deflated.
fn stored(item: &HashMap<String, AttributeValue>, what: &str) -> Option<String> {
    let bytes = item.get(what).and_then(|value| value.as_b().ok())?.as_ref();
    let encoding = item.get(&format!("{what}_encoding")).and_then(|value| value.as_s().ok());
    if encoding.is_some_and(|encoding| encoding == "deflate") {
        let mut text = String::new();
        DeflateDecoder::new(bytes).read_to_string(&mut text).ok()?;
        return Some(text);
    }
    String::from_utf8(bytes.to_vec()).ok()
}
