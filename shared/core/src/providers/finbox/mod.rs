//! FinBox BankConnect: bank statements.
//!
//! Nothing is signed, nothing is retried: one lost request is a lost event, and the poll is the only second chance. So
//! the only answers other than 200 are refusals, and a delivery that the store does not take goes onto the queue
//! itself. A link may bring several statements and retries, so it is *watched*; an entity can be asked for by itself.
//!
//! Sources: FinBox's "BankConnect: Webhook" page (entity flow, `webhook_payloads`, 200), its REST reference (progress
//! of an entity's statements, session progress). Guessed, and so settings: the base URL (the page's host was replaced
//! in 2023), the zone of `date_time`, the header that may carry a shared secret.

mod accounts;
mod recovery;
mod sessions;
mod setup;

use serde::Deserialize;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};

use crate::model::delivery::Verified;
use crate::model::entry::{Entry, Event, OnDuplicate};
use crate::model::identity::{Identity, ItemKey, ProviderId, Subject, escape};
use crate::model::provider_call::{ApiRequest, ApiResponse, Auth, encode, trouble, unreadable};
use crate::model::row::Row;
use crate::model::settings::{Lookup, SettingError, base_url, text as setting, zone};
use crate::model::signature::Scheme;
use crate::model::time::Zone;
use crate::providers::contract::{
    Answers, Definition, OnStoreDown, OnUnreadable, Polls, Provider, Submits, Unreadable,
};
use crate::providers::json::reference_id;
use crate::providers::json::{Field, document, id, known_name, object, optional_id, required, text};
use crate::providers::lists::Lists;
use crate::providers::offer::Offer;
use crate::providers::settings::cidrs;
use crate::providers::setup::Setup;
use crate::providers::step::{Ask, Asked, Found, Once, Outcome, Step};

const ID: ProviderId = ProviderId("finbox");
const COMPLETED: &str = "completed";
const FAILED: &str = "failed";
const PROCESSING: &str = "processing";
/// Where the walk of a completed statement goes on after the transactions confirmed it.
const ACCOUNTS: &str = "accounts";

pub(super) const DEFINITION: Definition = Definition { id: ID, url_has_token: true, answers: &ANSWERS, build };

static ANSWERS: Answers = Answers {
    received: 200,
    refused: 403,
    // Nothing is signed, so whoever has the URL could fill the table with what nobody can read.
    unreadable: OnUnreadable::Quarantine(200),
    // FinBox never sends anything twice.
    store_down: OnStoreDown::Rescue,
};

