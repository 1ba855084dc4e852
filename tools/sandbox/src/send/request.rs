//! What can be asked for when a webhook is to be sent, and why it may be refused.

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use crate::problem::Problem;
use crate::provider::Forgery;

/// What `POST /control/send` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendRequest {
    pub(super) provider: String,
    /// The exact bytes, as text.
    pub(super) body: Option<String>,
    /// The exact bytes, when they are not text.
    body_base64: Option<String>,
    /// Added to the provider's own headers, or put in their place.
    #[serde(default)]
    pub(super) headers: BTreeMap<String, String>,
    #[serde(default)]
    pub(super) faults: SendFaults,
    /// On, the provider's documented retries follow a failure.
    #[serde(default)]
    pub(super) retry: bool,
    #[serde(default = "yes")]
    pub(super) update_listing: bool,
    pub(super) audit_status: Option<String>,
    /// Whether the answer waits for the first attempt. By default it does, unless the delivery is held back.
    pub(super) wait: Option<bool>,
}

/// What goes wrong on the way.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SendFaults {
    /// Nothing is sent at all.
    pub(super) drop: bool,
    /// So many first attempts are lost; with `retry`, the one after them arrives.
    pub(super) drop_attempts: u32,
    /// So many identical requests at once, at the first attempt.
    pub(super) times: Option<u32>,
    pub(super) forge: Option<Forgery>,
    /// One byte is changed after signing.
    pub(super) corrupt: bool,
    pub(super) delay_ms: u64,
    /// The provider's stamps are so far ahead: a local time that is marked as UTC. The body is sent as it was given.
    pub(super) ahead_secs: u32,
}

/// Why nothing was sent.
pub(crate) enum Refused {
    /// The request makes no sense.
    Invalid(String),
    /// It does, but the sandbox lacks a target or a secret.
    Unconfigured(String),
    /// Too much is under way.
    Busy,
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(message) => Self::invalid(message),
            Refused::Unconfigured(message) => Self::conflict(message),
            Refused::Busy => Self::busy("too many deliveries are under way"),
        }
    }
}

pub(super) fn exact_bytes(request: &SendRequest) -> Result<Bytes, Refused> {
    match (&request.body, &request.body_base64) {
        (Some(text), None) => Ok(Bytes::from(text.clone())),
        (None, Some(encoded)) => {
            let decoded = STANDARD.decode(encoded);
            decoded.map(Bytes::from).map_err(|error| Refused::Invalid(format!("body_base64: {error}")))
        }
        _ => Err(Refused::Invalid("give body or body_base64, one of them".to_owned())),
    }
}

pub(super) fn extra_headers(request: &SendRequest) -> Result<HeaderMap, Refused> {
    let mut extra = HeaderMap::new();
    for (name, value) in &request.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
            return Err(Refused::Invalid(format!("{name:?} can't be sent as a header")));
        };
        extra.insert(name, value);
    }
    Ok(extra)
}

fn yes() -> bool {
    true
}
