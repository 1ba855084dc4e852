//! What to do about a debt: plain data, computed from the row and the time alone.

use crate::flows::work::MAX_ATTEMPTS;
use crate::model::circuit::MAX_SPARED_SECS;
use crate::model::debt::Debt;
use crate::model::entry::{Entry, State};
use crate::model::settings::Timing;
use crate::model::time::UnixMs;

/// What an entry's claims have sent by the time it would be parked.
const ENTRY_MESSAGES: u64 = MAX_ATTEMPTS as u64;

/// A provider's queue this deep is behind already: sending its work again would only make it deeper.
pub const MAX_QUEUE_DEPTH: u64 = 10_000;

/// What to do about a debt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Take the debt and send its work again.
    Enqueue {
        /// When it is due again if nothing comes of that.
        next_due_at: UnixMs,
    },
    /// Give it to a person: it was claimed too often without any answer, so it may be what kills the worker.
    Park,
    /// Ask the provider about an expectation.
    Poll,
    /// Walk a provider's list.
    Walk,
    /// Leave it: the queue is behind.
    HoldBack,
    /// It is paid meanwhile, or not due any more.
    Nothing,
}

/// How many messages of a provider wait for the worker, as far as it matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backlog {
    /// Fewer than an entry that nobody works on has sent by the time it would be parked.
    None,
    /// The worker is behind, or not there.
    Some,
    /// So many that no more are sent.
    Deep,
}

impl Backlog {
    pub(crate) fn of(depth: u64) -> Self {
        match depth {
            0..ENTRY_MESSAGES => Self::None,
            ENTRY_MESSAGES..=MAX_QUEUE_DEPTH => Self::Some,
            _ => Self::Deep,
        }
    }
}

/// Whether an entry that was claimed often enough to be parked is left alone. While messages wait, the worker may be
/// paused or far behind, and a claim says little about the work: an hour without a worker would park all that came in
/// meanwhile. After a week what kills its worker is a person's, on the busiest queue too.
fn is_spared(entry: &Entry, now: UnixMs, backlog: Backlog) -> bool {
    backlog == Backlog::Some && now < entry.received_at.plus_secs(MAX_SPARED_SECS)
}

/// How many claims an entry is given. One that was spared is sent again before it is parked.
fn given(seen_due_at: UnixMs, now: UnixMs, timing: &Timing) -> u32 {
    let held_back = now.since_ms(seen_due_at) > timing.admit_grace_secs.saturating_mul(1000);
    if held_back { 2 * MAX_ATTEMPTS } else { MAX_ATTEMPTS }
}

/// Decides about one debt, found in the index as due at `seen_due_at`.
pub fn plan(debt: &Debt, seen_due_at: UnixMs, now: UnixMs, timing: &Timing, backlog: Backlog, random: u64) -> Action {
    if debt.due_at() != Some(seen_due_at) {
        return Action::Nothing;
    }
    match debt {
        Debt::Entry(entry) if entry.state != State::Open => Action::Nothing,
        Debt::Entry(_) if backlog == Backlog::Deep => Action::HoldBack,
        Debt::Entry(entry) if entry.attempts >= MAX_ATTEMPTS && is_spared(entry, now, backlog) => Action::HoldBack,
        Debt::Entry(entry) if entry.attempts >= given(seen_due_at, now, timing) => Action::Park,
        Debt::Entry(entry) => {
            let wait_ms =
                timing.retry.wait_ms(entry.attempts, random).max(timing.admit_grace_secs.saturating_mul(1000));
            Action::Enqueue { next_due_at: now.plus_ms(wait_ms) }
        }
        Debt::Expectation(_) => Action::Poll,
        Debt::Listing(_) => Action::Walk,
    }
}
