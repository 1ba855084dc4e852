//! A fifth provider, made here out of what the core offers: Standard Webhooks, and a list whose rows are events.

use hookledger_core::flows::circuits::Circuits;
use hookledger_core::model::delivery::{Delivery, Verified};
use hookledger_core::model::entry::{Entry, Event, OnDuplicate, Origin, State};
use hookledger_core::model::identity::{Identity, ProviderId, Subject};
use hookledger_core::model::provider_call::{ApiRequest, ApiResponse, Auth, trouble};
use hookledger_core::model::signature::Scheme;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, Metric};
use hookledger_core::providers::{
    Answers, Ask, Asked, Audit, Found, Listed, ListedRow, Lists, Offer, OnStoreDown, OnUnreadable, Outcome, Polls,
    Provider, Providers, Setup, Step, Submits, Unreadable,
};
use hookledger_kit::standard;
use hookledger_tests::memory::{MemoryInbox, answer};
use hookledger_tests::town::Town;
use serde_json::{Value, json};

const ID: ProviderId = ProviderId("fifth");
const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const SCHEME: Scheme = Scheme::Standard { past_secs: 300, future_secs: 300 };
const ANSWERS: Answers =
    Answers { received: 200, refused: 403, unreadable: OnUnreadable::Park, store_down: OnStoreDown::AskAgain };

struct Fifth;

fn read(body: &[u8]) -> Option<Event> {
    let value: Value = serde_json::from_slice(body).ok()?;
    let (id, at) = (value["id"].as_str()?, value["at_ms"].as_i64()?);
    Some(Event {
        event_type: value["type"].as_str()?.into(),
        subject: Subject::new(ID, "payout", id),
        identity: Identity::new(&[id]),
        occurred_at: Some(UnixMs(at)),
        known: true,
        on_duplicate: OnDuplicate::Same,
        notes: Vec::new(),
    })
}

impl Provider for Fifth {
    fn id(&self) -> ProviderId {
        ID
    }

    fn scheme(&self) -> &Scheme {
        &SCHEME
    }

    fn answers(&self) -> &'static Answers {
        &ANSWERS
    }

    fn parse(&self, verified: &Verified) -> Result<Event, Unreadable> {
        read(verified.body()).ok_or(Unreadable::NotAnObject)
    }

    fn content(&self, body: &[u8]) -> Option<String> {
        Some(String::from_utf8_lossy(body).into_owned())
    }

    fn reference_in(&self, _: &[u8]) -> Option<String> {
        None
    }

    fn ask(&self, _: &Entry, _: &[u8], _: Option<&str>) -> Ask {
        Ask::Nothing(Box::new(Step::Done { rows: Vec::new(), unreadable: 0, outcome: Outcome::default() }))
    }

    fn answer(&self, _: &Asked<'_>, response: &ApiResponse) -> Step {
        Step::Trouble(trouble(response))
    }

    fn without_answer(&self, _: &Entry, _: &str) -> Option<Outcome> {
        None
    }

    fn polls(&self) -> Offer<'_, dyn Polls> {
        Offer::Unavailable("its list tells of every payout")
    }

    fn lists(&self) -> Offer<'_, dyn Lists> {
        Offer::Offered(self)
    }

    fn submits(&self) -> Offer<'_, dyn Submits> {
        Offer::Unavailable("payouts are made elsewhere")
    }

    fn setup(&self) -> Offer<'_, dyn Setup> {
        Offer::Unavailable("its dashboard does that")
    }
}

