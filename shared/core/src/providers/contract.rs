//! What every provider says of itself.
//!
//! The traits have no default methods: a provider that can't do something says so explicitly, and a new one can't forget
//! to say how it is verified.

use crate::model::debt::Expectation;
use crate::model::delivery::Verified;
use crate::model::entry::{Entry, Event};
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::provider_call::{ApiRequest, ApiResponse, Trouble};
use crate::model::settings::{Lookup, SettingError};
use crate::model::signature::Scheme;
use crate::providers::lists::Lists;
use crate::providers::offer::Offer;
use crate::providers::setup::Setup;
use crate::providers::step::{Ask, Asked, Found, Outcome, Step};
use crate::providers::submission::{Submission, Submitted, Unsubmittable};

/// A provider that has not been given its settings yet.
pub struct Definition {
    /// Its name.
    pub id: ProviderId,
    /// What its events are about: the kinds of its subjects.
    pub kinds: &'static [&'static str],
    /// Those of them that have a status, which moves along a path.
    pub kinds_with_status: &'static [&'static str],
    /// Whether only asking brings an event of this type and key: no webhook is the same event, so one that is found tells of
    /// no lost one.
    pub poll_only: fn(&str, &ItemKey) -> bool,
    /// Whether its URL ends in a token.
    pub url_has_token: bool,
    /// Which statuses it must be answered with, whatever its settings are.
    pub answers: &'static Answers,
    /// Builds it from its settings.
    pub build: fn(Lookup<'_>) -> Result<Box<dyn Provider>, SettingError>,
}

/// All there is to know about one provider. It is told once and then read alone, by as many requests as there are.
pub trait Provider: Send + Sync {
    /// Its name.
    fn id(&self) -> ProviderId;
    /// How its deliveries prove their origin.
    fn scheme(&self) -> &Scheme;
    /// Which statuses it must be answered with.
    fn answers(&self) -> &'static Answers;
    /// Reads a verified delivery. A body that was kept because it could not be read is read again without its headers: what
    /// makes the event must be in the body.
    fn parse(&self, verified: &Verified) -> Result<Event, Unreadable>;
    /// A mark of what a signed delivery says, without what changes from one attempt to the next: two that differ in it
    /// are two contents. `None` where nothing is signed, and what is said counts for nothing until it is confirmed.
    fn content(&self, body: &[u8]) -> Option<String>;
    /// What can still be asked for where a delivery can't be read: a reference as [`Polls::expectation`] takes it.
    fn reference_in(&self, body: &[u8]) -> Option<String>;

    /// What to ask the provider for this entry's work, from the start (`cursor` is `None`) or further on.
    fn ask(&self, entry: &Entry, body: &[u8], cursor: Option<&str>) -> Ask;
    /// What the answer to that means.
    fn answer(&self, asked: &Asked<'_>, response: &ApiResponse) -> Step;
    /// What the work comes to where no answer is to be hoped for any more. `None`: nothing may take effect without one,
    /// and a person has to see to it.
    fn without_answer(&self, entry: &Entry, why: &str) -> Option<Outcome>;

    /// Whether one completion can be asked for by its reference.
    fn polls(&self) -> Offer<'_, dyn Polls>;
    /// Whether the provider has lists that tell of events.
    fn lists(&self) -> Offer<'_, dyn Lists>;
    /// Whether the provider can be asked, through us, to start what it will report.
    fn submits(&self) -> Offer<'_, dyn Submits>;
    /// Whether the provider's side can be set up through its API.
    fn setup(&self) -> Offer<'_, dyn Setup>;
}

/// Asking for one completion that an application waits for.
pub trait Polls {
    /// Which completion an application may announce under this reference.
    fn expectation(&self, reference: &str) -> Result<Expected, Unexpectable>;
    /// What to ask for an expectation. `None`: nothing can be asked, and the expectation only waits for its deadline.
    fn poll(&self, expectation: &Expectation, cursor: Option<&str>) -> Option<ApiRequest>;
    /// What the answer to that means.
    fn polled(&self, expectation: &Expectation, cursor: Option<&str>, response: &ApiResponse) -> Polled;
}

/// Asking a provider, on an application's behalf, to start what it will report: so that its completion is expected
/// before it is asked for, and no batch is ever silent.
pub trait Submits {
    /// Makes an application's request ours: with our webhook URL in it. The same document and URL give the same bytes,
    /// so that the provider can tell a repeated submission from a second one.
    fn submission(&self, document: &[u8], webhook_url: &str) -> Result<Submission, Unsubmittable>;
    /// What the answer to it means.
    fn submitted(&self, response: &ApiResponse) -> Submitted;
}

/// The statuses a provider must be answered with: it is the provider who decides what they mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    /// Durable, or known already.
    pub received: u16,
    /// Not let in.
    pub refused: u16,
    /// Let in, but not readable.
    pub unreadable: OnUnreadable,
    /// What to do when the store does not take the event.
    pub store_down: OnStoreDown,
}

/// What to do with a verified body that can't be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnUnreadable {
    /// Keep it parked and take it off the provider's hands.
    Park,
    /// Keep the bytes in quarantine and answer this status, as the provider's documents ask.
    Quarantine(u16),
}

/// What to do when the store does not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnStoreDown {
    /// Ask the provider to come again: it does.
    AskAgain,
    /// The provider never comes again: put the delivery itself on the queue.
    Rescue,
}

/// Why a verified body can't be read. Names the field and the rule, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// Not JSON, or not an object.
    #[error("the body is not a JSON object")]
    NotAnObject,
    /// Compressed, which nobody agreed on.
    #[error("the body is compressed by gzip: it has to be sent as plain JSON")]
    Gzip,
    /// A required field is absent, empty or of the wrong type.
    #[error("field {field} is missing or not {rule}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

impl Unreadable {
    /// Why a body is no JSON object.
    pub(crate) fn of(body: &[u8]) -> Self {
        if body.starts_with(b"\x1f\x8b") { Self::Gzip } else { Self::NotAnObject }
    }
}

/// A completion an application may wait for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The row's key.
    pub key: ItemKey,
    /// Whether it stays until its deadline, since several completions may come.
    pub repeats: bool,
}

/// Why a reference can't be waited for: it has not its shape.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the reference must be {0}")]
pub struct Unexpectable(pub &'static str);

/// What the answer to a poll means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Polled {
    /// These are complete.
    Found {
        /// Every completion the answer tells of; most are known already.
        found: Vec<Found>,
        /// Rows of the answer that can't be read, and were passed over.
        unreadable: u64,
        /// Nothing more is to come for this reference.
        complete: bool,
        /// More of the answer is on another page.
        more: Option<String>,
    },
    /// Nothing yet.
    NotYet,
    /// It did not work.
    Trouble(Trouble),
}
