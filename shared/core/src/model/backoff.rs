//! When to try again. Pure arithmetic: the random number comes in as an argument.

/// A poll cadence: first wait, growth by half each time, cap.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cadence {
    /// The first wait in seconds.
    pub first_secs: u64,
    /// The longest wait in seconds.
    pub cap_secs: u64,
}

impl Cadence {
    /// The wait in milliseconds after `polls` polls were made: `first × 1.5^polls`, at most the cap.
    ///
    /// Rightfoot's balance webhook page gives 30 s, ×1.5, at most 300 s.
    pub fn wait_ms(&self, polls: u32) -> u64 {
        let cap_ms = self.cap_secs.saturating_mul(1000).max(1);
        let mut wait_ms = self.first_secs.saturating_mul(1000).clamp(1, cap_ms);
        for _ in 0..polls {
            if wait_ms >= cap_ms {
                break;
            }
            wait_ms = wait_ms.saturating_add(wait_ms.div_ceil(2)).min(cap_ms);
        }
        wait_ms
    }
}

impl Cadence {
    /// Milliseconds that `polls` polls take in all.
    pub fn elapsed_ms(&self, polls: u32) -> u64 {
        (0..polls).map(|poll| self.wait_ms(poll)).fold(0, u64::saturating_add)
    }
}

/// Exponential backoff with full jitter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backoff {
    /// The bound of the first wait in seconds.
    pub base_secs: u64,
    /// The bound that is never passed, in seconds.
    pub cap_secs: u64,
}

/// The shortest wait a backoff gives: a failure just now is never retried in the same breath.
pub const MIN_BACKOFF_MS: u64 = 500;

impl Backoff {
    /// A wait in milliseconds, drawn evenly up to `base × 2^attempts` (at most the cap) by the random number given.
    ///
    /// **Rationale.** Full jitter spreads the work of an outage over the whole interval instead of returning it as a
    /// wave.
    pub fn wait_ms(&self, attempts: u32, random: u64) -> u64 {
        let factor = 1u64.checked_shl(attempts).unwrap_or(u64::MAX);
        let bound_ms = self.base_secs.saturating_mul(factor).min(self.cap_secs).saturating_mul(1000);
        MIN_BACKOFF_MS + random % bound_ms.max(1)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_documented_cadence() {
        let cadence = Cadence { first_secs: 30, cap_secs: 300 };
        let waits: Vec<u64> = (0..8).map(|polls| cadence.wait_ms(polls)).collect();
        assert_eq!(waits, [30_000, 45_000, 67_500, 101_250, 151_875, 227_813, 300_000, 300_000]);
    }

    proptest! {
        #[test]
        fn cadences_grow_to_their_cap_and_never_stop(first in 0u64..10_000, cap in 0u64..100_000, polls in 0u32..200) {
            let cadence = Cadence { first_secs: first, cap_secs: cap };
            let (wait, next) = (cadence.wait_ms(polls), cadence.wait_ms(polls + 1));
            prop_assert!(wait >= 1 && wait <= (cap * 1000).max(1));
            prop_assert!(next >= wait);
        }

        #[test]
        fn backoff_stays_within_its_bounds(base in 0u64..1000, cap in 0u64..100_000, attempts in 0u32..1000, random: u64) {
            let wait = Backoff { base_secs: base, cap_secs: cap }.wait_ms(attempts, random);
            prop_assert!(wait >= MIN_BACKOFF_MS && wait < MIN_BACKOFF_MS + (cap * 1000).max(1));
        }
    }
}
