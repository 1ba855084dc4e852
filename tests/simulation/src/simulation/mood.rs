//! What kind of seed it is: with an attacker or without, and with trouble or without.

use super::dice::Dice;

/// Seeds of a hundred that have an attacker.
const ATTACKED: u64 = 50;
/// Seeds of a hundred, with an attacker and without, in which nothing else goes wrong: there the attacker alone may be
/// the reason for what is late.
const GENTLE: u64 = 20;
const GENTLE_UNATTACKED: u64 = 5;

/// What kind of seed this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mood {
    pub(super) attacked: bool,
    /// Nothing goes wrong but what an attacker does.
    pub(super) gentle: bool,
}

impl Mood {
    pub(super) fn of(seed: u64) -> Self {
        let dice = Dice::new(seed, 8);
        let attacked = dice.percent(ATTACKED);
        Self { attacked, gentle: dice.percent(if attacked { GENTLE } else { GENTLE_UNATTACKED }) }
    }
}
