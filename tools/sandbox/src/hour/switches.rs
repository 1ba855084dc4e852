//! The weather comes and goes: it sets the fault switches of the providers.

use serde_json::json;

use super::weather::Weather;
use crate::faults::Patch;
use crate::lock::locked;
use crate::sandbox::Sandbox;

/// Sets the switches.
pub(super) fn change(sandbox: &Sandbox, weather: &Weather) -> Result<(), String> {
    let provider = sandbox.provider(weather.provider).ok_or("the weather is at no provider")?;
    let patch = json!({ "provider": weather.provider, "api": weather.api });
    let patch: Patch = serde_json::from_value(patch).map_err(|error| error.to_string())?;
    sandbox.change_faults(provider, &patch).map(drop)
}

/// Fair again everywhere; counts that nobody used up are forgotten.
pub(super) fn clear(sandbox: &Sandbox) {
    locked(&sandbox.faults).clear();
}

#[cfg(test)]
mod tests {
    use crate::dice::Dice;
    use crate::hour::weather::forecast;
    use crate::lock::locked;
    use crate::sandbox::Sandbox;

    #[tokio::test]
    async fn every_change_can_be_made_and_all_spells_end() {
        for seed in 1..50 {
            let sandbox = Sandbox::new(serde_json::from_value(serde_json::json!({})).unwrap()).unwrap();
            for change in forecast(&mut Dice::new(seed)) {
                super::change(&sandbox, &change).unwrap();
            }
            let faults = serde_json::to_value(&*locked(&sandbox.faults)).unwrap();
            for (provider, switch) in hookledger_kit::names()
                .flat_map(|name| ["outage", "html", "byte_order_mark", "rate_limit"].map(|switch| (name, switch)))
            {
                let at = &faults[provider][switch];
                assert!(at.is_null() || at == false, "{seed}: {provider} {switch}");
            }
            for provider in ["rightfoot", "finbox", "runpayments"] {
                assert_eq!((&faults[provider]["late_ms"], &faults[provider]["slow_ms"]), (&0.into(), &0.into()));
            }
        }
    }
}
