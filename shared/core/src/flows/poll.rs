//! Polls: what somebody waits for is asked about until it is met or its deadline is past.
//!
//! The ledger owns the cadence. A schedule ticks once a minute, which is too coarse for it; so each wait also sends a
//! delayed message that names the due time it is for. Whoever comes first, message or reconciler, claims that due time;
//! the other finds it gone. Nobody polls twice.

use std::collections::BTreeSet;

use crate::flows::admit::{Admission, admit_found};
use crate::flows::call::{Asker, Called};
use crate::flows::expectations::{end, remind};
use crate::model::backoff::Cadence;
use crate::model::circuit::MAX_SPARED_SECS;
use crate::model::debt::{Expectation, ExpectationState};
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::provider_call::{MAX_RETRY_AFTER_SECS, Trouble};
use crate::model::time::UnixMs;
use crate::ports::{Clock, Debts, Expectations, Inbox, Ledger, Meter, Metric, ProviderApi, StoreError};
use crate::providers::{Offer, Polled, Polls, Provider};

/// The most pages of one poll's answer.
const MAX_POLL_PAGES: u32 = 100;
/// How long one poll may ask on for further pages. What was found by then is kept; the next poll finds the rest.
const MAX_POLL_MS: u64 = 30_000;

/// What a poll found, and when it suggests the next one.
struct Look {
    /// Events that were new.
    new: u32,
    /// Events that were known.
    known: u32,
    /// The provider said that nothing more is to come.
    complete: bool,
    /// When to look again.
    again: Again,
}

