//! Expectations, listings, circuits, and the index over everything that owes.

use aws_sdk_dynamodb::types::Select;
use hookledger_core::model::circuit::Circuit;
use hookledger_core::model::debt::{
    Debt, Due, DueKey, Expectation, ExpectationState, Listing, Wanted, parked_shard, shard_name,
};
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{CircuitStore, Debts, Expectations, MAX_PARKED_COUNTED, StoreError};

use super::item;
use super::item::{
    Item, circuit_from, circuit_item, entry_from, expectation_from, expectation_item, key_of, listing_from,
    listing_item, ms, n, s, ttl,
};
use super::read::{get, parked, query};
use super::schema::DUE_INDEX;
use super::table::{DynamoLedger, store_error};
use super::write::{Update, put_if};

/// The most pages of one shard that a run reads.
const MAX_DUE_PAGES: u32 = 16;

/// What kind of debt a row is: its sort key says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Entry,
    Expectation,
    Listing,
}

impl Kind {
    pub(super) fn of(key: &ItemKey) -> Result<Self, StoreError> {
        match key.sk.split('#').next().unwrap_or("") {
            "event" => Ok(Self::Entry),
            "expectation" | "watch" => Ok(Self::Expectation),
            "cursor" => Ok(Self::Listing),
            _ => Err(StoreError::Corrupt { key: key.clone(), what: "kind of debt" }),
        }
    }
}

impl Expectations for DynamoLedger {
    async fn expect(&self, expectation: &Expectation) -> Result<bool, StoreError> {
        // Announcement against announcement: one that waits keeps its polls and its deadline. One that has ended makes
        // room for a new one under the same key.
        let condition = "attribute_not_exists(#pk) OR #state <> :waiting";
        let waiting = [("waiting", s(ExpectationState::Waiting.as_str()))];
        Ok(put_if(&self.table, expectation_item(expectation), condition, &waiting).await?.happened())
    }

    async fn expectation(&self, key: &ItemKey) -> Result<Option<Expectation>, StoreError> {
        get(&self.table, key, None).await?.map(|item| expectation_from(&item, key)).transpose()
    }

    async fn end_expectation(
        &self,
        key: &ItemKey,
        state: ExpectationState,
        at: UnixMs,
        expires_at: UnixMs,
    ) -> Result<bool, StoreError> {
        // Poll against close, and against the deadline: the first end stands.
        let ended = still_waiting(key)
            .set("state", s(state.as_str()))
            .set("ended_at", ms(at))
            .set("expires_at", ttl(expires_at));
        let ended = match state {
            // What never came is shown to a person, where parked entries are.
            ExpectationState::Expired => ended.set("due_shard", s(parked_shard(key))).set("due_at", ms(at)),
            _ => ended.remove("due_shard").remove("due_at"),
        };
        Ok(ended.send(&self.table).await?.happened())
    }

    async fn count_found(&self, key: &ItemKey, found: u32) -> Result<(), StoreError> {
        // Poll against close: what has ended is not touched any more.
        still_waiting(key).add("found", n(found)).send(&self.table).await.map(drop)
    }

    async fn hasten(&self, key: &ItemKey, due_at: UnixMs) -> Result<bool, StoreError> {
        // Duplicate against claim: a debt only ever moves nearer here. If a claim just moved it away, it is brought
        // back; if it is due sooner anyway, it stays.
        let update = Update::only_if(key, "#state = :waiting AND #due_at > :due_at")
            .value("waiting", s(ExpectationState::Waiting.as_str()))
            .set("due_at", ms(due_at));
        Ok(update.send(&self.table).await?.happened())
    }

    async fn delay_poll(
        &self,
        key: &ItemKey,
        seen_due_at: UnixMs,
        due_at: UnixMs,
        polls: u32,
    ) -> Result<bool, StoreError> {
        // Poll against claim, and against a duplicate that brought the poll forward: the due time that was seen decides.
        let written = Update::only_if(key, "#due_at = :seen AND #state = :waiting")
            .value("seen", ms(seen_due_at))
            .value("waiting", s(ExpectationState::Waiting.as_str()))
            .set("due_at", ms(due_at))
            .set("polls", n(polls))
            .send(&self.table)
            .await?;
        Ok(written.happened())
    }
}

impl Debts for DynamoLedger {
    async fn ensure_listing(&self, listing: &Listing) -> Result<(), StoreError> {
        // Run against run: a walk that is under way is not set back to its start.
        put_if(&self.table, listing_item(listing), "attribute_not_exists(#pk)", &[]).await.map(drop)
    }

    async fn advance_listing(&self, listing: &Listing, seen_due_at: UnixMs) -> Result<bool, StoreError> {
        // Run against run: if another one claimed the walk since, this one is late and its position is old.
        let written = Update::only_if(&listing.key, "#due_at = :seen")
            .value("seen", ms(seen_due_at))
            .set("due_at", ms(listing.due_at))
            .set_or_remove("position", listing.position.as_ref().map(s))
            .set("pages", n(listing.pages))
            .set("tries", n(listing.tries))
            .send(&self.table)
            .await?;
        Ok(written.happened())
    }

