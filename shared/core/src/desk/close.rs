//! A person's last word on what waits for one: nothing is to be done for it.

use crate::model::act::Order;
use crate::model::identity::ItemKey;
use crate::ports::{Clock, Desk, Inbox, StoreError};

/// Ends a parked entry, which is ignored from now on, or an expectation that expired. A delivery that says the same again
/// changes nothing. False: it does not wait for a person, and nothing was done.
pub async fn close<I: Inbox<Ledger: Desk>>(inbox: &I, key: &ItemKey, order: &Order) -> Result<bool, StoreError> {
    let now = inbox.clock().now();
    let expires_at = now.plus_secs(inbox.timing().retention_secs());
    inbox.ledger().close(key, &order.act("close", now), expires_at).await
}
