//! Expectations: completions that somebody told us to wait for. Here they are made, looked up and ended; `poll` asks.

use crate::flows::enqueue::{delay_until, enqueue};
use crate::model::debt::{Expectation, ExpectationState};
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::job::Job;
use crate::model::time::UnixMs;
use crate::ports::{Clock, Expectations, Inbox, StoreError};
use crate::providers::{Expected, Offer, Polls, Provider, SUBMISSION, Unexpectable};

/// Why a reference can't be waited for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExpectError {
    /// The provider offers no poll.
    #[error("this provider cannot be polled for a reference: {0}")]
    NotOffered(&'static str),
    /// The reference has not its shape.
    #[error(transparent)]
    Reference(#[from] Unexpectable),
    /// It would end before it is asked for, or be gone before it ends.
    #[error("the deadline must not be before the first poll, at {first_poll}, nor after {latest}")]
    Deadline {
        /// When it is first asked for.
        first_poll: UnixMs,
        /// So long a row is kept.
        latest: UnixMs,
    },
    /// The reference is a submission's own.
    #[error(
        "the reference must not begin with {SUBMISSION} what is owed for a submission, only the submission itself makes \
         and ends"
    )]
    OfASubmission,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Announces that a completion is expected. Returns the expectation that now waits, and whether it is new.
pub async fn announce(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    reference: &str,
) -> Result<(Expectation, bool), ExpectError> {
    announce_until(inbox, provider, reference, None).await
}

/// The same, with a deadline of the caller's own.
pub async fn announce_until(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    reference: &str,
    deadline: Option<UnixMs>,
) -> Result<(Expectation, bool), ExpectError> {
    anybodys(reference)?;
    let now = inbox.clock().now();
    let due_at = now.plus_ms(inbox.timing().poll.wait_ms(0));
    let latest = now.plus_secs(inbox.timing().retention_secs());
    if deadline.is_some_and(|deadline| deadline < due_at || deadline > latest) {
        return Err(ExpectError::Deadline { first_poll: due_at, latest });
    }
    write(inbox, provider, reference, due_at, deadline).await
}

/// Polls a reference sooner, if it is waited for. Never sooner than after the first wait of the cadence: whoever makes
/// duplicates makes no more calls than one in that time.
pub(crate) async fn recount(inbox: &impl Inbox, provider: &dyn Provider, reference: &str) -> Result<(), StoreError> {
    let Offer::Offered(polls) = provider.polls() else { return Ok(()) };
    let Ok(Expected { key, .. }) = polls.expectation(reference) else { return Ok(()) };
    let now = inbox.clock().now();
    let due_at = now.plus_ms(inbox.timing().poll.wait_ms(0));
    if inbox.ledger().hasten(&key, due_at).await? {
        remind(inbox, provider.id(), &key, now, due_at).await;
    }
    Ok(())
}

/// Writes down that `reference` is waited for, unless it is already, and is first looked after at `due_at`.
pub(crate) async fn create(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    reference: &str,
    due_at: UnixMs,
) -> Result<(Expectation, bool), ExpectError> {
    write(inbox, provider, reference, due_at, None).await
}

async fn write(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    reference: &str,
    due_at: UnixMs,
    deadline: Option<UnixMs>,
) -> Result<(Expectation, bool), ExpectError> {
    let polls = offered(provider)?;
    let Expected { key, repeats } = polls.expectation(reference)?;
    let timing = inbox.timing();
    let now = inbox.clock().now();
    let deadline_secs = if repeats { timing.watch_deadline_secs } else { timing.poll_deadline_secs };
    let expectation = Expectation {
        key: key.clone(),
        provider: provider.id().0.into(),
        reference: reference.into(),
        repeats,
        state: ExpectationState::Waiting,
        created_at: now,
        due_at: Some(due_at),
        deadline: deadline.unwrap_or_else(|| now.plus_secs(deadline_secs)),
        polls: 0,
        found: 0,
    };
    if inbox.ledger().expect(&expectation).await? {
        remind(inbox, provider.id(), &key, now, due_at).await;
        return Ok((expectation, true));
    }
    let waiting = inbox.ledger().expectation(&key).await?;
    Ok((waiting.unwrap_or(expectation), false))
}

/// Ends an expectation on the application's word. False: none was waiting.
pub async fn close(inbox: &impl Inbox, provider: &dyn Provider, reference: &str) -> Result<bool, ExpectError> {
    anybodys(reference)?;
    let Expected { key, .. } = offered(provider)?.expectation(reference)?;
    end(inbox, &key, ExpectationState::Closed).await.map_err(Into::into)
}

/// Reads how an expectation stands.
pub async fn look_up(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    reference: &str,
) -> Result<Option<Expectation>, ExpectError> {
    let Expected { key, .. } = offered(provider)?.expectation(reference)?;
    Ok(inbox.ledger().expectation(&key).await?)
}

/// What an application, or a delivery that nobody signed, may name. Not what is owed for a submission: whoever could
/// close that would have a batch go silent, and whoever could make one would call a person for nothing.
fn anybodys(reference: &str) -> Result<(), ExpectError> {
    if reference.starts_with(SUBMISSION) { Err(ExpectError::OfASubmission) } else { Ok(()) }
}

fn offered(provider: &dyn Provider) -> Result<&dyn Polls, ExpectError> {
    match provider.polls() {
        Offer::Offered(polls) => Ok(polls),
        Offer::Unavailable(why) => Err(ExpectError::NotOffered(why)),
    }
}

/// Ends a waiting expectation.
pub(crate) async fn end(inbox: &impl Inbox, key: &ItemKey, state: ExpectationState) -> Result<bool, StoreError> {
    let now = inbox.clock().now();
    let expires_at = now.plus_secs(inbox.timing().retention_secs());
    inbox.ledger().end_expectation(key, state, now, expires_at).await
}

/// Sends the delayed message for a due time, where the queue can wait that long. Longer waits are the reconciler's.
pub(crate) async fn remind(inbox: &impl Inbox, provider: ProviderId, key: &ItemKey, now: UnixMs, due_at: UnixMs) {
    if let Some(delay_secs) = delay_until(now, due_at) {
        enqueue(inbox, provider, &Job::poll(key.clone(), due_at), delay_secs).await;
    }
}
