//! A ledger that lived through a day: every kind of row.

use hookledger_core::flows::reconcile::Report;
use hookledger_core::model::act::Act;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Event, NewEntry, OnDuplicate, Origin, Start, State};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject, digest_hex};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::ports::{Desk as _, Entries as _, Expectations as _, Refusals as _, Results as _, Settlement};

use super::aws::{TOKEN, with_queues};
use crate::town::{FYNAPSE, RIGHTFOOT, Town, noise};

const FINBOX: ProviderId = ProviderId("finbox");
const RUNPAYMENTS: ProviderId = ProviderId("runpayments");
const DAY: u64 = 24 * 3_600;
/// What came in: provider, kind of subject, type, and how many in the day.
const CAME: [(ProviderId, &str, &str, u64); 7] = [
    (RIGHTFOOT, "batch", "BALANCE_BATCH_COMPLETED", 90),
    (FYNAPSE, "event", "balance.extracted", 60),
    (FINBOX, "entity", "statement.completed", 45),
    (FINBOX, "session", "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION", 15),
    (RUNPAYMENTS, "merchant", "merchant.live", 25),
    (RUNPAYMENTS, "transaction", "transaction.entered", 70),
    (RUNPAYMENTS, "transaction", "transaction.reject", 5),
];
/// Text that is obeyed where a page writes it as it came.
pub(super) const MARK: &str = "<script>window.ran=1;alert(1)</script><img src=x onerror=alert(2)>\"'";

pub(super) struct Lived {
    pub(super) town: Town,
    /// Where AWS answers: the table, and queues.
    pub(super) endpoint: String,
    /// A subject with much to tell.
    pub(super) subject: String,
    /// A merchant that one status came too late for.
    pub(super) merchant: String,
    /// One whose body has 4.5 MB.
    pub(super) large: String,
    /// The one entry that is parked for its reason.
    pub(super) alone: ItemKey,
    /// Those that are parked for one reason.
    pub(super) together: Vec<ItemKey>,
    /// More of them than a moment's work.
    pub(super) many: Vec<ItemKey>,
}

impl Lived {
    pub(super) async fn new() -> Self {
        let mut lived = Self::empty().await;
        let (town, now) = (&lived.town, lived.town.now);
        for (provider, kind, event_type, count) in CAME {
            for n in 0..count {
                // More by day than by night, and never two at one instant.
                let share = (n * n + 3 * n) % (count * 2);
                let at = now.minus_secs(120 + (DAY - 300) * share / (count * 2) + n * 7);
                let origin = if n % 23 == 5 { Origin::Poll } else { Origin::Push };
                let key = came(town, origin, (provider, kind, &format!("{kind}-{}", 2_000 + n), event_type), at).await;
                done(town, &key, at.plus_secs(1 + n % 4)).await;
                if kind == "merchant" && n % 8 != 1 {
                    let status = if n % 3 == 0 { "boarded" } else { "live" };
                    stands(town, &key, status, at).await;
                }
                if origin == Origin::Poll && n % 2 == 1 {
                    assert!(town.ledger.came_after_all(&key, at.plus_secs(40)).await.unwrap());
                }
            }
        }
        for n in 0..3 {
            let at = now.minus_secs(5_400 + n * 600);
            let of = (RIGHTFOOT, "batch", &*format!("batch-{}", 2_200 + n), "BALANCE_BATCH_COMPLETED");
            let key = came(town, Origin::Push, of, at).await;
            assert!(town.ledger.park(&key, "the provider's API answered 422", at.plus_secs(90)).await.unwrap());
            lived.together.push(key);
        }
        let at = now.minus_secs(9_000);
        lived.alone = came(town, Origin::Push, (FINBOX, "entity", "entity-2301", "statement.failed"), at).await;
        let reason = "never confirmed: the statement is still in progress";
        assert!(town.ledger.park(&lived.alone, reason, at.plus_secs(1_800)).await.unwrap());
        came(town, Origin::Push, (FYNAPSE, "event", "event-2302", "balance.extracted"), now.minus_secs(20)).await;
        ignored(town, "batch-2303", now.minus_secs(4_000)).await;
        lived.large = large(town).await;
        lived.subject = told(town).await;
        lived.merchant = merchant(town).await;
        turned_away(town).await;
        genuine(town).await;
        waited_for(town).await;
        let report = Report { due: 14, carried_out: 14, left: 0, failed: 0, oldest_secs: 41 };
        town.ledger.record_run(&(0..=63), now.minus_secs(24), &report).await.unwrap();
        lived
    }

