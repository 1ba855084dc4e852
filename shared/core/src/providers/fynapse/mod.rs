//! Fynapse: balance extracts.
//!
//! Signed, at least once, retried for 72 hours. But 400, 401, 402, 405, 406, 410 and 413 are final: the event is
//! dead-lettered at once. So nothing that we might still fix is ever answered with one of those.
//!
//! What is lost all the same is found in Fynapse's audit of its deliveries (`audit.rs`); secrets and
//! subscriptions are set up through its API (`setup.rs`).
//!
//! Sources: Fynapse's "Balance Extracts via Webhook", "Webhook Security", "Delivery & Retries" and "Webhook
//! Configuration" pages. Unknown there, and so settings: the tolerance of timestamps, how the secret's text becomes the
//! key, everything about the audit beyond its paths and states; and so read leniently: the name of the field that
//! carries the event type.

mod api;
mod audit;
mod ids;
mod setup;
mod shape;

use serde::Deserialize;

use api::{Api, NO_API};
use ids::{ID, place};

use crate::model::delivery::Verified;
use crate::model::entry::{Entry, Event, OnDuplicate};
use crate::model::identity::{Identity, ProviderId, Subject};
use crate::model::provider_call::{ApiResponse, trouble};
use crate::model::row::Row;
use crate::model::settings::{Lookup, REMEMBERED, SettingError, Timing, number};
use crate::model::signature::Scheme;
use crate::providers::contract::{
    Answers, Definition, OnStoreDown, OnUnreadable, Polls, Provider, Submits, Unreadable,
};
use crate::providers::json::{Field, content_mark, known_name, object, raw, shown_id, text};
use crate::providers::lists::Lists;
use crate::providers::offer::Offer;
use crate::providers::settings::encoding;
use crate::providers::setup::Setup;
use crate::providers::step::{Ask, Asked, Outcome, Step};

const EXTRACTED: &str = "balance.extracted";
/// Fynapse retries for 72 hours and may or may not re-stamp a late retry: their span plus one hour. Replays inside it
/// are stopped by the signed identity.
const TOLERANCE_PAST_SECS: u64 = 73 * 3600;
/// How far the two clocks may disagree.
const TOLERANCE_FUTURE_SECS: u64 = 300;

pub(super) const DEFINITION: Definition = Definition {
    id: ID,
    kinds: &["event", "delivery", "unreadable"],
    kinds_with_status: &[],
    poll_only: |_, _| false,
    url_has_token: false,
    answers: &ANSWERS,
    build,
};

static ANSWERS: Answers = Answers {
    received: 200,
    // 401 would dead-letter the event for good, although the secret may only be out of step.
    refused: 403,
    unreadable: OnUnreadable::Park,
    store_down: OnStoreDown::AskAgain,
};

struct Fynapse {
    scheme: Scheme,
    api: Option<Api>,
}

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    let past = "FYNAPSE_TOLERANCE_PAST_SECS";
    let past_secs = number(lookup, past, TOLERANCE_PAST_SECS)?;
    // A capture must grow stale before its identity is forgotten.
    if past_secs > Timing::read(lookup)?.oldest_processed_secs() {
        return Err(SettingError::new(past, REMEMBERED));
    }
    Ok(Box::new(Fynapse {
        scheme: Scheme::Timestamped {
            header: "webhook-signature",
            secret_encoding: encoding(lookup, "FYNAPSE_SECRET_ENCODING", "utf8")?,
            past_secs,
            future_secs: number(lookup, "FYNAPSE_TOLERANCE_FUTURE_SECS", TOLERANCE_FUTURE_SECS)?,
        },
        api: Api::read(lookup)?,
    }))
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    event_id: Field<'a>,
    #[serde(borrow, rename = "type")]
    plain_type: Field<'a>,
    #[serde(borrow)]
    event_type: Field<'a>,
    #[serde(borrow, rename = "eventType")]
    camel_type: Field<'a>,
    #[serde(borrow)]
    data: Field<'a>,
}

impl Body<'_> {
    fn event_type(&self) -> Option<String> {
        let named = [self.plain_type, self.event_type, self.camel_type].into_iter().find_map(text)?;
        Some(known_name(&named, [EXTRACTED]).map_or(named, Into::into))
    }
}

