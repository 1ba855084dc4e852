//! FinBox BankConnect, the other half: asking for what was never delivered.
//!
//! References are `link:<link_id>`, `entity:<entity_id>` or `session:<session_id>`.

use std::collections::BTreeMap;

use super::super::{Expected, Found, Polled, Polls, Unexpectable, reference_id};
use super::{
    Attempt, COMPLETED, FAILED, FinBox, ID, Payloads, Session, Transactions, object, text, trouble, watch_key,
};
use crate::api::{ApiRequest, ApiResponse, Trouble};
use crate::debt::Expectation;
use crate::entry::{Event, OnDuplicate};
use crate::identity::{Identity, Subject};
use crate::time::UnixMs;

const SHAPE: &str = "link:<link_id>, entity:<entity_id> or session:<session_id>, the id 1 to 200 characters";

impl Polls for FinBox {
    fn expectation(&self, reference: &str) -> Result<Expected, Unexpectable> {
        let (kind, id) = reference.split_once(':').ok_or(Unexpectable(SHAPE))?;
        let id = reference_id(id, SHAPE)?;
        match kind {
            // A link may bring several statements, and retries of each: it is watched until its deadline.
            "link" => Ok(Expected { key: watch_key(id), repeats: true }),
            "entity" | "session" => {
                Ok(Expected { key: Subject::new(ID, kind, id).item("expectation"), repeats: false })
            }
            _ => Err(Unexpectable(SHAPE)),
        }
    }

    fn poll(&self, expectation: &Expectation, _cursor: Option<&str>) -> ApiRequest {
        match expectation.reference.split_once(':') {
            Some(("link", id)) => self.payloads(id),
            Some(("session", id)) => self.session_progress(id),
            Some((_, id)) => self.transactions(id),
            None => self.transactions(&expectation.reference),
        }
    }

    fn polled(&self, expectation: &Expectation, _cursor: Option<&str>, response: &ApiResponse) -> Polled {
        match response.status {
            200 => {}
            404 => return Polled::NotYet,
            _ => return Polled::Trouble(trouble(response)),
        }
        let read = match expectation.reference.split_once(':') {
            Some(("link", _)) => listed_payloads(response, self.utc_offset_minutes),
            Some(("session", id)) => session(id, response),
            Some((_, id)) => statements(id, response),
            None => None,
        };
        let reason = "FinBox's answer has not the documented shape";
        read.unwrap_or_else(|| Polled::Trouble(Trouble::Permanent { reason: reason.into() }))
    }
}

/// Every payload of a link, oldest first. Attempts that look the same are told apart by counting them in the order of
/// `date_time`.
fn listed_payloads(response: &ApiResponse, utc_offset_minutes: i32) -> Option<Polled> {
    let answer: Payloads<'_> = object(&response.body).ok()?;
    let mut attempts = Vec::new();
    // The list comes newest first; reversed before a stable sort, equal times keep their order of sending.
    for payload in answer.payloads.iter().rev() {
        // One row that can't be read must not hide its neighbours.
        let Ok(attempt) = serde_json::from_str::<Attempt<'_>>(payload.get()) else { continue };
        let Ok(dated) = serde_json::from_str::<Dated<'_>>(payload.get()) else { continue };
        let at = text(dated.date_time).and_then(|at| UnixMs::parse_civil(&at, utc_offset_minutes));
        attempts.push((at, attempt, payload));
    }
    attempts.sort_by_key(|(at, _, _)| *at);
    let mut seen = BTreeMap::new();
    let mut found = Vec::new();
    for (at, attempt, payload) in attempts {
        let Ok(looks) = attempt.event(1) else { continue };
        let ordinal = seen.entry(looks.key()).and_modify(|n| *n += 1).or_insert(1);
        let Ok(event) = attempt.event(*ordinal) else { continue };
        found.push(Found { event: Event { occurred_at: at, ..event }, body: super::super::json::raw(payload) });
    }
    Some(Polled::Found { found, complete: false, more: None })
}

#[derive(serde::Deserialize)]
struct Dated<'a> {
    #[serde(borrow)]
    date_time: super::Field<'a>,
}

/// The statements of an entity, once each of them is completed or failed.
fn statements(entity_id: &str, response: &ApiResponse) -> Option<Polled> {
    let answer: Transactions<'_> = object(&response.body).ok()?;
    let mut found = Vec::new();
    let progress = answer.progress.unwrap_or_default();
    let mut complete = !progress.is_empty();
    for element in &progress {
        let status = text(element.status).unwrap_or_default();
        if status != COMPLETED && status != FAILED {
            complete = false;
            continue;
        }
        let body = serde_json::json!({
            "entity_id": entity_id,
            "statement_id": text(element.statement_id),
            "link_id": null,
            "progress": status,
            "reason": text(element.message).unwrap_or_default(),
        });
        let body = body.to_string().into_bytes();
        let attempt: Attempt<'_> = serde_json::from_slice(&body).ok()?;
        // Without a statement id this element is an attempt that only its link's list can tell from others.
        if attempt.statement().is_some() {
            let event = attempt.event(1).ok()?;
            found.push(Found { event, body: body.clone() });
        }
    }
    Some(Polled::Found { found, complete, more: None })
}

/// A session that is completed. Its webhook names accounts that this answer does not, so the two can't be one event:
/// the polled one has a name of its own.
fn session(session_id: &str, response: &ApiResponse) -> Option<Polled> {
    let answer: Session<'_> = object(&response.body).ok()?;
    if text(answer.session_progress).as_deref() != Some(COMPLETED) {
        return Some(Polled::NotYet);
    }
    let name = "SESSION_PROGRESS_COMPLETED";
    let event = Event {
        event_type: name.into(),
        subject: Subject::new(ID, "session", session_id),
        identity: Identity::new(&[name, session_id]),
        occurred_at: None,
        known: true,
        on_duplicate: OnDuplicate::Same,
        notes: Vec::new(),
    };
    let body = serde_json::json!({ "event_name": name, "session_id": session_id }).to_string().into_bytes();
    Some(Polled::Found { found: vec![Found { event, body }], complete: true, more: None })
}
