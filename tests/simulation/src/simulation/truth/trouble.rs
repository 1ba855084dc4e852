//! Answers that are none: a quota that is used up, a page for people, a gateway, an error.

use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::ports::Clock;

use super::Truth;

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
