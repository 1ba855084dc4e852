//! The second flow: the work an event calls for is done.
//!
//! ```text
//! job ─ read the entry ─ ask the provider for the truth ─ write the results ─ publish ─ settle
//!          │ not open: nothing is owed          │                  │
//!          │                                    │ not yet → due again by the poll cadence, until its deadline
//!          └ a person's (parked)                │ the circuit is open → due again when it is not, no attempt counted
//!                                               └ trouble → due again after a backoff; too often, or hopeless → parked
//! ```
//!
//! The ledger owns the retries: a handled failure writes the next due time and is done with its message. Only when not
//! even that can be written does the message go back to the queue. Doing the work twice equals doing it once: results
//! have deterministic keys, and the published detail is frozen with a stable id before it is first published.

use std::borrow::Cow;

use crate::flows::admit::admit_found;
use crate::flows::answer_pages::{AnswerPages, begins_anew};
use crate::flows::call::{Asker, Called};
use crate::flows::detail::is_in_its_providers_partition;
use crate::flows::losses::{ARRIVED, is_loss};
use crate::flows::settle::{park, settle, stopped};
use crate::model::entry::UNREADABLE;
use crate::model::entry::{Entry, Origin, State};
use crate::model::identity::ItemKey;
use crate::model::job::{Job, JobDebt};
use crate::model::provider_call::{ApiError, Trouble};
use crate::model::row::Snapshot;
use crate::model::time::UnixMs;
use crate::ports::{
    Clock, Debts, Entries, Inbox, Ledger, Meter, Metric, ProviderApi, Publisher, Results, Secrets, StoreError,
};
use crate::providers::{Ask, Asked, Found, Outcome, Provider, Step};

/// How often work is tried before it is given to a person. Waiting for the provider does not count.
pub const MAX_ATTEMPTS: u32 = 8;
/// The most pages of one entry's answer.
const MAX_WORK_PAGES: u32 = 10_000;
/// How long one entry may ask on before it makes room for the others of its batch.
const MAX_WORK_MS: u64 = 30_000;
/// Why nothing was asked.
const API_DOWN: &str = "the provider's API is down: it is not asked while its circuit is open";

/// What work needs: asking, and beyond it publishing and the secrets (for rescued deliveries).
pub struct Worker<'a, I, A, P, S> {
    /// Inbox, providers and their APIs.
    pub asker: Asker<'a, I, A>,
    /// The event bus.
    pub publisher: &'a P,
    /// The secret store.
    pub secrets: &'a S,
}

/// Why an attempt did not settle its entry.
pub(crate) enum Unsettled {
    NotYet(Cow<'static, str>),
    /// It can't be asked before then: the provider's circuit is open, or its quota is used up.
    Unasked {
        until: UnixMs,
        reason: Cow<'static, str>,
    },
    Failed {
        reason: String,
        after_secs: Option<u64>,
    },
    /// It was asked, and the call brought no answer.
    NoAnswer(ApiError),
    /// The place where the walk was to go on is refused: it begins anew.
    StartOver(String),
    /// The provider has overtaken the event: it is settled, and what the provider says by now is let in.
    Overtaken {
        reason: &'static str,
        by: Found,
    },
    Hopeless(String),
    /// The store did not do what it was asked.
    Store(StoreError),
}

impl From<StoreError> for Unsettled {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi, P: Publisher, S: Secrets> Worker<'_, I, A, P, S> {
    /// Does one job. An error means that nothing about it could be written: the message must come back.
    pub async fn work(&self, job: Job) -> Result<(), StoreError> {
        match job {
            Job::Entry { key, debt, .. } => self.entry(&key, debt).await,
            Job::Poll { key, due_at, .. } => self.asker.poll(&key, due_at).await,
            Job::Rescue { delivery, .. } => self.rescued(delivery).await,
        }
    }

