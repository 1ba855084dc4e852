//! What the providers are asked while somebody attacks, and the ids over which their APIs fail.

use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::ports::Clock;

use super::super::attacker::DOWN;
use super::Truth;
use super::calls::Calls;
use crate::memory::answer;

/// For so long after its other troubles are over, a provider's API goes on to fail over some ids. To whom nobody else asks
/// for anything, these alone look as if it were down for good.
const DOWN_SECS: u64 = 2 * 3600;

impl Truth {
    /// An id over which the provider's API fails, and over no other.
    pub(super) fn down(&self, url: &str) -> Option<Result<ApiResponse, ApiError>> {
        let named = || url.split(['/', '=']).any(|part| part.starts_with(DOWN));
        let error = || if self.dice.percent(50) { answer(500, "{}") } else { Err(ApiError::TimedOut) };
        let well = self.clock.now() > self.well_from().plus_secs(DOWN_SECS);
        (self.mood.attacked && !well && named()).then(error)
    }

    /// Takes a call down.
    pub(super) fn count(&self, url: &str, troubled: bool) {
        if !self.mood.attacked {
            return;
        }
        let mut asked = self.asked.borrow_mut();
        let calls = match asked.get_mut(url) {
            Some(calls) => calls,
            None => asked.entry(url.to_string()).or_default(),
        };
        calls.troubled += u64::from(troubled);
        calls.answered += u64::from(!troubled);
    }

    /// What was asked that names this id. In a URL it stands as it is, or escaped from some place on.
    pub(crate) fn asked_about(&self, id: &str) -> Calls {
        let mut sum = Calls::default();
        for (_, calls) in self.asked.borrow().iter().filter(|(url, _)| url.contains(id)) {
            sum.answered += calls.answered;
            sum.troubled += calls.troubled;
        }
        sum
    }
}
