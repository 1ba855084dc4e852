//! Where the hour's events come true: the provider's state changes first, then there is a webhook to send.
//!
//! Everything is given an id of this run, and what came true is written down in the provider's own words. That record
//! is the truth that a ledger is compared with, so nothing in it comes from the receiver's side.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{Path, State};
use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use super::events::{Accounts, Balance, Happening, Shown};
use super::plan::Plan;
use crate::deliveries::now;
use crate::problem::Problem;
use crate::providers::finbox::control::{put_entity, put_session};
use crate::providers::rightfoot::batches;
use crate::sandbox::Sandbox;

/// Merchants' ids are numbers; a run leaves room for so many.
const MERCHANTS_PER_RUN: u64 = 10_000;

/// The ids of one run of a plan, and what its entities look like by now.
pub(super) struct Stage {
    run: u64,
    /// By entity: the progress of its statements.
    progress: BTreeMap<String, Vec<Value>>,
}

/// Something that came true.
pub(super) struct Fact {
    pub(super) provider: &'static str,
    /// For the record.
    pub(super) told: Value,
    /// For the webhook.
    pub(super) body: Bytes,
}

/// What an application announces before the provider starts.
#[derive(Serialize)]
pub(super) struct Reference {
    provider: &'static str,
    reference: String,
    /// From the start of the hour to what it is needed for first, in real time.
    at_ms: u64,
}

impl Stage {
    pub(super) fn new(run: u64) -> Self {
        Self { run, progress: BTreeMap::new() }
    }

    fn id(&self, kind: &str, number: usize) -> String {
        format!("{kind}-{}-{number}", self.run)
    }

    /// Each reference once, in the order in which it is first needed.
    pub(super) fn references(&self, plan: &Plan, real_ms: impl Fn(u64) -> u64) -> Vec<Reference> {
        let mut references: Vec<Reference> = Vec::new();
        for event in &plan.events {
            let reference = match event.happening {
                Happening::Batch { batch, .. } => self.id("batch", batch),
                Happening::Statement { link: Some(link), .. } | Happening::Attempt { link: Some(link), .. } => {
                    format!("link:{}", self.id("link", link))
                }
                Happening::Statement { entity, .. } => format!("entity:{}", self.id("entity", entity)),
                // Announced by whoever asks for its processing. One that expires is never processed.
                Happening::Enrichment { session, .. } => format!("session:{}", self.id("session", session)),
                _ => continue,
            };
            if !references.iter().any(|known| known.reference == reference) {
                let at_ms = real_ms(event.at_ms);
                references.push(Reference { provider: event.happening.provider(), reference, at_ms });
            }
        }
        references
    }

    /// Makes it true.
    pub(super) async fn happen(&mut self, sandbox: &Arc<Sandbox>, what: &Happening) -> Result<Fact, Problem> {
        let (told, body) = match what {
            Happening::Batch { batch, balances, shown } => self.batch(sandbox, *batch, balances, shown).await?,
            Happening::Extract { extract, amount, .. } => self.extract(*extract, amount),
            Happening::Statement { entity, link, statement, completed, overtaken } => {
                self.statement(sandbox, (*entity, *link), *statement, (*completed, *overtaken)).await?
            }
            Happening::Attempt { entity, link, reason } => self.attempt(sandbox, (*entity, *link), reason).await?,
            Happening::Session { session, accounts } => self.session(sandbox, *session, *accounts, false).await?,
            Happening::Enrichment { session, accounts } => self.session(sandbox, *session, *accounts, true).await?,
            Happening::Expiry { session, deleted } => self.expiry(sandbox, *session, *deleted).await?,
            Happening::Status { merchant, status, key_of, ahead_secs } => {
                self.status(*merchant, status, key_of, *ahead_secs)
            }
            Happening::Plain { provider, number } => self.plain(provider, *number),
            Happening::Movement { number, event_type, amount } => self.movement(*number, event_type, amount),
        };
        Ok(Fact { provider: what.provider(), told, body })
    }

