//! What the ledger has to hold for each event of the truth.
//!
//! The keys are spelled out here as ARCHITECTURE.md documents them, and not derived by the code that wrote them: a
//! mistake there would otherwise be made on both sides.

use std::collections::BTreeMap;

use hookledger_core::identity::ItemKey;

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
    /// The status fact that carries its effect, if it is not the entry.
    pub fact: Option<String>,
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
    truth.iter().map(|told| of(&told.fact, &mut alike)).collect()
}

fn of(fact: &Fact, alike: &mut BTreeMap<String, u32>) -> Wanted {
    match fact {
        Fact::Batch { batch_id, balances } => batch(batch_id, balances),
        Fact::Extract { event_id, data } => Wanted {
            subject: format!("fynapse#event#{event_id}"),
            pushed: SortKey::Whole(format!("event#{event_id}")),
            polled: None,
            rows: vec![("data".into(), Content::Document(data.clone()))],
            fact: None,
        },
        Fact::Statement { entity_id, statement_id, progress, .. } => statement(entity_id, statement_id, progress),
        Fact::Attempt { entity_id, link_id, reason } => {
            let looks = format!("event#attempt#{}#failed#{reason}", link_id.as_deref().unwrap_or(""));
            let n = alike.entry(format!("{entity_id} {looks}")).and_modify(|n| *n += 1).or_insert(1);
            Wanted {
                subject: format!("finbox#entity#{entity_id}"),
                pushed: SortKey::Whole(format!("{looks}#{n}")),
                polled: None,
                rows: vec![(format!("failure#none#{reason}"), Content::Column("reason", Some(reason.clone())))],
                fact: None,
            }
        }
        Fact::Session { session_id } => Wanted {
            subject: format!("finbox#session#{session_id}"),
            pushed: SortKey::Start(format!("event#SESSION_REQUIREMENT_COMPLETION_NOTIFICATION#{session_id}#")),
            polled: Some(format!("event#SESSION_PROGRESS_COMPLETED#{session_id}")),
            rows: vec![("progress".into(), Content::Column("session_progress", Some("completed".into())))],
            fact: None,
        },
        Fact::Status { merchant_id, status, idempotency_key } => Wanted {
            subject: format!("runpayments#merchant#{merchant_id}"),
            pushed: SortKey::Whole(format!("event#{idempotency_key}")),
            polled: Some(format!("event#listing#{merchant_id}#{status}#1")),
            rows: Vec::new(),
            fact: Some(format!("fact#{status}#000001")),
        },
        Fact::Movement { event_type, source_id, idempotency_key } => Wanted {
            subject: format!("runpayments#{}#{source_id}", event_type.split('.').next().unwrap_or_default()),
            pushed: SortKey::Whole(format!("event#{idempotency_key}")),
            polled: None,
            rows: Vec::new(),
            fact: None,
        },
    }
}

fn batch(batch_id: &str, balances: &[Option<String>]) -> Wanted {
    let row = |(n, amount): (usize, &Option<String>)| {
        (format!("balance#authorizer-{n}"), Content::Column("balance", amount.clone()))
    };
    Wanted {
        subject: format!("rightfoot#batch#{batch_id}"),
        pushed: SortKey::Whole(format!("event#BALANCE_BATCH_COMPLETED#{batch_id}")),
        polled: None,
        rows: balances.iter().enumerate().map(row).collect(),
        fact: None,
    }
}

fn statement(entity_id: &str, statement_id: &str, progress: &str) -> Wanted {
    let rows = if progress == "completed" {
        vec![("transactions".into(), Content::Any), ("accounts".into(), Content::Any)]
    } else {
        vec![(format!("failure#{statement_id}"), Content::Column("progress", Some("failed".into())))]
    };
    Wanted {
        subject: format!("finbox#entity#{entity_id}"),
        pushed: SortKey::Whole(format!("event#statement#{statement_id}#{progress}")),
        polled: None,
        rows,
        fact: None,
    }
}
