//! Run Payments: a signature over the body, eight attempts in 27 h 35 min, and lists instead of a replay.
//!
//! Sources: its "Webhooks Overview" for headers, envelope and retries; the Boarding and Reporting API references for
//! the calls. What exactly is signed is not public: here it is the raw body, in hex unless configured otherwise.

pub(crate) mod api;
pub(crate) mod control;
mod spelling;

use std::sync::Mutex;
use std::time::Duration;

use axum::Json;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{StatusCode, Uri};
use jiff::{SignedDuration, Timestamp};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use crate::faults::Quirk;
use crate::json::{Fields, fields, raw, scalar, text};
use crate::lock::locked;
use crate::oauth::{LIFETIME, Purse};
use crate::provider::{Attempted, Ending, Event, Forgery, Letter, Provider, Verdict, follow};
use crate::shelf::Shelf;
use crate::sign::tag;

/// 8 attempts: at once, then each so long after the one before.
const WAITS: [Duration; 7] = [
    Duration::from_secs(5),
    Duration::from_mins(5),
    Duration::from_mins(30),
    Duration::from_hours(2),
    Duration::from_hours(5),
    Duration::from_hours(10),
    Duration::from_hours(10),
];

const MERCHANTS_LIMIT: usize = 10_000;
const REPORTS: [&str; 4] = ["transactions", "deposits", "chargebacks", "adjustments"];
const REPORT_ROWS_LIMIT: usize = 10_000;

/// Run Payments' side of things.
pub(crate) struct RunPayments {
    /// The two APIs have token endpoints, clients and tokens of their own.
    boarding_tokens: Purse,
    reporting_tokens: Purse,
    merchants: Mutex<Shelf<Merchant>>,
    reports: Mutex<Shelf<Vec<Fields>>>,
}

/// A row of the merchant list.
struct Merchant {
    row: Fields,
    /// When the event took place that last set the status; nothing if the control API set it.
    status_at: Option<Timestamp>,
}

impl Default for RunPayments {
    fn default() -> Self {
        Self {
            boarding_tokens: Purse::new(LIFETIME),
            reporting_tokens: Purse::new(LIFETIME),
            merchants: Mutex::new(Shelf::new(MERCHANTS_LIMIT)),
            reports: Mutex::new(Shelf::new(REPORTS.len())),
        }
    }
}

impl Provider for RunPayments {
    fn name(&self) -> &'static str {
        "runpayments"
    }

    fn base(&self) -> &'static str {
        "/runpayments/ords"
    }

    /// The error object of Oracle REST Data Services, which serves these APIs.
    fn error(&self, status: StatusCode, message: &str) -> Response {
        let code = status.canonical_reason().unwrap_or("Error").replace(' ', "");
        let body = json!({
            "code": code,
            "message": message,
            "type": format!("tag:oracle.com,2020:error/{code}"),
            "instance": "tag:oracle.com,2020:ecid/sandbox",
        });
        (status, Json(body)).into_response()
    }

    fn quirks(&self) -> &'static [Quirk] {
        &[Quirk::DeadTokenStatus, Quirk::TokenLifeMs, Quirk::OddSpellings]
    }

    /// No timestamp is signed apart from the body, so a signature is never stale.
    fn forgeries(&self) -> &'static [Forgery] {
        &[Forgery::Signature]
    }

    fn headers(&self, letter: &Letter<'_>) -> Vec<(&'static str, String)> {
        let key = letter.keys.first().map(Vec::as_slice).unwrap_or_default();
        let signature = letter.signature_encoding.encode(&tag(key, &[letter.body]));
        let metadata = fields(letter.body).and_then(|event| fields(event.get("metadata")?.get().as_bytes()));
        let idempotency_key = metadata.and_then(|metadata| text(&metadata, "idempotency_key"));
        vec![
            ("x-webhook-signature-256", format!("sha256={signature}")),
            ("x-idempotency-key", idempotency_key.unwrap_or_else(|| letter.delivery_id.to_owned())),
        ]
    }

    fn body(&self, first: &Bytes, attempt: u32) -> Bytes {
        recount(first, attempt).unwrap_or_else(|| first.clone())
    }

    fn target(&self, _: &[u8], configured: Option<Uri>) -> Option<Uri> {
        configured
    }

    fn verdict(&self, attempt: &Attempted) -> Verdict {
        follow(&WAITS, attempt)
    }

    fn happened(&self, event: &Event<'_>) {
        if event.update_listing {
            self.note_status(event);
            self.note_report(event.body);
        }
    }

    fn progressed(&self, _: &str, _: u32, _: Option<u16>, _: Option<Ending>) {}

    fn called_off(&self, _: &str) -> bool {
        false
    }

    fn lapse_tokens(&self) {
        self.boarding_tokens.empty();
        self.reporting_tokens.empty();
    }

    fn reset(&self) {
        self.lapse_tokens();
        locked(&self.merchants).clear();
        locked(&self.reports).clear();
    }
}

