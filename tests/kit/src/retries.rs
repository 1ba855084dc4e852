//! When a provider sends again.

/// When a provider sends again what was not answered 2xx.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// How long it waits after so many attempts. None: it has tried often enough.
    pub wait: fn(u32) -> Option<Wait>,
    /// The statuses that make it give up at once.
    pub gives_up_at: &'static [u16],
    /// Whether it waits at least as long as `Retry-After` says.
    pub heeds_retry_after: bool,
    /// Whether its documents say that each attempt is signed anew, with its own time.
    pub signs_anew: bool,
}

/// So many units of time, from the first number to the last.
#[derive(Clone, Copy, Debug)]
pub struct Wait {
    /// The unit, in milliseconds.
    pub unit_ms: u64,
    /// The fewest.
    pub first: u64,
    /// The most.
    pub last: u64,
}

impl Wait {
    /// Any time between.
    pub(crate) fn between_ms(first: u64, last: u64) -> Self {
        Self { unit_ms: 1, first, last }
    }

    /// So long, give or take a fifth.
    pub(crate) fn about_secs(secs: u64) -> Self {
        Self { unit_ms: secs * 10, first: 80, last: 120 }
    }
}

/// After so many attempts, of a list that begins with the first.
pub(crate) fn listed(secs: &[u64], attempts: u32) -> Option<Wait> {
    let secs = *secs.get(usize::try_from(attempts).ok()?.checked_sub(1)?)?;
    Some(Wait { unit_ms: 1000, first: secs, last: secs })
}
