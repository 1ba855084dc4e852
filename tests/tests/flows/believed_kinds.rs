//! What comes from outside is believed within bounds, tried with every way on which a provider is asked: the work of an
//! entry, the poll of an expectation, the walk of a list.

use hookledger_core::flows::expectations;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Metric};
use hookledger_kit::Way::{self, List, Poll, Work};
use hookledger_kit::{ALL, of};
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::{Town, id};

/// A town with everything turned on, whose APIs answer so, and in which this way has begun.
fn begun(provider: &str, way: Way, script: impl FnMut(&str) -> Result<ApiResponse, ApiError> + 'static) -> Town {
    let town = Town::full();
    town.inbox.api.answer_with(script);
    match way {
        Work(body) => assert_eq!(town.deliver(provider, body).status, 200),
        Poll(reference) => _ = run(expectations::announce(&town.inbox, town.provider(provider), reference)).unwrap(),
        List(_) => {}
    }
    town
}

/// Asks for the first time.
fn ask_once(town: &Town, way: Way) {
    match way {
        Work(_) => _ = town.work(),
        Poll(_) => {
            town.inbox.clock.advance_secs(town.inbox.timing.poll.first_secs);
            town.work();
        }
        List(_) => _ = town.reconcile(),
    }
}

fn asked(town: &Town, provider: &'static str, way: Way) -> usize {
    let requests = town.inbox.api.requests();
    let is_list = |url: &str| of(provider).ways.iter().any(|way| matches!(way, List(part) if url.contains(part)));
    let of_way = |url: &str| matches!(way, List(_)) == is_list(url);
    requests.iter().filter(|(of, request)| *of == id(provider) && of_way(&request.url)).count()
}

/// Works and reconciles for so long, with more time between than [`Town::pass_minutes`] has: hours pass sooner.
fn pass_hours(town: &Town, hours: u64) {
    for _ in 0..hours * 20 {
        town.inbox.clock.advance_secs(180);
        town.reconcile();
        town.work();
    }
}

/// When the provider is asked again on this way. `None`: never.
fn due_at(town: &Town, provider: &str, way: Way) -> Option<UnixMs> {
    let ledger = &town.inbox.ledger;
    match way {
        Work(_) => ledger.entries().iter().find(|entry| entry.origin == Origin::Push)?.due_at,
        Poll(_) => ledger.expectations().first()?.due_at,
        List(_) => ledger.listings().iter().find(|listing| listing.provider == provider).map(|listing| listing.due_at),
    }
}

/// Why a person would be called, or why something was told.
fn gone_wrong(town: &Town, provider: &str) -> Option<String> {
    let entries = town.inbox.ledger.entries();
    let mut ours = entries.iter().filter(|entry| entry.provider == provider);
    if let Some(entry) = ours.find(|entry| entry.state != State::Open) {
        return Some(format!("{:?}: {:?}", entry.state, entry.reason));
    }
    let expectations = town.inbox.ledger.expectations();
    let ended = expectations.iter().find(|expectation| expectation.state != ExpectationState::Waiting);
    ended.map(|expectation| format!("{:?}", expectation.state))
}

