//! FinBox BankConnect, sessions: what each of their events may be confirmed by.
//!
//! | event | asked | confirmed by | waits for | contradicted by |
//! |---|---|---|---|---|
//! | upload completed | upload status | `COMPLETED` | any other status | `EXPIRED` |
//! | session expired | upload status | `EXPIRED`, an expiry that is past, 410 | an expiry that is not past | `COMPLETED` |
//! | both names in one, as a page shows it | upload status | either | neither | |
//! | enrichment ended | progress, then upload status | `completed` | `processing`, not requested | |
//!
//! The upload's event comes before the customer asks for processing, and until then the progress is answered 400
//! `PROCESSING_NOT_REQUESTED`: so the upload status has to confirm it. Whether an enrichment succeeded or failed is told
//! by its accounts alone, and only as the API says it.
//!
//! Sources: FinBox's pages "Check Session Upload Status" and "Check Processing Status". Guessed: the word `EXPIRED`.

use serde::Deserialize;
use serde_json::Value;

use super::accounts;
use super::api::{COMPLETED, FAILED, FinBox, ID, PROCESSING, permanent, stored_body_unreadable};
use super::api::{progress_named, unreadable_answer};
use super::pushed::Body;
use crate::model::entry::{Event, OnDuplicate};
use crate::model::identity::{Identity, Subject};
use crate::model::provider_call::{ApiRequest, ApiResponse, encode, trouble};
use crate::model::row::Row;
use crate::model::time::{UnixMs, Zone};
use crate::providers::contract::Unreadable;
use crate::providers::json::{Field, document, id, known_name, object, plain_name, text};
use crate::providers::step::{Ask, Asked, Once, Outcome, Step};

const EXPIRY: &str = "SESSION_EXPIRY_NOTIFICATION";
const UPLOADED: &str = "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION";
/// FinBox's page spells both in one: the upload status tells which it was.
const UPLOADED_OR_EXPIRY: &str = "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION/SESSION_EXPIRY_NOTIFICATION";
const ENRICHMENT: &str = "ENRICHMENT_NOTIFICATION";
/// What the poll of a session brings: the accounts in its webhooks are in no answer, so it is an event of its own.
pub(super) const POLLED: &str = "SESSION_PROGRESS_COMPLETED";
/// Where the walk of an enrichment goes on, for its accounts.
const UPLOAD: &str = "upload";

/// The type that is meant, in any case: a known one as the documents spell it, others as they were sent.
pub(super) fn type_named(said: String) -> String {
    let known = [EXPIRY, UPLOADED, UPLOADED_OR_EXPIRY, ENRICHMENT, POLLED];
    known_name(&said, known).map_or(said, Into::into)
}

impl Body<'_> {
    pub(super) fn event(&self, name: String) -> Result<Event, Unreadable> {
        let session_id = id("session_id", self.session_id)?;
        let identity = Identity::new(&[&name, &session_id, &accounts::mark_of(self.accounts)]);
        Ok(Event {
            known: matches!(name.as_str(), EXPIRY | UPLOADED | UPLOADED_OR_EXPIRY | ENRICHMENT),
            subject: Subject::new(ID, "session", &session_id),
            identity,
            occurred_at: None,
            on_duplicate: OnDuplicate::Same,
            notes: Vec::new(),
            event_type: name,
        })
    }
}

#[derive(Deserialize)]
pub(super) struct Progress<'a> {
    #[serde(borrow)]
    session_progress: Field<'a>,
    #[serde(borrow)]
    accounts: Field<'a>,
}

impl Progress<'_> {
    pub(super) fn said(&self) -> Option<String> {
        text(self.session_progress).map(progress_named)
    }
}

#[derive(Default, Deserialize)]
struct Upload<'a> {
    #[serde(borrow)]
    upload_status: Field<'a>,
    #[serde(borrow)]
    session_expiry_timestamp: Field<'a>,
    #[serde(borrow)]
    session_date_range: Field<'a>,
    #[serde(borrow)]
    accounts: Field<'a>,
}

#[derive(Default, Deserialize)]
struct Range<'a> {
    #[serde(borrow)]
    from_date: Field<'a>,
    #[serde(borrow)]
    to_date: Field<'a>,
}