    /// With more parked for one reason than a moment's work.
    pub(super) async fn with_many() -> Self {
        let mut lived = Self::new().await;
        let (town, now) = (&lived.town, lived.town.now);
        for n in 0..30 {
            let at = now.minus_secs(12_000 + n * 10);
            let of = (RIGHTFOOT, "batch", &*format!("batch-{}", 2_600 + n), "BALANCE_BATCH_COMPLETED");
            let key = came(town, Origin::Push, of, at).await;
            assert!(town.ledger.park(&key, "many of them failed at once", at.plus_secs(60)).await.unwrap());
            lived.many.push(key);
        }
        lived
    }

    /// One in which every text is another's script, and every id as long as the table takes it.
    pub(super) async fn hostile() -> Self {
        let mut lived = Self::empty().await;
        let (town, at) = (&lived.town, lived.town.now.minus_secs(600));
        let long = "0123456789abcdef".repeat(50);
        for (n, id) in [MARK, &format!("{MARK}{long}"), &long].into_iter().enumerate() {
            for provider in [RIGHTFOOT, FYNAPSE] {
                let kind = if provider == RIGHTFOOT { "batch" } else { "event" };
                let key = came(town, Origin::Push, (provider, kind, id, id), at.plus_secs(n as u64)).await;
                let columns = vec![("balance", MARK.to_string()), ("currency", long.clone())];
                let row = Row { sk: format!("balance#{id}"), columns, document: MARK.into() };
                let subject = Subject::new(provider, kind, id);
                town.ledger.put_rows(&subject, &[row], &Snapshot::delivered(at)).await.unwrap();
                assert!(town.ledger.park(&key, if n == 0 { MARK } else { &long }, at).await.unwrap());
                lived.subject = key.pk;
            }
            town.waits(id).await;
            town.refused_with(&format!("{id}{n}")).await;
        }
        lived
    }

    async fn empty() -> Self {
        let town = Town::new().await;
        let (endpoint, alone) = (with_queues(&town.url).await, ItemKey { pk: String::new(), sk: String::new() });
        let (subject, merchant, large) = (String::new(), String::new(), String::new());
        Self { town, endpoint, subject, merchant, large, alone, together: Vec::new(), many: Vec::new() }
    }
}

type Of<'a> = (ProviderId, &'a str, &'a str, &'a str);
type At = hookledger_core::model::time::UnixMs;

fn entry(origin: Origin, (provider, kind, id, event_type): Of<'_>, at: At, start: Start, body: Vec<u8>) -> NewEntry {
    let event = Event {
        event_type: event_type.into(),
        subject: Subject::new(provider, kind, id),
        identity: Identity::new(&[event_type, id]),
        occurred_at: Some(at.minus_secs(2)),
        known: true,
        on_duplicate: OnDuplicate::Same,
        notes: Vec::new(),
    };
    let proof = (origin == Origin::Push).then(|| "2026-11".to_string());
    NewEntry { provider, event, origin, received_at: at, start, proof, body }
}

async fn came(town: &Town, origin: Origin, of: Of<'_>, at: At) -> ItemKey {
    let new = entry(origin, of, at, Start::Open { due_at: at.plus_secs(60) }, b"{\"paid\": \"12.50\"}".to_vec());
    town.ledger.admit(&new).await.unwrap();
    new.event.key()
}

async fn done(town: &Town, key: &ItemKey, at: At) {
    let settlement = Settlement { state: State::Done, reason: None, at, expires_at: at.plus_secs(400 * DAY) };
    assert!(town.ledger.settle(key, &settlement).await.unwrap());
}

async fn ignored(town: &Town, id: &str, at: At) {
    let start = Start::Ignored { reason: "nobody works on this type", expires_at: at.plus_secs(400 * DAY) };
    let new = entry(Origin::Push, (RIGHTFOOT, "batch", id, "BALANCE_BATCH_STARTED"), at, start, b"{}".to_vec());
    town.ledger.admit(&new).await.unwrap();
}

async fn large(town: &Town) -> String {
    let (at, of) = (town.now.minus_secs(700), (FYNAPSE, "event", "event-2304", "balance.extracted"));
    let new = entry(Origin::Push, of, at, Start::Open { due_at: at }, noise(4_500_000));
    town.ledger.admit(&new).await.unwrap();
    done(town, &new.event.key(), at.plus_secs(3)).await;
    new.event.subject.as_str().into()
}

