//! A person's replay: what is parked is opened again, and its work sent.

use crate::model::act::Order;
use crate::model::identity::ItemKey;
use crate::model::job::Job;
use crate::ports::{Clock, Desk, Inbox, StoreError, WorkQueue};
use crate::providers::Providers;

/// What came of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// It is not parked: nothing was done.
    NotParked,
    /// It is open, and the worker was told.
    OnItsWay,
    /// It is open, and the reconciler will take it up: why the worker could not be told.
    Owed(String),
}

/// Opens a parked entry again and sends its work. That it is owed is written first, so a kill in between loses nothing.
pub async fn replay<I: Inbox<Ledger: Desk>>(
    inbox: &I,
    providers: &Providers,
    key: &ItemKey,
    order: &Order,
) -> Result<Replayed, StoreError> {
    let now = inbox.clock().now();
    let due_at = now.plus_secs(inbox.timing().admit_grace_secs);
    if !inbox.ledger().replay(key, due_at, &order.act("replay", now)).await? {
        return Ok(Replayed::NotParked);
    }
    let Some(provider) = providers.get(key.provider()) else {
        return Ok(Replayed::Owed("its provider is not built in, or stopped by one of its settings".into()));
    };
    Ok(match inbox.queue().send(provider.id(), &Job::entry(key.clone()), 0).await {
        Ok(()) => Replayed::OnItsWay,
        Err(error) => Replayed::Owed(error.to_string()),
    })
}
