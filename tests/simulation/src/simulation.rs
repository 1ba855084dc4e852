//! The flows as they ship, in a simulated world that goes wrong everywhere, and the proof that nothing is lost, doubled
//! or let in.
//!
//! ```text
//! seed ─ plot       what really happens at the providers, drawn before the run begins
//!      ├ sides      each provider's part of it, a file each
//!      ├ truth      what their APIs say about it
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
mod mood;
mod stopped;
mod plot;
mod author;
mod query;
mod side;
mod sides;
mod attacker;
mod truth;
mod send;
mod world;
mod engine;
mod check;
mod outcome;
mod seed;
mod many;

pub use many::many;
pub use outcome::{Outcome, Totals};
pub use seed::{guarded, simulate, simulate_on};
pub use world::Glass;
