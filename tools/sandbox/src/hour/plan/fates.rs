//! How each webhook of an hour fares, and how late it is.

use crate::dice::Dice;
use crate::hour::clock::{MINUTE_MS, SECOND_MS, between};
use crate::hour::events::{Fate, Happening};

/// Dealt like cards, so that the shares are exact.
pub(super) fn fates(dice: &mut Dice, happenings: &[(u64, Happening)]) -> Vec<Fate> {
    let count = happenings.len();
    let mut fates = vec![Fate::Arrives; count];
    let tenth = count / 10;
    for (n, fate) in fates.iter_mut().enumerate().take(tenth * 5 / 2) {
        *fate = match n {
            _ if n < tenth / 2 => Fate::LostUnnoticed,
            _ if n < tenth => Fate::LostForGood,
            _ if n < tenth * 2 => Fate::Doubled { gap_ms: between(dice, 0, 3 * MINUTE_MS) },
            _ => Fate::LostAtFirst { attempts: 1 + u32::from(dice.below(2) == 1) },
        };
    }
    for last in (1..count).rev() {
        fates.swap(last, dice.below(last + 1));
    }
    // Who has to arrive changes cards with somebody who has not, and whose card is better.
    let arrives: Vec<bool> = happenings.iter().map(|(_, happening)| has_to_arrive(happening)).collect();
    let mut others = (0..count).filter(|other| !arrives.get(*other).copied().unwrap_or_default());
    for n in (0..count).filter(|n| arrives.get(*n).copied().unwrap_or_default()) {
        if fates.get(n).is_some_and(is_lost)
            && let Some(other) = others.find(|other| fates.get(*other).is_some_and(|fate| !is_lost(fate)))
        {
            fates.swap(n, other);
        }
    }
    fates
}

fn is_lost(fate: &Fate) -> bool {
    matches!(fate, Fate::LostUnnoticed | Fate::LostForGood)
}

/// What shows something only if its webhook arrives: of two contents under one id an audit tells of the first alone; what
/// it stamps ahead it tells of hours later; and nobody asks again for a statement that has failed.
fn has_to_arrive(happening: &Happening) -> bool {
    match happening {
        Happening::Extract { twice, ahead_secs, .. } => *twice || *ahead_secs > 0,
        Happening::Statement { overtaken, .. } => *overtaken,
        _ => false,
    }
}

/// Mostly at once, sometimes within the minute, now and then minutes late.
pub(super) fn delay(dice: &mut Dice) -> u64 {
    let upto = match dice.below(10) {
        0..5 => 10 * SECOND_MS,
        5..8 => MINUTE_MS,
        _ => 6 * MINUTE_MS,
    };
    between(dice, 0, upto)
}
