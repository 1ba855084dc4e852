//! FinBox BankConnect: bank statements.
//!
//! Nothing is signed, nothing is retried: one lost request is a lost event, and the poll is the only second chance. So
//! the only answers other than 200 are refusals, and a delivery that the store does not take goes onto the queue
//! itself. A link may bring several statements and retries, so it is *watched*; an entity can be asked for by itself.
//!
//! Sources: FinBox's "BankConnect: Webhook" page (entity flow, `webhook_payloads`, 200), its REST reference (progress
//! of an entity's statements, session progress). Guessed, and so settings: the base URL (the page's host was replaced
//! in 2023), the zone of `date_time`, the header that may carry a shared secret.

#[path = "finbox_accounts.rs"]
mod accounts;
#[path = "finbox_recovery.rs"]
mod recovery;
#[path = "finbox_setup.rs"]
mod setup;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use super::json::{Field, object, required, text};
use super::{
    Answers, Ask, Definition, Lists, Offer, OnStoreDown, OnUnreadable, Outcome, Polls, Provider, Setup, Step, Submits,
    Unreadable,
};
use crate::api::{ApiRequest, ApiResponse, Auth, Trouble, encode, trouble};
use crate::delivery::Verified;
use crate::entry::{Entry, Event, OnDuplicate, Row};
use crate::identity::{Identity, ItemKey, ProviderId, Subject, escape};
use crate::settings::{Lookup, SettingError, base_url, number, text as setting};
use crate::signature::Scheme;

const ID: ProviderId = ProviderId("finbox");
const COMPLETED: &str = "completed";
const FAILED: &str = "failed";
const EXPIRY: &str = "SESSION_EXPIRY_NOTIFICATION";
const REQUIREMENT: &str = "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION";
const ENRICHMENT: &str = "ENRICHMENT_NOTIFICATION";
/// Where the walk of a completed statement goes on after the transactions confirmed it.
const ACCOUNTS: &str = "accounts";

pub(super) const DEFINITION: Definition = Definition { id: ID, build };

static ANSWERS: Answers = Answers {
    received: 200,
    refused: 403,
    unreadable: OnUnreadable::Park,
    // FinBox never sends anything twice.
    store_down: OnStoreDown::Rescue,
};

struct FinBox {
    scheme: Scheme,
    base_url: String,
    utc_offset_minutes: i32,
}

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    let static_header = Some(setting(lookup, "FINBOX_STATIC_HEADER", "")).filter(|name| !name.is_empty());
    let default_url = "https://apis.bankconnect.finbox.in/bank-connect";
    Ok(Box::new(FinBox {
        scheme: Scheme::Unsigned { allowed_cidrs: super::cidrs(lookup, "FINBOX_ALLOWED_CIDRS")?, static_header },
        base_url: base_url(lookup, "FINBOX_API_BASE_URL", default_url)?,
        utc_offset_minutes: number(lookup, "FINBOX_UTC_OFFSET_MINUTES", 0)?,
    }))
}

/// Both flows arrive at one URL; `event_name` tells the session flow.
#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    event_name: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    accounts: Field<'a>,
}

/// A delivery, with the fields of both flows.
#[derive(Deserialize)]
struct Pushed<'a> {
    #[serde(borrow)]
    event_name: Field<'a>,
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    accounts: Field<'a>,
    #[serde(borrow)]
    entity_id: Field<'a>,
    #[serde(borrow)]
    statement_id: Field<'a>,
    #[serde(borrow)]
    link_id: Field<'a>,
    #[serde(borrow)]
    progress: Field<'a>,
    #[serde(borrow)]
    reason: Field<'a>,
}

/// Reads a delivery as both flows have it. Each is read by itself where the two together can't be: a flaw in one flow's
/// fields is none of the other's.
fn pushed(body: &[u8]) -> Result<(Body<'_>, Result<Attempt<'_>, Unreadable>), Unreadable> {
    let Ok(read) = object::<Pushed<'_>>(body) else { return Ok((object(body)?, object(body))) };
    let Pushed { event_name, session_id, accounts, entity_id, statement_id, link_id, progress, reason } = read;
    let attempt = Attempt { entity_id, statement_id, link_id, progress, reason };
    Ok((Body { event_name, session_id, accounts }, Ok(attempt)))
}

