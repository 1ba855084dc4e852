//! The table of malformed requests, played in memory: each row's answer, what is kept of it, and every count. And the
//! page that is made of it.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hookledger_aws::enter::gateway::{Request, Response};
use hookledger_core::flows::receive::Answer;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::digest_hex;
use hookledger_core::model::signature::Scheme;
use hookledger_core::ports::{Clock, Metric};
use hookledger_kit as kit;
use hookledger_tests::malformed::rows::rows;
use hookledger_tests::malformed::{Kept, Keys, Row, Way, page, routed_event};
use hookledger_tests::town::{SECRET, Town};
use serde_json::value::RawValue;

/// Every provider has its own secret here, as everywhere.
fn keys(town: &Town) -> Keys {
    let keys = Keys {
        secrets: kit::names().map(|name| (name, digest_hex(format!("{SECRET}-{name}").as_bytes()))).collect(),
        run: "in-memory".into(),
        now_secs: town.inbox.clock.now().secs(),
    };
    for provider in town.providers.iter() {
        let list = serde_json::json!([{ "id": "own", "value": keys.of(provider.id().0) }]);
        let document = serde_json::json!({ "signing_secrets": list, "url_tokens": list });
        town.inbox.secrets.set(provider.id(), &document.to_string());
    }
    keys
}

/// The request as the function's event; `None` where the gateway has no route.
fn event_of(row: &Row) -> Option<String> {
    match &row.way {
        _ if row.kept == Kept::NoRoute => None,
        Way::Event(event) => Some(event.clone()),
        Way::Http { method, path, headers, body } => {
            Some(routed_event(method, path, headers, &BASE64_STANDARD.encode(body), true))
        }
    }
}

#[test]
fn every_row_in_memory() {
    let rows = rows(&keys(&Town::new()));
    assert!(rows.len() > 80, "only {} rows", rows.len());
    for row in rows {
        // A world for each, so that nothing counted is another's.
        let town = Town::new();
        keys(&town);
        let Some(event) = event_of(&row) else { continue };
        let Ok(request) = Request::parse(&RawValue::from_string(event).unwrap()) else {
            assert_eq!(
                (Response::unreadable_envelope().status(), &row.kept),
                (row.status, &Kept::NoEnvelope),
                "{row:?}"
            );
            continue;
        };
        let provider = town.provider(row.provider);
        let url_has_token = matches!(provider.scheme(), Scheme::Unsigned { .. });
        match request.into_delivery(provider.id(), url_has_token, town.inbox.clock.now()) {
            Ok(delivery) => check(&town, &row, &town.deliver_this(delivery)),
            Err(_) => assert_eq!((Response::unrouted().status(), &row.kept), (row.status, &Kept::Unrouted), "{row:?}"),
        }
    }
}

fn check(town: &Town, row: &Row, answered: &Answer) {
    let about = format!("{}: {}", row.provider, row.about);
    let (member, text) = row.answer();
    let body: serde_json::Value = serde_json::from_str(&answered.body).unwrap();
    assert_eq!((answered.status, body[member].as_str()), (row.status, Some(text)), "{about}");
    let (entries, refusals) = (town.inbox.ledger.entries(), town.inbox.ledger.refusals());
    let counted = |metric| town.inbox.meter.of(metric, town.provider(row.provider).id());
    let counts =
        [Metric::DeliveriesReceived, Metric::DeliveriesRefused, Metric::DeliveriesUnreadable, Metric::EntriesParked];
    let counts = counts.map(counted);
    let expected = match &row.kept {
        Kept::NoRoute | Kept::Unrouted | Kept::NoEnvelope => panic!("{about}: the function was called"),
        Kept::Refused(code) => {
            assert_eq!((entries.len(), refusals.len(), refusals[0].code.as_str()), (0, 1, *code), "{about}");
            [0, 1, 0, 0]
        }
        Kept::Unreadable => {
            assert_eq!((entries.len(), refusals.len(), refusals[0].code.as_str()), (0, 1, "unreadable"), "{about}");
            // A refusal in the counts as well: it is kept where refusals are.
            [0, 1, 1, 0]
        }
        Kept::Parked => {
            assert_eq!(
                (refusals.len(), entries[0].state, entries[0].event_type.as_str()),
                (0, State::Parked, "unreadable")
            );
            [1, 0, 1, 1]
        }
        Kept::Ignored => {
            assert_eq!((refusals.len(), entries[0].state), (0, State::Ignored), "{about}");
            [1, 0, 0, 0]
        }
    };
    assert_eq!(counts, expected, "{about}: received, refused, unreadable, parked");
    for refused in &refusals {
        assert_eq!(refused.digest, digest_hex(&row.body()), "{about}");
    }
    for entry in &entries {
        assert!(town.inbox.ledger.stored(&entry.key).unwrap().body == row.body(), "{about}: not byte for byte");
    }
}

/// `docs/malformed.md` is written with `WRITE_DOCS=1 cargo test -p hookledger-tests --test parsing`.
#[test]
fn the_page_is_the_table() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/malformed.md");
    let page = page(&rows(&keys(&Town::new())));
    if std::env::var_os("WRITE_DOCS").is_some() {
        std::fs::write(path, &page).unwrap();
    }
    let written = std::fs::read_to_string(path).unwrap_or_default();
    assert!(written == page, "docs/malformed.md is not the table any more: write it anew with WRITE_DOCS=1");
    let keys = keys(&Town::new());
    for secret in keys.secrets.values().map(String::as_str).chain(["in-memory"]) {
        assert!(!page.contains(secret), "the page holds what is of one run");
    }
}