    async fn entry(&self, key: &ItemKey, debt: JobDebt) -> Result<(), StoreError> {
        let inbox = self.asker.inbox;
        if let JobDebt::ToClaim(due_at) = debt {
            let next_due_at = inbox.clock().now().plus_secs(inbox.timing().admit_grace_secs);
            if !inbox.ledger().claim(key, due_at, next_due_at).await? {
                return Ok(());
            }
        }
        let Some((entry, body)) = inbox.ledger().entry(key).await? else {
            tracing::error!(subject = key.pk, entry = key.stable_id(), "a job points at no entry");
            return Ok(());
        };
        let ours = match debt {
            // A message of the first hour, or a duplicate's: once the work was put off, its retry comes by itself, and
            // not earlier than the provider asked for.
            JobDebt::Fresh => entry.reason.is_none(),
            JobDebt::ToClaim(_) => true,
            // The reconciler claimed up to this time; if it claimed again since, another message is on its way.
            JobDebt::Claimed(due_at) => entry.due_at == Some(due_at),
        };
        if entry.state != State::Open || !ours {
            return Ok(());
        }
        if !is_in_its_providers_partition(&entry) {
            let owner = self.asker.providers.get(key.provider());
            return park(inbox, owner, key, "the entry's provider is not the one of its key").await;
        }
        // The claim that led here counted an attempt.
        let made = entry.attempts.saturating_sub(u32::from(debt != JobDebt::Fresh));
        if let Some((id, error)) = self.asker.providers.stopped(&entry.provider) {
            return stopped(inbox, id, &entry, made, error).await;
        }
        let Some(provider) = self.asker.providers.get(&entry.provider) else {
            return self.park(&entry, "no provider of this name is built in").await;
        };
        if entry.event_type == UNREADABLE {
            return self.read_again(provider, &entry, body).await;
        }
        if is_loss(&entry) {
            return match self.asker.reread_loss(provider, &body).await? {
                Ok(()) => self.settle(provider, &entry, Some(ARRIVED)).await,
                Err(reason) => self.park(&entry, reason).await,
            };
        }
        let mut walk = AnswerPages::of(&entry, inbox.clock().now());
        let Err(unsettled) = self.attempt(provider, &entry, &body, &mut walk).await else { return Ok(()) };
        match unsettled {
            Unsettled::NotYet(reason) => self.wait(provider, &entry, &reason).await,
            Unsettled::Unasked { until, reason } => self.spare(provider, &entry, made, until, &reason, walk).await,
            Unsettled::Failed { reason, after_secs } => {
                self.try_again(provider, &entry, &reason, after_secs, walk.left_off()).await
            }
            Unsettled::NoAnswer(error) => {
                self.try_again(provider, &entry, &error.to_string(), None, walk.left_off()).await
            }
            Unsettled::StartOver(reason) => {
                let restarts = walk.progress.restarts.saturating_add(1);
                if restarts >= MAX_ATTEMPTS {
                    return self.park(&entry, &format!("begun anew {MAX_ATTEMPTS} times: {reason}")).await;
                }
                self.try_again(provider, &entry, &reason, None, (begins_anew(restarts), false)).await
            }
            Unsettled::Overtaken { reason, by } => {
                admit_found(self.asker.inbox, provider, by).await?;
                self.settle(provider, &entry, Some(&format!("overtaken: {reason}"))).await
            }
            Unsettled::Hopeless(reason) => self.park(&entry, &reason).await,
            Unsettled::Store(StoreError::Unavailable(what)) => {
                self.try_again(provider, &entry, what, None, walk.left_off()).await
            }
            Unsettled::Store(error) => self.park(&entry, &error.to_string()).await,
        }
    }

    /// One attempt, from the first question to the settlement.
    async fn attempt(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        body: &[u8],
        walk: &mut AnswerPages,
    ) -> Result<(), Unsettled> {
        let unsettled = match self.results(provider, entry, body, walk).await {
            Ok(outcome) => return self.finish(provider, entry, outcome).await,
            Err(unsettled) => unsettled,
        };
        let without = |why: String| Some((provider.without_answer(entry, &why)?, why));
        let Some((outcome, why)) = self.given_up(entry, &unsettled).and_then(without) else {
            return Err(unsettled);
        };
        self.asker.inbox.meter().count(Metric::WorkFailed, Some(provider.id()), 1);
        tracing::warn!(provider = provider.id().0, why, "settled without the provider's answer");
        self.finish(provider, entry, outcome).await
    }

    /// Why no answer is to be hoped for any more; `None` while another attempt may bring it.
    fn given_up(&self, entry: &Entry, unsettled: &Unsettled) -> Option<String> {
        let last = entry.attempts.saturating_add(1) >= MAX_ATTEMPTS;
        let inbox = self.asker.inbox;
        match unsettled {
            // What can do without an answer waits for an outage's end no longer than for a "not yet".
            Unsettled::Unasked { reason, .. } => {
                let deadline = entry.received_at.plus_secs(inbox.timing().poll_deadline_secs);
                (inbox.clock().now() >= deadline).then(|| reason.clone().into_owned())
            }
            Unsettled::Hopeless(reason) => Some(reason.clone()),
            Unsettled::Overtaken { .. } | Unsettled::Store(_) => None,
            Unsettled::NotYet(reason) => self.waited_out(entry).then(|| format!("never confirmed: {reason}")),
            Unsettled::NoAnswer(error) => (last || error.is_lasting()).then(|| error.to_string()),
            Unsettled::Failed { reason, .. } | Unsettled::StartOver(reason) => last.then(|| reason.clone()),
        }
    }

