//! What is wanted for each kind of event.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::json;
use sha2::{Digest, Sha256};

use super::{Content, SortKey, Wanted};
use crate::hour::truth::{Balance, Fact, Told};

/// What is wanted for each event, in the same order.
pub fn wanted(truth: &[Told]) -> Vec<Wanted> {
    let mut known = Known::default();
    for told in truth {
        known.read(&told.fact);
    }
    truth.iter().map(|told| of(told, &mut known)).collect()
}

/// What takes a look at more events than one.
#[derive(Default)]
struct Known {
    /// Attempts that look the same are told apart by counting them.
    alike: BTreeMap<String, u32>,
    /// How many extracts have this id.
    extracts: BTreeMap<String, usize>,
    /// How many statuses have this key.
    keys: BTreeMap<String, usize>,
    /// Merchants whose present status, or one before it, was stamped ahead.
    ahead: BTreeSet<String>,
}

impl Known {
    fn read(&mut self, fact: &Fact) {
        match fact {
            Fact::Extract { event_id, .. } => *self.extracts.entry(event_id.clone()).or_default() += 1,
            Fact::Status { idempotency_key, .. } => *self.keys.entry(idempotency_key.clone()).or_default() += 1,
            _ => {}
        }
    }
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
            again: None,
            is_ahead: false,
            summary: Vec::new(),
            may_be_overtaken: false,
            loss: None,
        }
    }
}

fn of(told: &Told, known: &mut Known) -> Wanted {
    match &told.fact {
        Fact::Batch { batch_id, balances } => batch(batch_id, balances),
        Fact::Extract { event_id, data } => {
            let sk = format!("event#{event_id}");
            let twice = known.extracts.get(event_id).is_some_and(|count| *count > 1);
            Wanted {
                pushed: if twice { SortKey::Content(sk.clone(), data.clone()) } else { SortKey::Whole(sk.clone()) },
                rows: vec![("data".into(), Content::Document(data.clone()))],
                summary: vec![("data_bytes", data.len().into())],
                loss: Some(format!("event#lost#{}", told.delivery_id)),
                ..Wanted::bare(format!("fynapse#event#{event_id}"), sk)
            }
        }
        Fact::Plain { subject, entry, rows } => Wanted {
            rows: rows.iter().map(|sk| (sk.clone(), Content::Any)).collect(),
            ..Wanted::bare(subject.clone(), entry.clone())
        },
        Fact::Statement { entity_id, statement_id, progress, overtaken, .. } => {
            Wanted { may_be_overtaken: *overtaken, ..statement(entity_id, statement_id, progress) }
        }
        Fact::Attempt { entity_id, link_id, reason } => {
            let mark: String = hex::encode(Sha256::digest(reason)).chars().take(32).collect();
            let looks = format!("event#attempt#{}#failed#{mark}", link_id.as_deref().unwrap_or(""));
            let n = known.alike.entry(format!("{entity_id} {looks}")).and_modify(|n| *n += 1).or_insert(1);
            Wanted {
                rows: vec![(format!("failure#none#{mark}"), Content::Column("reason", Some(reason.clone())))],
                summary: vec![("progress", "failed".into())],
                ..Wanted::bare(format!("finbox#entity#{entity_id}"), format!("{looks}#{n}"))
            }
        }
        Fact::Session { session_id, accounts, failed_accounts } => Wanted {
            rows: vec![("upload".into(), Content::Column("upload_status", Some("COMPLETED".into())))],
            may_hold: &["progress"],
            ..session("SESSION_REQUIREMENT_COMPLETION_NOTIFICATION", session_id, *accounts, *failed_accounts)
        },
        Fact::Enrichment { session_id, accounts, failed_accounts } => Wanted {
            rows: vec![
                ("progress".into(), Content::Column("session_progress", Some("completed".into()))),
                ("upload".into(), Content::Any),
            ],
            ..session("ENRICHMENT_NOTIFICATION", session_id, *accounts, *failed_accounts)
        },
        Fact::Expiry { session_id, deleted } => expiry(session_id, *deleted),
        Fact::Status { merchant_id, status, idempotency_key, ahead } => {
            if *ahead {
                known.ahead.insert(merchant_id.clone());
            }
            Wanted { is_ahead: *ahead, ..self::status(merchant_id, status, idempotency_key, known) }
        }
        Fact::Movement { event_type, source_id, amount, idempotency_key } => {
            movement(event_type, source_id, amount, idempotency_key)
        }
    }
}

