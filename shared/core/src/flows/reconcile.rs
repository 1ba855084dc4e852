//! The third flow: what is still owed gets paid.
//!
//! ```text
//! schedule ─ every debt that is due ─ plan ─ carry out
//!              open entry  → claim, enqueue again; claimed too often without an answer → park
//!              expectation → claim, ask the provider; complete → the same door as a push
//!              listing     → claim, walk the provider's list; what we lack → the same door
//! ```
//!
//! Providers are paid side by side, each with so many calls in flight: one that hangs holds nobody else up. What is due
//! to one whose circuit is open is put off (`circuit`).
//!
//! A claim moves the debt's due time, conditional on the one that was seen: runs may overlap, and none pays twice. The
//! plan is plain data, computed from the row and the time alone.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use futures_util::future::join_all;
use futures_util::stream;
use futures_util::{StreamExt as _, TryStreamExt as _};
use tracing::Instrument as _;

use crate::flows::call::Asker;
use crate::flows::enqueue::enqueue;
use crate::flows::plan::{Action, Backlog, plan};
use crate::flows::settle::{park, stopped};
use crate::flows::span;
use crate::flows::work::MAX_ATTEMPTS;
use crate::model::circuit::MAX_SPARED_SECS;
use crate::model::debt::{Debt, DueKey, Listing, Wanted};
use crate::model::entry::State;
use crate::model::job::Job;
use crate::model::time::UnixMs;
use crate::ports::{
    Attempt, Clock, Debts, Entries, Inbox, Ledger, Meter, Metric, Postponed, ProviderApi, StoreError, WorkQueue,
};

/// How often what waits for a person is counted. It is a read for each shard, also when nothing waits.
const COUNT_EVERY_MINUTES: i64 = 5;
/// Debts of each provider taken up in one run, evenly from its shards: 500 from each of all 64, more from each where
/// several runs share them out. What is more comes next minute.
pub const MAX_DEBTS_PER_RUN: usize = 32_000;
/// Shards looked at, and debts carried out for each provider, at the same time.
const IN_FLIGHT: usize = 32;

/// Why an entry is put off that could not be sent to the worker.
const QUEUE_DOWN: &str = "the queue takes no messages";

/// One run of the reconciler.
#[derive(Clone, Debug)]
pub struct Run {
    /// The shards of the `due` index this run looks at.
    pub shards: RangeInclusive<u8>,
    /// No new debt is taken up after this.
    pub deadline: UnixMs,
}

