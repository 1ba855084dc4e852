//! Fynapse: a signature with a timestamp, retries for three days, and an audit of every delivery.
//!
//! Sources: its webhook pages "Webhook Security", "Delivery and Retries" and "Webhook Configuration". The schemas of
//! secrets, subscriptions and audit rows, and the order of the audit (here: newest first), are not public; what stands
//! here is a guess in the style of its other lists.

mod admin;
pub(crate) mod api;
pub(crate) mod control;
mod page;
mod state;

use std::sync::Mutex;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use crate::deliveries::now;
use crate::faults::Quirk;
use crate::json::{fields, text};
use crate::lock::locked;
use crate::oauth::Purse;
use crate::provider::{Attempted, Ending, Event, Forgery, Letter, Provider, Verdict};
use crate::shelf::Shelf;
use crate::sign::tag;
use state::{Row, SETUP_LIMIT, Secret, Subscription, Subscriptions};

/// "The session may lapse after five idle minutes."
const IDLE_LIMIT: Duration = Duration::from_mins(5);

/// "Micro-retries: up to 2 attempts total", then "queue-level retries: up to 20 attempts".
const QUICK_ATTEMPTS: u32 = 2;
const QUEUED_ATTEMPTS: u32 = 20;

/// Seconds: the first queued wait, its growth, its cap, and the window all of them fit in.
const FIRST_WAIT_SECS: f64 = 30.0;
const GROWTH: f64 = 3.0;
const WAIT_CAP_SECS: f64 = 4.0 * 3600.0;
const WINDOW: Duration = Duration::from_hours(72);

/// Statuses after which a delivery is dead at once.
const PERMANENT: [u16; 7] = [400, 401, 402, 405, 406, 410, 413];

const AUDIT_LIMIT: usize = 10_000;

/// Fynapse's side of things.
pub(crate) struct Fynapse {
    tokens: Purse,
    secrets: Mutex<Shelf<Secret>>,
    subscriptions: Mutex<Subscriptions>,
    audit: Mutex<Shelf<Row>>,
}

impl Default for Fynapse {
    fn default() -> Self {
        Self {
            tokens: Purse::new(IDLE_LIMIT),
            secrets: Mutex::new(Shelf::new(SETUP_LIMIT)),
            subscriptions: Mutex::default(),
            audit: Mutex::new(Shelf::new(AUDIT_LIMIT)),
        }
    }
}

