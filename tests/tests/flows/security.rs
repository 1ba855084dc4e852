//! What was refused: looked at again when the secrets are right, and no more of it kept than its cap.

use hookledger_core::desk::reverify::{ReverifyError, Verdict, reverify};
use hookledger_core::model::act::Order;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::entry::{NewEntry, Origin, Start, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::refused::{MAX_QUARANTINE_BYTES, MAX_QUARANTINED_PER_SOURCE};
use hookledger_core::model::secret::Secret;
use hookledger_core::model::signature::Refusal;
use hookledger_core::ports::{Clock, Desk, Entries, Metric};
use hookledger_kit as kit;
use hookledger_tests::memory::{Side, killed_after, run};
use hookledger_tests::samples::event_of;
use hookledger_tests::town::{Town, id, right_secrets};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BATCH, STATEMENT, transaction};

const FYNAPSE: &str = r#"{"event_id":"e1","type":"balance.extracted","data":1}"#;
const TYPO: &str = r#"{"signing_secrets":[{"id":"typo","value":"7e907e907e907e907e907e907e907e90"}],
                       "url_tokens":[{"id":"typo","value":"7e907e907e907e907e907e907e907e90"}]}"#;
const DAY: &str = "2040-01-01";

/// A body of each provider, and the id of what proves it.
fn bodies() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    kit::ALL.iter().map(|kit| (kit.name, (kit.event)("e1"), if kit.is_signed() { "s1" } else { "t1" }))
}

fn ordered() -> Order {
    Order { by: "arn:aws:iam::000000000000:user/ops".into(), why: None }
}

fn look_again(town: &Town, provider: &'static str) -> Vec<Verdict> {
    let day = town.inbox.ledger.refusals().first().map_or_else(|| DAY.to_string(), |refused| refused.at.day());
    let looked =
        run(reverify(&town.inbox, &town.inbox.secrets, town.provider(provider), &day, 100, &ordered())).unwrap();
    looked.into_iter().map(|(_, verdict)| verdict).collect()
}

/// A town that refused this delivery because its secret was mistyped, and whose secret is right since.
fn mended(provider: &'static str, delivery: impl FnOnce(&Town) -> Delivery) -> Town {
    let town = Town::new();
    town.inbox.secrets.set(id(provider), TYPO);
    assert_eq!(town.deliver_this(delivery(&town)).status, 403, "{provider}");
    assert!(town.inbox.ledger.entries().is_empty());
    town.inbox.secrets.set(id(provider), &right_secrets());
    town
}

#[test]
fn what_proves_genuine_later_is_let_in_once() {
    for (provider, body, secret_id) in bodies() {
        let town = mended(provider, |town| town.delivery(provider, &body));
        // Hours later: a signature grows no older in quarantine.
        let came_at = town.inbox.clock.now();
        town.inbox.clock.advance_secs(6 * 3600);
        let verdicts = look_again(&town, provider);
        let entry = town.only_entry();
        let let_in = Verdict::LetIn { secret_id: secret_id.into(), key: Some(entry.key.clone()) };
        assert_eq!(verdicts, [let_in], "{provider}: which event it is, is told");
        let notes = town.inbox.ledger.stored(&entry.key).unwrap().notes;
        assert!(notes.contains(&("refused_at", came_at.to_string())), "{provider}: when it came first: {notes:?}");
        assert_eq!((entry.state, entry.received_at), (State::Open, town.inbox.clock.now()), "{provider}");
        assert_eq!(town.inbox.ledger.stored(&entry.key).unwrap().body, body.as_bytes(), "byte for byte");
        assert_eq!(town.inbox.queue.messages().len(), 1, "its work is on its way");
        assert!(town.inbox.ledger.refusals().is_empty(), "its row is gone");
        assert_eq!(look_again(&town, provider), [], "{provider}: a second look finds nothing");
        // The provider's own retry, and the same once more out of quarantine, are duplicates.
        assert_eq!(town.deliver(provider, &body).status, 200);
        assert_eq!(town.only_entry().key, entry.key);
    }
}

