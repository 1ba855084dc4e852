//! The flows as they ship, in a simulated world that goes wrong everywhere, and the proof that nothing is lost, doubled
//! or let in.
//!
//! ```text
//! seed ─ truth      what really happens at the four providers, and what their APIs say about it
//!      ├ send       how they send it: signatures, rotations, retry schedules
//!      ├ chaos      which port call fails, on which side of its effect
//!      ├ stopped    when one provider is stopped by a setting of its own
//!      ├ engine     many invocations in flight on one thread, killed anywhere; time that jumps
//!      └ check      when all is quiet: the ledger and the bus against the truth
//! ```
//!
//! Everything is decided by the seed, so a run repeats exactly. A run keeps its history only when asked to: a seed that
//! fails is run once more to print it.

pub mod dice;
mod chaos;
mod truth;
mod rightfoot;
mod fynapse;
mod finbox;
mod runpayments;
mod attacker;
mod send;
mod stopped;
mod world;
mod engine;
mod check;
mod many;

use std::panic::{AssertUnwindSafe, catch_unwind};

use hookledger_core::ports::Metric;

use crate::memory::MemoryLedger;
use engine::Engine;
pub use many::many;
pub use world::Glass;
use world::World;

/// What came of one seed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Outcome {
    /// The seed.
    pub seed: u64,
    /// Port calls made.
    pub port_calls: u64,
    /// Invocations killed, those that ran into their time limit included.
    pub kills: u64,
    /// True events that wait for a person at the end.
    pub parked: u64,
    /// Entries at the end.
    pub entries: u64,
    /// How often the providers' circuits moved: opened, probed, closed.
    pub circuit_moves: u64,
    /// Messages that AWS did not hand over, because a worker's own messages had followed each other for too long.
    pub cut: u64,
    /// Deliveries that were rescued while there was no table.
    pub rescued: u64,
    /// The most calls to a provider's API that one post of an attacker's caused: answered, and met by trouble.
    pub most_calls: (u64, u64),
    /// What went wrong: the invariant's name, and what broke it.
    pub violations: Vec<(&'static str, String)>,
    /// What happened, a line for each event; empty unless asked for.
    pub history: Vec<String>,
}

/// Runs one seed on the memory ledger.
pub fn simulate(seed: u64, keep_history: bool) -> Outcome {
    simulate_on(seed, MemoryLedger::default(), keep_history)
}

/// Runs one seed on this ledger.
pub fn simulate_on<L: Glass>(seed: u64, ledger: L, keep_history: bool) -> Outcome {
    let span_secs = 2_400 + seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) % 2_400;
    let world = World::new(seed, ledger, span_secs, keep_history);
    let mut engine = Engine::new(seed, &world, span_secs);
    engine.run();
    let mut violations = check::check(&world, &engine.seen);
    violations.splice(0..0, std::mem::take(&mut engine.seen.violations));
    let entries = world.memory().entries();
    if violations.is_empty() {
        engine.run_epilogue();
        violations = std::mem::take(&mut engine.seen.violations);
    }
    drop(engine);
    let parked =
        entries.iter().filter(|entry| entry.state == hookledger_core::model::entry::State::Parked).count() as u64;
    Outcome {
        seed,
        port_calls: world.chaos.calls(),
        kills: world.chaos.kills(),
        parked,
        entries: entries.len() as u64,
        most_calls: check::most_calls(&world),
        circuit_moves: world.circuits().map(|circuit| circuit.version).sum(),
        cut: world.cut.get(),
        rescued: world.meter.total(Metric::Rescued),
        violations,
        history: world.chaos.take_history(),
    }
}

/// Runs one seed on the memory ledger. A flow that panics breaks an invariant too.
pub fn guarded(seed: u64, keep_history: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| simulate(seed, keep_history))).unwrap_or_else(|_| Outcome {
        seed,
        violations: vec![("no flow panics", format!("seed {seed} panicked"))],
        ..Outcome::default()
    })
}

/// The sum over many seeds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Seeds run.
    pub seeds: u64,
    /// Port calls made.
    pub port_calls: u64,
    /// Invocations killed.
    pub kills: u64,
    /// Violations found.
    pub violations: u64,
    /// Entries written.
    pub entries: u64,
    /// Entries that waited for a person at the end.
    pub parked: u64,
    /// How often circuits moved.
    pub circuit_moves: u64,
    /// Messages that AWS did not hand over.
    pub cut: u64,
    /// Deliveries that were rescued.
    pub rescued: u64,
    /// The most calls that one post caused.
    pub most_calls: (u64, u64),
}

impl Totals {
    /// Adds one seed.
    pub fn add(&mut self, outcome: &Outcome) {
        self.seeds += 1;
        self.port_calls += outcome.port_calls;
        self.kills += outcome.kills;
        self.violations += outcome.violations.len() as u64;
        self.entries += outcome.entries;
        self.parked += outcome.parked;
        self.circuit_moves += outcome.circuit_moves;
        self.cut += outcome.cut;
        self.rescued += outcome.rescued;
        let (answered, troubled) = outcome.most_calls;
        self.most_calls = (self.most_calls.0.max(answered), self.most_calls.1.max(troubled));
    }
}

impl std::fmt::Display for Totals {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { seeds, port_calls, kills, violations, .. } = self;
        write!(f, "{seeds} seeds, {port_calls} port calls, {kills} kills, {violations} violations")
    }
}
