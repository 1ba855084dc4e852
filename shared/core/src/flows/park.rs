//! Two ways to leave an entry alone: for a person, and until a setting is mended.

use crate::model::entry::Entry;
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::settings::SettingError;
use crate::ports::{Attempt, Clock, Inbox, Ledger, Meter, Metric, Postponed, StoreError};
use crate::providers::Provider;

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
