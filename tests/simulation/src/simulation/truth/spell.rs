//! A time in which every provider's API answers one and the same that is no answer: a used-up quota, a page for people.

use super::super::dice::Dice;

/// A time, in seconds of the history, in which no provider's API answers anything else.
pub(super) struct Spell {
    pub(super) from: u64,
    pub(super) until: u64,
    pub(super) answer: (u16, &'static [u8]),
}

/// A quota that is used up for longer than any number of attempts lasts; a watch outlives it.
const QUOTA_SECS: u64 = 7_200;

impl Spell {
    pub(super) fn new(dice: &Dice, span_secs: u64) -> Self {
        let from = dice.below(span_secs);
        let (length, answer) = match dice.below(100) {
            // Its quota, for a while or for hours.
            0..10 => (span_secs / 3, (429, b"{}".as_slice())),
            10..14 => (QUOTA_SECS, (429, b"{}".as_slice())),
            // A page for people stands before it.
            14..24 => (span_secs / 3, (200, b"<html>maintenance".as_slice())),
            // A gateway that lets no token in: dead ones, and those that were just issued.
            24..34 => (span_secs / 6, (403, br#"{"error":"token"}"#.as_slice())),
            _ => (0, (200, b"".as_slice())),
        };
        Self { from, until: from + length, answer }
    }
}
