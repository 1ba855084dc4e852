//! The entity flow: what confirms an attempt, and what is kept of it.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::identity::escape;
use crate::model::provider_call::{ApiResponse, encode, trouble};
use crate::model::row::Row;
use crate::providers::json::{Field, document, object, text};
use crate::providers::step::{Ask, Found, Once, Outcome, Step};

use super::api::{
    ACCOUNTS, COMPLETED, FAILED, FinBox, PROCESSING, permanent, progress_named, stored_body_unreadable,
    unreadable_answer,
};
use super::attempt::{Attempt, reason_mark};

impl FinBox {
    pub(super) fn ask_entity(&self, attempt: &Attempt<'_>, cursor: Option<&str>) -> Ask {
        let Some(entity_id) = text(attempt.entity_id) else {
            return Ask::Nothing(Box::new(stored_body_unreadable()));
        };
        Ask::Request(match (cursor, attempt.statement(), attempt.link()) {
            (Some(_), _, _) => self.get(ACCOUNTS, &format!("entity/{}/accounts/", encode(&entity_id))),
            // Without a statement only the link's list can confirm the attempt.
            (None, None, Some(link_id)) => self.payloads(&link_id),
            (None, _, _) => self.transactions(&entity_id),
        })
    }
}

pub(super) fn entity_answer(attempt: &Attempt<'_>, cursor: Option<&str>, response: &ApiResponse) -> Step {
    match response.status {
        200 => {}
        404 => return Step::not_yet("FinBox does not know the entity yet"),
        _ => return Step::Trouble(trouble(response)),
    }
    if cursor == Some(ACCOUNTS) {
        return accounts_answer(response);
    }
    match (attempt.statement(), attempt.link()) {
        (Some(statement), _) => statement_answer(attempt, &statement, response),
        (None, Some(_)) => attempt_answer(attempt, response),
        (None, None) => nameless_answer(attempt, response),
    }
}

#[derive(Deserialize)]
pub(super) struct Transactions<'a> {
    #[serde(borrow)]
    pub(super) progress: Option<Vec<StatementProgress<'a>>>,
}

#[derive(Deserialize)]
pub(super) struct StatementProgress<'a> {
    #[serde(borrow)]
    pub(super) status: Field<'a>,
    #[serde(borrow)]
    pub(super) statement_id: Field<'a>,
    #[serde(borrow)]
    pub(super) message: Field<'a>,
}

#[derive(Deserialize)]
pub(super) struct Payloads<'a> {
    #[serde(borrow)]
    pub(super) payloads: Vec<&'a RawValue>,
}

/// The transactions' `progress` must say of this statement what the delivery said. A failure that the provider itself has
/// overtaken is no news any more: what it says by now is.
pub(super) fn statement_answer(attempt: &Attempt<'_>, statement: &str, response: &ApiResponse) -> Step {
    let Ok(answer) = object::<Transactions<'_>>(&response.body) else { return unreadable_answer(response) };
    let progress = answer.progress.unwrap_or_default();
    let element = progress.iter().find(|element| text(element.statement_id).as_deref() == Some(statement));
    let status = element.and_then(|element| text(element.status)).map(progress_named);
    let told = attempt.progress();
    match status.as_deref() {
        None | Some(PROCESSING) => Step::not_yet("FinBox still processes the statement"),
        Some(COMPLETED) if told == FAILED => match completion(attempt) {
            Some(by) => Step::Overtaken { reason: "FinBox says by now that the statement is completed", by },
            None => stored_body_unreadable(),
        },
        // A replica that lags behind may still show the failure before a completion. What nobody ever confirms is parked.
        Some(status) if status != told => {
            Step::not_yet("FinBox's API contradicts the delivery about the statement's progress")
        }
        Some(COMPLETED) => {
            let row = Row { sk: "transactions".into(), columns: Vec::new(), document: document(&response.body) };
            Step::More { rows: vec![row], unreadable: 0, cursor: ACCOUNTS.into() }
        }
        // Of a statement only the API's own message is kept: the delivery's may be anybody's.
        Some(_) => failure(attempt, element.and_then(|element| text(element.message)), "statement"),
    }
}

