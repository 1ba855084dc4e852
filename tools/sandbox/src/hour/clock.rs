//! The hour's own time, in milliseconds, and numbers drawn from a range of them.

use crate::dice::Dice;

pub(super) const HOUR_MS: u64 = 3_600_000;
pub(super) const SECOND_MS: u64 = 1_000;
pub(super) const MINUTE_MS: u64 = 60_000;

/// A number from `from` up to, not including, `to`.
pub(super) fn between(dice: &mut Dice, from: u64, to: u64) -> u64 {
    from + dice.next() % to.saturating_sub(from).max(1)
}
