//! The clock, and chance.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock;

/// The present, by the machine's clock.
pub(crate) fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The machine's clock, and chance from a generator that is seeded once for each process.
///
/// The numbers spread retries and sweeps. They are no secrets, and nothing that must be unguessable is made of them.
#[derive(Debug)]
pub struct SystemClock {
    state: AtomicU64,
}

impl SystemClock {
    /// A clock whose generator starts from the operating system's randomness.
    pub fn new() -> Self {
        let mut seed = [0; 8];
        if getrandom::fill(&mut seed).is_err() {
            // Without it, functions that start in the same millisecond draw the same waits; nothing else is lost.
            seed = now().0.to_le_bytes();
        }
        Self { state: AtomicU64::new(u64::from_le_bytes(seed)) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        now()
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014): a counter with an odd step, and a mixing of its bits.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn chance_is_seeded_for_each_process_and_does_not_repeat() {
        let known = SystemClock { state: AtomicU64::new(0) };
        // The published first numbers of SplitMix64 from the seed 0.
        assert_eq!([known.random(), known.random()], [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
        let (a, b) = (SystemClock::new(), SystemClock::new());
        assert_ne!([a.random(), a.random()], [b.random(), b.random()]);
    }
}
