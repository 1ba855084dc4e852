//! One seed, from its beginning to its end.

use std::panic::{AssertUnwindSafe, catch_unwind};

use hookledger_core::ports::Metric;

use super::check;
use super::engine::Engine;
use super::outcome::Outcome;
use super::world::{Glass, World};
use crate::memory::MemoryLedger;

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
