//! What a person does to the rows of the memory ledger.

use hookledger_core::model::act::Act;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Desk, Entries, ReopenedBy, StoreError};

use super::ledger::MemoryLedger;
use super::table::Item;

impl Desk for MemoryLedger {
    async fn replay(&self, key: &ItemKey, due_at: UnixMs, act: &Act) -> Result<bool, StoreError> {
        // One write in the table of AWS, and nothing comes between the two here either.
        let opened = self.reopen(key, due_at, ReopenedBy::Person).await?;
        if let Some(Item::Entry(stored)) = self.table.borrow_mut().get_mut(key).filter(|_| opened) {
            stored.history.push(act.clone());
        }
        Ok(opened)
    }

    async fn close(&self, key: &ItemKey, act: &Act, expires_at: UnixMs) -> Result<bool, StoreError> {
        self.call("close", |table| match table.get_mut(key) {
            Some(Item::Entry(stored)) if stored.entry.state == State::Parked => {
                stored.entry.state = State::Ignored;
                stored.entry.reason = Some("closed by a person".into());
                stored.entry.settled_at = Some(act.at);
                (stored.parked_at, stored.expires_at) = (None, Some(expires_at));
                stored.history.push(act.clone());
                Ok(true)
            }
            Some(Item::Expectation { expectation, expires_at: end, history })
                if expectation.state == ExpectationState::Expired =>
            {
                (expectation.state, *end) = (ExpectationState::Closed, Some(expires_at));
                history.push(act.clone());
                Ok(true)
            }
            _ => Ok(false),
        })
        .await
    }

    async fn mark(&self, key: &ItemKey, act: &Act) -> Result<bool, StoreError> {
        self.call("mark", |table| {
            let history = match table.get_mut(key) {
                Some(Item::Entry(stored)) => &mut stored.history,
                Some(Item::Expectation { history, .. }) => history,
                _ => return Ok(false),
            };
            history.push(act.clone());
            Ok(true)
        })
        .await
    }

    async fn history(&self, key: &ItemKey) -> Result<Vec<Act>, StoreError> {
        self.call("history", |table| {
            Ok(match table.get(key) {
                Some(Item::Entry(stored)) => stored.history.clone(),
                Some(Item::Expectation { history, .. }) => history.clone(),
                _ => Vec::new(),
            })
        })
        .await
    }
}
