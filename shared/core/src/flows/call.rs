//! Calls to providers, through their circuits.
//!
//! **Rationale.** What brings no answer may be the provider, or what it is asked about: an id that somebody invented, a
//! statement that always times out. So before calls that fail open a circuit, a request that was answered before is sent
//! once more, and it is the probe as well. A function that has seen no answer yet has no such request; there what has just
//! failed leaves the probe to others.

use crate::flows::circuits::Circuits;
use crate::model::backoff::MIN_BACKOFF_MS;
use crate::model::circuit::{Circuit, Gate, MAX_DOWN_IN_A_ROW, PROBE_SECS, is_down};
use crate::model::identity::ProviderId;
use crate::model::provider_call::{ApiError, ApiRequest, ApiResponse, MAX_RETRY_AFTER_SECS};
use crate::model::time::UnixMs;
use crate::ports::{CircuitStore, Clock, Inbox, Ledger, Meter, Metric, ProviderApi};
use crate::providers::{Provider, Providers};

/// How often the right to probe is asked for before the caller gives way: whoever won it has just moved the row.
const MAX_PROBE_RACES: u32 = 2;

/// What asking needs: the inbox, the providers, and the way to their APIs.
pub struct Asker<'a, I, A> {
    /// The inbox.
    pub inbox: &'a I,
    /// The providers.
    pub providers: &'a Providers,
    /// Their APIs.
    pub api: &'a A,
    /// What this function knows of the providers' circuits. To be kept for as long as the function lives.
    pub circuits: &'a Circuits,
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
    Probe {
        circuit: Circuit,
        /// Asked in place of the caller's own request.
        good: Option<ApiRequest>,
    },
}