struct FinBox {
    scheme: Scheme,
    base_url: String,
    zone: Zone,
}

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    let static_header = Some(setting(lookup, "FINBOX_STATIC_HEADER", "")).filter(|name| !name.is_empty());
    let default_url = "https://apis.bankconnect.finbox.in/bank-connect";
    Ok(Box::new(FinBox {
        scheme: Scheme::Unsigned { allowed_cidrs: cidrs(lookup, "FINBOX_ALLOWED_CIDRS")?, static_header },
        base_url: base_url(lookup, "FINBOX_API_BASE_URL", default_url)?,
        zone: zone(lookup, "FINBOX_UTC_OFFSET_MINUTES")?,
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

/// What a delivery is about. This alone decides it, for reading, asking and answering alike.
enum Flow<'a> {
    /// A session, by the name of what happened to it.
    Session(String, Body<'a>),
    /// An entity's statement, or an attempt at one.
    Entity(Attempt<'a>),
}

impl<'a> Flow<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        let (session, attempt) = pushed(body)?;
        match text(session.event_name) {
            Some(name) => Ok(Self::Session(sessions::type_named(name), session)),
            None if session.event_name.said().is_some() => {
                Err(Unreadable::Field { field: "event_name", rule: "a text" })
            }
            None => attempt.map(Self::Entity),
        }
    }
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
    /// None: there was no upload.
    fn statement(&self) -> Option<String> {
        text(self.statement_id)
    }

    fn link(&self) -> Option<String> {
        text(self.link_id)
    }

    fn progress(&self) -> String {
        text(self.progress).map(progress_named).unwrap_or_default()
    }

    /// The event of the entity flow. Where no statement tells attempts apart, `ordinal` does: a push is taken as the
    /// first that looks like this, the link's list knows better.
    fn event(&self, ordinal: u32) -> Result<Event, Unreadable> {
        let entity_id = id("entity_id", self.entity_id)?;
        let progress = progress_named(required("progress", self.progress)?);
        let (statement, link) =
            (optional_id("statement_id", self.statement_id)?, optional_id("link_id", self.link_id)?);
        let (identity, on_duplicate) = match statement {
            Some(statement) => (Identity::new(&["statement", &statement, &progress]), OnDuplicate::Same),
            None => {
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

/// The progress that is meant, in any case: a known one as the documents spell it, others as they were sent.
fn progress_named(said: String) -> String {
    known_name(&said, [COMPLETED, FAILED, PROCESSING]).map_or(said, Into::into)
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
    fn get(&self, endpoint: &'static str, path_and_query: &str) -> ApiRequest {
        let url = format!("{}/v1/{path_and_query}", self.base_url);
        ApiRequest::get(endpoint, url, Auth::Headers(&[("x-api-key", "api_key"), ("server-hash", "server_hash")]))
    }

    fn transactions(&self, entity_id: &str) -> ApiRequest {
        self.get("transactions", &format!("entity/{}/transactions/", encode(entity_id)))
    }

    fn payloads(&self, link_id: &str) -> ApiRequest {
        self.get("payloads", &format!("entity/webhook_payloads/?link_id={}", encode(link_id)))
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
        match Flow::read(verified.body())? {
            Flow::Session(name, session) => session.event(name),
            Flow::Entity(attempt) => attempt.event(1),
        }
    }

    fn content(&self, _body: &[u8]) -> Option<String> {
        // Nothing is signed: what a delivery says beyond its identity counts for nothing.
        None
    }

    fn reference_in(&self, body: &[u8]) -> Option<String> {
        let hint: Hint<'_> = object(body).ok()?;
        let named =
            |kind, field| text(field).filter(|id| reference_id(id, "").is_ok()).map(|id| format!("{kind}:{id}"));
        named("session", hint.session_id).or_else(|| named("entity", hint.entity_id))
    }

    fn ask(&self, entry: &Entry, body: &[u8], cursor: Option<&str>) -> Ask {
        match Flow::read(body) {
            Ok(Flow::Session(_, session)) => self.ask_session(&entry.event_type, &session, cursor),
            Ok(Flow::Entity(attempt)) => self.ask_entity(&attempt, cursor),
            Err(_) => Ask::Nothing(Box::new(stored_body_unreadable())),
        }
    }

    fn answer(&self, asked: &Asked<'_>, response: &ApiResponse) -> Step {
        match Flow::read(asked.body) {
            Ok(Flow::Session(_, session)) => self.session_answer(asked, &session, response),
            Ok(Flow::Entity(attempt)) => entity_answer(&attempt, asked.cursor, response),
            Err(_) => stored_body_unreadable(),
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

/// What an unreadable delivery may still name.
#[derive(Deserialize)]
struct Hint<'a> {
    #[serde(borrow)]
    session_id: Field<'a>,
    #[serde(borrow)]
    entity_id: Field<'a>,
}

impl FinBox {
    fn ask_entity(&self, attempt: &Attempt<'_>, cursor: Option<&str>) -> Ask {
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

fn entity_answer(attempt: &Attempt<'_>, cursor: Option<&str>, response: &ApiResponse) -> Step {
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

/// The transactions' `progress` must say of this statement what the delivery said. A failure that the provider itself has
/// overtaken is no news any more: what it says by now is.
fn statement_answer(attempt: &Attempt<'_>, statement: &str, response: &ApiResponse) -> Step {
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
fn nameless_answer(attempt: &Attempt<'_>, response: &ApiResponse) -> Step {
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
fn completion(attempt: &Attempt<'_>) -> Option<Found> {
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

fn accounts_answer(response: &ApiResponse) -> Step {
    if object::<&RawValue>(&response.body).is_err() {
        return unreadable_answer(response);
    }
    let row = Row { sk: ACCOUNTS.into(), columns: Vec::new(), document: document(&response.body) };
    let summary = vec![("progress", COMPLETED.into()), ("confirmed_by", "statement".into())];
    Step::done(vec![row], Outcome { summary, pulled: true, ..Outcome::default() })
}

/// The link's list must hold an attempt that looks like the one delivered.
fn attempt_answer(attempt: &Attempt<'_>, response: &ApiResponse) -> Step {
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
fn failure(attempt: &Attempt<'_>, reason: Option<String>, confirmed_by: &'static str) -> Step {
    failed_once(attempt, reason, confirmed_by, None)
}

fn failed_once(attempt: &Attempt<'_>, reason: Option<String>, confirmed_by: &'static str, once: Option<Once>) -> Step {
    let progress = attempt.progress();
    let reason = reason.unwrap_or_default();
    let statement = attempt.statement().map_or_else(|| format!("none#{}", reason_mark(&reason)), |id| escape(&id));
    let document = serde_json::json!({ "progress": &progress, "reason": &reason }).to_string().into_bytes();
    let columns = vec![("progress", progress.clone()), ("reason", reason)];
    let row = Row { sk: format!("failure#{statement}"), columns, document };
    let summary = vec![("progress", progress.into()), ("confirmed_by", confirmed_by.into())];
    Step::done(vec![row], Outcome { summary, pulled: true, once, ..Outcome::default() })
}

fn permanent(reason: &str) -> Step {
    Step::hopeless(reason)
}

fn unreadable_answer(response: &ApiResponse) -> Step {
    Step::Trouble(unreadable(response, "FinBox's answer"))
}

fn stored_body_unreadable() -> Step {
    permanent("the stored body cannot be read any more")
}

#[cfg(test)]
mod tests;
