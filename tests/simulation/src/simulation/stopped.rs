//! A provider that one of its own settings stops for a while: somebody deploys a mistake, and mends it.

use hookledger_core::model::time::UnixMs;
use hookledger_core::providers::Providers;

use super::dice::Dice;

/// What no strict setting of a provider can be.
const MISTAKE: &str = "99999999999999";

/// The mistake, and for how long it is deployed.
pub(super) struct Stopped {
    /// All providers, one of them stopped.
    providers: Providers,
    from: UnixMs,
    until: UnixMs,
}

impl Stopped {
    /// In some seeds, within the time of the troubles. `lookup` has all settings as they should be.
    pub(super) fn of(
        seed: u64,
        start: UnixMs,
        span_secs: u64,
        lookup: &dyn Fn(&str) -> Option<String>,
    ) -> Option<Self> {
        // Of a dice of its own, so that the other seeds stay what they are.
        let dice = Dice::new(seed, 11);
        dice.percent(15).then(|| {
            let name = dice.pick(hookledger_kit::ALL).strict_setting;
            let wrong = |setting: &str| if setting == name { Some(MISTAKE.into()) } else { lookup(setting) };
            let providers = Providers::read(&wrong);
            assert_eq!(providers.all_stopped().count(), 1, "{name}={MISTAKE} stops its provider");
            let from = start.plus_ms(dice.below(span_secs * 1000));
            Self { providers, from, until: from.plus_secs(dice.between(60, 1_800)) }
        })
    }

    /// The providers as they are at this time, if the mistake is there.
    pub(super) fn at(&self, now: UnixMs) -> Option<&Providers> {
        (self.from <= now && now < self.until).then_some(&self.providers)
    }

    /// When it is mended.
    pub(super) fn until(&self) -> UnixMs {
        self.until
    }
}