#[test]
fn what_is_still_forged_stays() {
    for (provider, body, _) in bodies() {
        let town = mended(provider, |town| {
            let mut forged = town.forged(provider, &body);
            forged.headers = town.delivery(provider, "another body").headers;
            forged
        });
        let refusals = town.inbox.ledger.refusals();
        for _ in 0..2 {
            let verdicts = look_again(&town, provider);
            let wrong = [Verdict::Refused(Refusal::WrongSignature), Verdict::Refused(Refusal::WrongToken)];
            assert!(verdicts.len() == 1 && wrong.contains(&verdicts[0]), "{provider}: {verdicts:?}");
        }
        assert_eq!(town.inbox.ledger.refusals(), refusals, "{provider}: it stays as it was");
        assert!(town.inbox.ledger.entries().is_empty() && town.inbox.queue.messages().is_empty());
        assert_eq!(town.inbox.meter.total(Metric::DeliveriesRefused), 1, "it is not counted again");
    }
}

#[test]
fn it_is_judged_as_of_when_it_came() {
    // Stale when it came, however right the secret is by now.
    let town = mended("fynapse", |town| {
        let mut old = town.delivery("fynapse", FYNAPSE);
        town.inbox.clock.advance_secs(74 * 3600);
        old.received_at = town.inbox.clock.now();
        old
    });
    assert_eq!(look_again(&town, "fynapse"), [Verdict::Refused(Refusal::Stale)]);
    // A secret that had ended when it came proves nothing; one that has ended since does.
    for (ended_secs_ago, let_in) in [(30, true), (90, false)] {
        let town = mended("runpayments", |town| town.delivery("runpayments", &transaction("k1")));
        town.inbox.clock.advance_secs(60);
        let end = town.inbox.clock.now().minus_secs(ended_secs_ago);
        let ending = right_secrets().replace(r#""id":"s1","#, &format!(r#""id":"s1","not_after":"{end}","#));
        town.inbox.secrets.set(id("runpayments"), &ending);
        let verdicts = look_again(&town, "runpayments");
        assert_eq!(matches!(verdicts[..], [Verdict::LetIn { .. }]), let_in, "{verdicts:?}");
    }
}

#[test]
fn what_was_cut_is_said_to_be_cut() {
    for (more, cut) in [(0, false), (1, true)] {
        let shortest = transaction("k1").replace("{}", r#"{"padding":""}"#);
        let padding = "x".repeat(MAX_QUARANTINE_BYTES + more - shortest.len());
        let body = shortest.replace(r#""padding":"""#, &format!(r#""padding":"{padding}""#));
        let town = mended("runpayments", |town| town.delivery("runpayments", &body));
        let expected = match cut {
            true => Verdict::Cut { kept: MAX_QUARANTINE_BYTES, body_bytes: MAX_QUARANTINE_BYTES + 1 },
            false => Verdict::LetIn { secret_id: "s1".into(), key: None },
        };
        let mut verdicts = look_again(&town, "runpayments");
        for verdict in &mut verdicts {
            if let Verdict::LetIn { key, .. } = verdict {
                assert!(key.take().is_some());
            }
        }
        assert_eq!(verdicts, [expected]);
        assert_eq!(town.inbox.ledger.refusals().len(), usize::from(cut));
    }
}

#[test]
fn what_is_genuine_and_unreadable_goes_the_providers_way() {
    // Rightfoot asks for a 400, so it stays where it is, and no second row is made of it.
    let town = mended("rightfoot", |town| town.delivery("rightfoot", r#"{"event_uuid":"u","type":"T"}"#));
    assert!(matches!(look_again(&town, "rightfoot")[..], [Verdict::Unreadable(_)]));
    assert_eq!((town.inbox.ledger.refusals().len(), town.inbox.ledger.entries().len()), (1, 0));
    // Everybody else's waits for a person.
    let town = mended("fynapse", |town| town.delivery("fynapse", "nonsense"));
    assert!(matches!(look_again(&town, "fynapse")[..], [Verdict::LetIn { .. }]));
    assert_eq!(town.only_entry().state, State::Parked);
}

#[test]
fn a_second_look_that_fails_anywhere_loses_nothing() {
    let refused = || mended("finbox", |town| town.delivery("finbox", STATEMENT));
    for call in ["kept", "admit", "mark", "remove", "send"] {
        for side in [Side::Before, Side::After] {
            let town = refused();
            town.inbox.ledger.faults.next_of(call, side, 1);
            town.inbox.queue.faults.next_of(call, side, 1);
            let _ = run(reverify(&town.inbox, &town.inbox.secrets, town.provider("finbox"), DAY, 100, &ordered()));
            let _ = look_again(&town, "finbox");
            let entry = town.only_entry();
            assert_eq!(entry.state, State::Open, "{call} {side:?}");
            let history = run(town.inbox.ledger.history(&entry.key)).unwrap();
            assert!(history.iter().any(|act| act.what == "reverify"), "{call} {side:?}: who let it in?");
            assert!(town.inbox.ledger.refusals().is_empty(), "{call} {side:?}");
        }
    }
    for turns in 0..14 {
        let town = refused();
        let order = ordered();
        let look = reverify(&town.inbox, &town.inbox.secrets, town.provider("finbox"), DAY, 100, &order);
        let _ = killed_after(turns, look);
        let _ = look_again(&town, "finbox");
        assert_eq!(town.inbox.ledger.entries().len(), 1, "killed after {turns} turns");
        assert!(town.inbox.ledger.refusals().is_empty(), "killed after {turns} turns");
    }
    let town = refused();
    town.inbox.secrets.faults.down(true);
    let looked = run(reverify(&town.inbox, &town.inbox.secrets, town.provider("finbox"), DAY, 100, &ordered()));
    assert!(matches!(looked, Err(ReverifyError::Secrets(_))), "{looked:?}");
}

#[test]
fn another_providers_secret_proves_nothing() {
    // Both signed with the same key here; what tells them apart is the provider's own scheme, header and list.
    let town = mended("runpayments", |town| {
        let mut foreign = town.delivery("fynapse", FYNAPSE);
        foreign.provider = id("runpayments");
        foreign
    });
    assert_eq!(look_again(&town, "fynapse"), []);
    assert_eq!(look_again(&town, "runpayments"), [Verdict::Refused(Refusal::MissingSignature)]);
}

#[test]
fn no_token_is_kept_with_a_refusal() {
    let town = Town::new();
    let mut forged = town.delivery("finbox", STATEMENT);
    forged.path_token = Some(Secret::new("guessed"));
    town.deliver_this(forged);
    let refused = &town.inbox.ledger.refusals()[0];
    let digest = refused.token_digest.clone().unwrap();
    assert_eq!(digest, hookledger_core::model::identity::digest_hex(b"guessed"));
    let printed = format!("{refused:?}");
    assert!(!printed.contains(&digest) && !printed.contains("entity_id"), "{printed}");
}

#[test]
fn ten_thousand_forged_in_a_minute_are_counted_and_not_kept() {
    let town = Town::new();
    for n in 0..10_000u32 {
        let mut forged = town.delivery("runpayments", &transaction(&n.to_string()));
        forged.headers = vec![("x-webhook-signature-256".into(), format!("sha256={n:064x}"))];
        assert_eq!(town.deliver_this(forged).status, 403);
        town.inbox.clock.advance_ms(5);
    }
    assert_eq!(town.inbox.meter.of(Metric::DeliveriesRefused, id("runpayments")), 10_000);
    assert_eq!(town.inbox.ledger.refusals().len(), usize::from(MAX_QUARANTINED_PER_SOURCE));
    assert!(town.inbox.ledger.entries().is_empty() && town.inbox.queue.messages().is_empty());
    // Another provider's refusals are kept meanwhile, and a genuine delivery gets through.
    assert_eq!(town.deliver("runpayments", &transaction("genuine")).status, 200);
    let mut forged = town.delivery("rightfoot", BATCH);
    forged.path_token = None;
    town.deliver_this(forged);
    assert_eq!(town.inbox.ledger.refusals().len(), usize::from(MAX_QUARANTINED_PER_SOURCE) + 1);
}

/// A detail as the worker would freeze it for this entry.
fn frozen_for(key: &ItemKey, provider: &str, event_type: &str) -> Value {
    json!({
        "version": 1, "id": key.stable_id(), "provider": provider, "type": event_type, "subject": key.pk,
        "origin": "push", "received_at": "2040-01-01T00:00:00.000Z", "occurred_at": null, "summary": {},
        "entry": { "pk": key.pk, "sk": key.sk },
    })
}

/// Delivers `body`, freezes `detail` as if another function had written it, and lets the worker at it.
fn worked_with(provider: &'static str, body: &str, detail: &Value) -> Town {
    let town = Town::new();
    let key = event_of(provider, body).key();
    town.confirm();
    assert_eq!(town.deliver(provider, body).status, 200);
    run(town.inbox.ledger.freeze(&key, &detail.to_string())).unwrap();
    town.work();
    town
}

/// A receiver that is taken over writes into its own rows what only the worker writes.
#[test]
fn a_frozen_detail_that_is_not_its_entrys_own_is_not_published() {
    for (provider, body, _) in bodies() {
        let event = event_of(provider, &body);
        let own = frozen_for(&event.key(), provider, &event.event_type);
        let town = worked_with(provider, &body, &own);
        assert_eq!(town.inbox.publisher.published().len(), 1, "{provider}: its own is published");
        let forged = [
            ("/provider", json!(kit::names().find(|other| *other != provider))),
            ("/type", json!("balance.extracted.twice")),
            ("/subject", json!("fynapse#event#other")),
            ("/entry/pk", json!("fynapse#event#other")),
            ("/entry/sk", json!("event#other")),
            ("/entry", Value::Null),
            ("/id", json!("0".repeat(32))),
            ("/provider", json!(7)),
            ("", json!("no object")),
        ];
        for (place, value) in forged {
            let mut detail = own.clone();
            *detail.pointer_mut(place).unwrap() = value;
            let town = worked_with(provider, &body, &detail);
            assert_eq!(town.inbox.publisher.published(), [], "{provider}: {place}");
            let entry = town.only_entry();
            assert_eq!(entry.state, State::Parked, "{provider}: {place}");
            let reason = entry.reason.unwrap();
            assert!(reason.starts_with("the frozen detail is not this entry's own"), "{provider}: {reason}");
            assert_eq!(town.inbox.meter.of(Metric::EntriesParked, id(provider)), 1, "{provider}: {place}");
        }
    }
}

/// An entry in one provider's partition that says it is another's.
#[test]
fn an_entry_that_names_another_provider_than_its_partition_is_parked() {
    for (owner, body, _) in bodies() {
        for (claimed, _, _) in bodies().filter(|(claimed, ..)| *claimed != owner) {
            let town = Town::new();
            let event = event_of(owner, &body);
            let due_at = town.inbox.clock.now();
            let forged = NewEntry {
                provider: id(claimed),
                event,
                origin: Origin::Push,
                received_at: due_at,
                start: Start::Open { due_at },
                proof: None,
                body: body.clone().into_bytes(),
            };
            run(town.inbox.ledger.admit(&forged)).unwrap();
            town.work_on(town.job(&forged.event.key())).unwrap();
            assert_eq!((town.inbox.publisher.published().len(), town.inbox.api.requests().len()), (0, 0));
            let entry = town.only_entry();
            assert_eq!(entry.state, State::Parked, "{claimed} in a partition of {owner}");
            assert_eq!(entry.reason.unwrap(), "the entry's provider is not the one of its key");
            assert_eq!(town.inbox.meter.of(Metric::EntriesParked, id(owner)), 1, "counted where the row is");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever is frozen, what is published under a provider's name names that provider, the entry and its key.
    #[test]
    fn what_is_published_is_always_the_entrys_own(
        which in 0..kit::ALL.len(),
        fields in proptest::collection::btree_map(
            prop_oneof![Just("provider"), Just("type"), Just("subject"), Just("entry"), Just("id"), Just("summary")],
            prop_oneof![
                proptest::sample::select(kit::names().map(Value::from).collect::<Vec<_>>()),
                Just(json!(null)), Just(json!({"pk": "fynapse#event#e1", "sk": "event#e1"})), Just(json!({"balances": 9})),
                "[a-z#.]{0,12}".prop_map(Value::from),
            ],
            0..4,
        ),
    ) {
        let (provider, body, _) = bodies().nth(which).unwrap();
        let event = event_of(provider, &body);
        let own = frozen_for(&event.key(), provider, &event.event_type);
        let mut detail = own.clone();
        for (name, value) in &fields {
            detail[*name] = value.clone();
        }
        let town = worked_with(provider, &body, &detail);
        let published = town.inbox.publisher.published();
        let changed = ["provider", "type", "subject", "entry", "id"].iter().any(|name| detail[*name] != own[*name]);
        prop_assert_eq!(published.is_empty(), changed, "{}", detail);
        for announcement in published {
            prop_assert_eq!(announcement.source, format!("hookledger.{provider}"));
            prop_assert_eq!(announcement.detail_type, event.event_type.clone());
        }
    }
}
