//! The end of an entry's work: its effect is taken, told to the event bus, and the entry settled.
//!
//! ```text
//! results ─ take the effect ─ freeze the detail ─ publish ─ settle
//!                │ other entries took it first
//!                └ their owners told it? ─ yes: settle as known
//!                                        └ no: tell it for them, as theirs, and settle both
//! ```
//!
//! An entry that took an effect may fail for good before it tells of it: and whoever holds a URL token may have made it.
//! So nobody settles on another entry's promise. Both tell the one detail that is frozen under the one id, so twice is
//! once for whoever deduplicates by the id.

use crate::flows::admit::came_after_all;
use crate::flows::detail::{detail, foreign_part, is_in_its_providers_partition};
use crate::flows::effect::{Effect, Owned, take_effect};
use crate::flows::settle::close;
use crate::flows::work::{Unsettled, Worker};
use crate::model::debt::Debt;
use crate::model::entry::{Announcement, Entry, Origin, State};
use crate::ports::{Debts, Entries, Inbox, Ledger, ProviderApi, Publisher, Secrets};
use crate::providers::{Outcome, Provider};

/// How an entry is settled whose effect other entries took first.
const BROUGHT_ALREADY: &str = "another entry brought this effect already";

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi, P: Publisher, S: Secrets> Worker<'_, I, A, P, S> {
    /// The results are there: take the effect, publish, settle.
    pub(crate) async fn finish(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        outcome: Outcome,
    ) -> Result<(), Unsettled> {
        let reason = match take_effect(self.asker.inbox, entry, &outcome).await? {
            Effect::Own { id, applied } => {
                self.tell(provider, entry, &outcome, &id, applied).await?;
                None
            }
            Effect::Others(owned) => {
                for owned in owned {
                    self.tell_for(provider, entry, &owned, &outcome).await?;
                }
                Some(BROUGHT_ALREADY)
            }
        };
        Ok(self.settle(provider, entry, reason).await?)
    }

    /// Tells what the owner of an effect has not told, and settles it. One that is done has told it.
    ///
    /// A fact is no proof of its owner, as a receiver may write its own provider's rows: both must be of one subject.
    async fn tell_for(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        owned: &Owned,
        outcome: &Outcome,
    ) -> Result<(), Unsettled> {
        let inbox = self.asker.inbox;
        if owned.owner.pk != entry.key.pk {
            return Err(Unsettled::Hopeless(
                "a fact of this subject names an owner elsewhere: look at its rows".into(),
            ));
        }
        let Some(Debt::Entry(owner)) = inbox.ledger().debt(&owned.owner).await? else { return Ok(()) };
        // Of what a webhook and the provider's list both told, the list's entry is the one that was found: no webhook of it is
        // missing, whichever came first.
        let (found, pushed_at) = match (entry.origin, owner.origin) {
            (Origin::Push, Origin::Poll) => (Some(&owner), entry.received_at),
            (Origin::Poll, Origin::Push) => (Some(entry), owner.received_at),
            _ => (None, entry.received_at),
        };
        if let Some(found) = found.filter(|found| found.pushed_at.is_none()) {
            came_after_all(inbox, provider.id(), &found.key, pushed_at).await;
        }
        if owner.state == State::Done {
            return Ok(());
        }
        if !is_in_its_providers_partition(&owner) {
            return Err(Unsettled::Hopeless("the entry that owns this effect names another provider".into()));
        }
        let applied = owned.applied(inbox).await?;
        self.tell(provider, &owner, outcome, &owned.id, applied).await?;
        Ok(close(inbox, provider.id(), &owner, None).await?)
    }

    /// Publishes an entry's effect.
    async fn tell(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        outcome: &Outcome,
        id: &str,
        applied: Option<bool>,
    ) -> Result<(), Unsettled> {
        let detail = detail(provider.id(), entry, outcome, id, applied);
        // What a second asking might answer differently is fixed before anybody hears of it.
        let detail = match &entry.frozen {
            Some(frozen) => frozen.clone(),
            None if outcome.pulled || outcome.status.is_some() => {
                self.asker.inbox.ledger().freeze(&entry.key, &detail).await?
            }
            None => detail,
        };
        // Frozen by an earlier attempt, or by somebody who may write the row and nothing else.
        if let Some(part) = foreign_part(&detail, provider.id(), entry, id) {
            return Err(Unsettled::Hopeless(format!("the frozen detail is not this entry's own: look at its {part}")));
        }
        let announcement = Announcement {
            source: format!("hookledger.{}", provider.id()),
            detail_type: entry.event_type.clone(),
            detail,
        };
        match self.publisher.publish(&announcement).await {
            Ok(()) => Ok(()),
            Err(error) => Err(Unsettled::Failed { reason: error.to_string(), after_secs: None }),
        }
    }
}
