//! The record of everything sent, with every attempt and its answer.

use std::collections::BTreeMap;

use http::HeaderMap;
use jiff::Timestamp;
use serde::Serialize;

use crate::provider::{Ending, Forgery};
use crate::shelf::Shelf;

/// Deliveries remembered; older ones are forgotten.
const DELIVERIES_LIMIT: usize = 5_000;

/// Attempts remembered per delivery: the longest schedule, and the most copies at once, with room to spare.
const ATTEMPTS_LIMIT: usize = 128;

/// How much of a body or an answer is remembered.
const TEXT_LIMIT_BYTES: usize = 16 * 1024;

/// One event on its way to the receiver.
#[derive(Clone, Serialize)]
pub(crate) struct Delivery {
    pub(crate) delivery_id: String,
    pub(crate) provider: &'static str,
    pub(crate) created_at: String,
    pub(crate) state: State,
    /// The forgery that took place; null for a genuine delivery, also when forging was switched off.
    pub(crate) forged: Option<Forgery>,
    /// The first attempt's body, cut at 16 KiB.
    pub(crate) body: String,
    pub(crate) body_bytes: usize,
    pub(crate) attempts: Vec<Attempt>,
}

/// Where a delivery stands.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub(crate) enum State {
    #[serde(serialize_with = "pending")]
    Pending,
    Ended(Ending),
}

/// One request on the wire, or one that a fault kept off it.
#[derive(Clone, Serialize)]
pub(crate) struct Attempt {
    /// From 1; copies sent at once share it.
    pub(crate) attempt: u32,
    pub(crate) copy: u32,
    pub(crate) at: String,
    pub(crate) took_ms: u64,
    /// Null when no answer came.
    pub(crate) status: Option<u16>,
    pub(crate) error: Option<String>,
    /// The answer.
    pub(crate) body: String,
    pub(crate) headers: BTreeMap<String, String>,
    /// What was sent.
    pub(crate) request_headers: BTreeMap<String, String>,
}

/// All of them, bounded.
pub(crate) struct Deliveries {
    rows: Shelf<Delivery>,
}

impl Default for Deliveries {
    fn default() -> Self {
        Self { rows: Shelf::new(DELIVERIES_LIMIT) }
    }
}

impl Deliveries {
    pub(crate) fn add(&mut self, delivery: Delivery) {
        let id = delivery.delivery_id.clone();
        self.rows.put(&id, delivery);
    }

    pub(crate) fn attempted(&mut self, delivery_id: &str, attempts: Vec<Attempt>) {
        if let Some(delivery) = self.rows.get_mut(delivery_id) {
            let room = ATTEMPTS_LIMIT.saturating_sub(delivery.attempts.len());
            delivery.attempts.extend(attempts.into_iter().take(room));
        }
    }

    pub(crate) fn ended(&mut self, delivery_id: &str, ending: Ending) {
        if let Some(delivery) = self.rows.get_mut(delivery_id) {
            delivery.state = State::Ended(ending);
        }
    }

    pub(crate) fn get(&self, delivery_id: &str) -> Option<Delivery> {
        self.rows.get(delivery_id).cloned()
    }

    /// Oldest first, of one provider or of all.
    pub(crate) fn list(&self, provider: Option<&str>) -> Vec<Delivery> {
        let rows = self.rows.iter().map(|(_, delivery)| delivery);
        rows.filter(|delivery| provider.is_none_or(|name| delivery.provider == name)).cloned().collect()
    }

    pub(crate) fn clear(&mut self) {
        self.rows.clear();
    }
}

/// Bytes as text, cut at the limit.
pub(crate) fn clip(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes.get(..TEXT_LIMIT_BYTES).unwrap_or(bytes)).into_owned()
}

/// Headers as an object; the last of several with one name stands.
pub(crate) fn flatten(headers: &HeaderMap) -> BTreeMap<String, String> {
    let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    headers.iter().map(|(name, value)| (name.as_str().to_owned(), text(value))).collect()
}

/// The time now, as the control API writes it.
pub(crate) fn now() -> String {
    Timestamp::now().to_string()
}

fn pending<S: serde::Serializer>(serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str("pending")
}

#[cfg(test)]
mod tests {
    use super::{State, TEXT_LIMIT_BYTES, clip};
    use crate::provider::Ending;

    #[test]
    fn states_read_as_one_word() {
        let states = [State::Pending, State::Ended(Ending::GaveUp), State::Ended(Ending::Delivered)];
        assert_eq!(serde_json::to_string(&states).unwrap(), r#"["pending","gave_up","delivered"]"#);
    }

    #[test]
    fn a_long_text_is_cut() {
        assert_eq!(clip(&[b'a'; TEXT_LIMIT_BYTES + 1]).len(), TEXT_LIMIT_BYTES);
        assert_eq!(clip(b"short"), "short");
    }
}