#[derive(Deserialize)]
struct Account<'a> {
    #[serde(borrow)]
    account_status: Field<'a>,
    #[serde(borrow)]
    status: Field<'a>,
    #[serde(borrow)]
    statements: Field<'a>,
}

#[derive(Deserialize)]
struct Statement<'a> {
    #[serde(borrow)]
    statement_status: Field<'a>,
}

/// How many accounts the API names, and how many of them failed: themselves, or one of their statements.
fn tally(accounts: Field<'_>) -> Option<(u64, u64)> {
    let list: Vec<Account<'_>> = serde_json::from_str(accounts.said()?.get()).ok()?;
    let is_failed = |field: Field<'_>| text(field).is_some_and(|status| plain_name(&status) == FAILED);
    let failed = |account: &&Account<'_>| {
        let statements = account.statements.said();
        let statements: Option<Vec<Statement<'_>>> = statements.and_then(|list| serde_json::from_str(list.get()).ok());
        is_failed(account.account_status.or(account.status))
            || statements.unwrap_or_default().iter().any(|statement| is_failed(statement.statement_status))
    };
    Some((list.len() as u64, list.iter().filter(failed).count() as u64))
}

/// The facts of [`tally`], for a summary.
fn tallied(accounts: Field<'_>) -> [(&'static str, Value); 2] {
    let (all, failed) = tally(accounts).unzip();
    [("accounts", all.into()), ("failed_accounts", failed.into())]
}

impl FinBox {
    pub(super) fn session_progress(&self, session_id: &str) -> ApiRequest {
        self.get("progress", &format!("session_data/{}/progress/", encode(session_id)))
    }

    fn upload_status(&self, session_id: &str) -> ApiRequest {
        self.get(UPLOAD, &format!("session_data/{}/session_upload_status/", encode(session_id)))
    }

    pub(super) fn ask_session(&self, event_type: &str, session: &Body<'_>, cursor: Option<&str>) -> Ask {
        let Some(session_id) = text(session.session_id) else {
            return Ask::Nothing(Box::new(stored_body_unreadable()));
        };
        let by_progress = matches!(event_type, ENRICHMENT | POLLED) && cursor.is_none();
        Ask::Request(if by_progress { self.session_progress(&session_id) } else { self.upload_status(&session_id) })
    }

    pub(super) fn session_answer(&self, asked: &Asked<'_>, session: &Body<'_>, response: &ApiResponse) -> Step {
        let session_id = text(session.session_id).unwrap_or_default();
        match (asked.entry.event_type.as_str(), asked.cursor) {
            (event_type @ (ENRICHMENT | POLLED), None) => progress_answer(event_type, &session_id, response),
            (event_type @ (ENRICHMENT | POLLED), Some(_)) => accounts_told(event_type, &session_id, response),
            (event_type, _) => upload_answer(event_type, &session_id, self.zone, asked.at, response),
        }
    }
}

fn progress_row(progress: &str, response: &ApiResponse) -> Row {
    let columns = vec![("session_progress", progress.to_string())];
    Row { sk: "progress".into(), columns, document: document(&response.body) }
}

/// What the API said of a session, under the type it was asked for. A delivery's own accounts count for nothing here:
/// whoever has the URL's token could have the same told again and again under others.
fn said_once(event_type: &str, status: &str, accounts: Field<'_>) -> Option<Once> {
    Some(Once { name: format!("{event_type} {status} {}", accounts::mark_of(accounts)), times: 1 })
}

/// The summary of a session that is completed.
fn enriched(event_type: &str, session_id: &str, accounts: Field<'_>) -> Outcome {
    let mut summary = vec![("session_id", session_id.into()), ("session_progress", COMPLETED.into())];
    summary.extend(tallied(accounts));
    Outcome { summary, pulled: true, once: said_once(event_type, COMPLETED, accounts), ..Outcome::default() }
}