impl<I: Inbox<Ledger: Ledger>, A: ProviderApi> Asker<'_, I, A> {
    /// Counts rows of an answer that can't be read.
    pub(crate) fn count_unreadable(&self, provider: &dyn Provider, rows: u64) {
        if rows > 0 {
            tracing::warn!(provider = provider.id().0, rows, "rows of the provider's answer cannot be read");
            self.inbox.meter().count(Metric::RowsUnreadable, Some(provider.id()), rows);
        }
    }

    /// Sends a request to a provider, unless its circuit is open.
    pub(crate) async fn call(&self, provider: ProviderId, request: &ApiRequest) -> Called {
        let mut pass = match self.pass(provider, request).await {
            Ok(pass) => pass,
            Err(until) => return Called::Shut { until },
        };
        if let Pass::Probe { circuit, good: Some(good) } = &pass {
            if !self.is_there(provider, good).await {
                // It is the provider that is down: what failed before may not have been this request's own fault.
                self.circuits.with(provider, |known| known.failed.remove(&request.url));
                let until = self.open(provider, circuit).await;
                return Called::Shut { until: until.unwrap_or_else(|| self.inbox.clock().now()) };
            }
            self.close(provider, circuit, good).await;
            pass = Pass::Ordinary;
        }
        let outcome = self.api.call(provider, request).await;
        let shut = if is_down(&outcome) {
            self.down(provider, request, pass).await
        } else {
            self.circuits.up(provider, request, &outcome);
            if let Pass::Probe { circuit, .. } = pass {
                self.close(provider, &circuit, request).await;
            }
            None
        };
        match (shut, outcome) {
            (Some(until), _) => Called::Shut { until },
            (None, Ok(response)) => Called::Answered(response),
            (None, Err(error)) => Called::Failed(error),
        }
    }

    /// What a probe asks in place of the caller's own request. Every other time it is the caller's own: what was answered
    /// before may be gone, and must not keep the circuit open.
    fn probe_for(&self, provider: ProviderId, request: &ApiRequest, circuit: &Circuit) -> Option<ApiRequest> {
        if circuit.trips.is_multiple_of(2) { None } else { self.circuits.answered(provider, request) }
    }

    /// Whether a request that was answered before is answered now.
    async fn is_there(&self, provider: ProviderId, good: &ApiRequest) -> bool {
        let outcome = self.api.call(provider, good).await;
        if is_down(&outcome) {
            return false;
        }
        self.circuits.up(provider, good, &outcome);
        true
    }

    /// Keeps a request that was answered where functions that have seen no answer find it. Nothing depends on that it is.
    async fn remember(&self, provider: ProviderId, good: &ApiRequest) {
        let now = self.inbox.clock().now();
        let circuit = self.circuits.last(provider);
        if let Some(next) = circuit.remembering(good, now) {
            match self.inbox.ledger().move_circuit(provider, circuit.seen(), &next).await {
                Ok(true) => _ = self.circuits.believe(provider, next, now),
                Ok(false) | Err(_) => self.circuits.doubt(provider),
            }
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
    async fn pass(&self, provider: ProviderId, request: &ApiRequest) -> Result<Pass, UnixMs> {
        let clock = self.inbox.clock();
        for _ in 0..MAX_PROBE_RACES {
            let circuit = self.circuit(provider).await;
            let now = clock.now();
            match circuit.gate(now) {
                Gate::Closed => return Ok(Pass::Ordinary),
                Gate::Open(until) => return Err(until),
                Gate::HalfOpen => {}
            }
            // What has just failed may be what fails, while the provider is well: others go first.
            let others_first = circuit.open_until.map(|until| until.plus_secs(PROBE_SECS)).filter(|until| now < *until);
            let good = self.probe_for(provider, request, &circuit);
            if let Some(until) = others_first
                && self.circuits.has_failed(provider, request)
                && good.is_none()
            {
                return Err(until);
            }
            // Caller against caller: whoever moves the time on may probe, and no one else until it has passed again.
            let probed = circuit.probed(now);
            let asked = probed.without(good.as_ref());
            match self.inbox.ledger().move_circuit(provider, circuit.seen(), &asked).await {
                Ok(true) => {
                    self.circuits.believe(provider, asked, now);
                    return Ok(Pass::Probe { circuit: probed, good });
                }
                Ok(false) => self.circuits.doubt(provider),
                // Perhaps the probe is ours and we were not told: its time passes by itself.
                Err(_) => break,
            }
        }
        self.circuits.doubt(provider);
        Err(clock.now().plus_secs(PROBE_SECS))
    }

    async fn close(&self, provider: ProviderId, circuit: &Circuit, good: &ApiRequest) {
        let closed = circuit.closed();
        let closed = closed.remembering(good, self.inbox.clock().now()).unwrap_or(closed);
        match self.inbox.ledger().move_circuit(provider, circuit.seen(), &closed).await {
            Ok(true) => {
                self.circuits.believe(provider, closed, self.inbox.clock().now());
                tracing::info!(provider = provider.0, "the provider's API answers again: its circuit is closed");
            }
            Ok(false) | Err(_) => self.circuits.doubt(provider),
        }
    }

    /// Takes a failure down. Returns the time until which nobody shall call, if the circuit is open by now.
    async fn down(&self, provider: ProviderId, request: &ApiRequest, pass: Pass) -> Option<UnixMs> {
        let now = self.inbox.clock().now();
        let again_secs = self.inbox.timing().circuit.base_secs;
        let (circuit, in_a_row, checked_until) = self.circuits.with(provider, |known| {
            known.count(&request.url, now, again_secs);
            (known.circuit.clone(), known.down_in_a_row, known.checked_until)
        });
        if let Pass::Probe { circuit, .. } = pass {
            return self.open(provider, &circuit).await;
        }
        match circuit.gate(now) {
            Gate::Open(until) => return Some(until),
            Gate::HalfOpen => return Some(now),
            Gate::Closed if in_a_row < MAX_DOWN_IN_A_ROW => return None,
            // Whoever finds out will know better than this one failure.
            Gate::Closed if checked_until.is_some_and(|until| now < until) => return Some(now),
            Gate::Closed => {}
        }
        let mut circuit = circuit;
        if let Some(good) = self.circuits.answered(provider, request) {
            self.circuits.with(provider, |known| known.checked_until = Some(now.plus_secs(PROBE_SECS)));
            if circuit.holds(&good) {
                let asked = circuit.asking();
                match self.inbox.ledger().move_circuit(provider, circuit.seen(), &asked.without(Some(&good))).await {
                    Ok(true) => {
                        self.circuits.believe(provider, asked.without(Some(&good)), now);
                        circuit = asked;
                    }
                    // Somebody else moved it, or nobody can: what is asked may be asked once more by others.
                    Ok(false) | Err(_) => self.circuits.doubt(provider),
                }
            }
            let is_there = self.is_there(provider, &good).await;
            self.circuits.with(provider, |known| known.checked_until = None);
            if is_there {
                let endpoint = request.endpoint;
                tracing::warn!(provider = provider.0, endpoint, "some requests get no answer, while others do");
                self.remember(provider, &good).await;
                return None;
            }
        }
        self.open(provider, &circuit).await
    }

    /// Opens a circuit, unless somebody else moved it: then what they saw holds. Returns the time until which nobody shall
    /// call.
    async fn open(&self, provider: ProviderId, circuit: &Circuit) -> Option<UnixMs> {
        let now = self.inbox.clock().now();
        let opened = circuit.opened(now, &self.inbox.timing().circuit, self.inbox.clock().random());
        match self.inbox.ledger().move_circuit(provider, circuit.seen(), &opened).await {
            Ok(true) => {
                let trips = opened.trips;
                tracing::error!(provider = provider.0, trips, "the provider's API is down: its circuit is open");
                self.circuits.believe(provider, opened, now).open_until
            }
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
