//! An operator's second look: deliveries that were refused are verified again, byte for byte, with today's secrets.
//!
//! ```text
//! kept whole? ─ verify as of when it came ─ readable? ─ admit, by the same door as any delivery ─ mark it ─ remove the row
//!      │               │                        └ stays      └ store down → stays, and may be tried again
//!      └ stays         └ stays
//! ```
//!
//! This is for a secret that was missing, mistyped or rotated on one side only, and for providers that have long given
//! up sending again. The row goes only after its event is in the ledger, so a kill in between costs nothing: the next
//! run finds the event known and removes the row. A second run finds no row.

use crate::flows::receive::{bounded, store};
use crate::model::act::Order;
use crate::model::delivery::Delivery;
use crate::model::identity::ItemKey;
use crate::model::refused::{Kept, Refused};
use crate::model::signature::Refusal;
use crate::model::time::UnixMs;
use crate::ports::{Clock, Desk, Inbox, Quarantine, Secrets, SecretsError, StoreError};
use crate::providers::{OnUnreadable, Provider, Unreadable};

/// What the second look found.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Verdict {
    /// It is genuine, and its event is in the ledger now.
    #[error("genuine by {secret_id}: let in")]
    LetIn {
        /// The id of the secret or token that proves it.
        secret_id: String,
        /// The event that it tells, where it can be read.
        key: Option<ItemKey>,
    },
    /// It does not prove genuine today either.
    #[error("stays refused: {0}")]
    Refused(Refusal),
    /// Only the start of its body was kept.
    #[error("cannot be verified: only the first {kept} of its {body_bytes} bytes were kept")]
    Cut {
        /// What was kept.
        kept: usize,
        /// What came.
        body_bytes: usize,
    },
    /// It is genuine, but this provider's rule is to give back what can't be read.
    #[error("stays refused: genuine, but {0}")]
    Unreadable(Unreadable),
    /// It is genuine, and the ledger did not take it now. Nothing is lost: its row is still there.
    #[error("genuine, but the ledger does not answer: run this again")]
    NotStored,
}

/// Why there was no second look.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReverifyError {
    /// The quarantine can't be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Today's secrets can't be read.
    #[error(transparent)]
    Secrets(#[from] SecretsError),
}

/// Rows that are read at once.
const PAGE: usize = 200;

/// Looks again at what was refused of a provider on a UTC day, the latest `limit` of it, and lets in what proves
/// genuine. The entry of each says whose order it was. Each row comes back with its verdict, the latest first.
pub async fn reverify<I>(
    inbox: &I,
    secrets: &impl Secrets,
    provider: &dyn Provider,
    day: &str,
    limit: usize,
    order: &Order,
) -> Result<Vec<(UnixMs, Verdict)>, ReverifyError>
where
    I: Inbox<Ledger: Quarantine + Desk>,
{
    let mut verdicts = Vec::new();
    let told = |at, verdict| {
        verdicts.push((at, verdict));
        verdicts.len() < limit
    };
    if limit > 0 {
        reverify_until(inbox, secrets, provider, day, order, told).await?;
    }
    Ok(verdicts)
}

/// The same, each verdict told as soon as its row is done with: whoever waits sees how far it is, and loses none where a later
/// row fails. It ends where `told` says that no other is wanted.
pub async fn reverify_until<I>(
    inbox: &I,
    secrets: &impl Secrets,
    provider: &dyn Provider,
    day: &str,
    order: &Order,
    mut told: impl FnMut(UnixMs, Verdict) -> bool,
) -> Result<(), ReverifyError>
where
    I: Inbox<Ledger: Quarantine + Desk>,
{
    let known = secrets.get(provider.id()).await?;
    let mut before: Option<ItemKey> = None;
    loop {
        let kept = inbox.ledger().kept(provider.id(), day, before.as_ref(), PAGE).await?;
        let Some(last) = kept.last() else { return Ok(()) };
        before = Some(last.key.clone());
        for Kept { key, refused, .. } in kept {
            let (at, digest) = (refused.at, refused.digest.clone());
            let verdict = look_again(inbox, &known, provider, refused).await;
            if let Verdict::LetIn { key: entry, .. } = &verdict {
                if let Some(entry) = entry {
                    // Before the row goes: after a kill in between, the next run marks it.
                    inbox.ledger().mark(entry, &order.act("reverify", inbox.clock().now())).await?;
                }
                inbox.ledger().remove(&key, &digest).await?;
            }
            if !told(at, verdict) {
                return Ok(());
            }
        }
    }
}

async fn look_again(
    inbox: &impl Inbox,
    known: &crate::model::secret::ProviderSecrets,
    provider: &dyn Provider,
    refused: Refused,
) -> Verdict {
    if refused.body.len() != refused.body_bytes {
        return Verdict::Cut { kept: refused.body.len(), body_bytes: refused.body_bytes };
    }
    // As of when it came: a signature is no older for having waited here, and a secret that has ended since was live.
    let came_at = refused.at;
    let verified = match provider.scheme().verify(Delivery::kept(refused), known, came_at) {
        // It comes in today: the operator finds it in today's list, and its debt is due from now on.
        Ok(verified) => verified.let_in_at(inbox.clock().now()),
        Err((refusal, _)) => return Verdict::Refused(refusal),
    };
    let secret_id = verified.proof().secret_id.clone();
    let key = match provider.parse(&verified).and_then(bounded) {
        Ok(event) => Some(event.key()),
        // The door would quarantine it a second time.
        Err(why) if matches!(provider.answers().unreadable, OnUnreadable::Quarantine(_)) => {
            return Verdict::Unreadable(why);
        }
        Err(_) => None,
    };
    match store(inbox, provider, verified).await {
        Ok(_) => Verdict::LetIn { secret_id, key },
        Err(_) => Verdict::NotStored,
    }
}
