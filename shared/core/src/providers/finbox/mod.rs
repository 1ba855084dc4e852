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
mod api;
mod attempt;
mod entity;
mod pushed;
mod recovery;
mod sessions;
mod setup;

use serde::Deserialize;

use crate::model::delivery::Verified;
use crate::model::entry::{Entry, Event};
use crate::model::identity::ProviderId;
use crate::model::provider_call::{ApiResponse, trouble};
use crate::model::settings::{Lookup, SettingError, base_url, text as setting, zone};
use crate::model::signature::Scheme;
use crate::providers::contract::{
    Answers, Definition, OnStoreDown, OnUnreadable, Polls, Provider, Submits, Unreadable,
};
use crate::providers::json::reference_id;
use crate::providers::json::{Field, object, text};
use crate::providers::lists::Lists;
use crate::providers::offer::Offer;
use crate::providers::settings::cidrs;
use crate::providers::setup::Setup;
use crate::providers::step::{Ask, Asked, Outcome, Step};
use api::{FinBox, ID, stored_body_unreadable};
use attempt::Attempt;
use entity::entity_answer;
use pushed::{Body, pushed};

pub(super) const DEFINITION: Definition = Definition {
    id: ID,
    kinds: &["entity", "link", "session", "unreadable"],
    kinds_with_status: &[],
    poll_only: |event_type, key| event_type == sessions::POLLED || attempt::is_a_repeat(key),
    url_has_token: true,
    answers: &ANSWERS,
    build,
};

static ANSWERS: Answers = Answers {
    received: 200,
    refused: 403,
    // Nothing is signed, so whoever has the URL could fill the table with what nobody can read.
    unreadable: OnUnreadable::Quarantine(200),
    // FinBox never sends anything twice.
    store_down: OnStoreDown::Rescue,
};

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    let static_header = Some(setting(lookup, "FINBOX_STATIC_HEADER", "")).filter(|name| !name.is_empty());
    let default_url = "https://apis.bankconnect.finbox.in/bank-connect";
    Ok(Box::new(FinBox {
        scheme: Scheme::Unsigned { allowed_cidrs: cidrs(lookup, "FINBOX_ALLOWED_CIDRS")?, static_header },
        base_url: base_url(lookup, "FINBOX_API_BASE_URL", default_url)?,
        zone: zone(lookup, "FINBOX_UTC_OFFSET_MINUTES")?,
    }))
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

#[cfg(test)]
mod tests;
