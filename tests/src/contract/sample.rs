//! What the cases are made of.

use hookledger_core::model::debt::{DUE_SHARDS, DueKey, Expectation, ExpectationState, Listing, Wanted};
use hookledger_core::model::entry::{Admitted, Entry, Event, NewEntry, OnDuplicate, Origin, Start, State};
use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Ledger, ReopenedBy, Settlement};

use crate::memory::FixedClock;
use hookledger_core::ports::Clock as _;

/// The provider of every sample. To the ledger it is only a name.
pub const PROVIDER: ProviderId = ProviderId("rightfoot");
/// The present of every case: ahead, so that a real engine finds nothing expired.
pub const NOW: UnixMs = UnixMs(2_208_988_800_000);
/// When a sample's row may be deleted.
pub const EXPIRES: UnixMs = UnixMs(NOW.0 + 400 * 24 * 3_600_000);
/// When everything is due.
pub const FAR: UnixMs = UnixMs(NOW.0 + 365 * 24 * 3_600_000);

/// The instant `secs` after [`NOW`].
pub fn at(secs: u64) -> UnixMs {
    NOW.plus_secs(secs)
}

/// The subject of this id.
pub fn subject(id: &str) -> Subject {
    Subject::new(PROVIDER, "batch", id)
}

/// A new open entry, due in 120 s.
pub fn new_entry(id: &str) -> NewEntry {
    NewEntry {
        provider: PROVIDER,
        event: Event {
            event_type: "BATCH_COMPLETE".into(),
            subject: subject(id),
            identity: Identity::new(&["BATCH_COMPLETE", id]),
            occurred_at: Some(UnixMs(NOW.0 - 1_001)),
            known: true,
            on_duplicate: OnDuplicate::Same,
            notes: vec![("delivery", "a note".into())],
        },
        origin: Origin::Push,
        received_at: NOW,
        start: Start::Open { due_at: at(120) },
        proof: Some("token-a".into()),
        body: format!(r#"{{"batch_id":"{id}"}}"#).into_bytes(),
    }
}

/// A new open entry with this body.
pub fn with_body(id: &str, body: Vec<u8>) -> NewEntry {
    NewEntry { body, ..new_entry(id) }
}

/// Admits the entry, which must be new.
pub async fn admit(ledger: &impl Ledger, entry: &NewEntry) -> ItemKey {
    assert_eq!(ledger.admit(entry).await, Ok(Admitted::New));
    entry.event.key()
}

/// The state that whoever came too late was told.
#[track_caller]
pub fn state_of(admitted: Result<Admitted, hookledger_core::ports::StoreError>) -> State {
    match admitted {
        Ok(Admitted::Duplicate(known)) => known.state,
        other => panic!("no duplicate: {other:?}"),
    }
}

/// Admits a sample entry that is due at `due_at`.
pub async fn admit_due(ledger: &impl Ledger, id: &str, due_at: UnixMs) -> ItemKey {
    admit(ledger, &NewEntry { start: Start::Open { due_at }, ..new_entry(id) }).await
}

/// The first delivery that reopens a parked entry.
pub const DELIVERED: ReopenedBy = ReopenedBy::Delivery { seen: 0, reason: None };

/// Admits a sample entry that starts parked.
pub async fn admit_parked(ledger: &impl Ledger, id: &str) -> ItemKey {
    admit(ledger, &NewEntry { start: Start::Parked { reason: "too old".into() }, ..new_entry(id) }).await
}

/// The entry under this key, which must be there.
pub async fn read(ledger: &impl Ledger, key: &ItemKey) -> Entry {
    read_whole(ledger, key).await.0
}

/// The entry under this key, which must be there, with its body.
pub async fn read_whole(ledger: &impl Ledger, key: &ItemKey) -> (Entry, Vec<u8>) {
    ledger.entry(key).await.expect("the store answers").expect("the entry is there")
}

/// Settles an open entry as done.
pub async fn settle(ledger: &impl Ledger, key: &ItemKey) {
    assert_eq!(ledger.settle(key, &done()).await, Ok(true));
}

/// Done, without a word.
pub fn done() -> Settlement {
    Settlement { state: State::Done, reason: None, at: at(60), expires_at: EXPIRES }
}

/// When this row is listed as due, looking `now` into its own shard.
pub async fn listed(ledger: &impl Ledger, key: &ItemKey, now: UnixMs) -> Option<UnixMs> {
    let due = ledger.due(key.shard(DUE_SHARDS), now, &Wanted::ALL).await.expect("the store answers");
    due.keys.into_iter().find(|debt| debt.key == *key).map(|debt| debt.due_at)
}

/// Every debt in every shard.
pub async fn owed(ledger: &impl Ledger) -> Vec<DueKey> {
    let mut owed = Vec::new();
    for shard in 0..DUE_SHARDS {
        owed.extend(ledger.due(shard, FAR, &Wanted::ALL).await.expect("the store answers").keys);
    }
    owed
}

/// Ids whose sample entries all lie in one shard of the `due` index; the shard comes with them.
pub fn ids_of_one_shard(count: usize) -> (u8, Vec<String>) {
    let shard = |id: &String| new_entry(id).event.key().shard(DUE_SHARDS);
    let ids = (0..).map(|n| format!("b{n}")).filter(|id| shard(id) == 7).take(count).collect();
    (7, ids)
}

/// A waiting expectation for this batch, due in 30 s.
pub fn expectation(id: &str) -> Expectation {
    Expectation {
        key: subject(id).item("expectation"),
        provider: PROVIDER.to_string(),
        reference: id.into(),
        repeats: false,
        state: ExpectationState::Waiting,
        created_at: NOW,
        due_at: Some(at(30)),
        deadline: at(3600),
        polls: 0,
        found: 0,
    }
}

/// Creates the expectation, which must be new.
pub async fn expect(ledger: &impl Ledger, id: &str) -> ItemKey {
    let expectation = expectation(id);
    assert_eq!(ledger.expect(&expectation).await, Ok(true));
    expectation.key
}

/// The expectation under this key, which must be there.
pub async fn waiting(ledger: &impl Ledger, key: &ItemKey) -> Expectation {
    ledger.expectation(key).await.expect("the store answers").expect("the expectation is there")
}

/// A listing, due at once, that was never walked.
pub fn listing() -> Listing {
    Listing {
        key: Listing::key(PROVIDER, "merchants"),
        provider: PROVIDER.to_string(),
        list: "merchants".into(),
        due_at: NOW,
        position: None,
        pages: 0,
        tries: 0,
    }
}

/// Bytes that compress well, and differ by seed.
pub fn prose(seed: u64, len: usize) -> Vec<u8> {
    format!("{{\"line\":{seed},\"text\":\"a row like any other\"}},")
        .into_bytes()
        .into_iter()
        .cycle()
        .take(len)
        .collect()
}

/// Bytes that don't compress at all.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    let clock = FixedClock::new(seed);
    let mut bytes: Vec<u8> = (0..len.div_ceil(8)).flat_map(|_| clock.random().to_le_bytes()).collect();
    bytes.truncate(len);
    bytes
}

/// Asserts equality of bytes without printing megabytes.
#[track_caller]
pub fn assert_same_bytes(got: &[u8], wanted: &[u8]) {
    let parted = got.iter().zip(wanted).position(|(a, b)| a != b);
    assert_eq!((got.len(), parted), (wanted.len(), None), "length, first difference");
}

/// How many calls of a race said yes.
pub fn winners(answers: Vec<Result<bool, hookledger_core::ports::StoreError>>) -> usize {
    answers.into_iter().filter(|answer| *answer.as_ref().expect("the store answers")).count()
}

/// Ids as no provider should make them.
pub const ODD_IDS: &[&str] = &[
    "",
    " ",
    "#",
    "##",
    "a#b",
    "a%23b",
    "%",
    "~",
    "a\nb\r\n\t",
    "nul\0nul",
    "\u{7f}\u{80}",
    "ünïcode",
    "日本語",
    "👩‍👩‍👧‍👦",
    "\"quotes\" and 'more'",
    "back\\slash",
    "{\"json\":true}",
    "../../etc",
    "a/b?c=d&e=f",
    ":placeholder",
    "CASE",
    "case",
    "e\u{301}",
    "\u{e9}",
];