impl Provider for Fynapse {
    fn name(&self) -> &'static str {
        "fynapse"
    }

    fn base(&self) -> &'static str {
        "/fynapse"
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        (status, Json(json!({ "status": status.as_u16(), "message": message, "timestamp": now() }))).into_response()
    }

    fn quirks(&self) -> &'static [Quirk] {
        &[Quirk::DeadTokenStatus, Quirk::TokenLifeMs]
    }

    fn forgeries(&self) -> &'static [Forgery] {
        &[Forgery::Signature, Forgery::Stale, Forgery::Future]
    }

    /// The signed text is the timestamp, a full stop and the raw body; while secrets rotate, each adds a `v1`.
    fn headers(&self, letter: &Letter<'_>) -> Vec<(&'static str, String)> {
        let secs = letter.unix_secs.to_string();
        let mut signature = format!("t={secs}");
        for key in letter.keys {
            let tag = tag(key, &[secs.as_bytes(), b".", letter.body]);
            signature.push_str(",v1=");
            signature.push_str(&letter.signature_encoding.encode(&tag));
        }
        let key = self.idempotency_key(letter.body, letter.delivery_id);
        vec![("webhook-signature", signature), ("idempotency-key", key)]
    }

    fn body(&self, first: &Bytes, _: u32) -> Bytes {
        first.clone()
    }

    fn target(&self, _: &[u8], configured: Option<Uri>) -> Option<Uri> {
        configured
    }

    fn verdict(&self, attempt: &Attempted) -> Verdict {
        if attempt.is_success() {
            return Verdict::Delivered;
        }
        let permanent = attempt.status.is_some_and(|status| PERMANENT.contains(&status));
        if permanent || attempt.attempt >= QUICK_ATTEMPTS + QUEUED_ATTEMPTS {
            return Verdict::GiveUp;
        }
        let wait = Duration::from_secs_f64(wait_secs(attempt));
        if attempt.waited + wait > WINDOW { Verdict::GiveUp } else { Verdict::Again(wait) }
    }

    fn happened(&self, event: &Event<'_>) {
        let parsed = fields(event.body).unwrap_or_default();
        let subscription_id = locked(&self.subscriptions).current.clone();
        let active = locked(&self.subscriptions).rows.get(&subscription_id).is_none_or(Subscription::is_active);
        let status = event.audit_status.unwrap_or(if active { "PENDING" } else { "CANCELLED" });
        let row = Row {
            id: event.delivery_id.to_owned(),
            subscription_id,
            event_id: text(&parsed, "event_id"),
            event_type: ["event_type", "type", "eventType"].iter().find_map(|name| text(&parsed, name)),
            idempotency_key: self.idempotency_key(event.body, event.delivery_id),
            status: status.to_owned(),
            attempts: 0,
            last_response_status: None,
            created_at: stamp(event.ahead_secs),
            updated_at: stamp(event.ahead_secs),
            ahead_secs: event.ahead_secs,
            held: event.audit_status.is_some(),
        };
        locked(&self.audit).put(event.delivery_id, row);
    }

    fn progressed(&self, delivery_id: &str, attempts: u32, status: Option<u16>, ended: Option<Ending>) {
        let mut audit = locked(&self.audit);
        let Some(row) = audit.get_mut(delivery_id) else { return };
        row.attempts = attempts;
        row.last_response_status = status.or(row.last_response_status);
        row.updated_at = stamp(row.ahead_secs);
        let status = match ended {
            _ if row.held => return,
            // Still waiting, or cancelled while the attempt was on the wire.
            None => return,
            Some(Ending::Delivered) => "DELIVERED",
            Some(Ending::GaveUp | Ending::Dropped) => "DEAD_LETTER",
            Some(Ending::Cancelled) => "CANCELLED",
        };
        row.status = status.to_owned();
    }

    /// "Subscription was inactive when processing started."
    fn called_off(&self, delivery_id: &str) -> bool {
        locked(&self.audit).get(delivery_id).is_some_and(|row| row.status == "CANCELLED" && !row.held)
    }

    fn lapse_tokens(&self) {
        self.tokens.empty();
    }

    fn reset(&self) {
        self.tokens.empty();
        locked(&self.secrets).clear();
        *locked(&self.subscriptions) = Subscriptions::default();
        locked(&self.audit).clear();
    }
}

impl Fynapse {
    /// One per event and subscription.
    fn idempotency_key(&self, body: &[u8], delivery_id: &str) -> String {
        let event_id = fields(body).and_then(|event| text(&event, "event_id"));
        format!("{}:{}", locked(&self.subscriptions).current, event_id.as_deref().unwrap_or(delivery_id))
    }
}

/// The time, by a clock that is so far ahead.
fn stamp(ahead_secs: u32) -> String {
    (Timestamp::now() + SignedDuration::from_secs(ahead_secs.into())).to_string()
}

/// `Retry-After` is the base of the wait, plus up to a tenth; otherwise 0.2 to 2 s while quick, then 30 s tripling to
/// four hours, a fifth more or less.
fn wait_secs(attempt: &Attempted) -> f64 {
    if let Some(secs) = attempt.retry_after_secs {
        return secs as f64 * (1.0 + 0.1 * attempt.roll);
    }
    if attempt.attempt < QUICK_ATTEMPTS {
        return 0.2 + 1.8 * attempt.roll;
    }
    let grown = i32::try_from(attempt.attempt - QUICK_ATTEMPTS).unwrap_or(i32::MAX);
    (FIRST_WAIT_SECS * GROWTH.powi(grown)).min(WAIT_CAP_SECS) * (0.8 + 0.4 * attempt.roll)
}

#[cfg(test)]
mod tests;
