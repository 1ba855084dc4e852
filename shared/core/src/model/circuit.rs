//! One circuit per provider: while its API is down, nobody keeps calling it, and nothing owed to it loses an attempt.
//!
//! ```text
//!          5 calls in a row unreachable, timed out or 5xx, and a request that was answered before is not any more
//! closed ───────────────────────────────────────────────▶ open until a time
//!    ▲                                                      │ the time has passed: one caller takes the probe by
//!    │ the probe is answered                                ▼ moving the time on
//!    └──────────────────────────────────────────────── half open ──▶ the probe fails: open again, for longer
//! ```
//!
//! The row in the ledger is what the functions share; how they call is `call`. Every state ends by its time alone: a
//! function may die after any write, and the next caller is let through when that time has passed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::backoff::Backoff;
use crate::model::debt::RECONCILER_PK;
use crate::model::identity::{ItemKey, ProviderId};
use crate::model::provider_call::{ApiError, ApiRequest, ApiResponse};
use crate::model::time::UnixMs;

/// Calls in a row without an answer that open a circuit. Counted by each function for itself: a count in the table would
/// cost a write for every call that fails.
pub const MAX_DOWN_IN_A_ROW: u32 = 5;
/// How long a probe may take before another caller may probe: a call takes at most 10 s, and a token before it as long.
pub(crate) const PROBE_SECS: u64 = 30;
/// How old a request that was answered may be before a newer one takes its place in the row.
const REMEMBERED_SECS: u64 = 24 * 3600;
/// For how long a debt loses nothing by an open circuit. Whoever is down for longer than this is a person's to judge.
pub(crate) const MAX_SPARED_SECS: u64 = 7 * 24 * 3600;

/// How a provider's circuit stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Circuit {
    /// No call before this time. `None`: closed.
    pub open_until: Option<UnixMs>,
    /// How often it opened since it was last closed.
    pub trips: u32,
    /// Counts the moves: each is conditional on the one it saw. 0: there is no row yet.
    pub version: u64,
    /// By endpoint, a request that was answered. A function that has seen no answer itself measures by it.
    pub answered: BTreeMap<String, Answered>,
}

/// A request that was answered with what it asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Its URL.
    pub url: String,
    /// When.
    pub at: UnixMs,
}

/// What a circuit says to a caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Call.
    Closed,
    /// Don't call before this time.
    Open(UnixMs),
    /// Call if nobody else does: take the probe first.
    HalfOpen,
}

impl Circuit {
    /// The key of a provider's circuit.
    pub fn key(provider: ProviderId) -> ItemKey {
        ItemKey { pk: RECONCILER_PK.into(), sk: format!("circuit#{provider}") }
    }

    /// What it says at this time.
    pub fn gate(&self, now: UnixMs) -> Gate {
        match self.open_until {
            None => Gate::Closed,
            Some(until) if now < until => Gate::Open(until),
            Some(_) => Gate::HalfOpen,
        }
    }

    /// Closed to all but the caller who writes this.
    pub(crate) fn probed(&self, now: UnixMs) -> Self {
        self.moved(Some(now.plus_secs(PROBE_SECS)), self.trips)
    }

    /// Open, the longer the more often.
    pub(crate) fn opened(&self, now: UnixMs, backoff: &Backoff, random: u64) -> Self {
        let until = now.plus_ms(backoff.wait_ms(self.trips, random));
        self.moved(Some(until), self.trips.saturating_add(1))
    }

    pub(crate) fn closed(&self) -> Self {
        self.moved(None, 0)
    }

    fn moved(&self, open_until: Option<UnixMs>, trips: u32) -> Self {
        Self { open_until, trips, version: self.version.saturating_add(1), answered: self.answered.clone() }
    }

    /// The same, with a request that was answered. `None`: it knows one of this endpoint that is recent enough.
    pub(crate) fn remembering(&self, request: &ApiRequest, now: UnixMs) -> Option<Self> {
        let known = self.answered.get(request.endpoint);
        if request.endpoint.is_empty() || known.is_some_and(|known| now < known.at.plus_secs(REMEMBERED_SECS)) {
            return None;
        }
        let mut next = self.moved(self.open_until, self.trips);
        next.answered.insert(request.endpoint.into(), Answered { url: request.url.clone(), at: now });
        Some(next)
    }