/// What a run did, for the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Report {
    /// Debts found due.
    pub due: usize,
    /// Debts carried out.
    pub carried_out: usize,
    /// Debts left for the next run: the deadline was near, or the queue is behind.
    pub left: usize,
    /// Debts whose row could not be read or written.
    pub failed: usize,
    /// The age of the oldest debt, in seconds.
    pub oldest_secs: u64,
}

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi> Asker<'_, I, A> {
    /// Pays the debts of some shards, as far as the time reaches.
    pub async fn reconcile(&self, run: &Run) -> Result<Report, StoreError> {
        let inbox = self.inbox;
        let backlogs = self.backlogs().await;
        let backlog = |provider: &str| backlogs.get(provider).copied().unwrap_or(Backlog::None);
        self.ensure_listings(run).await?;
        let started = inbox.clock().now();
        let deep: Vec<&str> =
            backlogs.iter().filter(|(_, backlog)| **backlog == Backlog::Deep).map(|(name, _)| *name).collect();
        let of_each = MAX_DEBTS_PER_RUN / run.shards.len().max(1);
        let wanted = &Wanted { of_each, without_entries_of: &deep };
        let shards: Vec<_> = stream::iter(run.shards.clone())
            .map(|shard| inbox.ledger().due(shard, started, wanted))
            .buffer_unordered(IN_FLIGHT)
            .collect()
            .await;
        let mut report = Report::default();
        let mut due: Vec<DueKey> = Vec::new();
        let mut oldest = started;
        for shard in shards {
            match shard {
                Ok(found) => {
                    due.extend(found.keys);
                    report.left += found.left;
                    oldest = found.oldest.map_or(oldest, |found| found.min(oldest));
                }
                Err(error) => {
                    tracing::error!(%error, "a shard of the due index could not be read");
                    report.failed += 1;
                }
            }
        }
        due.sort_by_key(|due| due.due_at);
        report.due = due.len() + report.left;
        report.oldest_secs = started.since_ms(oldest) / 1000;
        let mut by_provider: BTreeMap<&str, Vec<&DueKey>> = BTreeMap::new();
        for due in &due {
            by_provider.entry(due.provider()).or_default().push(due);
        }
        let done: Vec<Vec<Result<bool, StoreError>>> = join_all(by_provider.into_iter().map(|(provider, due)| {
            let backlog = backlog(provider);
            stream::iter(due).map(move |due| self.pay(run, due, backlog)).buffer_unordered(IN_FLIGHT).collect()
        }))
        .await;
        for outcome in done.into_iter().flatten() {
            match outcome {
                Ok(true) => report.carried_out += 1,
                Ok(false) => report.left += 1,
                Err(error) => {
                    tracing::error!(%error, "a debt could not be carried out: it stays due");
                    report.failed += 1;
                }
            }
        }
        inbox.meter().count(Metric::DebtsDue, None, report.due as u64);
        inbox.meter().count(Metric::OldestDebtSecs, None, report.oldest_secs);
        if started.secs() / 60 % COUNT_EVERY_MINUTES == 0 {
            self.count_waiting(run).await;
        }
        inbox.meter().count(Metric::CircuitsOpen, None, self.open_circuits().await);
        inbox.meter().count(Metric::ReconcilerRuns, None, 1);
        Ok(report)
    }

    /// Says how many entries wait for a person. Where nobody can say, nothing is said, rather than that there are none.
    async fn count_waiting(&self, run: &Run) {
        let ledger = self.inbox.ledger();
        let shards =
            stream::iter(run.shards.clone()).map(|shard| ledger.count_parked(shard)).buffer_unordered(IN_FLIGHT);
        let counted: Result<Vec<u64>, StoreError> = shards.try_collect().await;
        match counted {
            Ok(counted) => self.inbox.meter().count(Metric::EntriesWaiting, None, counted.iter().sum()),
            Err(error) => tracing::error!(%error, "what waits for a person could not be counted"),
        }
    }

    /// How far behind the work for each provider is. Where nobody can say, it counts as none.
    async fn backlogs(&self) -> BTreeMap<&'static str, Backlog> {
        let depths = self.providers.iter().map(async |provider| {
            let depth = self.inbox.queue().depth(provider.id()).await;
            (provider.id().0, Backlog::of(depth.unwrap_or_default()))
        });
        join_all(depths).await.into_iter().collect()
    }

    async fn pay(&self, run: &Run, due: &DueKey, backlog: Backlog) -> Result<bool, StoreError> {
        self.carry_out(run, due, backlog).instrument(span::debt(due.provider(), &due.key)).await
    }

    /// Plans one debt and carries the plan out. False: it was left for another run.
    async fn carry_out(&self, run: &Run, due: &DueKey, backlog: Backlog) -> Result<bool, StoreError> {
        let inbox = self.inbox;
        let now = inbox.clock().now();
        if now >= run.deadline {
            return Ok(false);
        }
        let Some(debt) = inbox.ledger().debt(&due.key).await? else { return Ok(true) };
        // Nobody can work for a provider that is stopped, so a claim would count against the entry for nothing.
        if let Debt::Entry(entry) = &debt
            && entry.state == State::Open
            && entry.due_at == Some(due.due_at)
            && let Some((id, error)) = self.providers.stopped(&entry.provider)
        {
            stopped(inbox, id, entry, entry.attempts, error).await?;
            return Ok(true);
        }
        match plan(&debt, due.due_at, now, inbox.timing(), backlog, inbox.clock().random()) {
            Action::Enqueue { next_due_at } => self.enqueue_again(&debt, due, next_due_at).await?,
            Action::Park => {
                let provider = provider_name(&debt).and_then(|name| self.providers.get(name));
                let reason = format!("taken up {MAX_ATTEMPTS} times without an answer");
                park(inbox, provider, &due.key, &reason).await?;
            }
            Action::Poll => {
                if let Debt::Expectation(expectation) = debt {
                    self.poll_for(&expectation, due.due_at, run.deadline).await?;
                }
            }
            Action::Walk => {
                if let Debt::Listing(listing) = debt {
                    self.walk(run.deadline, listing).await?;
                }
            }
            Action::HoldBack => return Ok(false),
            Action::Nothing => {}
        }
        Ok(true)
    }

    async fn enqueue_again(&self, debt: &Debt, due: &DueKey, next_due_at: UnixMs) -> Result<(), StoreError> {
        let inbox = self.inbox;
        let claimed = inbox.ledger().claim(&due.key, due.due_at, next_due_at).await?;
        let provider = provider_name(debt).and_then(|name| self.providers.get(name));
        let Some(provider) = provider.filter(|_| claimed) else { return Ok(()) };
        let sent = enqueue(inbox, provider.id(), &Job::claimed(due.key.clone(), next_due_at), 0).await;
        if let Debt::Entry(entry) = debt
            && !sent
            && inbox.clock().now() < entry.received_at.plus_secs(MAX_SPARED_SECS)
        {
            // Nobody was asked to work, so this claim was no attempt: hours without a queue would otherwise park every
            // entry that came in meanwhile. The due time stays, for the message may be there all the same.
            let attempt = Attempt::NotMade(entry.attempts);
            let progress = entry.progress.clone();
            let postponed = Postponed { due_at: next_due_at, reason: QUEUE_DOWN.into(), attempt, progress };
            inbox.ledger().postpone(&due.key, &postponed).await?;
        }
        Ok(())
    }

    /// Every list that a provider offers who is used has a cursor row in the shards this run looks at, due for its first
    /// walk.
    async fn ensure_listings(&self, run: &Run) -> Result<(), StoreError> {
        let now = self.inbox.clock().now();
        for provider in self.providers.iter() {
            let Some(lists) = provider.lists().offered() else { continue };
            if !self.api.is_used(provider.id()).await {
                continue;
            }
            for list in lists.names() {
                let key = Listing::key(provider.id(), list);
                if run.shards.contains(&key.shard(crate::model::debt::DUE_SHARDS)) {
                    let listing = Listing {
                        key,
                        provider: provider.id().0.into(),
                        list: list.to_string(),
                        due_at: now,
                        position: None,
                        pages: 0,
                        tries: 0,
                    };
                    self.inbox.ledger().ensure_listing(&listing).await?;
                }
            }
        }
        Ok(())
    }
}

fn provider_name(debt: &Debt) -> Option<&str> {
    match debt {
        Debt::Entry(entry) => Some(&entry.provider),
        Debt::Expectation(expectation) => Some(&expectation.provider),
        Debt::Listing(listing) => Some(&listing.provider),
    }
}