fn progress_answer(event_type: &str, session_id: &str, response: &ApiResponse) -> Step {
    match response.status {
        200 => {}
        404 => return Step::not_yet("FinBox does not know the session yet"),
        400 => return Step::not_yet("nobody has asked FinBox to process the session yet"),
        _ => return Step::Trouble(trouble(response)),
    }
    let Ok(progress) = object::<Progress<'_>>(&response.body) else { return unreadable_answer(response) };
    match progress.said().as_deref() {
        Some(COMPLETED) if tally(progress.accounts).is_some() => {
            Step::done(vec![progress_row(COMPLETED, response)], enriched(event_type, session_id, progress.accounts))
        }
        Some(COMPLETED) => {
            Step::More { rows: vec![progress_row(COMPLETED, response)], unreadable: 0, cursor: UPLOAD.into() }
        }
        Some(PROCESSING) | None => Step::not_yet("FinBox still processes the session"),
        Some(_) => Step::not_yet("FinBox says something of the session's progress that is not known here"),
    }
}

/// Of a session that is completed, the accounts. That it is completed is confirmed by now, so an answer that does not
/// tell of accounts costs no more than the facts about them.
fn accounts_told(event_type: &str, session_id: &str, response: &ApiResponse) -> Step {
    match response.status {
        200 => {}
        400 | 404 | 410 => return Step::done(Vec::new(), enriched(event_type, session_id, Field::default())),
        _ => return Step::Trouble(trouble(response)),
    }
    let Ok(upload) = object::<Upload<'_>>(&response.body) else { return unreadable_answer(response) };
    let columns = text(upload.upload_status).map(|status| ("upload_status", status)).into_iter().collect();
    let row = Row { sk: UPLOAD.into(), columns, document: document(&response.body) };
    Step::done(vec![row], enriched(event_type, session_id, upload.accounts))
}

fn upload_answer(event_type: &str, session_id: &str, zone: Zone, asked_at: UnixMs, response: &ApiResponse) -> Step {
    let may_expire = event_type != UPLOADED;
    match response.status {
        200 => {}
        404 => return Step::not_yet("FinBox does not know the session yet"),
        // An expired session may be gone.
        410 if may_expire => {
            return Step::done(Vec::new(), uploaded(event_type, session_id, "deleted", None, &Upload::default()));
        }
        _ => return Step::Trouble(trouble(response)),
    }
    let Ok(upload) = object::<Upload<'_>>(&response.body) else { return unreadable_answer(response) };
    let said = text(upload.upload_status).unwrap_or_default();
    let expires_at = text(upload.session_expiry_timestamp).and_then(|at| zone.read(&at));
    let is_uploaded = plain_name(&said) == COMPLETED;
    let is_past = expires_at.is_some_and(|at| at <= asked_at);
    let is_expired = !is_uploaded && (plain_name(&said) == "expired" || is_past);
    match (event_type, is_uploaded, is_expired) {
        (UPLOADED, _, true) => return permanent("FinBox says that the session expired before its upload was complete"),
        (EXPIRY, true, _) => return permanent("FinBox says that the session's upload is complete, not expired"),
        (_, false, false) => return Step::not_yet("FinBox does not say yet that the upload is complete, or over"),
        _ => {}
    }
    let outcome = uploaded(event_type, session_id, &said, expires_at, &upload);
    let row = Row { sk: UPLOAD.into(), columns: vec![("upload_status", said)], document: document(&response.body) };
    Step::done(vec![row], outcome)
}

/// What a consumer needs to go on: which session, until when it can be processed, and what it covers.
fn uploaded(
    event_type: &str,
    session_id: &str,
    status: &str,
    expires_at: Option<UnixMs>,
    upload: &Upload<'_>,
) -> Outcome {
    // An expired session may be shown as such, by its time, or be gone: it is one end all the same.
    let status_told = if plain_name(status) == COMPLETED { COMPLETED } else { "expired" };
    let range = upload.session_date_range.said().and_then(|range| object(range.get().as_bytes()).ok());
    let range: Range<'_> = range.unwrap_or_default();
    let mut summary = vec![
        ("session_id", session_id.into()),
        ("upload_status", status.into()),
        ("session_expires_at", expires_at.map(|at| at.to_string()).into()),
        ("from_date", text(range.from_date).into()),
        ("to_date", text(range.to_date).into()),
    ];
    summary.extend(tallied(upload.accounts));
    let accounts = if status_told == COMPLETED { upload.accounts } else { Field::default() };
    Outcome { summary, pulled: true, once: said_once(event_type, status_told, accounts), ..Outcome::default() }
}