/// An attempt with neither statement nor link: what the entity itself says of attempts without a statement is all that can
/// confirm it. A completion has a statement.
pub(super) fn nameless_answer(attempt: &Attempt<'_>, response: &ApiResponse) -> Step {
    let Ok(answer) = object::<Transactions<'_>>(&response.body) else { return unreadable_answer(response) };
    if attempt.progress() == COMPLETED {
        return permanent("nothing can confirm a completion that names neither statement nor link");
    }
    let is_it = |element: &&StatementProgress<'_>| {
        let failed = text(element.status).map(progress_named).is_some_and(|status| status == FAILED);
        failed && text(element.statement_id).is_none()
    };
    let progress = answer.progress.unwrap_or_default();
    // The one with the delivery's reason, if there is one.
    let reason = reason_mark(&text(attempt.reason).unwrap_or_default());
    let same = |element: &&StatementProgress<'_>| {
        is_it(element) && reason_mark(&text(element.message).unwrap_or_default()) == reason
    };
    match progress.iter().find(same).or_else(|| progress.iter().find(is_it)) {
        // As often as the entity tells of one, and no oftener: whatever reasons are posted.
        Some(element) => {
            let times = u32::try_from(progress.iter().filter(is_it).count()).unwrap_or(u32::MAX);
            let once = Once { name: "attempt failed".into(), times };
            failed_once(attempt, text(element.message), "entity", Some(once))
        }
        None => Step::not_yet("FinBox's API tells of no failed attempt of this entity without a statement"),
    }
}

/// The completion of the statement that an attempt names, as its webhook would have brought it.
pub(super) fn completion(attempt: &Attempt<'_>) -> Option<Found> {
    let body = serde_json::json!({
        "entity_id": text(attempt.entity_id),
        "statement_id": attempt.statement(),
        "link_id": attempt.link(),
        "progress": COMPLETED,
        "reason": "",
    });
    let body = body.to_string().into_bytes();
    let event = serde_json::from_slice::<Attempt<'_>>(&body).ok()?.event(1).ok()?;
    Some(Found { event, body })
}

pub(super) fn accounts_answer(response: &ApiResponse) -> Step {
    if object::<&RawValue>(&response.body).is_err() {
        return unreadable_answer(response);
    }
    let row = Row { sk: ACCOUNTS.into(), columns: Vec::new(), document: document(&response.body) };
    let summary = vec![("progress", COMPLETED.into()), ("confirmed_by", "statement".into())];
    Step::done(vec![row], Outcome { summary, pulled: true, ..Outcome::default() })
}

/// The link's list must hold an attempt that looks like the one delivered.
pub(super) fn attempt_answer(attempt: &Attempt<'_>, response: &ApiResponse) -> Step {
    let Ok(answer) = object::<Payloads<'_>>(&response.body) else { return unreadable_answer(response) };
    let wanted = attempt.event(1).map(|event| event.key());
    let mut listed =
        answer.payloads.iter().filter_map(|payload| serde_json::from_str::<Attempt<'_>>(payload.get()).ok());
    match listed.find(|listed| listed.event(1).map(|event| event.key()) == wanted) {
        // In the list's words: the delivery's may differ in blanks.
        Some(listed) => failure(attempt, text(listed.reason), "link"),
        None => Step::not_yet("FinBox's list of the link does not hold this attempt"),
    }
}

/// Keeps a failure and its reason. `completed` without a statement has nothing to fetch either.
pub(super) fn failure(attempt: &Attempt<'_>, reason: Option<String>, confirmed_by: &'static str) -> Step {
    failed_once(attempt, reason, confirmed_by, None)
}

pub(super) fn failed_once(
    attempt: &Attempt<'_>,
    reason: Option<String>,
    confirmed_by: &'static str,
    once: Option<Once>,
) -> Step {
    let progress = attempt.progress();
    let reason = reason.unwrap_or_default();
    let statement = attempt.statement().map_or_else(|| format!("none#{}", reason_mark(&reason)), |id| escape(&id));
    let document = serde_json::json!({ "progress": &progress, "reason": &reason }).to_string().into_bytes();
    let columns = vec![("progress", progress.clone()), ("reason", reason)];
    let row = Row { sk: format!("failure#{statement}"), columns, document };
    let summary = vec![("progress", progress.into()), ("confirmed_by", confirmed_by.into())];
    Step::done(vec![row], Outcome { summary, pulled: true, once, ..Outcome::default() })
}