    async fn batch(
        &self,
        sandbox: &Arc<Sandbox>,
        batch: usize,
        balances: &[Balance],
        shown: &Shown,
    ) -> Result<(Value, Bytes), Problem> {
        let batch_id = self.id("batch", batch);
        // Written as text: an amount keeps its digits.
        let row = |Balance { authorizer, amount }: &Balance| {
            let (amount, code) = amount.as_deref().map_or(("null", 3000), |amount| (amount, 0));
            format!(
                r#"{{"authorizer_unique_id":"authorizer-{authorizer}","balance":{amount},"timestamp":"{}","balance_status_code":{code}}}"#,
                now()
            )
        };
        let rows = balances.iter().map(row).collect::<Vec<_>>().join(",");
        let Shown { empty_for_ms, page_spelling, refuse_tokens } = shown;
        let set = format!(
            r#"{{"state":"complete","balances":[{rows}],"empty_for_ms":{empty_for_ms},"page_spelling":"{page_spelling}","refuse_tokens":{refuse_tokens}}}"#
        );
        batches::put_batch(State(sandbox.clone()), Path(batch_id.clone()), set.into()).await?;
        let body = json!({
            "event_uuid": format!("uuid-{batch_id}"), "type": "BALANCE_BATCH_COMPLETED", "batch_id": batch_id,
        });
        let told = |Balance { authorizer, amount }: &Balance| json!({ "authorizer": format!("authorizer-{authorizer}"), "amount": amount });
        let balances: Vec<Value> = balances.iter().map(told).collect();
        Ok((json!({ "kind": "batch", "batch_id": batch_id, "balances": balances }), bytes(&body)))
    }

