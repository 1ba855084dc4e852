//! FinBox BankConnect, the other half: asking for what was never delivered.
//!
//! References are `link:<link_id>`, `entity:<entity_id>` or `session:<session_id>`. A link is asked about twice over: by
//! the list of its payloads, and by the entities it is mapped to, since a payload that was never made is in no list.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::api::{COMPLETED, FAILED, FinBox, ID, progress_named};
use super::attempt::{Attempt, watch_key};
use super::entity::{Payloads, Transactions};
use super::sessions::{POLLED, Progress};
use super::{Field, object, text, trouble};
use crate::model::debt::Expectation;
use crate::model::entry::{Event, OnDuplicate};
use crate::model::identity::{Identity, Subject};
use crate::model::provider_call::{ApiRequest, ApiResponse, encode, unreadable};
use crate::model::time::Zone;
use crate::providers::contract::{Expected, Polled, Polls, Unexpectable};
use crate::providers::json::reference_id;
use crate::providers::json::shown_id;
use crate::providers::step::Found;

const SHAPE: &str = "link:<link_id>, entity:<entity_id> or session:<session_id>, the id 1 to 200 bytes";

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
                Stage::Mapping { page, .. } => {
                    self.get("entities", &format!("entity/?link_id={}&page={page}", encode(id)))
                }
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
            // A session nobody has asked to process: that is still to come.
            (400, Some(("session", _))) | (404, _) => return Polled::NotYet,
            _ => return Polled::Trouble(trouble(response)),
        }
        if response.status == 200 && object::<&RawValue>(&response.body).is_err() {
            return Polled::Trouble(unreadable(response, "FinBox's answer"));
        }
        let read = match reference {
            Some(("link", link)) => self.of_link(link, Stage::read(cursor), expectation.polls, response),
            Some(("session", id)) => session(id, response),
            Some((_, id)) => entity(id, response),
            None => None,
        };
        read.unwrap_or_else(|| Polled::Trouble(unreadable(response, "FinBox's answer")))
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
        let (Read { found, unreadable }, next) = match stage {
            Stage::Payloads => {
                let read = if there { listed_payloads(response, self.zone)? } else { Read::default() };
                (read, Stage::Mapping { page: 1, entities: Vec::new() })
            }
            Stage::Mapping { page, mut entities } => {
                let mut read = Read::default();
                let more = there && mapped(link, &mut entities, &mut read, response)? && page < MAX_MAPPED_PAGES;
                let next = if more {
                    Stage::Mapping { page: page.saturating_add(1), entities }
                } else {
                    Stage::entities(entities, polls)
                };
                (read, next)
            }
            Stage::Entities(mut left) => {
                let entity = left.pop()?;
                let read = if there { statements(&entity, Some(link), response)?.0 } else { Read::default() };
                (read, Stage::Entities(left))
            }
        };
        let ended = matches!(&next, Stage::Entities(left) if left.is_empty());
        let more = if ended { None } else { Some(serde_json::to_string(&next).ok()?) };
        Some(Polled::Found { found, unreadable, complete: false, more })
    }
}

/// What a page tells, and how many of its rows can't be read.
#[derive(Default)]
struct Read {
    found: Vec<Found>,
    unreadable: u64,
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
fn mapped(link: &str, entities: &mut Vec<String>, read: &mut Read, response: &ApiResponse) -> Option<bool> {
    let page: Mapping<'_> = object(&response.body).ok()?;
    for row in &page.results {
        match (text(row.link_id), shown_id(row.entity_id)) {
            (Some(of), Some(id)) if of == link && !entities.contains(&id) => entities.push(id),
            (Some(_), Some(_)) => {}
            _ => read.unreadable += 1,
        }
    }
    Some(text(page.next).is_some() && !page.results.is_empty())
}

/// Every payload of a link, oldest first. Attempts that look the same are told apart by counting them in the order of
/// `date_time`.
fn listed_payloads(response: &ApiResponse, zone: Zone) -> Option<Read> {
    let answer: Payloads<'_> = object(&response.body).ok()?;
    let mut attempts = Vec::new();
    // The list comes newest first; reversed before a stable sort, equal times keep their order of sending.
    for payload in answer.payloads.iter().rev() {
        // One row that can't be read must not hide its neighbours.
        let Ok(attempt) = serde_json::from_str::<Attempt<'_>>(payload.get()) else { continue };
        let Ok(dated) = serde_json::from_str::<Dated<'_>>(payload.get()) else { continue };
        let at = text(dated.date_time).and_then(|at| zone.read(&at));
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
    let unreadable = (answer.payloads.len() - found.len()) as u64;
    // A list of which nothing can be read is no list.
    (unreadable == 0 || !found.is_empty()).then_some(Read { found, unreadable })
}

#[derive(serde::Deserialize)]
struct Dated<'a> {
    #[serde(borrow)]
    date_time: Field<'a>,
}

/// An entity is complete once each of its statements is completed or failed.
fn entity(entity_id: &str, response: &ApiResponse) -> Option<Polled> {
    let (Read { found, unreadable }, complete) = statements(entity_id, None, response)?;
    Some(Polled::Found { found, unreadable, complete, more: None })
}

/// The statements of an entity that are completed or failed, and whether that is all of them.
fn statements(entity_id: &str, link_id: Option<&str>, response: &ApiResponse) -> Option<(Read, bool)> {
    let answer: Transactions<'_> = object(&response.body).ok()?;
    let mut read = Read::default();
    let progress = answer.progress.unwrap_or_default();
    let mut complete = !progress.is_empty();
    for element in &progress {
        let status = text(element.status).map(progress_named).unwrap_or_default();
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
            match attempt.event(1) {
                Ok(event) => read.found.push(Found { event, body: body.clone() }),
                // What can't be named can't be asked for either: it must not hold up the entity's other statements.
                Err(_) => read.unreadable += 1,
            }
        }
    }
    Some((read, complete))
}

/// A session that is completed. Its webhook names accounts that this answer does not, so the two can't be one event:
/// the polled one has a name of its own.
fn session(session_id: &str, response: &ApiResponse) -> Option<Polled> {
    let answer: Progress<'_> = object(&response.body).ok()?;
    if answer.said().as_deref() != Some(COMPLETED) {
        return Some(Polled::NotYet);
    }
    let name = POLLED;
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
    Some(Polled::Found { found: vec![Found { event, body }], unreadable: 0, complete: true, more: None })
}
