//! Entries.

use aws_sdk_dynamodb::types::AttributeValue;
use hookledger_core::model::debt::{due_shard, parked_shard};
use hookledger_core::model::entry::{Entry, NewEntry, Origin, Progress, Start, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::StoreError;

use crate::start::env::Recent;

use super::attribute::{
    Item, RECENT_SHARDS, Reader, Stored, key_attributes, ms, n, put, recent_shard_name, s, texts, ttl,
};

/// What is read of an entry when its body is not wanted. Up to 256 KB stay where they are.
pub(crate) const ENTRY_ATTRIBUTES: &[&str] = &[
    "pk",
    "sk",
    "provider",
    "event_type",
    "state",
    "origin",
    "received_at",
    "occurred_at",
    "pushed_at",
    "settled_at",
    "due_at",
    "attempts",
    "waits",
    "reopened",
    "reason",
    "frozen_detail",
    "progress",
    "proof",
    "body_digest",
    "body_chunks",
];

/// A new entry's item.
pub(crate) fn entry_item(entry: &NewEntry, body: Stored, recent: Recent) -> Item {
    let key = entry.event.key();
    let mut item = key_attributes(&key);
    put(&mut item, "provider", s(entry.provider.0));
    put(&mut item, "event_type", s(&entry.event.event_type));
    put(&mut item, "origin", s(entry.origin.as_str()));
    put(&mut item, "received_at", ms(entry.received_at));
    put(&mut item, "attempts", n(0));
    put(&mut item, "waits", n(0));
    put(&mut item, "reopened", n(0));
    // Written once: settling must not cost a second write to this index.
    if recent.lists(&entry.start) {
        put(&mut item, "recent_shard", s(recent_shard_name(&entry.received_at.day(), key.shard(RECENT_SHARDS))));
    }
    if let Some(occurred_at) = entry.event.occurred_at {
        put(&mut item, "occurred_at", ms(occurred_at));
    }
    if let Some(proof) = &entry.proof {
        put(&mut item, "proof", s(proof));
    }
    if !entry.event.notes.is_empty() {
        put(&mut item, "notes", texts(entry.event.notes.iter().map(|(name, text)| (*name, text.as_str()))));
    }
    put_start(&mut item, entry, &key);
    body.put("body", &mut item);
    item
}

fn put_start(item: &mut Item, entry: &NewEntry, key: &ItemKey) {
    let state = match &entry.start {
        Start::Open { due_at } => {
            put(item, "due_shard", s(due_shard(key)));
            put(item, "due_at", ms(*due_at));
            State::Open
        }
        Start::Ignored { reason, expires_at } => {
            put(item, "reason", s(*reason));
            put(item, "settled_at", ms(entry.received_at));
            put(item, "expires_at", ttl(*expires_at));
            State::Ignored
        }
        Start::Parked { reason } => {
            put(item, "due_shard", s(parked_shard(key)));
            put(item, "due_at", ms(entry.received_at));
            put(item, "reason", s(reason));
            State::Parked
        }
    };
    put(item, "state", s(state.as_str()));
}

/// Reads an entry.
pub(crate) fn entry_from(item: &Item, key: &ItemKey) -> Result<Entry, StoreError> {
    let reader = Reader::new(item, key);
    let state = reader.word("state", State::from_stored)?;
    Ok(Entry {
        key: key.clone(),
        provider: reader.text("provider")?,
        event_type: reader.text("event_type")?,
        state,
        origin: reader.word("origin", origin)?,
        received_at: reader.instant("received_at")?,
        occurred_at: reader.optional_instant("occurred_at"),
        pushed_at: reader.optional_instant("pushed_at"),
        settled_at: reader.optional_instant("settled_at"),
        // A parked row's `due_at` only orders the list of what waits for a person: no machine owes it anything.
        due_at: if state == State::Open { Some(reader.instant("due_at")?) } else { None },
        attempts: reader.number("attempts")?,
        waits: reader.number("waits")?,
        reopened: reader.number("reopened")?,
        reason: reader.optional_text("reason"),
        frozen: reader.optional_text("frozen_detail"),
        // One that can't be read is none: the walk begins anew.
        progress: reader.optional_text("progress").and_then(|text| serde_json::from_str(&text).ok()),
        proof: reader.optional_text("proof"),
    })
}

/// How far a walk has come, as an attribute.
pub(crate) fn progress_text(progress: &Progress) -> AttributeValue {
    s(serde_json::to_string(progress).unwrap_or_default())
}

/// Reads what [`Origin::as_str`] wrote.
pub(crate) fn origin(text: &str) -> Option<Origin> {
    [Origin::Push, Origin::Poll].into_iter().find(|origin| origin.as_str() == text)
}

#[cfg(test)]
mod tests {
    use hookledger_core::model::entry::{Event, OnDuplicate};
    use hookledger_core::model::identity::{Identity, ProviderId, Subject};
    use hookledger_core::model::time::UnixMs;
    use proptest::prelude::*;

    use super::super::attribute::Place;
    use super::*;
    use crate::ports::ledger::codec::Encoding;

    const PROVIDER: ProviderId = ProviderId("rightfoot");

    fn new_entry(start: Start) -> NewEntry {
        NewEntry {
            provider: PROVIDER,
            event: Event {
                event_type: "BATCH_COMPLETE".into(),
                subject: Subject::new(PROVIDER, "batch", "b1"),
                identity: Identity::new(&["BATCH_COMPLETE", "b1"]),
                occurred_at: Some(UnixMs(1_000)),
                known: true,
                on_duplicate: OnDuplicate::Same,
                notes: vec![("idempotency_key", "k1".into())],
            },
            origin: Origin::Push,
            received_at: UnixMs(1_700_000_000_123),
            start,
            proof: Some("2026-11".into()),
            body: Vec::new(),
        }
    }

    fn inline(bytes: &[u8]) -> Stored {
        Stored { encoding: Encoding::Plain, length: bytes.len(), place: Place::Inline(bytes.to_vec()) }
    }

    #[test]
    fn an_open_entry_owes_and_a_settled_one_expires() {
        let rows = [
            ("open", Start::Open { due_at: UnixMs(5_000) }, State::Open, Some(UnixMs(5_000)), true, false),
            ("ignored", Start::Ignored { reason: "why", expires_at: UnixMs(9_999) }, State::Ignored, None, false, true),
            ("parked", Start::Parked { reason: "why".into() }, State::Parked, None, true, false),
        ];
        for (name, start, state, due_at, indexed, expires) in rows {
            let new = new_entry(start);
            let item = entry_item(&new, inline(b"{}"), Recent::All);
            let entry = entry_from(&item, &new.event.key()).unwrap();
            assert_eq!((entry.state, entry.due_at), (state, due_at), "{name}");
            assert_eq!((entry.received_at, entry.occurred_at), (new.received_at, Some(UnixMs(1_000))), "{name}");
            assert_eq!((entry.attempts, entry.waits, entry.reopened), (0, 0, 0), "{name}");
            assert_eq!(item.contains_key("due_shard") && item.contains_key("due_at"), indexed, "{name}");
            assert_eq!(item.contains_key("expires_at"), expires, "{name}");
            assert_eq!(Stored::body(&item, &entry.key).unwrap(), inline(b"{}"), "{name}");
        }
    }

    #[test]
    fn ttl_is_in_seconds_and_the_recent_partition_names_the_day() {
        let item = entry_item(
            &new_entry(Start::Ignored { reason: "why", expires_at: UnixMs(9_999) }),
            inline(b"{}"),
            Recent::All,
        );
        assert_eq!(item["expires_at"], n(9));
        assert!(item["recent_shard"].as_s().unwrap().starts_with("2023-11-14#"), "{item:?}");
    }

    #[test]
    fn what_is_worked_can_stay_out_of_the_list() {
        let rows = [
            (Start::Open { due_at: UnixMs(5_000) }, false),
            (Start::Ignored { reason: "why", expires_at: UnixMs(9_999) }, true),
            (Start::Parked { reason: "why".into() }, true),
        ];
        for (start, listed) in rows {
            let entry = new_entry(start);
            let has = |recent| entry_item(&entry, inline(b"{}"), recent).contains_key("recent_shard");
            assert_eq!((has(Recent::All), has(Recent::Unworked)), (true, listed), "{:?}", entry.start);
        }
        let words = ["all", "unworked", "", "none"].map(Recent::from_word);
        assert_eq!(words, [Some(Recent::All), Some(Recent::Unworked), None, None]);
    }

    #[test]
    fn what_is_missing_is_named_and_what_is_unknown_is_left_alone() {
        let new = new_entry(Start::Open { due_at: UnixMs(5_000) });
        let key = new.event.key();
        let mut item = entry_item(&new, inline(b"{}"), Recent::All);
        put(&mut item, "from_the_future", n(1));
        assert!(entry_from(&item, &key).is_ok());
        for what in ["provider", "event_type", "state", "origin", "received_at", "due_at", "attempts"] {
            let mut broken = item.clone();
            broken.remove(what);
            assert_eq!(entry_from(&broken, &key), Err(StoreError::Corrupt { key: key.clone(), what }));
        }
        put(&mut item, "state", s("melted"));
        assert_eq!(entry_from(&item, &key), Err(StoreError::Corrupt { key: key.clone(), what: "state" }));
    }

    #[test]
    fn everything_an_entry_is_read_from_is_fetched() {
        let mut item = entry_item(&new_entry(Start::Open { due_at: UnixMs(5_000) }), inline(b"{}"), Recent::All);
        put(&mut item, "reason", s("why"));
        put(&mut item, "frozen_detail", s("{}"));
        let progress = Progress { walk: 5, cursor: Some("p 2".into()), pages: 1, rows: 2, unreadable: 3, restarts: 4 };
        put(&mut item, "progress", progress_text(&progress));
        let key = super::super::attribute::key_of(&item).unwrap();
        let whole = entry_from(&item, &key).unwrap();
        assert_eq!(whole.progress, Some(progress));
        item.retain(|name, _| ENTRY_ATTRIBUTES.contains(&name.as_str()));
        assert_eq!(entry_from(&item, &key).unwrap(), whole);
    }

    proptest! {
        #[test]
        fn any_text_comes_back(
            event_type in ".{0,40}",
            id in ".{1,40}",
            body in proptest::collection::vec(any::<u8>(), 0..50),
        ) {
            let mut new = new_entry(Start::Open { due_at: UnixMs(5_000) });
            new.event.event_type = event_type.clone();
            new.event.identity = Identity::new(&[&id]);
            let item = entry_item(&new, inline(&body), Recent::All);
            let entry = entry_from(&item, &new.event.key()).unwrap();
            prop_assert_eq!(entry.event_type, event_type);
            prop_assert_eq!(super::super::attribute::key_of(&item), Some(entry.key.clone()));
            prop_assert_eq!(Stored::body(&item, &entry.key).unwrap(), inline(&body));
        }
    }
}
