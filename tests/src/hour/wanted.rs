//! What the ledger has to hold for each event of the truth.
//!
//! The keys are spelled out here as ARCHITECTURE.md documents them, and not derived by the code that wrote them: a
//! mistake there would otherwise be made on both sides.

use std::collections::BTreeMap;

use hookledger_core::identity::ItemKey;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::held::{Held, Row};
use super::truth::{Fact, Told};

/// Where one event is looked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The subject's partition key.
    pub subject: String,
    /// The entry of its webhook; where the sort key ends in a digest, all but the digest.
    pub pushed: SortKey,
    /// The entry of its own that asking makes, where asking can't make the same one.
    pub polled: Option<String>,
    /// The result rows.
    pub rows: Vec<(String, Content)>,
    /// Rows that may be there or not: which of two ways came first decides.
    pub may_hold: &'static [&'static str],
    /// The status fact that carries its effect, if it is not the entry.
    pub fact: Option<String>,
    /// What the summary of the published detail has to say.
    pub summary: Vec<(&'static str, Value)>,
    /// The row that reports its loss, where the provider's audit tells of losses.
    pub loss: Option<String>,
}

/// A sort key, known in whole or up to its last part.
#[derive(Clone, Debug)]
pub enum SortKey {
    /// All of it.
    Whole(String),
    /// Its start.
    Start(String),
}

/// What must be in a result row.
#[derive(Clone, Debug)]
pub enum Content {
    /// It has to be there.
    Any,
    /// This column has this text, or is absent.
    Column(&'static str, Option<String>),
    /// The document is this text.
    Document(String),
}

impl Content {
    /// Whether the row has it.
    pub fn is_in(&self, row: &Row) -> bool {
        match self {
            Self::Any => true,
            Self::Column(name, text) => row.columns.get(*name) == text.as_ref(),
            Self::Document(text) => row.document.as_ref() == Some(text),
        }
    }
}

impl Wanted {
    /// The keys of those of its entries that are held, and whether each is the webhook's.
    pub fn carriers(&self, held: &Held) -> Vec<(ItemKey, bool)> {
        let whole = |sk: &String| {
            let key = ItemKey { pk: self.subject.clone(), sk: sk.clone() };
            held.entries.contains_key(&key).then_some(key)
        };
        let pushed = match &self.pushed {
            SortKey::Whole(sk) => whole(sk),
            SortKey::Start(start) => {
                let from = ItemKey { pk: self.subject.clone(), sk: start.clone() };
                let (key, _) = held.entries.range(from..).next().unzip();
                key.filter(|key| key.pk == self.subject && key.sk.starts_with(start)).cloned()
            }
        };
        let polled = self.polled.as_ref().and_then(whole);
        pushed.map(|key| (key, true)).into_iter().chain(polled.map(|key| (key, false))).collect()
    }

