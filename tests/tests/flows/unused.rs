//! A provider whose secret was never filled is not used: nobody is asked about it, and nothing is told of it.

use hookledger_core::flows::expectations;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::provider_call::ApiError;
use hookledger_core::ports::Metric;
use hookledger_kit::{self as kit, Kit};
use hookledger_tests::memory::{answer, run};
use hookledger_tests::town::{Town, id, right_secrets};

use super::with_lists;

/// What an operator is called for.
const TOLD: [Metric; 2] = [Metric::WorkFailed, Metric::Unconfigured];

/// A world in which no call has its credentials, and one provider has this secret document.
fn town(provider: &'static str, document: &str) -> Town {
    let town = Town::full();
    town.inbox.api.answer_with(|_| Err(ApiError::NoCredentials));
    for other in kit::names() {
        town.inbox.secrets.set(id(other), "{}");
    }
    town.inbox.secrets.set(id(provider), document);
    town
}

fn told(town: &Town) -> u64 {
    TOLD.into_iter().map(|metric| town.inbox.meter.total(metric)).sum()
}

#[test]
fn a_provider_with_the_empty_secret_is_not_used() {
    for document in ["{}", " { } ", r#"{"signing_secrets":[],"api":{}}"#] {
        let town = town("runpayments", document);
        town.pass_minutes(120);
        assert_eq!((told(&town), town.inbox.api.urls()), (0, vec![]), "{document}");
    }
}

/// What somebody announced all the same is not asked about, and its end is told.
#[test]
fn what_is_expected_of_a_provider_that_is_not_used_expires() {
    for Kit { name: provider, references, .. } in kit::ALL {
        let town = town(provider, "{}");
        for beginning in *references {
            run(expectations::announce(&town.inbox, town.provider(provider), &format!("{beginning}x1"))).unwrap();
        }
        town.pass_minutes(8 * 24 * 60);
        assert_eq!((told(&town), town.inbox.api.urls()), (0, vec![]), "{provider}");
        let expectations = town.inbox.ledger.expectations();
        let expired = expectations.iter().filter(|expected| expected.state == ExpectationState::Expired).count();
        let counted = town.inbox.meter.total(Metric::ExpectationsExpired);
        assert_eq!((expired, counted), (references.len(), references.len() as u64), "{provider}");
    }
}

/// Somebody knocks at a door that was never set up: the sender is told to come again, and an operator is told.
#[test]
fn a_delivery_to_a_provider_that_is_not_used_is_told() {
    for provider in kit::names() {
        let town = town(provider, "{}");
        assert_eq!(town.deliver(provider, super::STATEMENT).status, 503, "{provider}");
        assert_eq!(town.inbox.meter.of(Metric::Unconfigured, id(provider)), 1, "{provider}");
        town.pass_minutes(60);
        assert_eq!(told(&town), 1, "{provider}: once, by the door");
    }
}

/// A secret that was filled takes effect once it is read again, however long nobody was asked before.
#[test]
fn a_secret_that_is_filled_is_used_at_once() {
    for provider in with_lists() {
        for emptied in [false, true] {
            let document = right_secrets();
            let town = town(provider, if emptied { &document } else { "{}" });
            town.pass_minutes(5);
            town.inbox.secrets.set(id(provider), "{}");
            town.pass_minutes(60);
            let before = town.inbox.api.urls().len();
            town.inbox.api.answer_with(|_| answer(404, "{}"));
            town.inbox.secrets.rotate(id(provider), &document);
            town.pass_minutes(4);
            assert_eq!(town.inbox.api.urls().len(), before, "{provider}: the cache still holds the empty one");
            town.inbox.secrets.expire();
            // A list that was walked before is looked at every five minutes; one that never was, in the next.
            town.pass_minutes(if emptied { 5 } else { 1 });
            let asked = town.inbox.api.urls()[before..].iter().any(|url| url.contains(kit::of(provider).host));
            assert!(asked, "{provider}, emptied {emptied}: {:?}", town.inbox.api.urls());
        }
    }
}

/// Whoever filled in a part wants the provider, and is told what is missing.
#[test]
fn a_provider_without_credentials_for_its_api_is_told() {
    for provider in with_lists() {
        for document in [right_secrets(), r#"{"api":{"client_id":""}}"#.into(), r#"{"signing_secret":[]}"#.into()] {
            let town = town(provider, &document);
            town.pass_minutes(5);
            assert!(town.inbox.meter.of(Metric::WorkFailed, id(provider)) > 0, "{provider}: {document}");
        }
    }
}
