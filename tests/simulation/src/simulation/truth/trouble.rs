//! Answers that are none: a quota that is used up, a page for people, a gateway, an error.

use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::ports::Clock;

use super::super::dice::Dice;
use super::Truth;

/// A time, in seconds of the history, in which no provider's API answers anything else.
pub(super) struct Spell {
    from: u64,
    pub(super) until: u64,
    answer: (u16, &'static [u8]),
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

impl Truth {
    /// Answers that are none: rarely on a calm day, often in a storm.
    pub(super) fn trouble(&self) -> Option<Result<ApiResponse, ApiError>> {
        if self.chaos.healed() {
            return None;
        }
        let since_start = self.clock.now().since_ms(self.start) / 1000;
        if (self.spell.from..self.spell.until).contains(&since_start) && self.dice.percent(90) {
            let retry_after_secs = self.dice.percent(50).then(|| self.dice.between(1, 7_200));
            let (status, body) = self.spell.answer;
            return Some(Ok(ApiResponse { status, retry_after_secs, body: body.to_vec() }));
        }
        if !self.dice.percent(if self.chaos.storming("api") { 60 } else { 3 }) {
            return None;
        }
        let retry_after_secs = self.dice.percent(50).then(|| self.dice.between(1, 90));
        let status = self.dice.pick(&[429, 500, 502, 503, 504, 401, 403, 408, 200, 302]);
        Some(if self.dice.percent(20) {
            Err(self.dice.pick(&[ApiError::TimedOut, ApiError::TokenRefused, ApiError::Unreachable]))
        } else {
            Ok(ApiResponse { status, retry_after_secs, body: b"try later".to_vec() })
        })
    }
}
