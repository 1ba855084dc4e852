//! When a provider sends again.

/// When a provider sends again what was not answered 2xx.
#[derive(Clone, Copy, Debug)]
pub struct Retries {
    /// The wait after each attempt but the last. None, if there is only one attempt.
    pub waits: &'static [Wait],
    /// The statuses that make it give up at once.
    pub gives_up_at: &'static [u16],
    /// Whether it waits at least as long as `Retry-After` says.
    pub heeds_retry_after: bool,
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
    /// Always so long.
    pub(crate) const fn secs(secs: u64) -> Self {
        Self { unit_ms: 1000, first: secs, last: secs }
    }

    /// Any time between.
    pub(crate) const fn between_ms(first: u64, last: u64) -> Self {
        Self { unit_ms: 1, first, last }
    }

    /// So long, give or take a fifth.
    pub(crate) const fn about_secs(secs: u64) -> Self {
        Self { unit_ms: secs * 10, first: 80, last: 120 }
    }
}

impl Retries {
    /// Nothing is ever sent twice.
    pub(crate) const NONE: Self = Self { waits: &[], gives_up_at: &[], heeds_retry_after: false };

    /// After these waits, whatever was answered.
    pub(crate) const fn after(waits: &'static [Wait]) -> Self {
        Self { waits, gives_up_at: &[], heeds_retry_after: false }
    }
}
