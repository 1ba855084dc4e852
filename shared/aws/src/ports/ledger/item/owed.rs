//! Expectations and listings, the rows besides entries that can owe; and the circuits that hold them up.

use aws_sdk_dynamodb::types::AttributeValue;
use hookledger_core::model::circuit::Circuit;
use hookledger_core::model::debt::{Expectation, ExpectationState, Listing, due_shard};
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::ports::StoreError;

use super::attribute::{Item, Reader, key_attributes, ms, n, put, s};

/// What is read of an expectation, or of a listing, where it may be either.
pub(crate) const OWED_ATTRIBUTES: &[&str] = &[
    "provider",
    "reference",
    "repeats",
    "state",
    "created_at",
    "due_at",
    "deadline",
    "polls",
    "found",
    "list",
    "position",
    "pages",
    "tries",
];

/// An expectation's item.
pub(crate) fn expectation_item(expectation: &Expectation) -> Item {
    let mut item = key_attributes(&expectation.key);
    put(&mut item, "provider", s(&expectation.provider));
    put(&mut item, "reference", s(&expectation.reference));
    put(&mut item, "repeats", AttributeValue::Bool(expectation.repeats));
    put(&mut item, "state", s(expectation.state.as_str()));
    put(&mut item, "created_at", ms(expectation.created_at));
    put(&mut item, "deadline", ms(expectation.deadline));
    put(&mut item, "polls", n(expectation.polls));
    put(&mut item, "found", n(expectation.found));
    if let Some(due_at) = expectation.due_at {
        put(&mut item, "due_shard", s(due_shard(&expectation.key)));
        put(&mut item, "due_at", ms(due_at));
    }
    item
}

/// Reads an expectation.
pub(crate) fn expectation_from(item: &Item, key: &ItemKey) -> Result<Expectation, StoreError> {
    let reader = Reader::new(item, key);
    let provider = reader.text("provider")?;
    let state = reader.word("state", ExpectationState::from_stored)?;
    Ok(Expectation {
        key: key.clone(),
        provider,
        reference: reader.text("reference")?,
        repeats: reader.flag("repeats")?,
        state,
        created_at: reader.instant("created_at")?,
        // An expired one is listed with the time it expired: no machine owes anything for it.
        due_at: reader.optional_instant("due_at").filter(|_| state == ExpectationState::Waiting),
        deadline: reader.instant("deadline")?,
        polls: reader.number("polls")?,
        found: reader.number("found")?,
    })
}

/// A listing's item.
pub(crate) fn listing_item(listing: &Listing) -> Item {
    let mut item = key_attributes(&listing.key);
    put(&mut item, "provider", s(&listing.provider));
    put(&mut item, "list", s(&listing.list));
    put(&mut item, "due_shard", s(due_shard(&listing.key)));
    put(&mut item, "due_at", ms(listing.due_at));
    put(&mut item, "pages", n(listing.pages));
    put(&mut item, "tries", n(listing.tries));
    if let Some(position) = &listing.position {
        put(&mut item, "position", s(position));
    }
    item
}

/// Reads a listing.
pub(crate) fn listing_from(item: &Item, key: &ItemKey) -> Result<Listing, StoreError> {
    let reader = Reader::new(item, key);
    Ok(Listing {
        key: key.clone(),
        provider: reader.text("provider")?,
        list: reader.text("list")?,
        due_at: reader.instant("due_at")?,
        position: reader.optional_text("position"),
        pages: reader.number("pages")?,
        // A row of an earlier version has none.
        tries: reader.number("tries").unwrap_or_default(),
    })
}

/// A circuit's item. It owes nothing, so it is in no index.
pub(crate) fn circuit_item(provider: ProviderId, circuit: &Circuit) -> Item {
    let mut item = key_attributes(&Circuit::key(provider));
    put(&mut item, "provider", s(provider.0));
    put(&mut item, "trips", n(circuit.trips));
    put(&mut item, "version", n(circuit.version));
    if let Some(open_until) = circuit.open_until {
        put(&mut item, "open_until", ms(open_until));
    }
    if !circuit.answered.is_empty() {
        // Texts and numbers: there is nothing in it that could fail to serialise.
        put(&mut item, "answered", s(serde_json::to_string(&circuit.answered).unwrap_or_default()));
    }
    item
}

/// Reads a circuit.
pub(crate) fn circuit_from(item: &Item, key: &ItemKey) -> Result<Circuit, StoreError> {
    let reader = Reader::new(item, key);
    Ok(Circuit {
        open_until: reader.optional_instant("open_until"),
        trips: reader.number("trips")?,
        version: reader.number("version")?,
        // What can't be read is none: a circuit does without.
        answered: reader
            .optional_text("answered")
            .and_then(|json| serde_json::from_str(&json).ok())
            .unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use hookledger_core::model::time::UnixMs;

    use super::*;

    fn key(sk: &str) -> ItemKey {
        ItemKey { pk: "finbox#link#l1".into(), sk: sk.into() }
    }

    #[test]
    fn expectations_come_back_as_they_were() {
        for (repeats, due_at) in [(true, Some(UnixMs(7))), (false, None)] {
            let expectation = Expectation {
                key: key("watch"),
                provider: "finbox".into(),
                reference: "link:l1".into(),
                repeats,
                state: ExpectationState::Waiting,
                created_at: UnixMs(1),
                due_at,
                deadline: UnixMs(9),
                polls: 3,
                found: 2,
            };
            let item = expectation_item(&expectation);
            assert_eq!(expectation_from(&item, &key("watch")), Ok(expectation));
            // Only what owes may be in the index.
            assert_eq!(item.contains_key("due_shard"), due_at.is_some());
        }
    }

    #[test]
    fn listings_come_back_as_they_were() {
        for position in [None, Some("page 4".to_string())] {
            let listing = Listing {
                key: key("cursor#runpayments#merchants"),
                provider: "runpayments".into(),
                list: "merchants".into(),
                due_at: UnixMs(5),
                position,
                pages: 4,
                tries: 2,
            };
            let mut item = listing_item(&listing);
            assert_eq!(listing_from(&item, &listing.key).as_ref(), Ok(&listing));
            item.remove("tries");
            assert_eq!(listing_from(&item, &listing.key), Ok(Listing { tries: 0, ..listing }));
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let corrupt = |what| StoreError::Corrupt { key: key("watch"), what };
        let item = key_attributes(&key("watch"));
        assert_eq!(expectation_from(&item, &key("watch")), Err(corrupt("provider")));
        assert_eq!(listing_from(&item, &key("watch")), Err(corrupt("provider")));
    }
}
