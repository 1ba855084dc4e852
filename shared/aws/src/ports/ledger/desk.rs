//! What a person does to rows, and what people did. Each act stands in its row's `history`, by the write that does it: there
//! is no act without a trace.

use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue};
use hookledger_core::model::act::Act;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Desk, StoreError};

use super::entries::{by_a_person, open_again};
use super::item::{Item, Reader, body_chunks, ms, put, s, ttl};
use super::owed::Kind;
use super::read::get;
use super::table::DynamoLedger;
use super::write::{Update, Written};

/// The attribute that holds what people did.
pub(super) const HISTORY: &str = "history";

impl Desk for DynamoLedger {
    async fn replay(&self, key: &ItemKey, due_at: UnixMs, act: &Act) -> Result<bool, StoreError> {
        let update = open_again(by_a_person(key), key, due_at).append(HISTORY, act_value(act));
        Ok(update.send(&self.table).await?.happened())
    }

    async fn close(&self, key: &ItemKey, act: &Act, expires_at: UnixMs) -> Result<bool, StoreError> {
        // Person against person, and against a redelivery that opened it: what does not wait any more is not touched.
        let update = match Kind::of(key)? {
            Kind::Entry => Update::only_if(key, "#state = :parked")
                .value("parked", s(State::Parked.as_str()))
                .set("state", s(State::Ignored.as_str()))
                .set("reason", s("closed by a person"))
                .set("settled_at", ms(act.at)),
            Kind::Expectation => Update::only_if(key, "#state = :expired")
                .value("expired", s(ExpectationState::Expired.as_str()))
                .set("state", s(ExpectationState::Closed.as_str())),
            Kind::Listing => return Ok(false),
        };
        let written = update
            .append(HISTORY, act_value(act))
            .set("expires_at", ttl(expires_at))
            .remove("due_shard")
            .remove("due_at")
            .returning(ReturnValue::AllOld)
            .send(&self.table)
            .await?;
        let Written::Done(old) = written else { return Ok(false) };
        if let Some(chunks) = body_chunks(&old) {
            // What waited had chunks without an end. If this fails they stay, and the entry is closed all the same.
            self.end_chunks(key, &chunks, expires_at).await?;
        }
        Ok(true)
    }

    async fn mark(&self, key: &ItemKey, act: &Act) -> Result<bool, StoreError> {
        // Person against the row's end: what is gone does not come back as a row of history alone.
        let update = Update::only_if(key, "attribute_exists(#pk)").append(HISTORY, act_value(act));
        Ok(update.send(&self.table).await?.happened())
    }

    async fn history(&self, key: &ItemKey) -> Result<Vec<Act>, StoreError> {
        let item = get(&self.table, key, Some(&[HISTORY])).await?;
        Ok(item.map(|item| acts(&item, key)).unwrap_or_default())
    }
}

/// An act, as it is stored.
pub(super) fn act_value(act: &Act) -> AttributeValue {
    let mut fields = Item::new();
    put(&mut fields, "at", ms(act.at));
    put(&mut fields, "by", s(&act.by));
    put(&mut fields, "what", s(&act.what));
    if let Some(why) = &act.why {
        put(&mut fields, "why", s(why));
    }
    AttributeValue::M(fields)
}

/// What people did to a row. An act that this version can't read is left out.
pub(super) fn acts(item: &Item, key: &ItemKey) -> Vec<Act> {
    let stored = item.get(HISTORY).and_then(|value| value.as_l().ok()).map(Vec::as_slice).unwrap_or_default();
    let act = |value: &AttributeValue| {
        let reader = Reader::new(value.as_m().ok()?, key);
        Some(Act {
            at: reader.optional_instant("at")?,
            by: reader.optional_text("by")?,
            what: reader.optional_text("what")?,
            why: reader.optional_text("why"),
        })
    };
    stored.iter().filter_map(act).collect()
}
