//! What the provider files' tests share.

use crate::model::debt::{Expectation, ExpectationState};
use crate::model::delivery::{Delivery, Proof, Verified};
use crate::model::entry::{Entry, Event, Origin, State};
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::provider_call::ApiResponse;
use crate::model::row::Row;
use crate::model::settings::{Lookup, SettingError};
use crate::model::time::UnixMs;
use crate::providers::contract::Provider;
use crate::providers::step::{Asked, Step};

pub(crate) type Build = fn(Lookup<'_>) -> Result<Box<dyn Provider>, SettingError>;

/// The provider with these settings.
pub(crate) fn build_with(build: Build, settings: &[(&str, &str)]) -> Box<dyn Provider> {
    build(&|name| settings.iter().find(|(key, _)| *key == name).map(|(_, value)| value.to_string())).unwrap()
}

/// A delivery of this body, taken as verified.
pub(crate) fn verified(provider: ProviderId, body: impl AsRef<[u8]>) -> Verified {
    let delivery = Delivery::new(provider, UnixMs(0), body.as_ref().to_vec());
    Verified::new(delivery, Proof { secret_id: "test".into(), signed_at: None })
}

/// The event in this body, and the entry it becomes.
pub(crate) fn entry_of(provider: &dyn Provider, body: &str) -> (Event, Entry) {
    let event = provider.parse(&verified(provider.id(), body)).unwrap();
    let entry = entry(provider.id(), event.key(), &event.event_type, event.occurred_at);
    (event, entry)
}

/// An open entry, pushed.
pub(crate) fn entry(provider: ProviderId, key: ItemKey, event_type: &str, occurred_at: Option<UnixMs>) -> Entry {
    Entry {
        key,
        provider: provider.0.into(),
        event_type: event_type.into(),
        state: State::Open,
        origin: Origin::Push,
        received_at: UnixMs(0),
        occurred_at,
        pushed_at: None,
        settled_at: None,
        due_at: Some(UnixMs(0)),
        attempts: 0,
        waits: 0,
        reopened: 0,
        reason: None,
        frozen: None,
        progress: None,
        proof: None,
    }
}

/// A waiting expectation.
pub(crate) fn expectation(provider: &str, reference: &str) -> Expectation {
    Expectation {
        key: ItemKey { pk: "p".into(), sk: "expectation".into() },
        provider: provider.into(),
        reference: reference.into(),
        repeats: false,
        state: ExpectationState::Waiting,
        created_at: UnixMs(0),
        due_at: Some(UnixMs(0)),
        deadline: UnixMs(0),
        polls: 0,
        found: 0,
    }
}

/// An answer of the provider's API.
pub(crate) fn answer(status: u16, body: &str) -> ApiResponse {
    ApiResponse { status, retry_after_secs: None, body: body.as_bytes().to_vec() }
}

/// What was asked, at an instant past every other one of the tests.
pub(crate) fn asked<'a>(entry: &'a Entry, body: &'a [u8], cursor: Option<&'a str>, tally: u64) -> Asked<'a> {
    Asked { entry, body, cursor, tally, at: UnixMs::from_secs(4_000_000_000) }
}

/// The rows a step writes.
pub(crate) fn rows_of(step: &Step) -> Vec<Row> {
    match step {
        Step::More { rows, .. } | Step::Done { rows, .. } => rows.clone(),
        other => panic!("no rows in {other:?}"),
    }
}
