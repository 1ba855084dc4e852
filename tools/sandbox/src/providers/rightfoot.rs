//! Rightfoot: no signature, retries for half an hour, and balances that are 404 until the batch is done.
//!
//! Sources: the "Balance Check Run Completed" page for the webhook and its retries; the API reference for the calls.

pub(crate) mod api;
pub(crate) mod batches;
pub(crate) mod control;
mod error;
mod monitoring;
mod page;
mod state;

use std::sync::Mutex;
use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::{StatusCode, Uri};
use serde_json::value::RawValue;

use crate::faults::Quirk;
use crate::json::{fields, text};
use crate::lock::locked;
use crate::provider::{Attempted, Ending, Event, Forgery, Letter, Provider, Verdict, follow};
use crate::shelf::Shelf;
use error::error;
use state::{Answered, Batch, Schedule};

const API_KEY: &str = "sandbox-rightfoot-key";

/// +1, +2, +4 and +8 minutes: the next doubling would pass the half hour after which Rightfoot stops.
const WAITS: [Duration; 4] =
    [Duration::from_mins(1), Duration::from_mins(2), Duration::from_mins(4), Duration::from_mins(8)];

/// Batches, answers, schedules and authorizers remembered, each.
const ROWS_LIMIT: usize = 10_000;

/// Rightfoot's side of things.
pub(crate) struct Rightfoot {
    /// The one key that counts now.
    api_key: Mutex<String>,
    batches: Mutex<Shelf<Batch>>,
    /// By the digest of the request, whose authorizers' data is not kept.
    answers: Mutex<Shelf<Answered>>,
    schedules: Mutex<Shelf<Schedule>>,
    /// By authorizer, newest run first.
    histories: Mutex<Shelf<Vec<Box<RawValue>>>>,
}

impl Default for Rightfoot {
    fn default() -> Self {
        Self {
            api_key: Mutex::new(API_KEY.to_owned()),
            batches: Mutex::new(Shelf::new(ROWS_LIMIT)),
            answers: Mutex::new(Shelf::new(ROWS_LIMIT)),
            schedules: Mutex::new(Shelf::new(ROWS_LIMIT)),
            histories: Mutex::new(Shelf::new(ROWS_LIMIT)),
        }
    }
}

impl Provider for Rightfoot {
    fn name(&self) -> &'static str {
        "rightfoot"
    }

    fn base(&self) -> &'static str {
        "/rightfoot"
    }

    fn error(&self, status: StatusCode, message: &str) -> Response {
        error(status, message, None)
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

    /// A batch's own webhook URL comes before the configured one.
    fn target(&self, body: &[u8], configured: Option<Uri>) -> Option<Uri> {
        let batch_id = fields(body).filter(|event| text(event, "type").as_deref() == Some("BALANCE_BATCH_COMPLETED"));
        let batch_id = batch_id.and_then(|event| text(&event, "batch_id"));
        let own = batch_id.and_then(|id| locked(&self.batches).get(&id)?.webhook_url.clone());
        own.or(configured)
    }

    fn verdict(&self, attempt: &Attempted) -> Verdict {
        follow(&WAITS, attempt)
    }

    /// Announcing a batch does not complete it: that is the control API's to say, so that a test can tell them apart.
    fn happened(&self, _: &Event<'_>) {}

    fn progressed(&self, _: &str, _: u32, _: Option<u16>, _: Option<Ending>) {}

    fn called_off(&self, _: &str) -> bool {
        false
    }

    /// A key does not lapse by itself: the control API replaces it.
    fn lapse_tokens(&self) {}

    fn reset(&self) {
        API_KEY.clone_into(&mut locked(&self.api_key));
        locked(&self.batches).clear();
        locked(&self.answers).clear();
        locked(&self.schedules).clear();
        locked(&self.histories).clear();
    }
}

#[cfg(test)]
mod tests;
