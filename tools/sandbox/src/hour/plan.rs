//! What will happen in an hour, from a seed: the events, how each one's webhook fares, and the weather at the APIs.
//!
//! Pure: the same seed and size give the same plan, and its digest says so. Times are in the hour's own milliseconds.

mod fates;
mod happenings;

use serde::Serialize;

use super::weather::{Weather, forecast};
use crate::dice::Dice;
use crate::sign::digest;
use fates::{delay, fates};

pub(super) const HOUR_MS: u64 = 3_600_000;
const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60_000;

/// An hour, decided beforehand.
#[derive(Serialize)]
pub(super) struct Plan {
    seed: u64,
    /// In the order of their happening.
    pub(super) events: Vec<Planned>,
    pub(super) weather: Vec<Weather>,
}

/// One event and its webhook.
#[derive(Clone, Serialize)]
pub(super) struct Planned {
    pub(super) at_ms: u64,
    pub(super) happening: Happening,
    /// From the event to its webhook: what makes webhooks overtake one another.
    pub(super) delay_ms: u64,
    pub(super) fate: Fate,
}

/// What happens at a provider. Things are numbered; the run gives them ids.
#[derive(Clone, Serialize)]
pub(super) enum Happening {
    /// Rightfoot: a batch is complete.
    Batch { batch: usize, balances: Vec<Balance>, shown: Shown },
    /// Fynapse: an extract. `twice`: its id is another one's too, and their contents differ.
    Extract { extract: usize, amount: String, twice: bool, ahead_secs: u32 },
    /// FinBox: a statement is processed. `overtaken`: it failed, and is completed soon after.
    Statement { entity: usize, link: Option<usize>, statement: usize, completed: bool, overtaken: bool },
    /// FinBox: net banking failed before there was a statement.
    Attempt { entity: usize, link: Option<usize>, reason: &'static str },
    /// FinBox: a session has all it needs, and nobody has asked to process it.
    Session { session: usize, accounts: Accounts },
    /// FinBox: a session was processed.
    Enrichment { session: usize, accounts: Accounts },
    /// FinBox: a session expired; `deleted`: and is gone.
    Expiry { session: usize, deleted: bool },
    /// Run Payments: a merchant gets a status. `key_of`: under the idempotency key of this status of the merchant.
    Status { merchant: usize, status: &'static str, key_of: &'static str, ahead_secs: u32 },
    /// Run Payments: anything else.
    Movement { number: usize, event_type: &'static str, amount: String },
}

/// A balance of a batch: of the authorizer of this number, and no amount where there is none to be had.
#[derive(Clone, Serialize)]
pub(super) struct Balance {
    pub(super) authorizer: usize,
    pub(super) amount: Option<String>,
}

/// How a batch is shown.
#[derive(Clone, Serialize)]
pub(super) struct Shown {
    /// Complete, and without its balances at first: for so long, in real time.
    pub(super) empty_for_ms: u64,
    /// As the control API names it.
    pub(super) page_spelling: &'static str,
    pub(super) refuse_tokens: u32,
}

/// The accounts of a session.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Accounts {
    pub(super) all: usize,
    /// So many of them failed.
    pub(super) failed: usize,
}

/// How a webhook fares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    Arrives,
    /// A second copy comes so long after the first, whatever that was answered.
    Doubled {
        gap_ms: u64,
    },
    /// So many attempts are lost on the way; the provider's schedule makes the next.
    LostAtFirst {
        attempts: u32,
    },
    /// No attempt arrives; the provider takes the first for delivered.
    LostUnnoticed,
    /// No attempt arrives, and the provider has given up.
    LostForGood,
}

impl Happening {
    pub(super) fn provider(&self) -> &'static str {
        match self {
            Self::Batch { .. } => "rightfoot",
            Self::Extract { .. } => "fynapse",
            Self::Statement { .. }
            | Self::Attempt { .. }
            | Self::Session { .. }
            | Self::Enrichment { .. }
            | Self::Expiry { .. } => "finbox",
            Self::Status { .. } | Self::Movement { .. } => "runpayments",
        }
    }

    /// How far its provider's stamps are ahead of the truth.
    pub(super) fn ahead_secs(&self) -> u32 {
        match self {
            Self::Extract { ahead_secs, .. } | Self::Status { ahead_secs, .. } => *ahead_secs,
            _ => 0,
        }
    }
}

impl Plan {
    /// Plans `deliveries` events: a tenth of their webhooks never arrive, a tenth come twice.
    pub(super) fn new(seed: u64, deliveries: usize) -> Self {
        let mut dice = Dice::new(seed);
        let happenings = happenings::all(&mut dice, deliveries);
        let fates = fates(&mut dice, &happenings);
        let events = happenings.into_iter().zip(fates).map(|((at_ms, happening), fate)| {
            let delay_ms = delay(&mut dice);
            // FinBox sends once, so what is lost at first would be lost for good.
            let once = happening.provider() == "finbox" && matches!(fate, Fate::LostAtFirst { .. });
            Planned { at_ms, happening, delay_ms, fate: if once { Fate::Arrives } else { fate } }
        });
        let events = events.collect();
        Self { seed, events, weather: forecast(&mut dice) }
    }

    /// Equal for equal plans.
    pub(super) fn digest(&self) -> String {
        digest(&serde_json::to_vec(self).unwrap_or_default()).chars().take(16).collect()
    }
}

/// A number from `from` up to, not including, `to`.
pub(super) fn between(dice: &mut Dice, from: u64, to: u64) -> u64 {
    from + dice.next() % to.saturating_sub(from).max(1)
}

#[cfg(test)]
mod tests {
    use super::{Fate, HOUR_MS, Happening, Plan, Planned};

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
            assert!(["rightfoot", "fynapse", "finbox", "runpayments"].iter().all(|name| of(name) >= 100));
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