enum Again {
    /// As the cadence has it.
    ByCadence,
    /// Not before: the provider asked for it.
    NotBefore(UnixMs),
    /// Not before: nobody could be asked.
    Unasked(UnixMs),
}

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi> Asker<'_, I, A> {
    /// Polls for an expectation that was due at `seen_due_at`, unless somebody else has taken that debt.
    pub async fn poll(&self, key: &ItemKey, seen_due_at: UnixMs) -> Result<(), StoreError> {
        let Some(expectation) = self.inbox.ledger().expectation(key).await? else { return Ok(()) };
        let until = self.inbox.clock().now().plus_ms(MAX_POLL_MS);
        self.poll_for(&expectation, seen_due_at, until).await
    }

    /// Polls for an expectation that was just read. No page is asked for after `until` but the first.
    pub(crate) async fn poll_for(
        &self,
        expectation: &Expectation,
        seen_due_at: UnixMs,
        until: UnixMs,
    ) -> Result<(), StoreError> {
        let inbox = self.inbox;
        let key = &expectation.key;
        if expectation.state != ExpectationState::Waiting || expectation.due_at != Some(seen_due_at) {
            return Ok(());
        }
        let now = inbox.clock().now();
        if let Some((id, _)) = self.providers.stopped(&expectation.provider) {
            inbox.meter().count(Metric::Unconfigured, Some(id), 1);
            let due_at = now.plus_secs(inbox.timing().circuit.cap_secs);
            return self.delay(id, expectation, seen_due_at, due_at, expectation.polls).await;
        }
        let Some(provider) = self.providers.get(&expectation.provider) else { return Ok(()) };
        let Offer::Offered(polls) = provider.polls() else { return Ok(()) };
        let spared = now < expectation.deadline.plus_secs(MAX_SPARED_SECS);
        // Known beforehand, an open circuit costs one write, and no poll is counted.
        if spared && let Some(shut_until) = self.shut(provider.id()).await {
            let due_at = self.after_outage(shut_until);
            return self.delay(provider.id(), expectation, seen_due_at, due_at, expectation.polls).await;
        }
        let next_due_at = next_poll(expectation, self.cadence(expectation), now);
        // The claim comes first: if this function dies in mid-poll, the next due time is already written.
        if !inbox.ledger().claim(key, seen_due_at, next_due_at).await? {
            return Ok(());
        }
        let Look { new, known, complete, again } = self.ask(provider, polls, expectation, until).await?;
        if new > 0 {
            inbox.ledger().count_found(key, new).await?;
        }
        let polls = expectation.polls.saturating_add(1);
        match again {
            Again::ByCadence if complete && !expectation.repeats => {
                end(inbox, key, ExpectationState::Met).await?;
            }
            // Whoever could not be asked has not failed to come.
            Again::Unasked(due_at) if spared => {
                return self.delay(provider.id(), expectation, next_due_at, due_at, expectation.polls).await;
            }
            Again::NotBefore(due_at) if spared => {
                return self.delay(provider.id(), expectation, next_due_at, due_at.max(next_due_at), polls).await;
            }
            _ if now >= expectation.deadline => self.give_up(provider.id(), expectation, new + known).await?,
            _ => remind(inbox, provider.id(), key, now, next_due_at).await,
        }
        Ok(())
    }

    /// Puts a poll off until `due_at`.
    async fn delay(
        &self,
        provider: ProviderId,
        expectation: &Expectation,
        seen_due_at: UnixMs,
        due_at: UnixMs,
        polls: u32,
    ) -> Result<(), StoreError> {
        let inbox = self.inbox;
        if inbox.ledger().delay_poll(&expectation.key, seen_due_at, due_at, polls).await? {
            remind(inbox, provider, &expectation.key, inbox.clock().now(), due_at).await;
        }
        Ok(())
    }

    fn cadence(&self, expectation: &Expectation) -> Cadence {
        let timing = self.inbox.timing();
        if expectation.repeats { timing.watch() } else { timing.poll }
    }

    /// Asks page by page.
    async fn ask(
        &self,
        provider: &dyn Provider,
        polls: &dyn Polls,
        expectation: &Expectation,
        until: UnixMs,
    ) -> Result<Look, StoreError> {
        let clock = self.inbox.clock();
        let mut look = Look { new: 0, known: 0, complete: false, again: Again::ByCadence };
        if !self.api.is_used(provider.id()).await {
            // Nobody is asked, and in the end it is told that nothing came.
            return Ok(look);
        }
        let mut cursor: Option<String> = None;
        let mut seen = BTreeSet::new();
        for _ in 0..MAX_POLL_PAGES {
            let Some(request) = polls.poll(expectation, cursor.as_deref()) else { return Ok(look) };
            let polled = match self.call(provider.id(), &request).await {
                Called::Answered(response) => polls.polled(expectation, cursor.as_deref(), &response),
                Called::Failed(error) => Polled::Trouble(error.into()),
                Called::Shut { until } => {
                    look.again = Again::Unasked(self.after_outage(until));
                    return Ok(look);
                }
            };
            match polled {
                Polled::Found { more: Some(place), .. } if !seen.insert(place.clone()) => {
                    let reason = "the answer leads back to a page that was seen before".into();
                    self.poll_failed(provider, &Trouble::Permanent { reason });
                    return Ok(look);
                }
                Polled::Found { found, unreadable, complete, more } => {
                    self.count_unreadable(provider, unreadable);
                    for found in found {
                        match admit_found(self.inbox, provider, found).await? {
                            Admission::New | Admission::Reopened => look.new += 1,
                            Admission::Known(_) => look.known += 1,
                        }
                    }
                    cursor = more;
                    look.complete = complete && cursor.is_none();
                    if cursor.is_none() || clock.now() >= until {
                        return Ok(look);
                    }
                }
                Polled::NotYet => return Ok(look),
                Polled::Trouble(trouble) => {
                    self.poll_failed(provider, &trouble);
                    match trouble {
                        Trouble::Retry { after_secs: Some(secs), .. } => {
                            look.again = Again::NotBefore(clock.now().plus_secs(secs.min(MAX_RETRY_AFTER_SECS)));
                        }
                        Trouble::Quota { after_secs, .. } => {
                            look.again = Again::Unasked(self.after_outage(self.after_quota(after_secs)));
                        }
                        Trouble::Retry { .. } | Trouble::Permanent { .. } => {}
                    }
                    return Ok(look);
                }
            }
        }
        Ok(look)
    }

    fn poll_failed(&self, provider: &dyn Provider, trouble: &Trouble) {
        let reason = trouble.reason();
        self.inbox.meter().count(Metric::WorkFailed, Some(provider.id()), 1);
        tracing::warn!(provider = provider.id().0, reason, "poll failed: the next one is due by cadence");
    }

    /// The deadline is past. A watch that brought something has done its duty; all else is reported as expired.
    async fn give_up(&self, provider: ProviderId, expectation: &Expectation, seen: u32) -> Result<(), StoreError> {
        let served = expectation.repeats && (seen > 0 || expectation.found > 0);
        let state = if served { ExpectationState::Closed } else { ExpectationState::Expired };
        if end(self.inbox, &expectation.key, state).await? && state == ExpectationState::Expired {
            self.inbox.meter().count(Metric::ExpectationsExpired, Some(provider), 1);
            tracing::error!(
                provider = provider.0,
                subject = expectation.key.pk,
                "expectation expired: it never completed"
            );
        }
        Ok(())
    }
}

/// When an expectation is polled again after this poll: by cadence, but not past the deadline without a last look.
fn next_poll(expectation: &Expectation, cadence: Cadence, now: UnixMs) -> UnixMs {
    let next = now.plus_ms(cadence.wait_ms(expectation.polls.saturating_add(1)));
    if now < expectation.deadline { next.min(expectation.deadline) } else { next }
}
