//! How far the clocks are apart at most, and how long an invocation lives.

/// The clocks of two invocations are at most twice this apart.
pub(super) const MAX_SKEW_MS: u64 = 2_400;
/// More than two clocks are ever apart.
pub(crate) const CLOCKS_APART_SECS: u64 = 5;
/// How long a worker or a reconciler lives.
pub(super) const WORKER_LIMIT_MS: u64 = 60_000;