/// Whether something was told without the provider's answer, as what is signed may be in the end.
fn told_without(town: &Town) -> bool {
    town.inbox.publisher.published().iter().any(|told| told.detail.contains(r#""looked_up":false"#))
}

/// What this way was to bring is there: worked, found, or (a loss in an audit) shown to a person.
fn arrived(town: &Town, provider: &str, way: Way) -> bool {
    let entries = town.inbox.ledger.entries();
    let is_here = |state, origin| {
        entries.iter().any(|entry| entry.provider == provider && (entry.state, entry.origin) == (state, origin))
    };
    let lists = town.provider(provider).lists();
    let is_audit = lists.offered().is_some_and(|lists| lists.audit().offered().is_some());
    match way {
        Work(_) => is_here(State::Done, Origin::Push),
        List(_) if is_audit => is_here(State::Parked, Origin::Poll),
        Poll(_) | List(_) => is_here(State::Done, Origin::Poll),
    }
}

/// Tries each way, and names all that fail at once.
fn each_way(check: impl Fn(&'static str, Way) -> Result<(), String>) {
    let ways = || ALL.iter().flat_map(|kit| kit.ways.iter().map(|way| (kit.name, *way)));
    let wrong: Vec<String> = ways()
        .filter_map(|(provider, way)| Some(format!("{provider} {way:?}: {}", check(provider, way).err()?)))
        .collect();
    assert!(wrong.is_empty(), "{} of {} go wrong:\n{}", wrong.len(), ways().count(), wrong.join("\n"));
}

fn ensure(holds: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(otherwise()) }
}

#[test]
fn each_provider_is_asked_here_and_each_way_arrives() {
    for kit in ALL {
        assert!(!kit.ways.is_empty(), "{}", kit.name);
    }
    each_way(|provider, way| {
        let town = begun(provider, way, |_| answer(200, of(provider).finds));
        town.pass_minutes(30);
        ensure(arrived(&town, provider, way), || format!("{:#?}", town.inbox.ledger.entries()))
    });
}

#[test]
fn what_is_not_json_is_asked_for_again() {
    let bodies: [(u16, &[u8]); 8] = [
        (200, b"<!doctype html><title>back soon</title>"),
        (200, b"\xef\xbb\xbf\n<?xml version=\"1.0\"?><error/>"),
        (200, b"\x1f\x8b\x08\0\0\0\0\0"),
        (200, b""),
        (200, b"OK"),
        (200, b"{\"balances\":[{\"authorizer"),
        (400, b"<html>bad request</html>"),
        (403, b"<html>forbidden</html>"),
    ];
    each_way(|provider, way| {
        for (status, body) in bodies {
            let told = || format!("{status} {}", String::from_utf8_lossy(body).escape_debug());
            let town = begun(provider, way, move |_| answer(status, body));
            town.pass_minutes(3);
            if let Some(wrong) = gone_wrong(&town, provider) {
                return Err(format!("{}: {wrong}", told()));
            }
            ensure(asked(&town, provider, way) > 0, || format!("{}: not asked", told()))?;
            town.inbox.api.answer_with(|_| answer(200, of(provider).finds));
            town.pass_minutes(60);
            ensure(arrived(&town, provider, way) && !told_without(&town), || format!("{}: never arrives", told()))?;
        }
        Ok(())
    });
}

#[test]
fn a_byte_order_mark_costs_no_second_question() {
    each_way(|provider, way| {
        let questions = |body: String| {
            let town = begun(provider, way, move |_| answer(200, body.clone()));
            town.pass_minutes(20);
            (arrived(&town, provider, way) && !told_without(&town), asked(&town, provider, way))
        };
        let finds = of(provider).finds;
        let (marked, plain) = (questions(format!("\u{feff}{finds}")), questions(finds.into()));
        ensure(plain.0 && marked == plain, || format!("{marked:?}, not {plain:?}"))
    });
}

/// The mark is no part of the JSON: whoever reads the ledger gets the document alone.
#[test]
fn a_byte_order_mark_is_kept_in_no_document() {
    each_way(|provider, way| {
        let documents = |body: String| {
            let town = begun(provider, way, move |_| answer(200, body.clone()));
            town.pass_minutes(20);
            let rows = town.inbox.ledger.all_rows().into_iter();
            rows.map(|(key, stored)| (key.sk, String::from_utf8(stored.row.document).unwrap())).collect::<Vec<_>>()
        };
        let finds = of(provider).finds;
        let (marked, plain) = (documents(format!("\u{feff}{finds}")), documents(finds.into()));
        ensure(marked == plain, || format!("{marked:?}, not {plain:?}"))
    });
}

#[test]
fn a_quota_that_is_used_up_for_hours_parks_nothing() {
    const HOURS: u64 = 6;
    each_way(|provider, way| {
        for retry_after_secs in [None, Some(60), Some(3600)] {
            let told = |what: &str| format!("Retry-After {retry_after_secs:?}: {what}");
            let limited = move || Ok(ApiResponse { status: 429, retry_after_secs, body: Vec::new() });
            let town = begun(provider, way, move |_| limited());
            pass_hours(&town, HOURS);
            let without = told_without(&town);
            if let Some(wrong) = gone_wrong(&town, provider).filter(|_| !without) {
                return Err(told(&wrong));
            }
            let parked = town.inbox.meter.total(Metric::EntriesParked);
            ensure(parked == 0 && town.effects().len() == usize::from(without), || told("a person is called"))?;
            // Not sooner than it was said; where nothing was said, as seldom as an open circuit lets anybody through.
            let each_secs = retry_after_secs.unwrap_or(town.inbox.timing.circuit.cap_secs).max(60);
            let asked = asked(&town, provider, way);
            ensure(asked as u64 <= HOURS * 3600 / each_secs + 1, || told(&format!("asked {asked} times")))?;
            town.inbox.api.answer_with(|_| answer(200, of(provider).finds));
            pass_hours(&town, 2);
            ensure(arrived(&town, provider, way), || told("never arrives"))?;
        }
        Ok(())
    });
}

#[test]
fn a_retry_after_beyond_an_hour_is_not_believed() {
    each_way(|provider, way| {
        for status in [429, 503, 403, 200] {
            for secs in [3601, 24 * 3600, 400 * 24 * 3600, u64::MAX] {
                let late = move || Ok(ApiResponse { status, retry_after_secs: Some(secs), body: b"<html>".to_vec() });
                let town = begun(provider, way, move |_| late());
                ask_once(&town, way);
                let told = |what: &str| format!("{status} with Retry-After {secs}: {what}");
                ensure(asked(&town, provider, way) > 0, || told("not asked"))?;
                let latest = town.inbox.clock.now().plus_secs(3600 + 300);
                let due_at = due_at(&town, provider, way);
                ensure(due_at.is_some_and(|due_at| due_at <= latest), || told(&format!("due at {due_at:?}")))?;
            }
        }
        Ok(())
    });
}
