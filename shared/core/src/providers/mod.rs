//! The four providers, one file each: everything Hookledger knows about a provider stands in its file, its tests right
//! below. Nothing else in the code may branch on a provider's name.
//!
//! The trait has no default methods: a provider that can't do something says so explicitly, and a new one can't forget
//! to say how it is verified.

mod finbox;
mod fynapse;
mod json;
mod lists;
mod rightfoot;
mod runpayments;
mod setup;

use std::borrow::Cow;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::debt::Expectation;
use crate::model::fact::Status;
use crate::model::delivery::Verified;
use crate::model::entry::{Entry, Event};
use crate::model::row::Row;
use crate::model::identity::{ItemKey, ProviderId, Subject, digest_hex};
use crate::model::provider_call::{ApiRequest, ApiResponse, Trouble};
use crate::model::settings::{Lookup, SettingError, text};
use crate::model::signature::{Encoding, Scheme};
use crate::model::time::UnixMs;

pub use lists::{Audit, AuditedDelivery, Fate, Listed, ListedRow, Lists, StatusRow};
pub use setup::{Inputs, MadeSecret, SecretUse, Setup, SetupError, SetupInput, SetupOutcome, SetupStep};

/// A provider that has not been given its settings yet.
pub struct Definition {
    /// Its name.
    pub id: ProviderId,
    /// Whether its URL ends in a token.
    pub url_has_token: bool,
    /// Which statuses it must be answered with, whatever its settings are.
    pub answers: &'static Answers,
    /// Builds it from its settings.
    pub build: fn(Lookup<'_>) -> Result<Box<dyn Provider>, SettingError>,
}

/// Every provider. All else derives from this list.
pub static ALL: &[Definition] =
    &[rightfoot::DEFINITION, fynapse::DEFINITION, finbox::DEFINITION, runpayments::DEFINITION];

/// All there is to know about one provider.
pub trait Provider {
    /// Its name.
    fn id(&self) -> ProviderId;
    /// How its deliveries prove their origin.
    fn scheme(&self) -> &Scheme;
    /// Which statuses it must be answered with.
    fn answers(&self) -> &'static Answers;
    /// Reads a verified delivery.
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

/// What a provider offers, or the reason why not. There is no third, silent case.
pub enum Offer<'a, T: ?Sized> {
    /// This does it.
    Offered(&'a T),
    /// The provider does not offer it.
    Unavailable(&'static str),
}

impl<'a, T: ?Sized> Offer<'a, T> {
    /// What is offered, if anything.
    pub fn offered(self) -> Option<&'a T> {
        match self {
            Self::Offered(offer) => Some(offer),
            Self::Unavailable(_) => None,
        }
    }
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

/// What was asked for an entry's work.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The entry.
    pub entry: &'a Entry,
    /// Its body.
    pub body: &'a [u8],
    /// From where on; `None`: from the start.
    pub cursor: Option<&'a str>,
    /// Rows read before that.
    pub tally: u64,
    /// When it was asked.
    pub at: UnixMs,
}

/// What an entry's work asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Nothing: the delivery itself says all.
    Nothing(Box<Step>),
    /// An answer from the provider.
    Request(ApiRequest),
}

/// What an answer means for the work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Write these rows and ask on.
    More {
        /// Result rows of this page.
        rows: Vec<Row>,
        /// How many of them can't be read, and are kept as they came.
        unreadable: u64,
        /// Where to go on.
        cursor: String,
    },
    /// Write these rows: the work is done.
    Done {
        /// Result rows of the last page.
        rows: Vec<Row>,
        /// How many of them can't be read, and are kept as they came.
        unreadable: u64,
        /// What came of it.
        outcome: Outcome,
    },
    /// The provider can't say yet.
    NotYet {
        /// For the operator.
        reason: Cow<'static, str>,
    },
    /// The provider itself has overtaken what the event says: there is nothing to tell of it any more.
    Overtaken {
        /// For the operator.
        reason: &'static str,
        /// What the provider says by now.
        by: Found,
    },
    /// It did not work.
    Trouble(Trouble),
}

impl Step {
    /// Done, with these rows.
    pub(crate) fn done(rows: Vec<Row>, outcome: Outcome) -> Self {
        Self::Done { rows, unreadable: 0, outcome }
    }

