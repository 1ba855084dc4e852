//! Rightfoot, the other half: asking for what was never delivered.
//!
//! | reference | asked | what an answer brings |
//! |---|---|---|
//! | a batch id | its balances, one row | the batch's completion, the event its webhook reports |
//! | `authorizer:<authorizer_unique_id>` | its history, newest first | the completion of every batch it was checked in |
//! | `schedule:<schedule id>` | when it last ran | that it ran, and when: an event of our own making |
//! | `submission:<digest>` | nothing | nothing: see [`crate::desk::submit`] |
//!
//! Nothing lists schedules or batches, and a schedule's answer names no batch: `schedule_id`, `last_run_at`,
//! `next_run_at` and a number of authorizers are all of it. So a schedule can tell that a run took place of which no
//! webhook came, but not which batch it was, and balances can't be fetched from it. Whoever wants the balances watches
//! one of the schedule's authorizers as well: its history names the batch of each run.
//!
//! Sources: the API reference's pages "Retrieve Authorizer Balance History" and "Retrieve Schedule Details".

use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::api::{BATCH, COMPLETED, ID, PAGE_LIMIT, Rightfoot, SCHEDULE_RUN};
use super::page::{Next, Page};
use crate::model::debt::Expectation;
use crate::model::entry::{Event, OnDuplicate};
use crate::model::identity::{Identity, Subject};
use crate::model::provider_call::{ApiRequest, ApiResponse, Trouble, encode, trouble, unreadable};
use crate::model::time::{UnixMs, Zone};
use crate::providers::contract::{Expected, Polled, Polls, Unexpectable, Unreadable};
use crate::providers::json::reference_id;
use crate::providers::json::{Field, count, instant, object, text};
use crate::providers::step::{Found, Outcome, Step};
use crate::providers::submission::SUBMISSION;

const SHAPE: &str = "a batch id, authorizer:<authorizer_unique_id> or schedule:<schedule id>, the id 1 to 200 bytes";

/// What an application may wait for.
enum Reference<'a> {
    Batch(&'a str),
    Authorizer(&'a str),
    Schedule(&'a str),
    Submission(&'a str),
}

impl<'a> Reference<'a> {
    fn of(reference: &'a str) -> Self {
        let after = |prefix: &str| reference.strip_prefix(prefix);
        match (after("authorizer:"), after("schedule:"), after(SUBMISSION)) {
            (Some(id), ..) => Self::Authorizer(id),
            (_, Some(id), _) => Self::Schedule(id),
            (.., Some(digest)) => Self::Submission(digest),
            _ => Self::Batch(reference),
        }
    }
}

#[derive(Deserialize)]
struct History<'a> {
    #[serde(borrow)]
    authorizer_unique_id: Field<'a>,
    #[serde(borrow)]
    history: Vec<&'a RawValue>,
    #[serde(borrow)]
    has_more: Field<'a>,
    #[serde(borrow, rename = "hasMore")]
    camel_has_more: Field<'a>,
    #[serde(borrow)]
    next_page_token: Field<'a>,
    #[serde(borrow, rename = "nextPageToken")]
    camel_next_page_token: Field<'a>,
}

impl History<'_> {
    fn next(&self) -> Next {
        Next::of(self.has_more.or(self.camel_has_more), self.next_page_token.or(self.camel_next_page_token))
    }
}

/// A run of the history. Its `balance_amount` and `error_message` are not looked at: the batch's balances say the first
/// in full, and the second is the provider's text.
#[derive(Deserialize)]
struct Run<'a> {
    #[serde(borrow)]
    run_at: Field<'a>,
    #[serde(borrow)]
    batch_id: Field<'a>,
}

#[derive(Deserialize)]
struct Schedule<'a> {
    #[serde(borrow)]
    schedule_id: Field<'a>,
    #[serde(borrow)]
    last_run_at: Field<'a>,
    #[serde(borrow)]
    next_run_at: Field<'a>,
    #[serde(borrow)]
    total_authorizers: Field<'a>,
}

impl Polls for Rightfoot {
    fn expectation(&self, reference: &str) -> Result<Expected, Unexpectable> {
        let (kind, id, repeats) = match Reference::of(reference) {
            Reference::Batch(id) => (BATCH, id, false),
            Reference::Submission(digest) => ("submission", digest, false),
            Reference::Authorizer(id) => ("authorizer", id, true),
            Reference::Schedule(id) => ("schedule", id, true),
        };
        let subject = Subject::new(ID, kind, reference_id(id, SHAPE)?);
        Ok(Expected { key: subject.item(if repeats { "watch" } else { "expectation" }), repeats })
    }

    fn poll(&self, expectation: &Expectation, cursor: Option<&str>) -> Option<ApiRequest> {
        match Reference::of(&expectation.reference) {
            Reference::Batch(id) => Some(self.balances(id, 1, None)),
            Reference::Authorizer(id) => {
                let path = format!("/v1/monitoring/authorizers/{}/history?limit={PAGE_LIMIT}", encode(id));
                Some(self.get("authorizers", path, cursor))
            }
            Reference::Schedule(id) => {
                Some(self.get("schedules", format!("/v1/monitoring/schedules/{}", encode(id)), None))
            }
            Reference::Submission(_) => None,
        }
    }

    fn polled(&self, expectation: &Expectation, cursor: Option<&str>, response: &ApiResponse) -> Polled {
        match response.status {
            200 => {}
            404 => return Polled::NotYet,
            _ => return Polled::Trouble(trouble(response)),
        }
        // An authorizer's or a schedule's past may reach back years; what is waited for is about to happen.
        let since = expectation.created_at.minus_secs(self.history_lookback_secs);
        match Reference::of(&expectation.reference) {
            Reference::Batch(id) => batch(id, response),
            Reference::Authorizer(id) => self.runs(id, since, cursor, response),
            Reference::Schedule(id) => last_run(id, since, self.zone, response),
            Reference::Submission(_) => Polled::NotYet,
        }
    }
}

