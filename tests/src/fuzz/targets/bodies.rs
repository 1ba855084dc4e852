//! Genuine deliveries of any bytes: read or refused by name, kept byte for byte, and one event however often they come.

use hookledger_core::model::entry::{Event, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Clock;
use hookledger_core::providers::{Ask, Provider, Unreadable};
use hookledger_kit as kit;

use super::super::keys;
use super::super::target::Seen;
use crate::memory::answer;
use crate::samples;
use crate::town::Town;

/// The provider's files in `events/`.
pub(super) fn samples(provider: &str) -> Vec<Vec<u8>> {
    let of = samples::all().into_iter().filter(|sample| sample.provider == provider);
    of.map(|sample| sample.body.into_bytes()).collect()
}

pub(super) fn body(name: &str, body: &[u8]) -> Seen {
    let town = Town::new();
    let (provider, unreadable) = (town.provider(name), kit::of(name).unreadable);
    let read = parse(&town, provider, body);
    assert!(read == parse(&town, provider, body), "one body was read in two ways");
    let first = town.deliver_this(town.delivery_of(name, body));
    let entries = town.inbox.ledger.entries();
    match &read {
        Ok(event) => {
            keys::assert_event(&event.key(), provider.id());
            assert!(!event.event_type.is_empty(), "an event without a type");
            assert!(
                body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start().starts_with(b"{"),
                "an event that is no JSON object"
            );
            assert!(first.status == 200 || event.event_type.len() > 200, "a readable body was not taken");
        }
        Err(_) => {
            assert!(first.status == unreadable.status(), "an unreadable body was answered {}", first.status);
        }
    }
    // An event type that is too long to be one is found out after the reading.
    let is_readable = read.as_ref().is_ok_and(|event| event.event_type.len() <= 200);
    let is_entry = is_readable || unreadable == kit::Unreadable::Parked;
    assert!(entries.len() == usize::from(is_entry), "{} entries", entries.len());
    if let Some(entry) = entries.first() {
        keys::assert_event(&entry.key, provider.id());
        let stored = town.inbox.ledger.stored(&entry.key).unwrap();
        assert!(stored.body == body, "the body was not kept byte for byte");
        assert!(entry.event_type.len() <= 200, "an event type of {} bytes", entry.event_type.len());
        again(&town, name, body, first.status, &entry.key);
    } else {
        assert!(town.inbox.ledger.refusals().len() == 1, "neither an entry nor a refusal");
    }
    work(&town, provider, body);
    seen(&read, first.status, town.inbox.ledger.entries().first().map(|entry| entry.state))
}

fn parse(town: &Town, provider: &dyn Provider, body: &[u8]) -> Result<Event, Unreadable> {
    let name = provider.id().0;
    let delivery = town.delivery_of(name, body);
    let verified = provider.scheme().verify(delivery, &town.secrets_of(name), town.inbox.clock.now());
    let verified = verified.unwrap_or_else(|(refusal, _)| panic!("a genuine delivery was refused: {refusal}"));
    provider.parse(&verified)
}

/// The same delivery again is answered the same and is no second event.
fn again(town: &Town, name: &str, body: &[u8], status: u16, key: &ItemKey) {
    let second = town.deliver_this(town.delivery_of(name, body));
    assert!(second.status == status, "the second time it was answered {}", second.status);
    let keys: Vec<ItemKey> = town.inbox.ledger.entries().into_iter().map(|entry| entry.key).collect();
    assert!(keys == [key.clone()], "the second time it was another event");
}

/// The work asks for nothing outside the provider's API and leaves rows under the event's own subject only.
fn work(town: &Town, provider: &dyn Provider, body: &[u8]) {
    let Some(entry) = town.inbox.ledger.entries().into_iter().next() else { return };
    if entry.state == State::Open {
        if let Ask::Request(request) = provider.ask(&entry, body, None) {
            keys::assert_request(&request);
        }
        for cursor in ["accounts", "next#page/..?"] {
            if let Ask::Request(request) = provider.ask(&entry, body, Some(cursor)) {
                keys::assert_request(&request);
            }
        }
    }
    town.inbox.api.answer_with(|_| answer(404, ""));
    town.work();
    for (key, _) in town.inbox.ledger.all_rows() {
        assert!(key.pk == entry.key.pk, "a row under another subject");
    }
}

fn seen(read: &Result<Event, Unreadable>, status: u16, state: Option<State>) -> Seen {
    let state = state.map_or("nothing kept", State::as_str);
    match read {
        Ok(event) => {
            // The kinds of keys, not the keys.
            let parts = event.identity.as_str().split('#').count();
            let (escaped, digested) = (event.key().to_string().contains('%'), event.key().to_string().contains('~'));
            let kind = if event.known { event.event_type.as_str() } else { "another type" };
            let at = event.occurred_at.is_some();
            format!("{status} {state}: {kind}, {parts} parts, escaped {escaped}, digested {digested}, instant {at}")
        }
        Err(why) => format!("{status} {state}: {why}"),
    }
}
