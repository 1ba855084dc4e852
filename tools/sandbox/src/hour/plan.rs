//! What will happen in an hour, from a seed: the events, how each one's webhook fares, and the weather at the APIs.
//!
//! Pure: the same seed and size give the same plan, and its digest says so. Times are in the hour's own milliseconds.

mod fates;
mod happenings;

use serde::Serialize;

use super::events::{Fate, Planned};
use super::weather::{Weather, forecast};
use crate::dice::Dice;
use crate::sign::digest;
use fates::{delay, fates};

/// An hour, decided beforehand.
#[derive(Serialize)]
pub(super) struct Plan {
    seed: u64,
    /// In the order of their happening.
    pub(super) events: Vec<Planned>,
    pub(super) weather: Vec<Weather>,
}

impl Plan {
    /// Plans `deliveries` events: a tenth of their webhooks never arrive, a tenth come twice.
    pub(super) fn new(seed: u64, deliveries: usize) -> Self {
        let mut dice = Dice::new(seed);
        let happenings = happenings::all(&mut dice, deliveries);
        let fates = fates(&mut dice, &happenings);
        let events = happenings.into_iter().zip(fates).map(|((at_ms, happening), fate)| {
            let delay_ms = delay(&mut dice);
            // Of what is sent once, what is lost at first would be lost for good.
            let once = hookledger_kit::of(happening.provider()).sends_once();
            let fate = if once && matches!(fate, Fate::LostAtFirst { .. }) { Fate::Arrives } else { fate };
            Planned { at_ms, happening, delay_ms, fate }
        });
        let events = events.collect();
        Self { seed, events, weather: forecast(&mut dice) }
    }

    /// Equal for equal plans.
    pub(super) fn digest(&self) -> String {
        digest(&serde_json::to_vec(self).unwrap_or_default()).chars().take(16).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::Plan;
    use crate::hour::clock::HOUR_MS;
    use crate::hour::events::{Fate, Happening, Planned};

    #[test]
    fn a_seed_is_a_plan() {
        assert_eq!(Plan::new(7, 500).digest(), Plan::new(7, 500).digest());
        assert_ne!(Plan::new(7, 500).digest(), Plan::new(8, 500).digest());
        assert_ne!(Plan::new(7, 500).digest(), Plan::new(7, 501).digest());
    }

    #[test]
    fn the_shares_are_as_promised() {
        for seed in 1..20 {
            let plan = Plan::new(seed, 500);
            assert_eq!(plan.events.len(), 500);
            let count = |wanted: &dyn Fn(&Fate) -> bool| plan.events.iter().filter(|event| wanted(&event.fate)).count();
            assert_eq!(count(&|fate| matches!(fate, Fate::LostUnnoticed | Fate::LostForGood)), 50);
            assert_eq!(count(&|fate| matches!(fate, Fate::Doubled { .. })), 50);
            assert!(count(&|fate| matches!(fate, Fate::LostAtFirst { .. })) > 5);
            let of = |name: &str| plan.events.iter().filter(|event| event.happening.provider() == name).count();
            assert!(hookledger_kit::names().all(|name| of(name) >= 50));
            let outages = plan.weather.iter().filter(|change| change.api.get("outage") == Some(&true.into())).count();
            assert_eq!(outages, 2);
        }
    }

    #[test]
    fn every_oddity_is_planned_and_what_has_to_arrive_arrives() {
        for seed in 1..20 {
            let plan = Plan::new(seed, 500);
            let mut seen: std::collections::BTreeMap<&str, usize> = std::collections::BTreeMap::new();
            for Planned { happening, fate, .. } in &plan.events {
                let mut arrives = |kind, has_to: bool| {
                    *seen.entry(kind).or_default() += 1;
                    let lost = matches!(fate, Fate::LostUnnoticed | Fate::LostForGood);
                    assert!(!(has_to && lost), "{seed}: {kind}");
                };
                match happening {
                    Happening::Batch { balances, shown, .. } => {
                        let long = balances.len() > 100;
                        let oddities = [
                            ("empty", shown.empty_for_ms > 0),
                            ("camel", long && shown.page_spelling == "camel"),
                            ("no flag", long && shown.page_spelling == "no_flag"),
                            ("refused", long && shown.refuse_tokens > 0),
                            ("one authorizer twice", balances.iter().filter(|row| row.authorizer == 0).count() == 2),
                        ];
                        oddities.into_iter().filter(|(_, is)| *is).for_each(|(kind, _)| arrives(kind, false));
                    }
                    Happening::Extract { twice: true, .. } => arrives("two contents", true),
                    Happening::Extract { ahead_secs: 1.., .. } => arrives("an extract ahead", true),
                    Happening::Statement { overtaken: true, .. } => arrives("overtaken", true),
                    Happening::Session { .. } => arrives("session", false),
                    Happening::Enrichment { .. } => arrives("enrichment", false),
                    Happening::Expiry { .. } => arrives("expiry", false),
                    Happening::Status { status, key_of, .. } if status != key_of => arrives("a shared key", false),
                    Happening::Status { ahead_secs: 1.., .. } => arrives("a status ahead", false),
                    _ => {}
                }
            }
            assert_eq!(seen.len(), 13, "{seed}: {seen:?}");
            assert_eq!(seen["session"], seen["enrichment"]);
        }
    }

    #[test]
    fn a_merchant_walks_forward_and_all_is_within_the_hour() {
        let plan = Plan::new(3, 500);
        let mut seen = std::collections::BTreeMap::new();
        for event in &plan.events {
            assert!(event.at_ms < HOUR_MS);
            if let Happening::Status { merchant, status, .. } = event.happening {
                let place = ["new", "sent_for_signature", "signed", "in_underwriting", "boarded", "live"]
                    .iter()
                    .position(|known| *known == status)
                    .unwrap_or(6);
                assert!(seen.insert(merchant, place).is_none_or(|before| before < place), "merchant {merchant}");
            }
        }
        assert!(plan.events.is_sorted_by_key(|event| event.at_ms));
    }
}
