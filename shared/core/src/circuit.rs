//! One circuit per provider: while its API is down, nobody keeps calling it, and nothing owed to it loses an attempt.
//!
//! ```text
//!          5 calls in a row unreachable, timed out or 5xx
//! closed ───────────────────────────────────────────────▶ open until a time
//!    ▲                                                      │ the time has passed: one caller takes the probe by
//!    │ the probe is answered                                ▼ moving the time on
//!    └──────────────────────────────────────────────── half open ──▶ the probe fails: open again, for longer
//! ```
//!
//! The row in the ledger is what the functions share. Each keeps a copy for a few seconds, so that a call to a healthy
//! provider costs no read of its own. Every state ends by its time alone: a function may die after any write, and the
//! next caller is let through when that time has passed.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::api::{ApiError, ApiRequest, ApiResponse, MAX_RETRY_AFTER_SECS};
use crate::debt::RECONCILER_PK;
use crate::expect::Asker;
use crate::identity::{ItemKey, ProviderId};
use crate::ports::{Clock, Inbox, Ledger, ProviderApi};
use crate::schedule::{Backoff, MIN_BACKOFF_MS};
use crate::time::UnixMs;

/// Calls in a row without an answer that open a circuit. Counted by each function for itself: a count in the table would
/// cost a write for every call that fails.
pub const MAX_DOWN_IN_A_ROW: u32 = 5;
/// How long a probe may take before another caller may probe: a call takes at most 10 s, and a token before it as long.
const PROBE_SECS: u64 = 30;
/// How long a function believes its copy of the row.
const BELIEVED_MS: u64 = 5_000;
/// How often the right to probe is asked for before the caller gives way: whoever won it has just moved the row.
const MAX_PROBE_RACES: u32 = 2;
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
    fn probed(&self, now: UnixMs) -> Self {
        self.moved(Some(now.plus_secs(PROBE_SECS)), self.trips)
    }

    /// Open, the longer the more often.
    fn opened(&self, now: UnixMs, backoff: &Backoff, random: u64) -> Self {
        let until = now.plus_ms(backoff.wait_ms(self.trips, random));
        self.moved(Some(until), self.trips.saturating_add(1))
    }

    fn closed(&self) -> Self {
        self.moved(None, 0)
    }

    fn moved(&self, open_until: Option<UnixMs>, trips: u32) -> Self {
        Self { open_until, trips, version: self.version.saturating_add(1) }
    }

    fn seen(&self) -> Option<u64> {
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

/// What one function knows of all circuits. Kept for as long as the function lives; nothing in it is needed for
/// correctness.
#[derive(Debug, Default)]
pub struct Circuits(RefCell<BTreeMap<ProviderId, Known>>);

#[derive(Clone, Debug, Default)]
struct Known {
    circuit: Circuit,
    read_at: Option<UnixMs>,
    down_in_a_row: u32,
}

impl Circuits {
    fn with<T>(&self, provider: ProviderId, change: impl FnOnce(&mut Known) -> T) -> T {
        change(self.0.borrow_mut().entry(provider).or_default())
    }

    fn last(&self, provider: ProviderId) -> Circuit {
        self.with(provider, |known| known.circuit.clone())
    }

    fn believed(&self, provider: ProviderId, now: UnixMs) -> Option<Circuit> {
        self.with(provider, |known| {
            known.read_at.filter(|read_at| now.since_ms(*read_at) < BELIEVED_MS).map(|_| known.circuit.clone())
        })
    }

    /// Believes a row. One that was read before another caller's write, and comes after it, is older news.
    fn believe(&self, provider: ProviderId, circuit: Circuit, now: UnixMs) -> Circuit {
        self.with(provider, |known| {
            known.read_at = Some(now);
            if circuit.version >= known.circuit.version {
                known.circuit = circuit;
            }
            if known.circuit.open_until.is_some() {
                known.down_in_a_row = 0;
            }
            known.circuit.clone()
        })
    }

    fn doubt(&self, provider: ProviderId) {
        self.with(provider, |known| known.read_at = None);
    }
}

/// What came of asking a provider.
pub(crate) enum Called {
    /// It answered, whatever the status.
    Answered(ApiResponse),
    /// The call brought no answer.
    Failed(ApiError),
    /// The circuit is open: nobody was asked, or the call was the one that showed that nobody is there.
    Shut {
        /// No call before this time.
        until: UnixMs,
    },
}

/// By which right a call is made.
enum Pass {
    Ordinary,
    Probe(Circuit),
}

impl<I: Inbox, A: ProviderApi> Asker<'_, I, A> {
    /// Sends a request to a provider, unless its circuit is open.
    pub(crate) async fn call(&self, provider: ProviderId, request: &ApiRequest) -> Called {
        let pass = match self.pass(provider).await {
            Ok(pass) => pass,
            Err(until) => return Called::Shut { until },
        };
        let outcome = self.api.call(provider, request).await;
        let shut = if is_down(&outcome) {
            self.down(provider, pass).await
        } else {
            self.up(provider, pass).await;
            None
        };
        match (shut, outcome) {
            (Some(until), _) => Called::Shut { until },
            (None, Ok(response)) => Called::Answered(response),
            (None, Err(error)) => Called::Failed(error),
        }
    }

    /// Until when nobody may call this provider. `None` also when it is time for a probe.
    pub(crate) async fn shut(&self, provider: ProviderId) -> Option<UnixMs> {
        match self.circuit(provider).await.gate(self.inbox.clock().now()) {
            Gate::Open(until) => Some(until),
            Gate::Closed | Gate::HalfOpen => None,
        }
    }

    /// When to come back for what could not be asked: spread out, so that the end of an outage is no wave.
    pub(crate) fn after_outage(&self, until: UnixMs) -> UnixMs {
        let clock = self.inbox.clock();
        let spread_ms = self.inbox.timing().circuit.base_secs.saturating_mul(1000).max(1);
        until.max(clock.now()).plus_ms(MIN_BACKOFF_MS + clock.random() % spread_ms)
    }

    /// When the quota may be asked for again. Without a word from the provider: as long as a circuit is open at most.
    pub(crate) fn after_quota(&self, after_secs: Option<u64>) -> UnixMs {
        let secs = after_secs.unwrap_or(self.inbox.timing().circuit.cap_secs).min(MAX_RETRY_AFTER_SECS);
        self.inbox.clock().now().plus_secs(secs)
    }

    /// Circuits that are open, or that wait for a probe as their time has just passed. One that nobody has asked for
    /// since is no news: nothing is owed to its provider.
    pub(crate) async fn open_circuits(&self) -> u64 {
        let mut open = 0;
        for provider in self.providers.iter() {
            let circuit = self.circuit(provider.id()).await;
            let now = self.inbox.clock().now();
            let recent = |until: UnixMs| now < until.plus_secs(self.inbox.timing().circuit.cap_secs);
            open += u64::from(circuit.open_until.is_some_and(recent));
        }
        open
    }

    /// The row, or this function's copy of it. While the table can't be read the last copy has to do: a circuit spares
    /// calls, and is no reason to make none.
    async fn circuit(&self, provider: ProviderId) -> Circuit {
        let now = self.inbox.clock().now();
        if let Some(circuit) = self.circuits.believed(provider, now) {
            return circuit;
        }
        match self.inbox.ledger().circuit(provider).await {
            Ok(circuit) => self.circuits.believe(provider, circuit.unwrap_or_default(), now),
            Err(_) => self.circuits.last(provider),
        }
    }

    /// The right to call, or the time until which there is none.
    async fn pass(&self, provider: ProviderId) -> Result<Pass, UnixMs> {
        let clock = self.inbox.clock();
        for _ in 0..MAX_PROBE_RACES {
            let circuit = self.circuit(provider).await;
            let now = clock.now();
            match circuit.gate(now) {
                Gate::Closed => return Ok(Pass::Ordinary),
                Gate::Open(until) => return Err(until),
                Gate::HalfOpen => {}
            }
            // Caller against caller: whoever moves the time on may probe, and no one else until it has passed again.
            let probed = circuit.probed(now);
            match self.inbox.ledger().move_circuit(provider, circuit.seen(), &probed).await {
                Ok(true) => return Ok(Pass::Probe(self.circuits.believe(provider, probed, now))),
                Ok(false) => self.circuits.doubt(provider),
                // Perhaps the probe is ours and we were not told: its time passes by itself.
                Err(_) => break,
            }
        }
        self.circuits.doubt(provider);
        Err(clock.now().plus_secs(PROBE_SECS))
    }

    async fn up(&self, provider: ProviderId, pass: Pass) {
        self.circuits.with(provider, |known| known.down_in_a_row = 0);
        let Pass::Probe(circuit) = pass else { return };
        let closed = circuit.closed();
        match self.inbox.ledger().move_circuit(provider, circuit.seen(), &closed).await {
            Ok(true) => {
                self.circuits.believe(provider, closed, self.inbox.clock().now());
                tracing::info!(provider = provider.0, "the provider's API answers again: its circuit is closed");
            }
            Ok(false) | Err(_) => self.circuits.doubt(provider),
        }
    }

    /// Takes a failure down. Returns the time until which nobody shall call, if the circuit is open by now.
    async fn down(&self, provider: ProviderId, pass: Pass) -> Option<UnixMs> {
        let now = self.inbox.clock().now();
        let circuit = match pass {
            Pass::Probe(circuit) => circuit,
            Pass::Ordinary => {
                let (circuit, in_a_row) = self.circuits.with(provider, |known| {
                    known.down_in_a_row = known.down_in_a_row.saturating_add(1);
                    (known.circuit.clone(), known.down_in_a_row)
                });
                match circuit.gate(now) {
                    Gate::Open(until) => return Some(until),
                    Gate::HalfOpen => return Some(now),
                    Gate::Closed if in_a_row < MAX_DOWN_IN_A_ROW => return None,
                    Gate::Closed => circuit,
                }
            }
        };
        let opened = circuit.opened(now, &self.inbox.timing().circuit, self.inbox.clock().random());
        match self.inbox.ledger().move_circuit(provider, circuit.seen(), &opened).await {
            Ok(true) => {
                let trips = opened.trips;
                tracing::error!(provider = provider.0, trips, "the provider's API is down: its circuit is open");
                self.circuits.believe(provider, opened, now).open_until
            }
            // Somebody else moved it: what they saw holds.
            Ok(false) => {
                self.circuits.doubt(provider);
                self.shut(provider).await
            }
            Err(_) => {
                self.circuits.doubt(provider);
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
        assert_eq!(probed.closed(), Circuit { open_until: None, trips: 0, version: 3 });
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

    #[test]
    fn old_news_is_not_believed() {
        let (circuits, provider) = (Circuits::default(), ProviderId("p"));
        let open = Circuit { open_until: Some(UnixMs(9)), trips: 1, version: 4 };
        circuits.believe(provider, open.clone(), UnixMs(0));
        assert_eq!(circuits.believe(provider, Circuit { version: 3, ..Circuit::default() }, UnixMs(1)), open);
        assert_eq!(circuits.believed(provider, UnixMs(5_000)), Some(open.clone()));
        assert_eq!(circuits.believed(provider, UnixMs(5_001)), None);
        circuits.doubt(provider);
        assert_eq!((circuits.believed(provider, UnixMs(1)), circuits.last(provider)), (None, open));
    }
}
