//! A clock that moves only when told.

use std::cell::Cell;

use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock;

/// Where every memory world begins: 2040-01-01T00:00:00Z. It lies ahead so that nothing a test writes to a real engine
/// is already beyond its expiry there.
pub(crate) const START: UnixMs = UnixMs(2_208_988_800_000);

/// The time that was set, and random numbers from a seed.
#[derive(Debug)]
pub struct FixedClock {
    now: Cell<UnixMs>,
    random: Cell<u64>,
}

impl FixedClock {
    /// A clock at 2040-01-01T00:00:00Z.
    pub fn new(seed: u64) -> Self {
        Self { now: Cell::new(START), random: Cell::new(seed) }
    }

    /// Sets the present.
    pub fn set(&self, now: UnixMs) {
        self.now.set(now);
    }

    /// Moves the present on.
    pub fn advance_secs(&self, secs: u64) {
        self.now.set(self.now.get().plus_secs(secs));
    }

    /// Moves the present on by milliseconds.
    pub fn advance_ms(&self, ms: u64) {
        self.now.set(self.now.get().plus_ms(ms));
    }
}

impl Clock for FixedClock {
    fn now(&self) -> UnixMs {
        self.now.get()
    }

    /// SplitMix64: a few lines, evenly distributed, the same on every machine.
    fn random(&self) -> u64 {
        let state = self.random.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
        self.random.set(state);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