/// The five fields of the entity flow, as pushed and as listed.
#[derive(Deserialize)]
struct Attempt<'a> {
    #[serde(borrow)]
    entity_id: Field<'a>,
    #[serde(borrow)]
    statement_id: Field<'a>,
    #[serde(borrow)]
    link_id: Field<'a>,
    #[serde(borrow)]
    progress: Field<'a>,
    #[serde(borrow)]
    reason: Field<'a>,
}

impl Attempt<'_> {
    /// `""`, blanks and `null` all mean that there was no upload.
    fn statement(&self) -> Option<String> {
        text(self.statement_id).filter(|id| !id.trim().is_empty())
    }

    fn link(&self) -> Option<String> {
        text(self.link_id).filter(|id| !id.trim().is_empty())
    }

    /// The event of the entity flow. Where no statement tells attempts apart, `ordinal` does: a push is taken as the
    /// first that looks like this, the link's list knows better.
    fn event(&self, ordinal: u32) -> Result<Event, Unreadable> {
        let entity_id = required("entity_id", self.entity_id)?;
        let progress = required("progress", self.progress)?;
        let (identity, on_duplicate) = match self.statement() {
            Some(statement) => (Identity::new(&["statement", &statement, &progress]), OnDuplicate::Same),
            None => {
                let link = self.link();
                let reason = text(self.reason).unwrap_or_default();
                let (link_part, looks) = (link.as_deref().unwrap_or(""), reason_mark(&reason));
                let parts = ["attempt", link_part, &progress, &looks, &ordinal.to_string()];
                let recount = link.as_deref().map(|link| OnDuplicate::Recount { reference: format!("link:{link}") });
                (Identity::new(&parts), recount.unwrap_or(OnDuplicate::Same))
            }
        };
        Ok(Event {
            known: matches!(progress.as_str(), COMPLETED | FAILED),
            event_type: format!("statement.{progress}"),
            subject: Subject::new(ID, "entity", &entity_id),
            identity,
            occurred_at: None,
            on_duplicate,
            notes: Vec::new(),
        })
    }
}

impl Body<'_> {
    fn session_event(&self, event_name: String) -> Result<Event, Unreadable> {
        let session_id = required("session_id", self.session_id)?;
        let identity = Identity::new(&[&event_name, &session_id, &accounts::mark_of(self.accounts)]);
        Ok(Event {
            known: matches!(event_name.as_str(), EXPIRY | REQUIREMENT | ENRICHMENT),
            subject: Subject::new(ID, "session", &session_id),
            identity,
            occurred_at: None,
            on_duplicate: OnDuplicate::Same,
            notes: Vec::new(),
            event_type: event_name,
        })
    }
}

/// What stands for lines of text in a key: half of their SHA-256.
fn mark<'l>(lines: impl IntoIterator<Item = &'l str>) -> String {
    let mut hasher = Sha256::new();
    for (place, line) in lines.into_iter().enumerate() {
        hasher.update(if place == 0 { "" } else { "\n" });
        hasher.update(line);
    }
    let mut digits = hex::encode(hasher.finalize());
    digits.truncate(32);
    digits
}

/// What stands for a reason in a key, nothing for none. Keys are published, and a provider's text may say anything.
fn reason_mark(reason: &str) -> String {
    Some(reason.trim()).filter(|reason| !reason.is_empty()).map(|reason| mark([reason])).unwrap_or_default()
}

fn watch_key(link_id: &str) -> ItemKey {
    Subject::new(ID, "link", link_id).item("watch")
}

impl FinBox {
    fn get(&self, path_and_query: &str) -> ApiRequest {
        let url = format!("{}/v1/{path_and_query}", self.base_url);
        ApiRequest::get(url, Auth::Headers(&[("x-api-key", "api_key"), ("server-hash", "server_hash")]))
    }

    fn transactions(&self, entity_id: &str) -> ApiRequest {
        self.get(&format!("entity/{}/transactions/", encode(entity_id)))
    }

    fn payloads(&self, link_id: &str) -> ApiRequest {
        self.get(&format!("entity/webhook_payloads/?link_id={}", encode(link_id)))
    }