    pub(crate) fn not_yet(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::NotYet { reason: reason.into() }
    }

    /// What no further asking changes: a person's.
    pub(crate) fn hopeless(reason: &str) -> Self {
        Self::Trouble(Trouble::Permanent { reason: reason.into() })
    }
}

/// A row of an answer that can't be read, kept as it came.
pub(crate) fn unreadable_row(document: &[u8]) -> Row {
    let mut digest = digest_hex(document);
    digest.truncate(32);
    Row { sk: format!("unreadable#{digest}"), columns: Vec::new(), document: document.to_vec() }
}

/// What came of an entry's work.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Facts for the published event, as JSON values; no personal data, no amounts of persons.
    pub summary: Vec<(&'static str, serde_json::Value)>,
    /// Whether the summary came from an answer that a second asking might change: then it is frozen before publishing.
    pub pulled: bool,
    /// The status this event moves its subject to.
    pub status: Option<StatusMove>,
    /// The effect, where it is not this entry's own identity: what the provider's API said, however many unsigned
    /// deliveries made us ask.
    pub once: Option<Once>,
}

/// An effect that a subject has so many times, whichever entries bring it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Once {
    /// What the API said.
    pub name: String,
    /// How many times it says so.
    pub times: u32,
}

/// A move of a subject's status. The effect belongs to the fact `(status, n)`, whichever entry brings it first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StatusMove {
    /// Whose status.
    pub subject: Subject,
    /// The new status.
    pub status: String,
    /// Its place in the provider's order.
    pub rank: u8,
    /// When it happened.
    pub occurred_at: UnixMs,
    /// For a listing's entry: which `n` it was admitted for.
    pub n: Option<u32>,
}

impl StatusMove {
    /// Whether this moves on from `current`: later, or at the same time and further along.
    pub fn moves(&self, current: Option<&Status>) -> bool {
        current.is_none_or(|current| (self.occurred_at, self.rank) > (current.occurred_at, current.rank))
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

/// An event found by asking.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// What happened.
    pub event: Event,
    /// The provider's JSON for it, in the shape of its webhook's body.
    pub body: Vec<u8>,
}

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

/// A request that goes to the provider in our name. What it carries is never stored and never logged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Submission {
    /// The request: the same for the same document and URL, byte for byte.
    pub request: ApiRequest,
    /// How many things it asks for.
    pub items: usize,
}

/// What stands before a submission's digest in its own reference: what is owed from the moment before a request is sent
/// until its completion is expected under the provider's id for it. See [`crate::desk::submit`].
pub const SUBMISSION: &str = "submission:";

/// Why a document can't be submitted. Names the field and the rule, never the content.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsubmittable {
    /// Not JSON, or not an object.
    #[error("the document is not a JSON object")]
    NotAnObject,
    /// A field is absent or breaks its rule.
    #[error("field {field} must be {rule}")]
    Field {
        /// The field's name.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
    /// A field that the provider's documents do not name, so nobody knows what it would do.
    #[error("field {name} is not documented by the provider: nothing was sent")]
    Undocumented {
        /// The field's name, if it is a plain one; else a word in its place.
        name: String,
    },
    /// A field of one item of a list is absent or breaks its rule.
    #[error("field {list}[{index}].{field} must be {rule}")]
    Item {
        /// The list's name.
        list: &'static str,
        /// Which item, from 0.
        index: usize,
        /// The field's name.
        field: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

/// The longest name of a field that is told, in bytes.
const MAX_FIELD_NAME_BYTES: usize = 64;

impl Unsubmittable {
    /// Refuses a field by its name. One that is none, since it may hold anything, is not told.
    pub(crate) fn undocumented(name: &str) -> Self {
        let plain = name.starts_with(|first: char| first.is_ascii_alphabetic())
            && name.len() <= MAX_FIELD_NAME_BYTES
            && name.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'));
        Self::Undocumented { name: if plain { name.into() } else { "(its name is none of a field)".into() } }
    }
}

/// What the answer to a submission means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Submitted {
    /// It was taken; its completion is to be expected under this reference.
    Accepted {
        /// As [`Polls::expectation`] takes it.
        reference: String,
    },
    /// It was not taken, or nobody can say.
    Trouble(Trouble),
}

/// The providers, with their settings. One whose settings are wrong is stopped, alone: the others go on, and what is owed
/// to it is put off until its settings are mended.
pub struct Providers(Vec<(ProviderId, Built)>);

/// A provider, or the setting that stops it.
type Built = Result<Box<dyn Provider>, SettingError>;

impl Providers {
    /// Builds every provider from the settings.
    pub fn read(lookup: Lookup<'_>) -> Self {
        Self(ALL.iter().map(|definition| (definition.id, (definition.build)(lookup))).collect())
    }

    /// The provider of this name, if it is not stopped.
    pub fn get(&self, name: &str) -> Option<&dyn Provider> {
        self.iter().find(|provider| provider.id().0 == name)
    }

    /// All that are not stopped.
    pub fn iter(&self) -> impl Iterator<Item = &dyn Provider> {
        self.0.iter().filter_map(|(_, built)| built.as_ref().ok()).map(AsRef::as_ref)
    }

    /// The setting that stops the provider of this name.
    pub fn stopped(&self, name: &str) -> Option<(ProviderId, &SettingError)> {
        self.all_stopped().find(|(id, _)| id.0 == name)
    }

    /// Every provider that is stopped, and why.
    pub fn all_stopped(&self) -> impl Iterator<Item = (ProviderId, &SettingError)> {
        self.0.iter().filter_map(|(id, built)| Some((*id, built.as_ref().err()?)))
    }
}

/// The definition of the provider of this name, for a function that serves only it.
pub fn definition(name: &str) -> Option<&'static Definition> {
    ALL.iter().find(|definition| definition.id.0 == name)
}