    fn extract(&self, extract: usize, amount: &str) -> (Value, Bytes) {
        let event_id = self.id("extract", extract);
        let data = format!(r#"{{"ledger":"main","account":{extract},"amount":{amount}}}"#);
        let body = format!(r#"{{"event_id":"{event_id}","type":"balance.extracted","data":{data}}}"#);
        (json!({ "kind": "extract", "event_id": event_id, "data": data }), body.into())
    }

    async fn statement(
        &mut self,
        sandbox: &Arc<Sandbox>,
        (entity, link): (usize, Option<usize>),
        statement: usize,
        (completed, overtaken): (bool, bool),
    ) -> Result<(Value, Bytes), Problem> {
        let (entity_id, link_id) = (self.id("entity", entity), link.map(|link| self.id("link", link)));
        let statement_id = self.id("statement", statement);
        let (progress, reason) = if completed { ("completed", "") } else { ("failed", "WRONG_PASSWORD") };
        let row = json!({ "status": progress, "statement_id": statement_id, "source": "pdf", "message": reason });
        // The same statement once more has come further.
        let rows = self.progress.entry(entity_id.clone()).or_default();
        rows.retain(|known| known.get("statement_id") != row.get("statement_id"));
        rows.push(row);
        self.show(sandbox, &entity_id, link_id.as_deref()).await?;
        let body = json!({
            "entity_id": entity_id, "statement_id": statement_id, "link_id": link_id, "progress": progress,
            "reason": reason,
        });
        let mut told = body.clone();
        named(&mut told, "statement");
        if let Some(told) = told.as_object_mut() {
            told.insert("overtaken".to_owned(), (overtaken && !completed).into());
        }
        Ok((told, bytes(&body)))
    }

    async fn attempt(
        &mut self,
        sandbox: &Arc<Sandbox>,
        (entity, link): (usize, Option<usize>),
        reason: &str,
    ) -> Result<(Value, Bytes), Problem> {
        let (entity_id, link_id) = (self.id("entity", entity), link.map(|link| self.id("link", link)));
        if link.is_none() {
            // No link's list tells of it: the entity's own progress does.
            let row = json!({ "status": "failed", "statement_id": "", "source": "online", "message": reason });
            self.progress.entry(entity_id.clone()).or_default().push(row);
        }
        self.show(sandbox, &entity_id, link_id.as_deref()).await?;
        let body = json!({
            "entity_id": entity_id, "statement_id": "", "link_id": link_id, "progress": "failed", "reason": reason,
        });
        let mut told = body.clone();
        named(&mut told, "attempt");
        Ok((told, bytes(&body)))
    }

    /// The entity as its API now shows it.
    async fn show(&self, sandbox: &Arc<Sandbox>, entity_id: &str, link_id: Option<&str>) -> Result<(), Problem> {
        let entity = json!({
            "link_id": link_id,
            "progress": self.progress.get(entity_id).cloned().unwrap_or_default(),
            "accounts": [{ "account_id": format!("account-of-{entity_id}"), "bank": "example" }],
            "transactions": [{ "amount": 120.5, "date": "2026-11-01", "type": "credit" }],
        });
        put_entity(State(sandbox.clone()), Path(entity_id.to_owned()), bytes(&entity)).await.map(drop)
    }

    /// A session that has all it needs; once somebody asked for it, it is processed. Until then its progress is none.
    async fn session(
        &self,
        sandbox: &Arc<Sandbox>,
        session: usize,
        Accounts { all, failed }: Accounts,
        processed: bool,
    ) -> Result<(Value, Bytes), Problem> {
        let session_id = self.id("session", session);
        let status = |n| if n < failed { "FAILED" } else { "COMPLETED" };
        let account = |n| json!({ "account_id": format!("account-{n}-of-{session_id}"), "account_status": status(n) });
        let accounts: Vec<Value> = (0..all).map(account).collect();
        let upload = json!({ "upload_status": "COMPLETED", "accounts": accounts });
        let shown = if processed {
            json!({ "session_progress": "completed", "upload": upload })
        } else {
            json!({ "http_status": 400, "upload": upload })
        };
        put_session(State(sandbox.clone()), Path(session_id.clone()), bytes(&shown)).await?;
        let (kind, event_name) = if processed {
            ("enrichment", "ENRICHMENT_NOTIFICATION")
        } else {
            ("session", "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION")
        };
        let body = json!({
            "event_name": event_name, "session_id": session_id, "accounts": accounts, "message": "As it was told",
        });
        let told = json!({ "kind": kind, "session_id": session_id, "accounts": all, "failed_accounts": failed });
        Ok((told, bytes(&body)))
    }

    /// A session that nobody brought to its end. One may be gone altogether.
    async fn expiry(&self, sandbox: &Arc<Sandbox>, session: usize, deleted: bool) -> Result<(Value, Bytes), Problem> {
        let session_id = self.id("session", session);
        let http_status = if deleted { 410 } else { 400 };
        let shown = json!({ "http_status": http_status, "upload": { "upload_status": "EXPIRED" } });
        put_session(State(sandbox.clone()), Path(session_id.clone()), bytes(&shown)).await?;
        let body = json!({
            "event_name": "SESSION_EXPIRY_NOTIFICATION", "session_id": session_id, "accounts": [],
            "message": "The session has expired",
        });
        Ok((json!({ "kind": "expiry", "session_id": session_id, "deleted": deleted }), bytes(&body)))
    }

    fn status(&self, merchant: usize, status: &str, key_of: &str, ahead_secs: u32) -> (Value, Bytes) {
        let merchant_id = self.run * MERCHANTS_PER_RUN + u64::try_from(merchant).unwrap_or_default();
        let key = format!("key-{merchant_id}-{key_of}");
        let stamp = Timestamp::now() + SignedDuration::from_secs(ahead_secs.into());
        let body = json!({
            "event_type": format!("merchant.{status}"), "source_id": merchant_id, "timestamp": stamp.to_string(),
            "payload": { "merchant_id": merchant_id, "mid": null, "dba_name": format!("Shop {merchant}") },
            "metadata": { "webhook_id": "wh-hour", "attempt": 1, "idempotency_key": key },
        });
        let told = json!({
            "kind": "status", "merchant_id": merchant_id.to_string(), "status": status, "idempotency_key": key,
            "ahead": ahead_secs > 0,
        });
        (told, bytes(&body))
    }

    /// Its provider's state follows from what is sent.
    fn plain(&self, provider: &str, number: usize) -> (Value, Bytes) {
        let (kit, id) = (hookledger_kit::of(provider), self.id("plain", number));
        let event = (kit.event)(&id);
        let body = match kit.time {
            Some(field) => hookledger_kit::with_field(&event, field, &json!(now()).to_string()),
            None => event,
        };
        ((kit.told)(&id), body.into())
    }

    fn movement(&self, number: usize, event_type: &str, amount: &str) -> (Value, Bytes) {
        let source_id = self.id("movement", number);
        let key = format!("key-{source_id}");
        let body = format!(
            r#"{{"event_type":"{event_type}","source_id":"{source_id}","timestamp":"{}","payload":{{"amount":{amount}}},"metadata":{{"webhook_id":"wh-hour","attempt":1,"idempotency_key":"{key}"}}}}"#,
            now()
        );
        let told = json!({
            "kind": "movement", "event_type": event_type, "source_id": source_id, "amount": amount,
            "idempotency_key": key,
        });
        (told, body.into())
    }
}

fn named(told: &mut Value, kind: &str) {
    if let Some(told) = told.as_object_mut() {
        told.insert("kind".to_owned(), kind.into());
    }
}

fn bytes(value: &Value) -> Bytes {
    value.to_string().into()
}