    fn session_progress(&self, session_id: &str) -> ApiRequest {
        self.get(&format!("session_data/{}/progress/", encode(session_id)))
    }
}

impl Provider for FinBox {
    fn id(&self) -> ProviderId {
        ID
    }

    fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    fn answers(&self) -> &'static Answers {
        &ANSWERS
    }

    fn parse(&self, verified: &Verified) -> Result<Event, Unreadable> {
        let (body, attempt) = pushed(verified.body())?;
        match text(body.event_name).filter(|name| !name.is_empty()) {
            Some(event_name) => body.session_event(event_name),
            None => attempt?.event(1),
        }
    }

    fn ask(&self, _entry: &Entry, body: &[u8], cursor: Option<&str>) -> Ask {
        let Ok((session, Ok(attempt))) = pushed(body) else {
            return Ask::Nothing(Box::new(stored_body_unreadable()));
        };
        if let Some(session_id) = text(session.session_id).filter(|_| session.event_name.is_some()) {
            return Ask::Request(self.session_progress(&session_id));
        }
        let Some(entity_id) = text(attempt.entity_id) else {
            return Ask::Nothing(Box::new(stored_body_unreadable()));
        };
        Ask::Request(match (cursor, attempt.statement(), attempt.link()) {
            (Some(_), _, _) => self.get(&format!("entity/{}/accounts/", encode(&entity_id))),
            // Without a statement only the link's list can confirm the attempt.
            (None, None, Some(link_id)) => self.payloads(&link_id),
            (None, _, _) => self.transactions(&entity_id),
        })
    }

    fn answer(&self, entry: &Entry, body: &[u8], cursor: Option<&str>, _tally: u64, response: &ApiResponse) -> Step {
        let Ok((session, Ok(attempt))) = pushed(body) else {
            return stored_body_unreadable();
        };
        if session.event_name.is_some() {
            return session_answer(&entry.event_type, response);
        }
        match response.status {
            200 => {}
            404 => return Step::NotYet { reason: "FinBox does not know the entity yet" },
            _ => return Step::Trouble(trouble(response)),
        }
        if cursor == Some(ACCOUNTS) {
            return accounts_answer(response);
        }
        match (attempt.statement(), attempt.link()) {
            (Some(statement), _) => statement_answer(&attempt, &statement, response),
            (None, Some(_)) => attempt_answer(&attempt, response),
            // No statement and no link: no endpoint tells of this attempt. That the entity exists is all there is.
            (None, None) => failure(&attempt, None, "entity"),
        }
    }

    fn without_answer(&self, _: &Entry, _: &str) -> Option<Outcome> {
        // Nothing is signed: what the API does not confirm takes no effect.
        None
    }

    fn polls(&self) -> Offer<'_, dyn Polls> {
        Offer::Offered(self)
    }

    fn lists(&self) -> Offer<'_, dyn Lists> {
        Offer::Unavailable("payloads are listed by link only: announce links as expectations")
    }

    fn submits(&self) -> Offer<'_, dyn Submits> {
        Offer::Unavailable("statements are started by links and sessions of your own")
    }

    fn setup(&self) -> Offer<'_, dyn Setup> {
        Offer::Offered(self)
    }
}

#[derive(Deserialize)]
struct Transactions<'a> {
    #[serde(borrow)]
    progress: Option<Vec<StatementProgress<'a>>>,
}

#[derive(Deserialize)]
struct StatementProgress<'a> {
    #[serde(borrow)]
    status: Field<'a>,
    #[serde(borrow)]
    statement_id: Field<'a>,
    #[serde(borrow)]
    message: Field<'a>,
}

#[derive(Deserialize)]
struct Payloads<'a> {
    #[serde(borrow)]
    payloads: Vec<&'a RawValue>,
}

