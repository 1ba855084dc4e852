//! What must hold while a provider is down: its circuit is its own, one caller at a time looks whether it is back, and
//! nobody who could not be asked has failed to come.

use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::identity::ProviderId;

use super::super::world::Glass;
use super::Engine;
use super::invocation::Past;
use super::known::Line;
use super::limits::{CLOCKS_APART_SECS, WORKER_LIMIT_MS};
use crate::memory::Told;

/// As documented: a circuit opens after so many calls in a row that nobody answered.
const CALLS_UNTIL_OPEN: u32 = 5;
/// Longer than a caller who has the right to probe takes to make its call.
const PROBE_SECS: u64 = 30;

impl<L: Glass> Engine<'_, L> {
    pub(super) fn watch_outages(&mut self, past: Past) {
        for told in self.world.api.take_told() {
            self.watch_call(past, told);
        }
        if self.world.chaos.take_circuit_moved() {
            self.watch_circuits();
        }
        if self.world.chaos.take_expectation_ended() {
            self.watch_expired(past);
        }
    }

    /// While a circuit is not closed, only those call who took the right to: they have moved its time on. Who can't read
    /// the table may not know of it.
    fn watch_call(&mut self, past: Past, Told { provider, answered, throttled }: Told) {
        let asked = if throttled { &mut self.throttled } else { &mut self.answered };
        asked.insert((past.id, provider));
        let line = self.lines.entry(provider).or_default();
        line.unanswered += u32::from(!answered);
        let open_until = self.world.memory().circuit_of(provider).open_until;
        let forgotten = open_until.is_some_and(|until| until.plus_secs(PROBE_SECS) < self.now());
        if forgotten && !self.world.chaos.blinded(past.id) {
            self.violated("one caller probes", format!("{provider} was called as if its circuit had never been open"));
        }
    }

    /// A circuit opens because its own provider does not answer.
    fn watch_circuits(&mut self) {
        let now = self.now();
        for provider in self.world.providers.iter().map(|provider| provider.id()) {
            let circuit = self.world.memory().circuit_of(provider);
            let line = self.lines.entry(provider).or_default();
            if line.version == circuit.version {
                continue;
            }
            (line.version, line.moved_at) = (circuit.version, Some(now));
            let unanswered = line.unanswered;
            if circuit.open_until.is_some() && unanswered < CALLS_UNTIL_OPEN {
                let what = format!("{provider}'s is open after {unanswered} calls without an answer");
                self.violated("a circuit is its own provider's", what);
            }
        }
    }

    /// What expires was asked for to the end: not while the circuit was open all the time, and not by whom the provider told
    /// that it may not ask.
    fn watch_expired(&mut self, past: Past) {
        let now = self.now();
        let expired = |expectation: &Expectation| expectation.state == ExpectationState::Expired;
        for expectation in self.world.memory().expectations().into_iter().filter(expired) {
            let Some(provider) = self.world.providers.get(&expectation.provider) else { continue };
            let provider = provider.id();
            if !self.expired.insert((expectation.key.clone(), expectation.created_at)) {
                continue;
            }
            let asked = (past.id, provider);
            if self.throttled.contains(&asked) && !self.answered.contains(&asked) {
                let what = format!("{} expired, and whoever asked was answered 429", expectation.key);
                self.violated("who can't be asked has not failed to come", what);
            }
            let open_until = self.world.memory().circuit_of(provider).open_until;
            let open = open_until.is_some_and(|until| until > now.plus_secs(CLOCKS_APART_SECS));
            let moved_at = self.lines.get(&provider).and_then(|line| line.moved_at);
            // A copy of the row may be a few seconds old.
            let since = moved_at.is_some_and(|at| at.plus_secs(2 * CLOCKS_APART_SECS) < past.started_at);
            if open && since && !self.world.chaos.blinded(past.id) {
                let what = format!("{} expired while nobody could be asked", expectation.key);
                self.violated("who can't be asked has not failed to come", what);
            }
        }
    }

    /// After a while without troubles, whoever called was answered: what they moved is closed.
    pub(super) fn watch_closed(&mut self) {
        let Some(well_since) = self.seen.healed_at.map(|healed_at| healed_at.plus_ms(WORKER_LIMIT_MS)) else { return };
        let left_open = |(provider, line): &(&ProviderId, &Line)| {
            let open = self.world.memory().circuit_of(**provider).open_until.is_some();
            // Whoever dies of the answer closes nothing.
            open && line.moved_at.is_some_and(|at| at > well_since)
                && self.deadly_at.is_none_or(|deadly_at| deadly_at < well_since)
        };
        if let Some(provider) = self.lines.iter().find(left_open).map(|(provider, _)| *provider) {
            self.violated("a provider that answers has a closed circuit", format!("{provider}'s is open"));
        }
    }
}