/// The completion of a batch, as its webhook would have brought it.
fn completed(batch_id: &str, occurred_at: Option<UnixMs>) -> Found {
    let body = json!({ "type": COMPLETED, "batch_id": batch_id }).to_string().into_bytes();
    let subject = Subject::new(ID, BATCH, batch_id);
    let identity = Identity::new(&[COMPLETED, batch_id]);
    Found { event: found(COMPLETED, subject, identity, occurred_at), body }
}

fn found(event_type: &str, subject: Subject, identity: Identity, occurred_at: Option<UnixMs>) -> Event {
    Event {
        event_type: event_type.into(),
        subject,
        identity,
        occurred_at,
        known: true,
        on_duplicate: OnDuplicate::Same,
        notes: Vec::new(),
    }
}

/// A batch is complete once it shows a balance: its first answers may be empty, or no answer of the API's at all.
fn batch(id: &str, response: &ApiResponse) -> Polled {
    match object::<Page<'_>>(&response.body) {
        Ok(page) if page.balances.is_empty() => Polled::NotYet,
        Ok(_) => Polled::Found { found: vec![completed(id, None)], unreadable: 0, complete: true, more: None },
        Err(_) => Polled::Trouble(unreadable(response, "the page of balances")),
    }
}

impl Rightfoot {
    /// One page of an authorizer's history. A run that failed is told as well: its batch completed all the same, and the
    /// batch's balances say why. The walk ends with the page that reaches further back than `since`.
    fn runs(&self, authorizer: &str, since: UnixMs, cursor: Option<&str>, response: &ApiResponse) -> Polled {
        let Ok(page) = object::<History<'_>>(&response.body) else {
            return Polled::Trouble(unreadable(response, "the history"));
        };
        if text(page.authorizer_unique_id).is_some_and(|id| id != authorizer) {
            return permanent("the history answered belongs to another authorizer");
        }
        // A time that can't be read is never recent: such a run is passed over, and counted.
        let read = |run: &&RawValue| {
            let run: Run<'_> = serde_json::from_str(run.get()).ok()?;
            let batch = text(run.batch_id).filter(|id| reference_id(id, SHAPE).is_ok())?;
            Some((batch, instant(run.run_at, self.zone)?))
        };
        let runs: Vec<(String, UnixMs)> = page.history.iter().filter_map(read).collect();
        let unreadable = (page.history.len() - runs.len()) as u64;
        if runs.is_empty() && unreadable > 0 {
            return permanent("no run of the history has a batch and a time that can be read");
        }
        let reaches_back = runs.last().is_none_or(|(_, at)| *at < since);
        let recent = runs.into_iter().filter(|(_, at)| *at >= since);
        let found = recent.map(|(batch, at)| completed(&batch, Some(at))).collect();
        // A null token ends the walk, whatever `has_more` says: so the page documents it.
        let more = match page.next() {
            Next::Page(token) if !reaches_back => Some(token),
            Next::Page(_) | Next::Last | Next::Unnamed => None,
        };
        if more.is_some() && more.as_deref() == cursor {
            return permanent("a page of the history named itself as the next one");
        }
        Polled::Found { found, unreadable, complete: false, more }
    }
}

/// A schedule's last run. Runs are at least a day apart and a watch looks at least hourly, so none is skipped over
/// while it is watched.
fn last_run(schedule: &str, since: UnixMs, zone: Zone, response: &ApiResponse) -> Polled {
    let Ok(answer) = object::<Schedule<'_>>(&response.body) else {
        return Polled::Trouble(unreadable(response, "the schedule"));
    };
    if text(answer.schedule_id).is_some_and(|id| id != schedule) {
        return permanent("the schedule answered is another one");
    }
    let Some(last_run_at) = text(answer.last_run_at) else { return Polled::NotYet };
    let Some(at) = zone.read(&last_run_at) else {
        return permanent("the schedule's last_run_at is no time that can be read");
    };
    if at < since {
        return Polled::NotYet;
    }
    let next_run_at = instant(answer.next_run_at, zone);
    let body = json!({
        "type": SCHEDULE_RUN,
        "schedule_id": schedule,
        "last_run_at": at.to_string(),
        "next_run_at": next_run_at.map(|at| at.to_string()),
        "total_authorizers": count(answer.total_authorizers),
    });
    let identity = Identity::new(&[SCHEDULE_RUN, &at.to_string()]);
    let event = found(SCHEDULE_RUN, Subject::new(ID, "schedule", schedule), identity, Some(at));
    let found = vec![Found { event, body: body.to_string().into_bytes() }];
    Polled::Found { found, unreadable: 0, complete: false, more: None }
}

/// The work of a schedule's run: there is nothing more to ask, only to tell.
pub(super) fn schedule_run(body: &[u8]) -> Result<Step, Unreadable> {
    let run: Schedule<'_> = object(body)?;
    let summary = vec![
        ("schedule_id", text(run.schedule_id).into()),
        ("last_run_at", text(run.last_run_at).into()),
        ("next_run_at", text(run.next_run_at).into()),
        ("total_authorizers", count(run.total_authorizers).into()),
    ];
    Ok(Step::done(Vec::new(), Outcome { summary, ..Outcome::default() }))
}

fn permanent(reason: &str) -> Polled {
    Polled::Trouble(Trouble::Permanent { reason: reason.into() })
}
