//! FinBox BankConnect, the other half: asking for what was never delivered.
//!
//! References are `link:<link_id>`, `entity:<entity_id>` or `session:<session_id>`. A link is asked about twice over: by
//! the list of its payloads, and by the entities it is mapped to, since a payload that was never made is in no list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::super::{Expected, Found, Polled, Polls, Unexpectable, reference_id};
use super::{
    Attempt, COMPLETED, FAILED, Field, FinBox, ID, Payloads, Session, Transactions, object, text, trouble, watch_key,
};
use crate::api::{ApiRequest, ApiResponse, Trouble, encode};
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

    fn poll(&self, expectation: &Expectation, cursor: Option<&str>) -> Option<ApiRequest> {
        Some(match expectation.reference.split_once(':') {
            Some(("link", id)) => match Stage::read(cursor) {
                Stage::Payloads => self.payloads(id),
                Stage::Mapping { page, .. } => self.get(&format!("entity/?link_id={}&page={page}", encode(id))),
                Stage::Entities(left) => self.transactions(left.last().map_or("", String::as_str)),
            },
            Some(("session", id)) => self.session_progress(id),
            Some((_, id)) => self.transactions(id),
            None => self.transactions(&expectation.reference),
        })
    }

    fn polled(&self, expectation: &Expectation, cursor: Option<&str>, response: &ApiResponse) -> Polled {
        let reference = expectation.reference.split_once(':');
        match (response.status, reference) {
            (200, _) => {}
            // A link without payloads may have entities all the same; an entity may be gone, and the mapping's next page.
            (404, Some(("link", _))) => {}
            (404, _) => return Polled::NotYet,
            _ => return Polled::Trouble(trouble(response)),
        }
        let read = match reference {
            Some(("link", link)) => self.of_link(link, Stage::read(cursor), expectation.polls, response),
            Some(("session", id)) => session(id, response),
            Some((_, id)) => entity(id, response),
            None => None,
        };
        let reason = "FinBox's answer has not the documented shape";
        read.unwrap_or_else(|| Polled::Trouble(Trouble::Permanent { reason: reason.into() }))
    }
}

/// The most pages of ten entities that are read of a link's mapping. A link is one customer's, with one entity or a few.
const MAX_MAPPED_PAGES: u32 = 10;
/// The most entities asked about in one poll: with the payload list and the mapping's pages, that makes its hundred
/// requests.
const MAX_MAPPED_ENTITIES: usize = 89;

/// How far the poll of a link has come. It travels as the poll's cursor; without one, the poll begins.
#[derive(Serialize, Deserialize)]
enum Stage {
    /// The list of the link's payloads.
    Payloads,
    /// This page of the link's entities; these were on the pages before it.
    Mapping { page: u32, entities: Vec<String> },
    /// The statements of these entities, the last one first.
    Entities(Vec<String>),
}

impl Stage {
    fn read(cursor: Option<&str>) -> Self {
        cursor.and_then(|cursor| serde_json::from_str(cursor).ok()).unwrap_or(Self::Payloads)
    }

    /// Every poll begins with another entity: one that fails, and ends its poll, does not hide the others for good.
    fn entities(mut entities: Vec<String>, polls: u32) -> Self {
        let first = usize::try_from(polls).ok().and_then(|polls| polls.checked_rem(entities.len()));
        entities.rotate_left(first.unwrap_or_default());
        entities.truncate(MAX_MAPPED_ENTITIES);
        Self::Entities(entities)
    }
}

impl FinBox {
    /// One answer of a link's poll: what it tells, and what is asked next. A link brings more at any time, so it is
    /// never complete.
    fn of_link(&self, link: &str, stage: Stage, polls: u32, response: &ApiResponse) -> Option<Polled> {
        let there = response.status == 200;
        let (found, next) = match stage {
            Stage::Payloads => {
                let found = if there { listed_payloads(response, self.utc_offset_minutes)? } else { Vec::new() };
                (found, Stage::Mapping { page: 1, entities: Vec::new() })
            }
            Stage::Mapping { page, mut entities } => {
                let more = there && mapped(link, &mut entities, response)? && page < MAX_MAPPED_PAGES;
                let next = if more {
                    Stage::Mapping { page: page.saturating_add(1), entities }
                } else {
                    Stage::entities(entities, polls)
                };
                (Vec::new(), next)
            }
            Stage::Entities(mut left) => {
                let entity = left.pop()?;
                let found = if there { statements(&entity, Some(link), response)?.0 } else { Vec::new() };
                (found, Stage::Entities(left))
            }
        };
        let ended = matches!(&next, Stage::Entities(left) if left.is_empty());
        let more = if ended { None } else { Some(serde_json::to_string(&next).ok()?) };
        Some(Polled::Found { found, complete: false, more })
    }
}

#[derive(Deserialize)]
struct Mapping<'a> {
    #[serde(borrow)]
    results: Vec<Mapped<'a>>,
    #[serde(borrow)]
    next: Field<'a>,
}

#[derive(Deserialize)]
struct Mapped<'a> {
    #[serde(borrow)]
    entity_id: Field<'a>,
    #[serde(borrow)]
    link_id: Field<'a>,
}

/// Adds a page's entities to those that are known; true: there is another page. A row of another link is passed over:
/// were the filter ever not obeyed, the list would hold every entity there is.
fn mapped(link: &str, entities: &mut Vec<String>, response: &ApiResponse) -> Option<bool> {
    let page: Mapping<'_> = object(&response.body).ok()?;
    let ours = page.results.iter().filter(|row| text(row.link_id).as_deref() == Some(link));
    for id in ours.filter_map(|row| text(row.entity_id)).filter(|id| !id.trim().is_empty()) {
        if !entities.contains(&id) {
            entities.push(id);
        }
    }
    Some(text(page.next).is_some() && !page.results.is_empty())
}

/// Every payload of a link, oldest first. Attempts that look the same are told apart by counting them in the order of
/// `date_time`.
fn listed_payloads(response: &ApiResponse, utc_offset_minutes: i32) -> Option<Vec<Found>> {
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
    Some(found)
}

#[derive(serde::Deserialize)]
struct Dated<'a> {
    #[serde(borrow)]
    date_time: Field<'a>,
}

/// An entity is complete once each of its statements is completed or failed.
fn entity(entity_id: &str, response: &ApiResponse) -> Option<Polled> {
    let (found, complete) = statements(entity_id, None, response)?;
    Some(Polled::Found { found, complete, more: None })
}

/// The statements of an entity that are completed or failed, and whether that is all of them.
fn statements(entity_id: &str, link_id: Option<&str>, response: &ApiResponse) -> Option<(Vec<Found>, bool)> {
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
            "link_id": link_id,
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
    Some((found, complete))
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
