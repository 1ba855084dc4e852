//! Entries, from admission to settlement.

use aws_sdk_dynamodb::types::ReturnValue;
use hookledger_core::model::debt::{due_shard, parked_shard};
use hookledger_core::model::entry::{Admitted, Entry, Known, NewEntry, Origin, Start, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Attempt, Entries, Postponed, ReopenedBy, Settlement, StoreError};

use super::item::{
    ENTRY_ATTRIBUTES, Item, Place, Reader, Stored, body_chunks, entry_from, entry_item, ms, n, origin, progress_text,
    s, ttl,
};
use super::read::get;
use super::table::DynamoLedger;
use super::write::{Update, Written, put_if};

impl Entries for DynamoLedger {
    async fn admit(&self, entry: &NewEntry) -> Result<Admitted, StoreError> {
        let key = entry.event.key();
        let body = self.store_bytes(&key, &entry.body, self.end_of(entry.received_at)).await?;
        let chunks = match &body.place {
            Place::Chunks(chunks) => Some(chunks.clone()),
            Place::Inline(_) => None,
        };
        // Delivery against delivery, and push against poll: of any number that race with the same event, one writes
        // the entry. The others are shown it, and learn its state without a read that could be late.
        match put_if(&self.table, entry_item(entry, body, self.recent), "attribute_not_exists(#pk)", &[]).await? {
            Written::Lost(item) => self.known(entry, &item, &key).await.map(Admitted::Duplicate),
            Written::Done(_) => {
                // Only now: chunks without an end, of an entry that was never written, would stay for ever.
                if let (Start::Parked { .. }, Some(chunks)) = (&entry.start, chunks) {
                    self.keep_chunks(&key, &chunks).await?;
                }
                Ok(Admitted::New)
            }
        }
    }

    async fn reopen(&self, key: &ItemKey, due_at: UnixMs, by: ReopenedBy) -> Result<bool, StoreError> {
        let update = match by {
            // Redelivery against redelivery, and against a person: one of them reopens, and only one is counted. The
            // count is in the condition, so racing ones can't pass the limit together.
            ReopenedBy::Delivery { seen, reason } => Update::only_if(key, "#state = :parked AND #reopened = :seen")
                .value("seen", n(seen))
                .set("reopened", n(seen.saturating_add(1)))
                .set_or_remove("reason", reason.map(s)),
            // A person against a redelivery: whoever comes second finds it open.
            ReopenedBy::Person => by_a_person(key),
        };
        Ok(open_again(update, key, due_at).send(&self.table).await?.happened())
    }

    async fn came_after_all(&self, key: &ItemKey, at: UnixMs) -> Result<bool, StoreError> {
        // Delivery against delivery: the first of them is when it came.
        let update = Update::only_if(key, "#origin = :poll AND attribute_not_exists(#pushed_at)")
            .value("poll", s(Origin::Poll.as_str()))
            .set("pushed_at", ms(at));
        Ok(update.send(&self.table).await?.happened())
    }

    async fn entry(&self, key: &ItemKey) -> Result<Option<(Entry, Vec<u8>)>, StoreError> {
        let Some(item) = get(&self.table, key, None).await? else { return Ok(None) };
        let entry = entry_from(&item, key)?;
        let body = self.load_bytes(key, Stored::body(&item, key)?, "body").await?;
        Ok(Some((entry, body)))
    }

    async fn renew(&self, key: &ItemKey) -> Result<(), StoreError> {
        // Delivery against worker: what was settled or parked a moment ago is not touched.
        let update = Update::only_if(key, "#state = :open").value("open", s(State::Open.as_str()));
        update.set("attempts", n(0)).set("waits", n(0)).send(&self.table).await?;
        Ok(())
    }

    async fn postpone(&self, key: &ItemKey, postponed: &Postponed) -> Result<bool, StoreError> {
        // Worker against worker: if another one settled or parked it, nothing is owed that could be put off.
        let update = Update::only_if(key, "#state = :open")
            .value("open", s(State::Open.as_str()))
            .set("due_at", ms(postponed.due_at))
            .set("reason", s(&postponed.reason))
            .set_or_remove("progress", postponed.progress.as_ref().map(progress_text));
        let update = match postponed.attempt {
            Attempt::Failed => update,
            Attempt::Progressed => update.set("attempts", n(0)),
            Attempt::Waited => update.set("attempts", n(0)).add("waits", n(1)),
            // The number itself, not one less than there is: a write that is repeated must not count twice.
            Attempt::NotMade(attempts) => update.set("attempts", n(attempts)),
        };
        Ok(update.send(&self.table).await?.happened())
    }

