//! What there is to know of one provider.

use serde_json::Value;

use crate::proof::Proof;
use crate::retries::Retries;

/// A provider, as tests and tools know it.
///
/// The ids in its events, references and answers are all made of one: event `n` is about subject `n`.
#[derive(Debug)]
pub struct Kit {
    /// Its name: in paths, keys and settings.
    pub name: &'static str,
    /// Its name as people write it.
    pub title: &'static str,
    /// The body of a genuine event with this id, which is worked on until it is done.
    pub event: fn(&str) -> String,
    /// A body that is well formed, of a type that nobody works on.
    pub unknown: fn(&str) -> String,
    /// The fields of that body as they are read, one after the other, without their names.
    pub listed: fn(&str) -> Value,
    /// The field of those bodies that names the subject.
    pub subject: &'static str,
    /// The field of those bodies that says when it happened, if there is one.
    pub time: Option<&'static str>,
    /// What proves these bytes, with this secret, at this Unix time in seconds: the same as `hookledger send` makes. Where
    /// that names a message, as Standard Webhooks do, it is `msg_` and the body's SHA-256 in hex.
    pub prove: fn(&[u8], &str, i64) -> Proof,
    /// The headers that it sends beside the proof of a body, and signs by nothing.
    pub beside: fn(&str) -> Vec<(&'static str, String)>,
    /// The status that a forged delivery is answered with.
    pub refused: u16,
    /// What becomes of a genuine delivery that nobody can read.
    pub unreadable: Unreadable,
    /// When it sends again.
    pub retries: Retries,
    /// The host of its API, with [`Kit::settings`].
    pub host: &'static str,
    /// What its API says at a URL: it confirms the event that the URL names, and knows of no other.
    pub answer: fn(&str) -> Option<Value>,
    /// How the references that can be announced begin: that of one event first. None, if nothing can be polled for.
    pub references: &'static [&'static str],
    /// Each way on which its API is asked.
    pub ways: &'static [Way],
    /// One answer of its API in which each of these ways finds what it asks for.
    pub finds: &'static str,
    /// Its known deliveries, each with pointers to the fields that may say nothing. [`Kit::finds`] confirms them.
    pub pushes: fn() -> Vec<(Value, &'static [&'static str])>,
    /// What its API says at a URL of the event with this body, which it confirms.
    pub confirm: fn(&str, &Value) -> Option<Value>,
    /// The settings that turn on all it can.
    pub settings: &'static [(&'static str, &'static str)],
    /// A setting of its own of which a long number is no value.
    pub strict_setting: &'static str,
    /// Its event as the sandbox tells of it at the end of an hour. Of the kind `plain`, where the hour has no happenings of
    /// its own for the provider: then this event is all that happens there, and what is told is `subject`, `entry` and
    /// `rows`, as the table names them.
    pub told: fn(&str) -> Value,
    /// The order by which the sandbox's API comes to know an event. None, if nobody asks.
    pub at_sandbox: fn(&str) -> Option<Order>,
    /// The orders by which it comes to know what the samples in `events/` tell of.
    pub samples_at_sandbox: fn() -> Vec<Order>,
    /// How the local stack reaches it.
    pub local: Local,
}

/// A way on which a provider is asked.
#[derive(Clone, Copy, Debug)]
pub enum Way {
    /// The work of this delivery.
    Work(&'static str),
    /// The poll of this reference.
    Poll(&'static str),
    /// The walk of its list, at URLs with this in them.
    List(&'static str),
}

/// What the sandbox is told: method, path below `/control/`, and body.
pub type Order = (&'static str, String, Value);

/// How the local stack reaches a provider: at the sandbox.
#[derive(Clone, Copy, Debug)]
pub struct Local {
    /// Parameters of the template that name a URL, with the path that the sandbox serves there.
    pub urls: &'static [(&'static str, &'static str)],
    /// The credentials that the sandbox accepts. They open nothing else.
    pub credentials: &'static [(&'static str, &'static str)],
    /// Other parameters: what is off by default and on here, and waits that are shorter here.
    pub parameters: &'static [(&'static str, &'static str)],
}

/// What becomes of a genuine delivery that nobody can read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreadable {
    /// It waits for a person, and is answered 200.
    Parked,
    /// It goes to quarantine, and is answered this status.
    Quarantined(u16),
}

impl Unreadable {
    /// The status that it is answered with.
    pub fn status(self) -> u16 {
        match self {
            Self::Parked => 200,
            Self::Quarantined(status) => status,
        }
    }
}

impl Kit {
    /// The header that its signature stands in. None, if its URL carries a token instead.
    pub fn header(&self) -> Option<&'static str> {
        (self.prove)(b"", "", 0).headers.first().map(|(name, _)| *name)
    }

    /// Whether it signs, and so has no token in its URL.
    pub fn is_signed(&self) -> bool {
        self.header().is_some()
    }

    /// Whether its signature is of a time, and so can be too old.
    pub fn signs_time(&self) -> bool {
        (self.prove)(b"", "", 0) != (self.prove)(b"", "", 1)
    }

    /// The path that a delivery with this token goes to.
    pub fn path(&self, token: Option<&str>) -> String {
        token.map_or_else(|| format!("/webhooks/{}", self.name), |token| format!("/webhooks/{}/{token}", self.name))
    }

    /// Whether it never sends anything again.
    pub fn sends_once(&self) -> bool {
        (self.retries.wait)(1).is_none()
    }

    /// The reference under which an event can be announced.
    pub fn reference(&self, id: &str) -> Option<String> {
        self.references.first().map(|beginning| format!("{beginning}{id}"))
    }
}

/// Two are one if they have the same name.
impl PartialEq for Kit {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Kit {}

/// A body with one more field, which nobody reads. The value stays as it is written.
pub fn with_field(body: &str, name: &str, value: &str) -> String {
    body.replacen('{', &format!("{{\"{name}\":{value},"), 1)
}
