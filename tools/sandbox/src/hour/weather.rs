//! The weather of an hour: when which provider's API is down, slow, short of patience, or forgets its tokens.

use serde::Serialize;
use serde_json::{Value, json};

use super::plan::{HOUR_MS, between};
use crate::dice::Dice;
use crate::faults::Patch;
use crate::sandbox::{Sandbox, locked};

/// The providers whose API work and polls depend on.
const ASKED: [&str; 3] = ["rightfoot", "finbox", "runpayments"];
/// The providers that hand out access tokens.
const TOKENS: [&str; 2] = ["fynapse", "runpayments"];

const MINUTE_MS: u64 = 60_000;

/// One change of a provider's fault switches.
#[derive(Clone, Serialize)]
pub(super) struct Weather {
    pub(super) at_ms: u64,
    pub(super) provider: &'static str,
    /// As the control API's `faults` takes it.
    pub(super) api: Value,
}

/// Two outages, slow spells, bursts of 429, tokens that lapse in the middle.
pub(super) fn forecast(dice: &mut Dice) -> Vec<Weather> {
    let mut weather = Vec::new();
    let mut spell = |provider, at_ms, length_ms, on: Value, off: Value| {
        weather.push(Weather { at_ms, provider, api: on });
        weather.push(Weather { at_ms: at_ms + length_ms, provider, api: off });
    };
    // At two providers, and apart: each ends before the next begins.
    let first = dice.below(ASKED.len());
    let second = first + 1 + dice.below(ASKED.len() - 1);
    for (place, from, to) in [(first, 15, 30), (second, 45, 60)] {
        let provider = ASKED.get(place % ASKED.len()).copied().unwrap_or("rightfoot");
        let status = [500, 502, 503].get(dice.below(3)).copied().unwrap_or(503);
        let at_ms = between(dice, HOUR_MS * from / 100, HOUR_MS * to / 100);
        let length_ms = between(dice, 3 * MINUTE_MS, 6 * MINUTE_MS);
        spell(provider, at_ms, length_ms, json!({ "outage": true, "status": status }), json!({ "outage": false }));
    }
    // One slow spell each: of two on one provider the first would end the second.
    for provider in ASKED {
        let slow_ms = between(dice, 200, 1_200);
        let at_ms = between(dice, 0, HOUR_MS * 9 / 10);
        let length_ms = between(dice, MINUTE_MS, 4 * MINUTE_MS);
        spell(provider, at_ms, length_ms, json!({ "slow_ms": slow_ms }), json!({ "slow_ms": 0 }));
    }
    for _ in 0..6 {
        let api = json!({ "rate_limit_next": between(dice, 2, 7), "retry_after_secs": between(dice, 1, 3) });
        let provider = one_of(dice, &ASKED);
        weather.push(Weather { at_ms: between(dice, 0, HOUR_MS * 9 / 10), provider, api });
    }
    for n in 0..6 {
        let provider = TOKENS.get(n % TOKENS.len()).copied().unwrap_or("runpayments");
        let at_ms = between(dice, 0, HOUR_MS);
        weather.push(Weather { at_ms, provider, api: json!({ "expire_tokens": true }) });
    }
    weather.sort_by_key(|change| change.at_ms);
    weather
}

fn one_of(dice: &mut Dice, names: &[&'static str]) -> &'static str {
    names.get(dice.below(names.len())).copied().unwrap_or("rightfoot")
}

impl Weather {
    /// Whether the provider is back with this.
    pub(super) fn ends_outage(&self) -> bool {
        self.api.get("outage") == Some(&Value::Bool(false))
    }

    /// Sets the switches.
    pub(super) fn change(&self, sandbox: &Sandbox) -> Result<(), String> {
        let provider = sandbox.provider(self.provider).ok_or("the weather is at no provider")?;
        let patch = json!({ "provider": self.provider, "api": self.api });
        let patch: Patch = serde_json::from_value(patch).map_err(|error| error.to_string())?;
        locked(&sandbox.faults).entry(provider.name()).or_default().apply(&patch)?;
        if patch.api.expire_tokens {
            provider.lapse_tokens();
        }
        Ok(())
    }
}

/// Fair again everywhere; counts that nobody used up are forgotten.
pub(super) fn clear(sandbox: &Sandbox) {
    locked(&sandbox.faults).clear();
}

#[cfg(test)]
mod tests {
    use super::forecast;
    use crate::dice::Dice;
    use crate::sandbox::{Sandbox, locked};

    #[tokio::test]
    async fn every_change_can_be_made_and_all_spells_end() {
        for seed in 1..50 {
            let sandbox = Sandbox::new(serde_json::from_value(serde_json::json!({})).unwrap()).unwrap();
            for change in forecast(&mut Dice::new(seed)) {
                change.change(&sandbox).unwrap();
            }
            let faults = serde_json::to_value(&*locked(&sandbox.faults)).unwrap();
            for provider in ["rightfoot", "finbox", "runpayments"] {
                assert_eq!((&faults[provider]["outage"], &faults[provider]["slow_ms"]), (&false.into(), &0.into()));
            }
        }
    }
}