/// The transactions' `progress` must say of this statement what the delivery said.
fn statement_answer(attempt: &Attempt<'_>, statement: &str, response: &ApiResponse) -> Step {
    let Ok(answer) = object::<Transactions<'_>>(&response.body) else { return unreadable_answer() };
    let progress = answer.progress.unwrap_or_default();
    let element = progress.iter().find(|element| text(element.statement_id).as_deref() == Some(statement));
    let status = element.and_then(|element| text(element.status));
    let told = text(attempt.progress).unwrap_or_default();
    match status.as_deref() {
        None | Some("processing") => Step::NotYet { reason: "FinBox still processes the statement" },
        Some(status) if status != told => {
            permanent("FinBox's API contradicts the delivery about the statement's progress")
        }
        Some(COMPLETED) => {
            let row = Row { sk: "transactions".into(), columns: Vec::new(), document: response.body.clone() };
            Step::More { rows: vec![row], cursor: ACCOUNTS.into() }
        }
        Some(_) => failure(attempt, element.and_then(|element| text(element.message)), "statement"),
    }
}

fn accounts_answer(response: &ApiResponse) -> Step {
    if object::<serde_json::Value>(&response.body).is_err() {
        return unreadable_answer();
    }
    let row = Row { sk: "accounts".into(), columns: Vec::new(), document: response.body.clone() };
    let summary = vec![("progress", COMPLETED.into()), ("confirmed_by", "statement".into())];
    Step::Done { rows: vec![row], outcome: Outcome { summary, pulled: true, status: None } }
}

/// The link's list must hold an attempt that looks like the one delivered.
fn attempt_answer(attempt: &Attempt<'_>, response: &ApiResponse) -> Step {
    let Ok(answer) = object::<Payloads<'_>>(&response.body) else { return unreadable_answer() };
    let wanted = attempt.event(1).map(|event| event.key());
    let listed = answer.payloads.iter().any(|payload| {
        serde_json::from_str::<Attempt<'_>>(payload.get()).is_ok_and(|a| a.event(1).map(|event| event.key()) == wanted)
    });
    if !listed {
        return Step::NotYet { reason: "FinBox's list of the link does not hold this attempt" };
    }
    failure(attempt, None, "link")
}

/// Keeps a failure and its reason. `completed` without a statement has nothing to fetch either.
fn failure(attempt: &Attempt<'_>, message: Option<String>, confirmed_by: &'static str) -> Step {
    let progress = text(attempt.progress).unwrap_or_default();
    let reason = text(attempt.reason).filter(|reason| !reason.is_empty()).or(message).unwrap_or_default();
    let statement = attempt.statement().map_or_else(|| format!("none#{}", reason_mark(&reason)), |id| escape(&id));
    let document = serde_json::json!({ "progress": &progress, "reason": &reason }).to_string().into_bytes();
    let columns = vec![("progress", progress.clone()), ("reason", reason)];
    let row = Row { sk: format!("failure#{statement}"), columns, document };
    let summary = vec![("progress", progress.into()), ("confirmed_by", confirmed_by.into())];
    Step::Done { rows: vec![row], outcome: Outcome { summary, pulled: true, status: None } }
}

#[derive(Deserialize)]
struct Session<'a> {
    #[serde(borrow)]
    session_progress: Field<'a>,
}

fn session_answer(event_type: &str, response: &ApiResponse) -> Step {
    let progress = match response.status {
        200 => match object::<Session<'_>>(&response.body) {
            Ok(session) => text(session.session_progress).unwrap_or_else(|| "unknown".into()),
            Err(_) => return unreadable_answer(),
        },
        404 => return Step::NotYet { reason: "FinBox does not know the session yet" },
        // An expired session may be gone, or was never asked to be processed: both confirm the expiry.
        400 if event_type == EXPIRY => "not_requested".into(),
        410 if event_type == EXPIRY => "deleted".into(),
        _ => return Step::Trouble(trouble(response)),
    };
    if event_type == REQUIREMENT && progress == "processing" {
        return Step::NotYet { reason: "FinBox still processes the session" };
    }
    let columns = vec![("session_progress", progress.clone())];
    let row = Row { sk: "progress".into(), columns, document: response.body.clone() };
    let summary = vec![("session_progress", progress.into())];
    Step::Done { rows: vec![row], outcome: Outcome { summary, pulled: true, status: None } }
}

fn permanent(reason: &str) -> Step {
    Step::Trouble(Trouble::Permanent { reason: reason.into() })
}

fn unreadable_answer() -> Step {
    permanent("FinBox's answer has not the documented shape")
}

fn stored_body_unreadable() -> Step {
    permanent("the stored body cannot be read any more")
}

#[cfg(test)]
#[path = "finbox_tests.rs"]
mod tests;
