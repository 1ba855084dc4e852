//! What a simulated provider is. All about one provider is in its file and the folder beside it; nothing else branches
//! on its name.

use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Uri};
use serde::{Deserialize, Serialize};

use crate::faults::Quirk;
use crate::sign::Encoding;

/// One of the providers. No default methods: what a provider can't do, its file says.
pub(crate) trait Provider: Send + Sync {
    /// The name in paths, configuration and answers.
    fn name(&self) -> &'static str;

    /// Where its API starts on the sandbox.
    fn base(&self) -> &'static str;

    /// An error in the shape this provider documents.
    fn error(&self, status: StatusCode, message: &str) -> Response;

    /// Those fault switches of its API that not every provider has.
    fn quirks(&self) -> &'static [Quirk];

    /// The ways to fake a webhook that mean something here.
    fn forgeries(&self) -> &'static [Forgery];

    /// The headers that prove and name a delivery.
    fn headers(&self, letter: &Letter<'_>) -> Vec<(&'static str, String)>;

    /// The body of one attempt, from the body of the first.
    fn body(&self, first: &Bytes, attempt: u32) -> Bytes;

    /// Where this event goes, given the configured target.
    fn target(&self, body: &[u8], configured: Option<Uri>) -> Option<Uri>;

    /// After an attempt: done, given up, or again after a wait (in the provider's own time).
    fn verdict(&self, attempt: &Attempted) -> Verdict;

    /// The event took place, whether or not its webhook arrives.
    fn happened(&self, event: &Event<'_>);

    /// An attempt was made, or the delivery has ended.
    fn progressed(&self, delivery_id: &str, attempts: u32, status: Option<u16>, ended: Option<Ending>);

    /// Whether the provider itself called the delivery off.
    fn called_off(&self, delivery_id: &str) -> bool;

    /// All access tokens lapse at once.
    fn lapse_tokens(&self);

    /// Everything is forgotten.
    fn reset(&self);
}

/// How a webhook is faked.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Forgery {
    /// Signed with a key nobody agreed on.
    Signature,
    /// Sent to the right path with a wrong token in its last segment.
    Token,
    /// Signed with the right key, long ago.
    Stale,
    /// Signed with the right key, in the future.
    Future,
}

/// What there is to sign.
pub(crate) struct Letter<'a> {
    pub(crate) body: &'a [u8],
    pub(crate) delivery_id: &'a str,
    pub(crate) unix_secs: i64,
    /// Newest first; several while a secret is rotated.
    pub(crate) keys: &'a [Vec<u8>],
    pub(crate) signature_encoding: Encoding,
}

impl Letter<'_> {
    /// The headers it travels with, the provider's own among them.
    pub(crate) fn headers(&self, provider: &dyn Provider) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        for (name, value) in provider.headers(self) {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
        headers
    }
}

/// An event as it is announced.
pub(crate) struct Event<'a> {
    pub(crate) delivery_id: &'a str,
    pub(crate) body: &'a [u8],
    /// Whether the provider's listing shows it.
    pub(crate) update_listing: bool,
    /// The state an audit row is held at, whatever happens to the delivery.
    pub(crate) audit_status: Option<&'a str>,
    /// How far the provider's stamps are ahead of the truth, in seconds: a local time that is marked as UTC.
    pub(crate) ahead_secs: u32,
}

/// One attempt, as far as the schedule cares.
pub(crate) struct Attempted {
    /// From 1.
    pub(crate) attempt: u32,
    /// Nothing when no answer came.
    pub(crate) status: Option<u16>,
    pub(crate) retry_after_secs: Option<u64>,
    /// All waits so far, in the provider's own time.
    pub(crate) waited: Duration,
    /// From 0 up to 1: the jitter.
    pub(crate) roll: f64,
}

impl Attempted {
    pub(crate) fn is_success(&self) -> bool {
        self.status.is_some_and(|status| (200..300).contains(&status))
    }
}

/// What follows an attempt.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    Delivered,
    GiveUp,
    Again(Duration),
}

/// How a delivery ended.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ending {
    Delivered,
    GaveUp,
    /// Lost on the way, by a fault.
    Dropped,
    Cancelled,
}

/// A schedule that is a plain list of waits.
pub(crate) fn follow(waits: &[Duration], attempt: &Attempted) -> Verdict {
    if attempt.is_success() {
        return Verdict::Delivered;
    }
    let made = usize::try_from(attempt.attempt).unwrap_or(usize::MAX);
    match made.checked_sub(1).and_then(|index| waits.get(index)) {
        Some(wait) => Verdict::Again(*wait),
        None => Verdict::GiveUp,
    }
}
