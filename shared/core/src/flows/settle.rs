//! How the work on an entry ends: settled, with a person, or until a setting is mended.

use crate::model::entry::{Entry, State};
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::settings::SettingError;
use crate::model::time::UnixMs;
use crate::ports::{Attempt, Clock, Entries, Inbox, Meter, Metric, Postponed, ReopenedBy, Settlement, StoreError};
use crate::providers::Provider;

/// Settles an open entry as done, and says when, if it did. Of any other nothing is changed.
pub(crate) async fn settle(
    inbox: &impl Inbox,
    provider: ProviderId,
    key: &ItemKey,
    reason: Option<&str>,
) -> Result<Option<UnixMs>, StoreError> {
    let at = inbox.clock().now();
    let expires_at = at.plus_secs(inbox.timing().retention_secs());
    let settlement = Settlement { state: State::Done, reason: reason.map(Into::into), at, expires_at };
    let settled = inbox.ledger().settle(key, &settlement).await?;
    if settled {
        inbox.meter().count(Metric::EntriesSettled, Some(provider), 1);
    }
    Ok(settled.then_some(at))
}

/// Settles an entry that waits for a person as well. If this function dies between the two writes, the row owes, and the
/// worker takes it up.
pub(crate) async fn close(
    inbox: &impl Inbox,
    provider: ProviderId,
    entry: &Entry,
    reason: Option<&str>,
) -> Result<(), StoreError> {
    if entry.state == State::Parked {
        let due_at = inbox.clock().now().plus_secs(inbox.timing().admit_grace_secs);
        inbox.ledger().reopen(&entry.key, due_at, ReopenedBy::Person).await?;
    }
    settle(inbox, provider, &entry.key, reason).await.map(drop)
}

/// Gives an open entry to a person.
pub(crate) async fn park(
    inbox: &impl Inbox,
    provider: Option<&dyn Provider>,
    key: &ItemKey,
    reason: &str,
) -> Result<(), StoreError> {
    if inbox.ledger().park(key, reason, inbox.clock().now()).await? {
        tracing::error!(subject = key.pk, entry = key.stable_id(), reason, "entry parked: it waits for a person");
        inbox.meter().count(Metric::EntriesParked, provider.map(Provider::id), 1);
    }
    Ok(())
}

/// Puts off the work for a provider that is stopped by one of its settings, until that is mended.
pub(crate) async fn stopped(
    inbox: &impl Inbox,
    provider: ProviderId,
    entry: &Entry,
    made: u32,
    error: &SettingError,
) -> Result<(), StoreError> {
    inbox.meter().count(Metric::Unconfigured, Some(provider), 1);
    let due_at = inbox.clock().now().plus_secs(inbox.timing().circuit.cap_secs);
    let reason = format!("this provider is stopped: {error}");
    let progress = entry.progress.clone();
    let postponed = Postponed { due_at, reason, attempt: Attempt::NotMade(made), progress };
    inbox.ledger().postpone(&entry.key, &postponed).await?;
    Ok(())
}