    /// Reads a shard to its end, as far as one run may: what one provider owes, or what is held back, must not hide the
    /// rest. A page is a megabyte, some 5,000 keys.
    async fn due(&self, shard: u8, now: UnixMs, wanted: &Wanted<'_>) -> Result<Due, StoreError> {
        let query = query(&self.table, "#due_shard = :shard AND #due_at <= :now")
            .index_name(DUE_INDEX)
            .expression_attribute_values(":shard", s(shard_name(shard)))
            .expression_attribute_values(":now", ms(now));
        let mut due = Due::default();
        let mut from = None;
        for _ in 0..MAX_DUE_PAGES {
            let page = query.clone().set_exclusive_start_key(from).send().await.map_err(|error| store_error(&error))?;
            for item in page.items() {
                due.see(due_key(item)?, wanted);
            }
            from = page.last_evaluated_key;
            if from.as_ref().is_none_or(Item::is_empty) {
                break;
            }
        }
        Ok(due)
    }

    /// One page, and of no row anything but that it is there.
    async fn count_parked(&self, shard: u8) -> Result<u64, StoreError> {
        let limit = i32::try_from(MAX_PARKED_COUNTED).unwrap_or(i32::MAX);
        let page = parked(&self.table, shard).select(Select::Count).limit(limit).send().await;
        Ok(u64::try_from(page.map_err(|error| store_error(&error))?.count).unwrap_or_default())
    }

    async fn debt(&self, key: &ItemKey) -> Result<Option<Debt>, StoreError> {
        Ok(match Kind::of(key)? {
            Kind::Entry => self.entry_header(key).await?.map(Debt::Entry),
            Kind::Expectation => self.expectation(key).await?.map(Debt::Expectation),
            Kind::Listing => {
                let item = get(&self.table, key, None).await?;
                item.map(|item| listing_from(&item, key)).transpose()?.map(Debt::Listing)
            }
        })
    }

    async fn claim(&self, key: &ItemKey, seen_due_at: UnixMs, next_due_at: UnixMs) -> Result<bool, StoreError> {
        // Sweep against sweep, and a delayed message against a sweep: the due time that was seen is gone for everybody
        // but the first. The state is asked for as well, since a parked row has a due time too, and no machine may
        // take it.
        let update = match Kind::of(key)? {
            Kind::Entry => Update::only_if(key, "#due_at = :seen AND #state = :owing")
                .value("owing", s(State::Open.as_str()))
                .add("attempts", n(1)),
            Kind::Expectation => Update::only_if(key, "#due_at = :seen AND #state = :owing")
                .value("owing", s(ExpectationState::Waiting.as_str()))
                .add("polls", n(1)),
            Kind::Listing => Update::only_if(key, "#due_at = :seen").add("tries", n(1)),
        };
        let written = update.value("seen", ms(seen_due_at)).set("due_at", ms(next_due_at)).send(&self.table).await?;
        Ok(written.happened())
    }
}

impl CircuitStore for DynamoLedger {
    async fn circuit(&self, provider: ProviderId) -> Result<Option<Circuit>, StoreError> {
        let key = Circuit::key(provider);
        get(&self.table, &key, None).await?.map(|item| circuit_from(&item, &key)).transpose()
    }

    async fn move_circuit(
        &self,
        provider: ProviderId,
        seen: Option<u64>,
        circuit: &Circuit,
    ) -> Result<bool, StoreError> {
        let item = circuit_item(provider, circuit);
        let written = match seen {
            // Caller against caller: one of them opens it, probes, or closes it.
            Some(seen) => put_if(&self.table, item, "#version = :seen", &[("seen", n(seen))]).await?,
            // The first time it opens.
            None => put_if(&self.table, item, "attribute_not_exists(#pk)", &[]).await?,
        };
        Ok(written.happened())
    }
}

fn still_waiting(key: &ItemKey) -> Update {
    Update::only_if(key, "#state = :waiting").value("waiting", s(ExpectationState::Waiting.as_str()))
}

/// Reads a row that can owe.
pub(super) fn debt_from(item: &Item, key: &ItemKey) -> Result<Debt, StoreError> {
    Ok(match Kind::of(key)? {
        Kind::Entry => Debt::Entry(entry_from(item, key)?),
        Kind::Expectation => Debt::Expectation(expectation_from(item, key)?),
        Kind::Listing => Debt::Listing(listing_from(item, key)?),
    })
}

/// What a row of the `due` index says.
pub(super) fn due_key(item: &Item) -> Result<DueKey, StoreError> {
    let key = key_of(item).unwrap_or_else(|| ItemKey { pk: "unknown".into(), sk: "unknown".into() });
    let due_at = item::Reader::new(item, &key).instant("due_at")?;
    Ok(DueKey { key, due_at })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sort_key_says_what_owes() {
        let kind = |sk: &str| Kind::of(&ItemKey { pk: "p".into(), sk: sk.into() }).ok();
        assert_eq!(kind("event#a#b"), Some(Kind::Entry));
        assert_eq!(kind("watch"), Some(Kind::Expectation));
        assert_eq!(kind("expectation"), Some(Kind::Expectation));
        assert_eq!(kind("cursor#runpayments#merchants"), Some(Kind::Listing));
        assert_eq!(kind("balance#a"), None);
    }
}