    /// Asks until there is nothing more to ask, writing each page's rows before the next is asked for.
    async fn results(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        body: &[u8],
        walk: &mut AnswerPages,
    ) -> Result<Outcome, Unsettled> {
        let inbox = self.asker.inbox;
        let subject = entry.key.subject();
        let started = inbox.clock().now();
        while walk.progress.pages < MAX_WORK_PAGES {
            let cursor = walk.progress.cursor.clone();
            let (step, snapshot, refused) = match provider.ask(entry, body, cursor.as_deref()) {
                Ask::Nothing(step) => (*step, Snapshot::delivered(entry.received_at), false),
                Ask::Request(request) => {
                    // Before it is sent: what the answer shows is at least as old.
                    let at = inbox.clock().now();
                    match self.asker.call(provider.id(), &request).await {
                        Called::Answered(response) => {
                            let tally = walk.progress.rows;
                            let asked = Asked { entry, body, cursor: cursor.as_deref(), tally, at };
                            let refused = (400..500).contains(&response.status);
                            (provider.answer(&asked, &response), walk.snapshot(at), refused)
                        }
                        Called::Failed(error @ ApiError::Throttled { .. }) => {
                            return Err(self.unsettled(error.into()));
                        }
                        Called::Failed(error) => return Err(Unsettled::NoAnswer(error)),
                        Called::Shut { until } => {
                            return Err(Unsettled::Unasked { until, reason: API_DOWN.into() });
                        }
                    }
                }
            };
            let (rows, unreadable, next, outcome) = match step {
                Step::More { rows, unreadable, cursor } => (rows, unreadable, Some(cursor), None),
                Step::Done { rows, unreadable, outcome } => (rows, unreadable, None, Some(outcome)),
                Step::NotYet { reason } => return Err(Unsettled::NotYet(reason)),
                Step::Overtaken { reason, by } => return Err(Unsettled::Overtaken { reason, by }),
                // A place in the middle may be refused where the start would not be.
                Step::Trouble(Trouble::Permanent { reason }) if refused && cursor.is_some() => {
                    return Err(Unsettled::StartOver(reason));
                }
                Step::Trouble(trouble) => return Err(self.unsettled(trouble)),
            };
            self.asker.count_unreadable(provider, unreadable);
            if !rows.is_empty() {
                inbox.ledger().put_rows(&subject, &rows, &snapshot).await?;
            }
            let in_circles = next.as_ref().is_some_and(|next| walk.goes_in_circles(&rows, next));
            walk.turn(&rows, unreadable, next);
            if let Some(outcome) = outcome {
                return match walk.progress.unreadable {
                    0 => Ok(outcome),
                    unreadable => Err(Unsettled::Hopeless(format!(
                        "{unreadable} rows of the provider's answer cannot be read: they are kept as unreadable#…"
                    ))),
                };
            }
            if in_circles {
                return Err(Unsettled::StartOver("the provider's answer shows a page that was seen before".into()));
            }
            if inbox.clock().now().since_ms(started) > MAX_WORK_MS {
                let reason = "the provider's answers take longer than one attempt may last".into();
                return Err(Unsettled::Failed { reason, after_secs: None });
            }
        }
        Err(Unsettled::Hopeless("the provider's answer has more than 10,000 pages".into()))
    }

    fn unsettled(&self, trouble: Trouble) -> Unsettled {
        match trouble {
            Trouble::Retry { reason, after_secs } => Unsettled::Failed { reason, after_secs },
            Trouble::Quota { reason, after_secs } => {
                Unsettled::Unasked { until: self.asker.after_quota(after_secs), reason: reason.into() }
            }
            Trouble::Permanent { reason } => Unsettled::Hopeless(reason),
        }
    }

    pub(super) async fn settle(
        &self,
        provider: &dyn Provider,
        entry: &Entry,
        reason: Option<&str>,
    ) -> Result<(), StoreError> {
        let inbox = self.asker.inbox;
        // What was found by asking would tell how long it was missing, not how fast the work is.
        if let Some(at) = settle(inbox, provider.id(), &entry.key, reason).await?
            && entry.origin == Origin::Push
        {
            inbox.meter().count(Metric::SettleMs, Some(provider.id()), at.since_ms(entry.received_at));
        }
        Ok(())
    }

    pub(super) async fn park(&self, entry: &Entry, reason: &str) -> Result<(), StoreError> {
        park(self.asker.inbox, self.asker.providers.get(&entry.provider), &entry.key, reason).await
    }
}