    /// Whether it remembers this request.
    pub(crate) fn holds(&self, good: &ApiRequest) -> bool {
        self.answered.values().any(|answered| answered.url == good.url)
    }

    /// As it is, once more.
    pub(crate) fn asking(&self) -> Self {
        self.moved(self.open_until, self.trips)
    }

    /// The row while this request is asked: without it, so that an answer that kills who asks for it does so once. What
    /// came of it puts it back.
    pub(crate) fn without(&self, asked: Option<&ApiRequest>) -> Self {
        let mut row = self.clone();
        if let Some(asked) = asked {
            row.answered.retain(|_, answered| answered.url != asked.url);
        }
        row
    }

    pub(crate) fn seen(&self) -> Option<u64> {
        (self.version > 0).then_some(self.version)
    }
}

/// Whether this outcome says that the provider is down. A 4xx is an answer, 429 too: somebody is there.
pub fn is_down(outcome: &Result<ApiResponse, ApiError>) -> bool {
    match outcome {
        Ok(response) => response.status >= 500,
        Err(ApiError::Unreachable | ApiError::TimedOut) => true,
        Err(
            ApiError::TooLarge
            | ApiError::SecretUnavailable
            | ApiError::Throttled { .. }
            | ApiError::NoCredentials
            | ApiError::TokenRefused
            | ApiError::TokenTrouble
            | ApiError::BadRequest,
        ) => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::backoff::MIN_BACKOFF_MS;

    const BACKOFF: Backoff = Backoff { base_secs: 30, cap_secs: 300 };

    #[test]
    fn a_circuit_opens_probes_and_closes() {
        let now = UnixMs(1_000_000);
        let closed = Circuit::default();
        assert_eq!((closed.gate(now), closed.seen()), (Gate::Closed, None));
        let open = closed.opened(now, &BACKOFF, 9_500);
        let until = now.plus_ms(MIN_BACKOFF_MS + 9_500);
        assert_eq!((open.gate(now), open.seen()), (Gate::Open(until), Some(1)));
        assert_eq!(open.gate(until), Gate::HalfOpen);
        let probed = open.probed(until);
        assert_eq!(probed.gate(until), Gate::Open(until.plus_secs(PROBE_SECS)));
        // Whoever probed died: the right to probe is free again.
        assert_eq!(probed.gate(until.plus_secs(PROBE_SECS)), Gate::HalfOpen);
        let again = probed.opened(until, &BACKOFF, u64::MAX);
        assert_eq!((again.trips, again.version), (2, 3));
        assert_eq!(probed.closed(), Circuit { version: 3, ..Circuit::default() });
    }

    #[test]
    fn it_opens_for_longer_each_time_up_to_its_cap() {
        let longest = |trips| {
            let circuit = Circuit { trips, ..Circuit::default() };
            let bounds = (0..400).map(|s| circuit.opened(UnixMs(0), &BACKOFF, s * 1000 + 999).open_until);
            bounds.max().flatten().map(|until| until.0 / 1000)
        };
        assert_eq!([0, 1, 2, 3, 4, 90].map(longest), [30, 60, 120, 240, 300, 300].map(Some));
    }

    #[test]
    fn who_answers_is_not_down() {
        let answered = |status| is_down(&Ok(ApiResponse { status, retry_after_secs: None, body: Vec::new() }));
        assert!([500, 502, 503, 599].into_iter().all(answered));
        assert!(![200, 301, 400, 401, 404, 408, 429].into_iter().any(answered));
        assert!([ApiError::Unreachable, ApiError::TimedOut].into_iter().all(|error| is_down(&Err(error))));
        let ours = [
            ApiError::TooLarge,
            ApiError::NoCredentials,
            ApiError::TokenRefused,
            ApiError::TokenTrouble,
            ApiError::BadRequest,
        ];
        assert!(!ours.into_iter().any(|error| is_down(&Err(error))));
    }
}