impl RunPayments {
    /// A `merchant.*` event moves the merchant's status in the list. An event older than the one that last did is
    /// announced late, not happening late: the list keeps the newer status.
    fn note_status(&self, announced: &Event<'_>) -> Option<()> {
        let event = fields(announced.body)?;
        let event_type = text(&event, "event_type")?;
        let status = event_type.strip_prefix("merchant.")?;
        let payload = event.get("payload").and_then(|payload| fields(payload.get().as_bytes())).unwrap_or_default();
        let named = payload.get("merchant_id").or_else(|| payload.get("event_table_pk"));
        let merchant_id = named.filter(|id| scalar(id).is_some()).or_else(|| event.get("source_id"))?;
        let stamped_at: Option<Timestamp> = text(&event, "timestamp").and_then(|at| at.parse().ok());
        // What a wrong stamp says does not change when it took place.
        let happened_at = stamped_at.map(|at| at - SignedDuration::from_secs(announced.ahead_secs.into()));

        let mut merchants = locked(&self.merchants);
        let merchant = merchants.entry(&scalar(merchant_id)?, || Merchant { row: Fields::new(), status_at: None })?;
        if merchant.status_at.zip(happened_at).is_some_and(|(known, new)| new < known) {
            return None;
        }
        merchant.status_at = happened_at;
        merchant.row.entry("merchant_id".to_owned()).or_insert_with(|| merchant_id.clone());
        merchant.row.insert("merchant_status".to_owned(), raw(status));
        for name in ["mid", "dba_name", "customer_id", "external_crm_id", "custom_01"] {
            if let Some(value) = payload.get(name) {
                merchant.row.insert(name.to_owned(), value.clone());
            }
        }
        Some(())
    }
}

impl RunPayments {
    /// What a webhook announces, a report shows: under the webhook's `source_id`, which is the sandbox's choice, and
    /// with what its payload says. The same again replaces its row.
    fn note_report(&self, body: &[u8]) -> Option<()> {
        let event = fields(body)?;
        let report = match text(&event, "event_type")?.split_once('.')?.0 {
            "transaction" => "transactions",
            "chargeback" => "chargebacks",
            "funding" => "deposits",
            _ => return None,
        };
        let mut row = event.get("payload").and_then(|payload| fields(payload.get().as_bytes())).unwrap_or_default();
        row.insert("id".to_owned(), event.get("source_id")?.clone());
        let mut reports = locked(&self.reports);
        let rows = reports.entry(report, Vec::new)?;
        rows.retain(|known| text(known, "id") != text(&row, "id"));
        if rows.len() >= REPORT_ROWS_LIMIT {
            rows.remove(0);
        }
        rows.push(row);
        Some(())
    }
}

/// The body of a retry: `metadata.attempt` moves on, every other byte stays. Nothing if the body has no such field.
fn recount(first: &Bytes, attempt: u32) -> Option<Bytes> {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        #[serde(borrow)]
        metadata: Metadata<'a>,
    }
    #[derive(Deserialize)]
    struct Metadata<'a> {
        #[serde(borrow)]
        attempt: &'a RawValue,
    }
    let text = std::str::from_utf8(first).ok()?;
    let written = serde_json::from_str::<Envelope<'_>>(text).ok()?.metadata.attempt.get();
    let counted: u32 = written.parse().ok()?;
    // The raw value is a part of the text, so its place follows from the two addresses.
    let start = (written.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    let (front, back) = (text.get(..start)?, text.get(start.checked_add(written.len())?..)?);
    Some(format!("{front}{}{back}", counted.saturating_add(attempt - 1)).into())
}

#[cfg(test)]
mod tests;