/// Announced, parked, replayed and done.
async fn told(town: &Town) -> String {
    let (id, at) = ("batch-2305", town.now.minus_secs(6_000));
    let subject = Subject::new(RIGHTFOOT, "batch", id);
    let key = came(town, Origin::Push, (RIGHTFOOT, "batch", id, "BALANCE_BATCH_COMPLETED"), at).await;
    assert!(town.ledger.park(&key, "the provider's API answered 403", at.plus_secs(95)).await.unwrap());
    let by = "arn:aws:sts::000000000000:assumed-role/finance-operations/on-call".to_string();
    let why = Some("the client secret was renewed".to_string());
    let act = Act { at: at.plus_secs(1_480), by, what: "replay".into(), why };
    assert!(town.ledger.replay(&key, at.plus_secs(1_480), &act).await.unwrap());
    let balances = [("1", "1250.10", "USD"), ("2", "-12.50", "USD"), ("3", "88041.77", "EUR"), ("4", "0.00", "USD")];
    let rows = balances.map(|(authorizer, balance, currency)| Row {
        sk: format!("balance#authorizer-{authorizer}"),
        columns: vec![("balance", balance.into()), ("currency", currency.into())],
        document: b"{}".to_vec(),
    });
    town.ledger.put_rows(&subject, &rows, &Snapshot::delivered(at.plus_secs(1_482))).await.unwrap();
    town.ledger.freeze(&key, "{\"results\":4}").await.unwrap();
    done(town, &key, at.plus_secs(1_483)).await;
    key.pk
}

async fn merchant(town: &Town) -> String {
    let (id, at) = ("40001", town.now.minus_secs(20_000));
    let subject = Subject::new(RUNPAYMENTS, "merchant", id);
    let statuses = ["new", "sent_for_signature", "signed", "in_underwriting", "boarded", "live"];
    for (rank, status) in (1..).zip(statuses) {
        let at = at.plus_secs(u64::from(rank) * 3_000);
        let of = (RUNPAYMENTS, "merchant", id, &*format!("merchant.{status}"));
        // One was found in the list, and one came long after it had happened, behind a later one.
        let origin = if status == "boarded" { Origin::Poll } else { Origin::Push };
        let is_late = status == "in_underwriting";
        let owner = came(town, origin, of, if is_late { at.plus_secs(7_000) } else { at }).await;
        if is_late {
            town.ledger.freeze(&owner, "{\"applied\":false}").await.unwrap();
        }
        done(town, &owner, at.plus_secs(if is_late { 7_001 } else { 1 })).await;
        let (status, occurred_at) = (status.to_string(), at.minus_secs(2));
        let fact = Fact { status: status.clone(), n: 1, owner, origin, occurred_at, matched_by: None };
        assert!(town.ledger.put_fact(&subject, &fact).await.unwrap());
        let (version, moved_at) = (u64::from(rank), at.plus_secs(1));
        let moved = Status { status, rank, occurred_at, moved_at, version, held_back: None };
        let seen = (version > 1).then(|| version - 1);
        assert!(town.ledger.move_status(&subject, seen, &moved).await.unwrap());
    }
    subject.as_str().to_string()
}

/// A merchant's status.
async fn stands(town: &Town, key: &ItemKey, status: &str, at: At) {
    let moved = Status { status: status.into(), rank: 1, occurred_at: at, moved_at: at, version: 1, held_back: None };
    assert!(town.ledger.move_status(&key.subject(), None, &moved).await.unwrap());
}

/// One that came before its token was known.
async fn genuine(town: &Town) {
    let body = br#"{"event_name":"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION","session_id":"session-2701"}"#.to_vec();
    let refused = Refused {
        provider: FINBOX,
        code: "wrong_token".into(),
        reason: "the URL has no live token".into(),
        at: town.now.minus_secs(5),
        digest: "genuine".into(),
        body_bytes: body.len(),
        body,
        token_digest: Some(digest_hex(TOKEN.as_bytes())),
        headers: Vec::new(),
        source_ip: Some("192.0.2.9".into()),
    };
    assert!(town.ledger.refuse(&refused).await.unwrap());
}

async fn turned_away(town: &Town) {
    for n in 0..9_u64 {
        let (provider, code, reason) = match n % 3 {
            0 => (FINBOX, "wrong_token", "the URL has no live token"),
            1 => (FYNAPSE, "wrong_signature", "no live secret signs these bytes so"),
            _ => (FYNAPSE, "missing_signature", "it has no signature"),
        };
        let refused = Refused {
            provider,
            code: code.into(),
            reason: reason.into(),
            // On this day, however young it is.
            at: town.now.minus_secs(n * 11),
            digest: format!("{n:064}"),
            body: b"{}".to_vec(),
            body_bytes: 180 + usize::try_from(n).unwrap(),
            token_digest: None,
            headers: Vec::new(),
            source_ip: Some(format!("192.0.2.{}", 7 + n % 4)),
        };
        assert!(town.ledger.refuse(&refused).await.unwrap());
    }
}

async fn waited_for(town: &Town) {
    for id in ["batch-2401", "batch-2402", "batch-2403", "batch-2404"] {
        town.waits(id).await;
    }
    let expired = Subject::new(RIGHTFOOT, "batch", "batch-2404").item("expectation");
    let (at, end) = (town.now.minus_secs(3_000), town.now.plus_secs(400 * DAY));
    assert!(town.ledger.end_expectation(&expired, ExpectationState::Expired, at, end).await.unwrap());
}