/// Every row is kept, also where one authorizer has several: the second under a key of its own.
fn batch(batch_id: &str, balances: &[Balance]) -> Wanted {
    let mut times: BTreeMap<&str, u32> = BTreeMap::new();
    let mut rows = Vec::new();
    for Balance { authorizer, amount } in balances {
        let n = times.entry(authorizer).and_modify(|n| *n += 1).or_insert(1);
        let sk = if *n == 1 { format!("balance#{authorizer}") } else { format!("balance#{authorizer}#{n}") };
        rows.push((sk, Content::Column("balance", amount.clone())));
    }
    Wanted {
        rows,
        summary: vec![("balances", balances.len().into())],
        ..Wanted::bare(format!("rightfoot#batch#{batch_id}"), format!("event#BALANCE_BATCH_COMPLETED#{batch_id}"))
    }
}

fn statement(entity_id: &str, statement_id: &str, progress: &str) -> Wanted {
    let rows = if progress == "completed" {
        let shown = Content::Completed(statement_id.to_string());
        vec![("transactions".into(), shown), ("accounts".into(), Content::Any)]
    } else {
        vec![(format!("failure#{statement_id}"), Content::Column("progress", Some("failed".into())))]
    };
    let pushed = format!("event#statement#{statement_id}#{progress}");
    let summary = vec![("progress", progress.into())];
    Wanted { rows, summary, ..Wanted::bare(format!("finbox#entity#{entity_id}"), pushed) }
}

/// What asking tells of a session is that it was processed, and so that it had all it needed.
fn session(event_name: &str, session_id: &str, accounts: u64, failed_accounts: u64) -> Wanted {
    Wanted {
        pushed: SortKey::Start(format!("event#{event_name}#{session_id}#")),
        polled: Some(format!("event#SESSION_PROGRESS_COMPLETED#{session_id}")),
        summary: vec![
            ("session_id", session_id.into()),
            ("accounts", accounts.into()),
            ("failed_accounts", failed_accounts.into()),
        ],
        ..Wanted::bare(format!("finbox#session#{session_id}"), String::new())
    }
}

/// One that is gone has no row: all that is known is that.
fn expiry(session_id: &str, deleted: bool) -> Wanted {
    let upload = ("upload".to_string(), Content::Column("upload_status", Some("EXPIRED".into())));
    let status = if deleted { "deleted" } else { "EXPIRED" };
    Wanted {
        pushed: SortKey::Start(format!("event#SESSION_EXPIRY_NOTIFICATION#{session_id}#")),
        rows: if deleted { Vec::new() } else { vec![upload] },
        summary: vec![("session_id", session_id.into()), ("upload_status", status.into())],
        ..Wanted::bare(format!("finbox#session#{session_id}"), String::new())
    }
}

/// Under a key that it shares with another status, its type tells it apart.
fn status(merchant_id: &str, status: &str, idempotency_key: &str, known: &Known) -> Wanted {
    let sk = format!("event#{idempotency_key}");
    let shared = known.keys.get(idempotency_key).is_some_and(|count| *count > 1);
    let pushed = if shared { SortKey::OfType(sk, format!("merchant.{status}")) } else { SortKey::Whole(sk) };
    let again = || (format!("event#listing#{merchant_id}#{status}#2"), format!("fact#{status}#000002"));
    Wanted {
        pushed,
        again: known.ahead.contains(merchant_id).then(again),
        polled: Some(format!("event#listing#{merchant_id}#{status}#1")),
        fact: Some(format!("fact#{status}#000001")),
        summary: vec![("status", status.into())],
        ..Wanted::bare(format!("runpayments#merchant#{merchant_id}"), String::new())
    }
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