/// The longest reference an application may wait for, in bytes.
const MAX_REFERENCE_BYTES: usize = 200;

/// Checks the id inside a reference.
fn reference_id<'a>(id: &'a str, rule: &'static str) -> Result<&'a str, Unexpectable> {
    if json::is_id(id) && id.len() <= MAX_REFERENCE_BYTES { Ok(id) } else { Err(Unexpectable(rule)) }
}

/// Reads a list of networks, `203.0.113.0/24,2001:db8::/32`; an address alone is a network of one. Empty turns the check
/// off. The template's `RightfootAllowedCidrs` and `FinboxAllowedCidrs` refuse at deploy what is refused here.
fn cidrs(lookup: Lookup<'_>, name: &str) -> Result<Vec<IpNet>, SettingError> {
    let list = text(lookup, name, "");
    let networks = list.split(',').map(str::trim).filter(|network| !network.is_empty());
    networks
        .map(|network| {
            let parsed = network.parse().or_else(|_| network.parse::<IpAddr>().map(IpNet::from));
            let rule = "must be addresses, or networks in CIDR notation, separated by commas";
            parsed.map_err(|_| SettingError::new(name, rule))
        })
        .collect()
}

/// Reads how a secret or a tag is encoded.
fn encoding(lookup: Lookup<'_>, name: &str, default: &str) -> Result<Encoding, SettingError> {
    Encoding::from_name(&text(lookup, name, default)).ok_or(SettingError::new(name, "must be utf8, hex or base64"))
}

#[cfg(test)]
pub(crate) mod testing;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_are_listed_and_an_address_is_one() {
        let read = |list: &str| {
            let list = list.to_string();
            let networks = cidrs(&move |_| Some(list.clone()), "X_ALLOWED_CIDRS")?;
            Ok::<_, SettingError>(networks.iter().map(ToString::to_string).collect::<Vec<_>>().join(" "))
        };
        let rows = [
            ("", ""),
            ("203.0.113.0/24", "203.0.113.0/24"),
            ("203.0.113.7", "203.0.113.7/32"),
            ("2001:db8::7", "2001:db8::7/128"),
            (" 203.0.113.7 , 2001:db8::/32,", "203.0.113.7/32 2001:db8::/32"),
        ];
        for (list, expected) in rows {
            assert_eq!(read(list).unwrap(), expected, "{list}");
        }
        for list in
            ["203.0.113", "203.0.113.0/33", "203.0.113.256", "2001:db8::/129", "provider.example", "1.2.3.4;5.6.7.8"]
        {
            assert_eq!(read(list).unwrap_err().name, "X_ALLOWED_CIDRS", "{list}");
        }
    }
}