impl Lists for Fifth {
    fn names(&self) -> &'static [&'static str] {
        &["events"]
    }

    fn list(&self, _: &str, position: Option<&str>, _: UnixMs) -> ApiRequest {
        let url = format!("https://fifth.example/events?after={}", position.unwrap_or_default());
        ApiRequest::get("events", url, Auth::Bearer { credential: "api_key" })
    }

    fn listed(&self, _: &str, _: Option<&str>, _: UnixMs, response: &ApiResponse) -> Listed {
        let Ok(page) = serde_json::from_slice::<Value>(&response.body) else {
            return Listed::Trouble(trouble(response));
        };
        let bodies = page["events"].as_array().into_iter().flatten().map(|row| row.to_string().into_bytes());
        let rows = bodies.filter_map(|body| Some(ListedRow::Event(Found { event: read(&body)?, body }))).collect();
        Listed::Page { rows, unreadable: 0, next: page["next"].as_str().map(Into::into) }
    }

    fn audit(&self) -> Offer<'_, dyn Audit> {
        Offer::Unavailable("it keeps no record of its deliveries")
    }
}

fn town() -> Town {
    let town = Town {
        inbox: MemoryInbox::new(7),
        providers: Providers::of([Box::new(Fifth) as Box<dyn Provider>]),
        circuits: Circuits::default(),
    };
    town.inbox
        .secrets
        .set(ID, &json!({ "signing_secrets": [{ "id": "s1", "value": format!("whsec_{KEY}") }] }).to_string());
    town
}

fn event(town: &Town, id: &str, age_secs: u64) -> Value {
    json!({ "id": id, "type": "payout.paid", "at_ms": town.inbox.clock.now().minus_secs(age_secs).0 })
}

/// A delivery as its sender signs it.
fn signed(town: &Town, message: &str, body: &Value) -> Delivery {
    let now = town.inbox.clock.now();
    let body = body.to_string().into_bytes();
    let proof = standard(message, &body, KEY, now.secs());
    let mut delivery = Delivery::new(ID, now, body);
    delivery.headers = proof.headers.into_iter().map(|(name, value)| (name.to_string(), value)).collect();
    delivery
}

#[test]
fn standard_webhooks_are_verified_and_handled_once() {
    let town = town();
    let paid = event(&town, "p1", 5);
    for _ in 0..3 {
        assert_eq!(town.deliver_this(signed(&town, "msg_1", &paid)).status, 200);
    }
    town.work();
    assert_eq!((town.only_entry().state, town.effects().len()), (State::Done, 1));
    let mut forged = signed(&town, "msg_2", &event(&town, "p2", 5));
    forged.headers[1].1 = "msg_3".into();
    assert_eq!(town.deliver_this(forged).status, 403);
    let refused = town.inbox.ledger.refusals();
    assert_eq!((refused.len(), refused[0].headers.len()), (1, 3), "with all that proves it later");
}

#[test]
fn a_list_of_events_brings_what_was_never_delivered_once() {
    let town = town();
    let rows = [event(&town, "p1", 60), event(&town, "p2", 60), event(&town, "p3", 60)];
    let long_ago = event(&town, "p0", 3 * 365 * 86_400);
    let pages = [
        json!({ "events": [long_ago, rows[0]], "next": "2" }).to_string(),
        json!({ "events": [rows[1], rows[2]] }).to_string(),
    ];
    town.inbox.api.answer_with(move |url| answer(200, pages[usize::from(url.ends_with('2'))].clone()));
    assert_eq!(town.deliver_this(signed(&town, "msg_1", &rows[0])).status, 200);
    town.pass_minutes(40);
    let entries = town.inbox.ledger.entries();
    let found = entries.iter().filter(|entry| entry.origin == Origin::Poll).count();
    assert_eq!((entries.len(), found, town.effects().len()), (3, 2, 3), "{entries:#?}");
    // The webhook of what was found comes late.
    assert_eq!(town.deliver_this(signed(&town, "msg_2", &rows[1])).status, 200);
    town.pass_minutes(20);
    assert_eq!((town.inbox.ledger.entries().len(), town.effects().len()), (3, 3));
    let duplicates = town.inbox.meter.total(Metric::DeliveriesDuplicate);
    assert_eq!(duplicates, 1, "what a list shows again is no duplicate");
}
