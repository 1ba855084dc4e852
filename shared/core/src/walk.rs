//! Walking a provider's list to find what nobody told us.
//!
//! A row that shows a status is compared with the status we hold. A later one becomes an entry of its own, found by
//! asking; its effect is one with the push that may still come (`status`). A row that shows what became of a delivery
//! is compared with the entries we hold (`audit`). A cursor moves only after its page is handled, so a walk that dies
//! goes on where it stopped.

use crate::api::Trouble;
use crate::circuit::Called;
use crate::debt::{Fact, Listing};
use crate::entry::Origin;
use crate::expect::Asker;
use crate::ports::{Clock, Inbox, Ledger, Meter, Metric, ProviderApi, StoreError};
use crate::providers::{Found, Listed, ListedRow, Lists, Provider, StatusRow};
use crate::reconcile::Run;
use crate::status::listed;
use crate::time::UnixMs;
use crate::work::MAX_RETRY_AFTER_SECS;

/// The most pages of one walk; beyond it the list is taken to go in circles.
const MAX_WALK_PAGES: u32 = 10_000;
/// How long a walk holds its cursor. Not needed for correctness: two walks at once find the same rows.
const WALK_LEASE_SECS: u64 = 120;
/// How far the clocks of two functions may disagree.
pub(crate) const CLOCK_SKEW_SECS: u64 = 5;

impl<I: Inbox, A: ProviderApi> Asker<'_, I, A> {
    /// Walks a list from its cursor on, as far as the time reaches.
    pub(crate) async fn walk(&self, run: &Run, mut listing: Listing) -> Result<(), StoreError> {
        let inbox = self.inbox;
        let Some(provider) = self.providers.get(&listing.provider) else { return Ok(()) };
        let Some(lists) = provider.lists().offered() else { return Ok(()) };
        let interval_secs = inbox.timing().listing_interval_secs;
        let seen_due_at = listing.due_at;
        let mut lease = inbox.clock().now().plus_secs(WALK_LEASE_SECS);
        if !inbox.ledger().claim(&listing.key, seen_due_at, lease).await? {
            return Ok(());
        }
        loop {
            let now = inbox.clock().now();
            if now >= run.deadline {
                // Out of time: due at once, from where it stopped.
                listing.due_at = now;
                inbox.ledger().advance_listing(&listing, lease).await?;
                return Ok(());
            }
            let next = self.page(provider, lists, &listing).await?;
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

    async fn page(&self, provider: &dyn Provider, lists: &dyn Lists, listing: &Listing) -> Result<Page, StoreError> {
        let requested_at = self.inbox.clock().now();
        let request = lists.list(&listing.list, listing.position.as_deref(), requested_at);
        let listed = match self.call(provider.id(), &request).await {
            Called::Answered(response) => {
                lists.listed(&listing.list, listing.position.as_deref(), requested_at, &response)
            }
            Called::Failed(error) => {
                Listed::Trouble(Trouble::Retry { reason: error.to_string(), after_secs: error.after_secs() })
            }
            Called::Shut { until } => return Ok(Page::Later(self.after_outage(until))),
        };
        match listed {
            Listed::Page { rows, next } => {
                for row in &rows {
                    match row {
                        ListedRow::Status(row) => self.compare(provider, row, requested_at).await?,
                        ListedRow::Delivery(delivery) => self.audit(provider, lists, delivery, requested_at).await?,
                    }
                }
                Ok(next.map_or(Page::Last, Page::Next))
            }
            Listed::Trouble(trouble) => {
                let (Trouble::Retry { reason, .. } | Trouble::Permanent { reason }) = &trouble;
                self.inbox.meter().count(Metric::WorkFailed, Some(provider.id()), 1);
                tracing::warn!(provider = provider.id().0, list = listing.list, reason, "a list could not be walked");
                let interval_secs = self.inbox.timing().listing_interval_secs;
                Ok(match trouble {
                    Trouble::Retry { after_secs, .. } => {
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
        let ledger = self.inbox.ledger();
        let held = ledger.status(&row.subject).await?;
        if let Some(held) = &held {
            // A row may only advance a status, and only one that stood when the page was asked for: what was pushed
            // since then is newer than the page.
            let stood = held.moved_at.plus_secs(CLOCK_SKEW_SECS) < requested_at;
            if held.rank >= row.rank || !stood {
                return Ok(());
            }
        }
        let facts = ledger.facts(&row.subject).await?;
        // A push that was taken for what a list had shown has no fact of its own: the status has its time.
        let held = held.filter(|held| held.status != row.status && listed(&facts, held).is_none());
        // The fact may stand although the status does not yet: whoever wrote it is still at work, or died there and will
        // be back. Only a status that was left since can be reached another time.
        let stands = |known: &Fact| {
            let slack_secs = if known.origin == Origin::Poll { CLOCK_SKEW_SECS } else { 0 };
            let left_at = known.occurred_at.plus_secs(slack_secs);
            // Only a push leads back: what a list shows may be older than what was pushed.
            let leaves = |f: &Fact| f.origin == Origin::Push && f.status != row.status && f.occurred_at > left_at;
            let left = facts.iter().any(leaves) || held.as_ref().is_some_and(|held| held.occurred_at > left_at);
            known.status == row.status && !left
        };
        if facts.iter().any(stands) {
            return Ok(());
        }
        let times = facts.iter().filter(|fact| fact.status == row.status).map(|fact| fact.n).max().unwrap_or(0);
        let event = row.event(times.saturating_add(1), requested_at);
        self.admit_found(provider, Found { event, body: row.document.clone() }).await?;
        Ok(())
    }
}

enum Page {
    Next(String),
    Last,
    Later(UnixMs),
}