    /// The key of one of the subject's rows.
    pub fn row(&self, sk: &str) -> ItemKey {
        ItemKey { pk: self.subject.clone(), sk: sk.to_string() }
    }
}

/// What is wanted for each event, in the same order.
pub fn wanted(truth: &[Told]) -> Vec<Wanted> {
    // Attempts that look the same are told apart by counting them.
    let mut alike: BTreeMap<String, u32> = BTreeMap::new();
    truth.iter().map(|told| of(told, &mut alike)).collect()
}

impl Wanted {
    /// An event whose entry can be told from its webhook and from asking alike, and that has no results.
    fn bare(subject: String, pushed: String) -> Self {
        Self {
            subject,
            pushed: SortKey::Whole(pushed),
            polled: None,
            rows: Vec::new(),
            may_hold: &[],
            fact: None,
            summary: Vec::new(),
            loss: None,
        }
    }
}

fn of(told: &Told, alike: &mut BTreeMap<String, u32>) -> Wanted {
    match &told.fact {
        Fact::Batch { batch_id, balances } => batch(batch_id, balances),
        Fact::Extract { event_id, data } => Wanted {
            rows: vec![("data".into(), Content::Document(data.clone()))],
            summary: vec![("data_bytes", data.len().into())],
            loss: Some(format!("event#lost#{}", told.delivery_id)),
            ..Wanted::bare(format!("fynapse#event#{event_id}"), format!("event#{event_id}"))
        },
        Fact::Statement { entity_id, statement_id, progress, .. } => statement(entity_id, statement_id, progress),
        Fact::Attempt { entity_id, link_id, reason } => {
            let mark: String = hex::encode(Sha256::digest(reason)).chars().take(32).collect();
            let looks = format!("event#attempt#{}#failed#{mark}", link_id.as_deref().unwrap_or(""));
            let n = alike.entry(format!("{entity_id} {looks}")).and_modify(|n| *n += 1).or_insert(1);
            Wanted {
                rows: vec![(format!("failure#none#{mark}"), Content::Column("reason", Some(reason.clone())))],
                summary: vec![("progress", "failed".into())],
                ..Wanted::bare(format!("finbox#entity#{entity_id}"), format!("{looks}#{n}"))
            }
        }
        Fact::Session { session_id } => Wanted {
            pushed: SortKey::Start(format!("event#SESSION_REQUIREMENT_COMPLETION_NOTIFICATION#{session_id}#")),
            polled: Some(format!("event#SESSION_PROGRESS_COMPLETED#{session_id}")),
            rows: vec![("upload".into(), Content::Column("upload_status", Some("COMPLETED".into())))],
            may_hold: &["progress"],
            summary: vec![("session_id", session_id.as_str().into())],
            ..Wanted::bare(format!("finbox#session#{session_id}"), String::new())
        },
        Fact::Status { merchant_id, status, idempotency_key } => Wanted {
            polled: Some(format!("event#listing#{merchant_id}#{status}#1")),
            fact: Some(format!("fact#{status}#000001")),
            summary: vec![("status", status.as_str().into())],
            ..Wanted::bare(format!("runpayments#merchant#{merchant_id}"), format!("event#{idempotency_key}"))
        },
        Fact::Movement { event_type, source_id, amount, idempotency_key } => {
            movement(event_type, source_id, amount, idempotency_key)
        }
    }
}

fn batch(batch_id: &str, balances: &[Option<String>]) -> Wanted {
    let row = |(n, amount): (usize, &Option<String>)| {
        (format!("balance#authorizer-{n}"), Content::Column("balance", amount.clone()))
    };
    Wanted {
        rows: balances.iter().enumerate().map(row).collect(),
        summary: vec![("balances", balances.len().into())],
        ..Wanted::bare(format!("rightfoot#batch#{batch_id}"), format!("event#BALANCE_BATCH_COMPLETED#{batch_id}"))
    }
}

fn statement(entity_id: &str, statement_id: &str, progress: &str) -> Wanted {
    let rows = if progress == "completed" {
        vec![("transactions".into(), Content::Any), ("accounts".into(), Content::Any)]
    } else {
        vec![(format!("failure#{statement_id}"), Content::Column("progress", Some("failed".into())))]
    };
    let pushed = format!("event#statement#{statement_id}#{progress}");
    let summary = vec![("progress", progress.into())];
    Wanted { rows, summary, ..Wanted::bare(format!("finbox#entity#{entity_id}"), pushed) }
}

/// What a report tells of, is looked up there, in the digits it was sent with.
fn movement(event_type: &str, source_id: &str, amount: &str, idempotency_key: &str) -> Wanted {
    let kind = event_type.split('.').next().unwrap_or_default();
    let bare = Wanted::bare(format!("runpayments#{kind}#{source_id}"), format!("event#{idempotency_key}"));
    let report = match kind {
        "transaction" => "transactions",
        "chargeback" => "chargebacks",
        "funding" => "deposits",
        _ => return bare,
    };
    Wanted {
        rows: vec![(format!("{report}#0000"), Content::Column("amount", Some(amount.to_string())))],
        summary: vec![("looked_up", json!(true)), ("rows", json!(1))],
        ..bare
    }
}
