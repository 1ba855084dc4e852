//! A provider that one of its own settings stops for a while: somebody deploys a mistake, and mends it.

use hookledger_core::model::time::UnixMs;
use hookledger_core::providers::Providers;

use super::dice::Dice;

/// A setting of each provider, and a value that it can't have.
const MISTAKES: [(&str, &str); 4] = [
    ("RIGHTFOOT_ALLOWED_CIDRS", "everybody"),
    ("FYNAPSE_UTC_OFFSET_MINUTES", "east"),
    ("FINBOX_UTC_OFFSET_MINUTES", "east"),
    ("RUNPAYMENTS_PAGE_LIMIT", "all"),
];

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
            let (name, value) = dice.pick(&MISTAKES);
            let wrong = |setting: &str| if setting == name { Some(value.into()) } else { lookup(setting) };
            let providers = Providers::read(&wrong);
            assert_eq!(providers.all_stopped().count(), 1, "{name}={value} stops its provider");
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
