//! Walking a provider's list to find what nobody told us.
//!
//! A row that shows a status is compared with the status we hold. A later one becomes an entry of its own, found by
//! asking; its effect is one with the push that may still come (`effect`). A row that shows what became of a delivery
//! is compared with the entries we hold (`losses`), and a row that is an event is let in. A cursor moves only after its
//! page is handled, so a walk that dies goes on where it stopped.

use std::collections::BTreeSet;

use crate::flows::admit::admit_found;
use crate::flows::call::{Asker, Called};
use crate::model::debt::{Debt, Listing};
use crate::model::entry::Origin;
use crate::model::fact::{Fact, Status};
use crate::model::identity::{ItemKey, digest_hex};
use crate::model::provider_call::{MAX_RETRY_AFTER_SECS, Trouble};
use crate::model::time::{CLOCK_SKEW_SECS, UnixMs};
use crate::ports::{Clock, Debts, Inbox, Ledger, Meter, Metric, ProviderApi, Results, StoreError};
use crate::providers::{Found, Listed, ListedRow, Lists, Provider, StatusRow};

/// The most pages of one walk; beyond it the list is taken to go in circles.
const MAX_WALK_PAGES: u32 = 10_000;
/// How long a walk holds its cursor. Not needed for correctness: two walks at once find the same rows.
const WALK_LEASE_SECS: u64 = 120;
/// The longest hold, after walks that ended without a word: what one list's page does to its readers must not keep the
/// reconciler from its other debts for more than a minute in an hour.
const MAX_LEASE_SECS: u64 = 3600;
/// Walks that ended without a word before that is reported.
const REPORTED_TRIES: u32 = 3;
/// When a list is looked at again whose provider is not used any more.
const UNUSED_SECS: u64 = 300;

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi> Asker<'_, I, A> {
    /// Walks a list from its cursor on, as far as the time reaches.
    pub(crate) async fn walk(&self, deadline: UnixMs, mut listing: Listing) -> Result<(), StoreError> {
        let inbox = self.inbox;
        let interval_secs = inbox.timing().listing_interval_secs;
        if let Some((id, _)) = self.providers.stopped(&listing.provider) {
            inbox.meter().count(Metric::Unconfigured, Some(id), 1);
            return self.put_walk_off(listing, interval_secs).await;
        }
        let Some(provider) = self.providers.get(&listing.provider) else { return Ok(()) };
        let Some(lists) = provider.lists().offered() else { return Ok(()) };
        if !self.api.is_used(provider.id()).await {
            // It was, once: its secret may be filled in again.
            return self.put_walk_off(listing, UNUSED_SECS.min(interval_secs)).await;
        }
        let mut lease = inbox.clock().now().plus_secs(lease_secs(listing.tries));
        if !inbox.ledger().claim(&listing.key, listing.due_at, lease).await? {
            return Ok(());
        }
        if listing.tries >= REPORTED_TRIES {
            let (list, tries) = (&listing.list, listing.tries);
            inbox.meter().count(Metric::WorkFailed, Some(provider.id()), 1);
            tracing::error!(provider = provider.id().0, list, tries, "a list was taken up and nothing came of it");
        }
        let mut seen = BTreeSet::new();
        loop {
            let now = inbox.clock().now();
            if now >= deadline {
                // Out of time: due at once, from where it stopped.
                listing.due_at = now;
                inbox.ledger().advance_listing(&listing, lease).await?;
                return Ok(());
            }
            let next = self.page(provider, lists, &listing, &mut seen).await?;
            listing.tries = 0;
            let now = inbox.clock().now();
            let over = match next {
                Page::Next(position) => {
                    listing.position = Some(position);
                    listing.pages = listing.pages.saturating_add(1);
                    listing.pages >= MAX_WALK_PAGES
                }
                Page::Last => true,
                Page::Later(due_at) => {
                    listing.due_at = due_at;
                    inbox.ledger().advance_listing(&listing, lease).await?;
                    return Ok(());
                }
            };
            if over {
                (listing.position, listing.pages) = (None, 0);
                listing.due_at = now.plus_secs(interval_secs);
                inbox.ledger().advance_listing(&listing, lease).await?;
                return Ok(());
            }
            listing.due_at = now.plus_secs(WALK_LEASE_SECS);
            if !inbox.ledger().advance_listing(&listing, lease).await? {
                return Ok(());
            }
            lease = listing.due_at;
        }
    }

    /// Moves a list that nobody can walk now. It is not taken up, so that counts as no try.
    async fn put_walk_off(&self, listing: Listing, wait_secs: u64) -> Result<(), StoreError> {
        let due_at = self.inbox.clock().now().plus_secs(wait_secs);
        let seen_due_at = listing.due_at;
        self.inbox.ledger().advance_listing(&Listing { due_at, ..listing }, seen_due_at).await?;
        Ok(())
    }

    async fn page(
        &self,
        provider: &dyn Provider,
        lists: &dyn Lists,
        listing: &Listing,
        seen: &mut BTreeSet<String>,
    ) -> Result<Page, StoreError> {
        let requested_at = self.inbox.clock().now();
        let request = lists.list(&listing.list, listing.position.as_deref(), requested_at);
        let listed = match self.call(provider.id(), &request).await {
            Called::Answered(response) => {
                lists.listed(&listing.list, listing.position.as_deref(), requested_at, &response)
            }
            Called::Failed(error) => Listed::Trouble(error.into()),
            Called::Shut { until } => return Ok(Page::Later(self.after_outage(until))),
        };
        // A list that does not obey its cursor shows the same page for ever.
        let listed = match listed {
            Listed::Page { rows, .. } if !rows.is_empty() && !seen.insert(mark(&rows)) => {
                Listed::Trouble(Trouble::Permanent {
                    reason: "the list shows a page again that it has shown before".into(),
                })
            }
            listed => listed,
        };
        match listed {
            Listed::Page { rows, unreadable, next } => {
                self.count_unreadable(provider, unreadable);
                for row in &rows {
                    match row {
                        ListedRow::Status(row) => self.compare(provider, row, requested_at).await?,
                        ListedRow::Delivery(delivery) => self.audit(provider, lists, delivery, requested_at).await?,
                        ListedRow::Event(found) => self.let_in(provider, found, requested_at).await?,
                    }
                }
                Ok(next.map_or(Page::Last, Page::Next))
            }
            Listed::Trouble(trouble) => {
                let reason = trouble.reason();
                self.inbox.meter().count(Metric::WorkFailed, Some(provider.id()), 1);
                tracing::warn!(provider = provider.id().0, list = listing.list, reason, "a list could not be walked");
                let interval_secs = self.inbox.timing().listing_interval_secs;
                Ok(match trouble {
                    Trouble::Retry { after_secs, .. } | Trouble::Quota { after_secs, .. } => {
                        let asked_secs = after_secs.unwrap_or(0).min(MAX_RETRY_AFTER_SECS);
                        Page::Later(self.inbox.clock().now().plus_secs(interval_secs.max(asked_secs)))
                    }
                    Trouble::Permanent { .. } => Page::Last,
                })
            }
        }
    }

    /// Lets in what a row shows, if it is later than what we hold.
    async fn compare(&self, provider: &dyn Provider, row: &StatusRow, requested_at: UnixMs) -> Result<(), StoreError> {
        let Some(rank) = row.rank else { return self.keep_unknown(provider, row).await };
        let ledger = self.inbox.ledger();
        let held = ledger.status(&row.subject).await?;
        if let Some(held) = &held {
            // A row may only advance a status, and only one that stood when the page was asked for: what was pushed
            // since then is newer than the page.
            let stood = held.moved_at.plus_secs(CLOCK_SKEW_SECS) < requested_at;
            if held.rank >= rank || !stood {
                return Ok(());
            }
        }
        let facts = ledger.facts(&row.subject).await?;
        let current = held.clone();
        // A push that was taken for what a list had shown has no fact of its own: the status has its time. Of one that has,
        // the fact says more: whose it is, and so when it was received, however late its work was done.
        let is_fact =
            |held: &Status| facts.iter().any(|fact| fact.status == held.status && fact.occurred_at == held.occurred_at);
        let held = held.filter(|held| held.status != row.status && !is_fact(held));
        // The fact may stand although the status does not yet: whoever wrote it is still at work, or died there and will
        // be back. Only a status that was left since can be reached another time.
        for known in facts.iter().filter(|known| known.status == row.status) {
            let slack_secs = if known.origin == Origin::Poll { CLOCK_SKEW_SECS } else { 0 };
            let left_at = known.occurred_at.plus_secs(slack_secs);
            let by_held = held.as_ref().is_some_and(|held| {
                let known_at = held.moved_at.plus_secs(CLOCK_SKEW_SECS);
                held.occurred_at.min(known_at) > left_at
            });
            if !by_held && !self.was_left(&facts, row, left_at).await? {
                return self.put_right(row, rank, known, current.as_ref()).await;
            }
        }
        let times = facts.iter().filter(|fact| fact.status == row.status).map(|fact| fact.n).max().unwrap_or(0);
        let event = row.event(times.saturating_add(1), requested_at);
        admit_found(self.inbox, provider, Found { event, body: row.document.clone() }).await?;
        Ok(())
    }

    /// Whether a push has led away from the row's status since. Only a push does: what a list shows may be older than what
    /// was pushed. A push happened before it was received, as far as clocks agree, whatever its own time says: otherwise one
    /// that is said to lie ahead would make news of the same row at every walk.
    async fn was_left(&self, facts: &[Fact], row: &StatusRow, left_at: UnixMs) -> Result<bool, StoreError> {
        let leads_away =
            |fact: &&Fact| fact.origin == Origin::Push && fact.status != row.status && fact.occurred_at > left_at;
        for fact in facts.iter().filter(leads_away) {
            let owner = match self.inbox.ledger().debt(&fact.owner).await? {
                Some(Debt::Entry(owner)) => Some(owner.received_at),
                _ => None,
            };
            if owner.is_none_or(|received_at| received_at.plus_secs(CLOCK_SKEW_SECS) > left_at) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// What a list still shows is not over, whatever the pushes say of their times. The held status may be said to be later
    /// than the one that is shown, although it was here before: two clocks of the provider disagree. Or it is earlier: a push
    /// of a step further on came late and was taken for news, and the next push led back from it. The event that is shown
    /// was told when it came, so only the status moves.
    async fn put_right(
        &self,
        row: &StatusRow,
        rank: u8,
        known: &Fact,
        held: Option<&Status>,
    ) -> Result<(), StoreError> {
        // Without one, whoever wrote the fact is at work on it.
        let Some(held) = held else { return Ok(()) };
        let (moved_at, version) = (self.inbox.clock().now(), held.version.saturating_add(1));
        let (status, occurred_at) = (known.status.clone(), known.occurred_at);
        let status = Status { status, rank, occurred_at, moved_at, version, held_back: None };
        self.inbox.ledger().move_status(&row.subject, Some(held.version), &status).await?;
        Ok(())
    }

    /// Lets in an event that nobody delivered. What is older than identities are remembered may have been here, and so may
    /// what has no time: it is no news, however long a list goes back. What is held and parked is a person's.
    async fn let_in(&self, provider: &dyn Provider, found: &Found, requested_at: UnixMs) -> Result<(), StoreError> {
        let horizon = requested_at.minus_secs(self.inbox.timing().oldest_processed_secs());
        let is_news = found.event.occurred_at.is_some_and(|at| at >= horizon);
        // A list shows what is held again and again: a read costs less than a put that fails.
        if is_news && self.inbox.ledger().debt(&found.event.key()).await?.is_none() {
            admit_found(self.inbox, provider, found.clone()).await?;
        }
        Ok(())
    }

    /// A status that is not known here is kept once, however often the list shows it.
    async fn keep_unknown(&self, provider: &dyn Provider, row: &StatusRow) -> Result<(), StoreError> {
        let event = row.unknown();
        let key = ItemKey::entry(&event.subject, &event.identity);
        if self.inbox.ledger().debt(&key).await?.is_none() {
            admit_found(self.inbox, provider, Found { event, body: row.document.clone() }).await?;
        }
        Ok(())
    }
}

/// How long a walk holds its cursor that was taken up so often without a word.
fn lease_secs(tries: u32) -> u64 {
    WALK_LEASE_SECS.saturating_mul(1_u64.checked_shl(tries).unwrap_or(u64::MAX)).min(MAX_LEASE_SECS)
}

/// Equal for pages of the same rows.
fn mark(rows: &[ListedRow]) -> String {
    let documents = rows.iter().map(|row| match row {
        ListedRow::Status(row) => row.document.as_slice(),
        ListedRow::Delivery(row) => row.document.as_slice(),
        ListedRow::Event(found) => found.body.as_slice(),
    });
    digest_hex(&documents.collect::<Vec<_>>().join(&b'\n'))
}

enum Page {
    Next(String),
    Last,
    Later(UnixMs),
}
