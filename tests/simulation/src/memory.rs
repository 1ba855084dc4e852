//! A world in memory for the flows: every port, without a network, a clock or a thread.
//!
//! ```text
//! MemoryInbox ─ ledger     MemoryLedger        the table: one state, one change per call
//!             ├ queue      MemoryQueue         messages of all queues, as text, with the instant they become visible
//!             ├ clock      FixedClock          the time that was set, and seeded chance
//!             ├ meter      RecordingMeter      what was counted
//!             ├ publisher  RecordingPublisher  what was published
//!             ├ secrets    MemorySecrets       what the store holds, and what the cache still believes
//!             └ api        ScriptedApi         answers to requests, from a closure
//! ```
//!
//! Each port fails on demand, before or after its effect ([`Faults`]), and stops for one turn on both sides of every
//! call, so that a flow can be interleaved with others or killed there ([`killed_after`]).

mod turn;
mod faults;
mod clock;
mod delivery;
mod table;
mod ledger;
mod desk;
mod pieces;
mod inspect;
mod queue;
mod outside;

use std::rc::Rc;

use hookledger_core::model::settings::Timing;
use hookledger_core::ports::Inbox;

pub use clock::FixedClock;
pub use delivery::delivery;
pub use faults::{Fate, Faults, LOST, Side};
pub use ledger::MemoryLedger;
pub use outside::{MemorySecrets, RecordingMeter, RecordingPublisher, ScriptedApi, Told, answer};
pub use queue::{MemoryQueue, Message};
pub use table::{StoredEntry, StoredRow};
pub use turn::{killed_after, run};

/// The whole world. Its ports are its fields.
pub struct MemoryInbox {
    /// The ledger.
    pub ledger: MemoryLedger,
    /// The work queue.
    pub queue: MemoryQueue,
    /// Time and chance.
    pub clock: Rc<FixedClock>,
    /// The counts.
    pub meter: RecordingMeter,
    /// The event bus.
    pub publisher: RecordingPublisher,
    /// The secret store.
    pub secrets: MemorySecrets,
    /// The providers' APIs.
    pub api: ScriptedApi,
    /// The waits and limits, at their defaults until changed.
    pub timing: Timing,
}

impl MemoryInbox {
    /// An empty world. The seed decides every random number the flows will draw.
    pub fn new(seed: u64) -> Self {
        let clock = Rc::new(FixedClock::new(seed));
        let (secrets, api) = (MemorySecrets::default(), ScriptedApi::default());
        api.go_by(&secrets);
        Self {
            ledger: MemoryLedger::default(),
            queue: MemoryQueue::new(clock.clone()),
            clock,
            meter: RecordingMeter::default(),
            publisher: RecordingPublisher::default(),
            secrets,
            api,
            timing: Timing::read(&|_| None).expect("the defaults are valid"),
        }
    }
}

impl Inbox for MemoryInbox {
    type Ledger = MemoryLedger;
    type Queue = MemoryQueue;
    type Clock = FixedClock;
    type Meter = RecordingMeter;

    fn ledger(&self) -> &MemoryLedger {
        &self.ledger
    }

    fn queue(&self) -> &MemoryQueue {
        &self.queue
    }

    fn clock(&self) -> &FixedClock {
        &self.clock
    }

    fn meter(&self) -> &RecordingMeter {
        &self.meter
    }

    fn timing(&self) -> &Timing {
        &self.timing
    }
}