impl Provider for Fynapse {
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
        let body: Body<'_> = object(verified.body())?;
        let event_type = body
            .event_type()
            .ok_or(Unreadable::Field { field: "type", rule: "a text (event_type and eventType are read as well)" })?;
        if event_type == EXTRACTED && body.data.said().is_none() {
            return Err(Unreadable::Field { field: "data", rule: "present" });
        }
        // The body is signed and the Idempotency-Key header is not, so identity comes from the body alone.
        let event_id = shown_id(body.event_id);
        let (subject, identity) = match &event_id {
            Some(id) => place(id),
            None => {
                let digest = verified.delivery().digest();
                (Subject::new(ID, "event", &digest), Identity::new(&["sha256", &digest]))
            }
        };
        let header_key = verified.delivery().header("idempotency-key").map(str::to_string);
        Ok(Event {
            known: event_type == EXTRACTED,
            event_type,
            subject,
            identity,
            occurred_at: verified.proof().signed_at,
            on_duplicate: OnDuplicate::Same,
            notes: header_key.into_iter().map(|key| ("idempotency_key_header", key)).collect(),
        })
    }

    fn content(&self, body: &[u8]) -> Option<String> {
        let body: Body<'_> = object(body).ok()?;
        Some(content_mark([body.data]))
    }

    fn reference_in(&self, _body: &[u8]) -> Option<String> {
        // Nothing can be asked for.
        None
    }

    fn ask(&self, _entry: &Entry, body: &[u8], _cursor: Option<&str>) -> Ask {
        // The delivery is signed and complete: there is nothing to ask for.
        let data = object::<Body<'_>>(body).ok().and_then(|body| body.data.said().map(raw));
        Ask::Nothing(Box::new(match data {
            Some(document) => {
                let summary = vec![("data_bytes", document.len().into())];
                let rows = vec![Row { sk: "data".into(), columns: Vec::new(), document }];
                Step::done(rows, Outcome { summary, pulled: false, ..Outcome::default() })
            }
            None => Step::hopeless("the stored body has no data any more"),
        }))
    }

    fn answer(&self, _: &Asked<'_>, response: &ApiResponse) -> Step {
        Step::Trouble(trouble(response))
    }

    fn without_answer(&self, _: &Entry, _: &str) -> Option<Outcome> {
        // Nothing is asked.
        None
    }

    fn polls(&self) -> Offer<'_, dyn Polls> {
        Offer::Unavailable("the API cannot be asked for one extract")
    }

    fn lists(&self) -> Offer<'_, dyn Lists> {
        self.api.as_ref().map_or(Offer::Unavailable(NO_API), |api| Offer::Offered(api))
    }

    fn submits(&self) -> Offer<'_, dyn Submits> {
        Offer::Unavailable("an extract is started in Fynapse itself")
    }

    fn setup(&self) -> Offer<'_, dyn Setup> {
        self.api.as_ref().map_or(Offer::Unavailable(NO_API), |api| Offer::Offered(api))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::{build_with, entry_of, verified};

    fn fynapse() -> Box<dyn Provider> {
        build_with(build, &[])
    }

    #[test]
    fn the_type_is_read_under_three_names() {
        for name in ["type", "event_type", "eventType"] {
            let body = format!(r#"{{"event_id":"e1","{name}":"balance.extracted","data":{{"a":1}}}}"#);
            let (event, _) = entry_of(fynapse().as_ref(), &body);
            assert!(event.known, "{name}");
            assert_eq!(event.key().to_string(), "fynapse#event#e1 event#e1");
        }
    }

    #[test]
    fn without_an_event_id_the_signed_bytes_are_the_identity() {
        let (first, _) = entry_of(fynapse().as_ref(), r#"{"type":"balance.extracted","data":1}"#);
        let (other, _) = entry_of(fynapse().as_ref(), r#"{"type":"balance.extracted","data":2}"#);
        assert_ne!(first.key(), other.key());
        assert!(first.identity.as_str().starts_with("event#sha256#"));
    }

    #[test]
    fn what_is_missing_is_named() {
        let error = |body| fynapse().parse(&verified(ID, body)).unwrap_err().to_string();
        assert!(error(r#"{"event_id":"e"}"#).starts_with("field type"));
        assert!(error(r#"{"event_id":"e","type":"balance.extracted"}"#).starts_with("field data"));
        assert_eq!(error("nonsense"), "the body is not a JSON object");
    }

    #[test]
    fn data_is_kept_byte_for_byte() {
        let body = r#"{"event_id":"e1","type":"balance.extracted","data": {"b": 1.10,  "a":[2e3]} }"#;
        let (_, entry) = entry_of(fynapse().as_ref(), body);
        let Ask::Nothing(step) = fynapse().ask(&entry, body.as_bytes(), None) else { panic!("asked") };
        let Step::Done { rows, .. } = *step else { panic!("not done") };
        assert_eq!(rows[0].document, br#"{"b": 1.10,  "a":[2e3]}"#);
    }

    #[test]
    fn unknown_types_are_kept_and_ignored() {
        assert!(!entry_of(fynapse().as_ref(), r#"{"event_id":"e","type":"journal.posted"}"#).0.known);
    }
}
