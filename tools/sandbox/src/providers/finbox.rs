//! FinBox BankConnect: no signature, no retry; a list of what it meant to send, and progress to poll.
//!
//! Sources: the BankConnect "Webhook", "Management" and "REST API" pages, and the session flow's "Check Processing
//! Status". Paths end in a slash, as there.

pub(crate) mod api;
pub(crate) mod control;

use std::sync::Mutex;

use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, Uri};
use jiff::Timestamp;
use serde_json::json;

use crate::faults::Quirk;
use crate::json::{Fields, fields, raw, text};
use crate::lock::locked;
use crate::provider::{Attempted, Ending, Event, Forgery, Letter, Provider, Verdict};
use crate::shelf::Shelf;

const API_KEY: &str = "sandbox-finbox-key";

const ENTITIES_LIMIT: usize = 2_000;
const LINKS_LIMIT: usize = 10_000;
const PAYLOADS_LIMIT: usize = 1_000;
const SESSIONS_LIMIT: usize = 2_000;

/// FinBox's side of things.
pub(crate) struct FinBox {
    /// The one key that counts now, beside a server hash that stays.
    api_key: Mutex<String>,
    entities: Mutex<Shelf<Fields>>,
    /// By link: what was, or should have been, sent for it.
    payloads: Mutex<Shelf<Vec<Fields>>>,
    sessions: Mutex<Shelf<Session>>,
}

struct Session {
    /// Of the answer about its progress.
    http_status: u16,
    answer: Fields,
    /// The answer about its upload.
    upload: Fields,
}

impl Default for FinBox {
    fn default() -> Self {
        Self {
            api_key: Mutex::new(API_KEY.to_owned()),
            entities: Mutex::new(Shelf::new(ENTITIES_LIMIT)),
            payloads: Mutex::new(Shelf::new(LINKS_LIMIT)),
            sessions: Mutex::new(Shelf::new(SESSIONS_LIMIT)),
        }
    }
}

impl Provider for FinBox {
    fn name(&self) -> &'static str {
        "finbox"
    }

    fn base(&self) -> &'static str {
        "/finbox/bank-connect"
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        (status, Json(json!({ "detail": message }))).into_response()
    }

    fn quirks(&self) -> &'static [Quirk] {
        &[]
    }

    /// Nothing is signed; only the URL can be wrong.
    fn forgeries(&self) -> &'static [Forgery] {
        &[Forgery::Token]
    }

    fn headers(&self, _: &Letter<'_>) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    fn body(&self, first: &Bytes, _: u32) -> Bytes {
        first.clone()
    }

    fn target(&self, _: &[u8], configured: Option<Uri>) -> Option<Uri> {
        configured
    }

    /// A valid endpoint "returns a 200 status code"; no retry is documented.
    fn verdict(&self, attempt: &Attempted) -> Verdict {
        if attempt.status == Some(200) { Verdict::Delivered } else { Verdict::GiveUp }
    }

    /// The payload list shows when a webhook "was supposed to be sent", whether or not it was.
    fn happened(&self, event: &Event<'_>) {
        let Some(mut sent) = fields(event.body) else { return };
        let Some(link_id) = text(&sent, "link_id") else { return };
        sent.retain(|name, _| ["entity_id", "statement_id", "link_id", "progress", "reason"].contains(&name.as_str()));
        self.append(&link_id, sent);
    }

    fn progressed(&self, _: &str, _: u32, _: Option<u16>, _: Option<Ending>) {}

    fn called_off(&self, _: &str) -> bool {
        false
    }

    /// A key does not lapse by itself: the control API replaces it.
    fn lapse_tokens(&self) {}

    fn reset(&self) {
        API_KEY.clone_into(&mut locked(&self.api_key));
        locked(&self.entities).clear();
        locked(&self.payloads).clear();
        locked(&self.sessions).clear();
    }
}

impl FinBox {
    /// Adds a row, dated now unless it says otherwise.
    fn append(&self, link_id: &str, mut row: Fields) {
        row.entry("date_time".to_owned()).or_insert_with(|| raw(&date_time()));
        let mut payloads = locked(&self.payloads);
        if let Some(rows) = payloads.entry(link_id, Vec::new) {
            if rows.len() >= PAYLOADS_LIMIT {
                rows.remove(0);
            }
            rows.push(row);
        }
    }
}

/// `YYYY-MM-DD HH:MM:SS`; the time zone is not documented, UTC is the sandbox's choice.
fn date_time() -> String {
    Timestamp::now().strftime("%Y-%m-%d %H:%M:%S").to_string()
}

#[cfg(test)]
mod tests;