    async fn park(&self, key: &ItemKey, reason: &str, at: UnixMs) -> Result<bool, StoreError> {
        // Chunks first: if this fails between the two writes, an open entry has chunks without an end, which is
        // mended by settling it. The other way round a parked entry would lose its body.
        let Some(item) = get(&self.table, key, Some(ENTRY_ATTRIBUTES)).await? else { return Ok(false) };
        if let Some(chunks) = body_chunks(&item)
            && Reader::new(&item, key).word("state", State::from_stored)? == State::Open
        {
            self.keep_chunks(key, &chunks).await?;
        }
        // Reconciler against worker: what was settled a moment ago is not parked.
        let written = Update::only_if(key, "#state = :open")
            .value("open", s(State::Open.as_str()))
            .set("state", s(State::Parked.as_str()))
            .set("reason", s(reason))
            .set("due_shard", s(parked_shard(key)))
            .set("due_at", ms(at))
            .send(&self.table)
            .await?;
        Ok(written.happened())
    }

    async fn freeze(&self, key: &ItemKey, detail: &str) -> Result<String, StoreError> {
        // Attempt against attempt: the first detail stands, and the others publish that one. The state is no part of
        // the condition: a detail that was given once must not differ after a park and a replay either.
        let written = Update::only_if(key, "attribute_exists(#pk)")
            .set_once("frozen_detail", s(detail))
            .returning(ReturnValue::UpdatedNew)
            .send(&self.table)
            .await?;
        match written {
            Written::Done(item) => Reader::new(&item, key).text("frozen_detail"),
            Written::Lost(_) => Err(StoreError::Corrupt { key: key.clone(), what: "entry" }),
        }
    }

    async fn settle(&self, key: &ItemKey, settlement: &Settlement) -> Result<bool, StoreError> {
        // Worker against worker, and against parking: one of them settles, and the row leaves the index with it.
        let written = Update::only_if(key, "#state = :open")
            .value("open", s(State::Open.as_str()))
            .set("state", s(settlement.state.as_str()))
            .set_or_remove("reason", settlement.reason.as_ref().map(s))
            .set("settled_at", ms(settlement.at))
            .set("expires_at", ttl(settlement.expires_at))
            .remove("due_shard")
            .remove("due_at")
            .returning(ReturnValue::AllOld)
            .send(&self.table)
            .await?;
        let Written::Done(old) = written else { return Ok(false) };
        if let Some(chunks) = body_chunks(&old)
            && let Err(error) = self.end_chunks(key, &chunks, settlement.expires_at).await
        {
            // The entry is settled, which is what was asked. The chunks keep the end they were written with; those of
            // an entry that was parked before have none, and stay.
            tracing::warn!(%error, "the chunks of a settled entry kept their old end");
        }
        Ok(true)
    }
}

/// A person against a redelivery: whoever comes second finds it open.
pub(super) fn by_a_person(key: &ItemKey) -> Update {
    Update::only_if(key, "#state = :parked").set("reopened", n(0)).remove("reason")
}

/// The rest of what takes a parked entry back to open.
pub(super) fn open_again(update: Update, key: &ItemKey, due_at: UnixMs) -> Update {
    update
        .value("parked", s(State::Parked.as_str()))
        .set("state", s(State::Open.as_str()))
        .set("due_shard", s(due_shard(key)))
        .set("due_at", ms(due_at))
        .set("attempts", n(0))
        .set("waits", n(0))
        .remove("progress")
}

impl DynamoLedger {
    /// The entry that was in the way, with its body where that lies in the row.
    async fn known(&self, new: &NewEntry, item: &Item, key: &ItemKey) -> Result<Known, StoreError> {
        let reader = Reader::new(item, key);
        let (state, event_type) = (reader.word("state", State::from_stored)?, reader.text("event_type")?);
        let inline = if new.origin == Origin::Push { Some(Stored::body(item, key)?) } else { None };
        let body = match inline.filter(|stored| matches!(stored.place, Place::Inline(_))) {
            Some(stored) => Some(self.load_bytes(key, stored, "body").await?),
            None => None,
        };
        let (attempts, waits): (u32, u32) = (reader.number("attempts")?, reader.number("waits")?);
        let spent = attempts > 0 || waits > 0;
        let found = reader.word("origin", origin)? == Origin::Poll;
        let is_unpushed = found && reader.optional_instant("pushed_at").is_none();
        Ok(Known { state, event_type, reopened: reader.number("reopened")?, spent, is_unpushed, body })
    }

    /// An entry without its body, read consistently.
    pub async fn entry_header(&self, key: &ItemKey) -> Result<Option<Entry>, StoreError> {
        let item = get(&self.table, key, Some(ENTRY_ATTRIBUTES)).await?;
        item.map(|item| entry_from(&item, key)).transpose()
    }
}
