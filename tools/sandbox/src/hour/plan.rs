//! What will happen in an hour, from a seed: the events, how each one's webhook fares, and the weather at the APIs.
//!
//! Pure: the same seed and size give the same plan, and its digest says so. Times are in the hour's own milliseconds.

use serde::Serialize;

use super::weather::{Weather, forecast};
use crate::dice::Dice;
use crate::sign::digest;

pub(super) const HOUR_MS: u64 = 3_600_000;
const SECOND_MS: u64 = 1_000;
const MINUTE_MS: u64 = 60_000;

/// Nothing happens in the last minute, so that what is delayed is still sent.
const LAST_MS: u64 = HOUR_MS - MINUTE_MS;

/// Entities that may share a link.
const ENTITIES_PER_LINK: usize = 4;
/// Entities without a link are numbered from here.
const LONE_ENTITIES: usize = 100_000;

/// One batch in so many has more balances than one page of the API holds.
const LONG_BATCH_EVERY: usize = 40;
const LONG_BATCH: usize = 101;

/// A merchant's way; it may end anywhere.
const STATUSES: [&str; 6] = ["new", "sent_for_signature", "signed", "in_underwriting", "boarded", "live"];
const ENDINGS: [&str; 2] = ["declined", "cancelled"];
const MOVEMENTS: [&str; 5] =
    ["transaction.entered", "transaction.refund", "chargeback.entered", "funding.entered", "statement.entered"];
const REASONS: [&str; 2] = ["LOGIN_FAILED", "TIMEOUT"];

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
    Batch { batch: usize, balances: Vec<Option<String>> },
    /// Fynapse: an extract.
    Extract { extract: usize, amount: String },
    /// FinBox: a statement is processed.
    Statement { entity: usize, link: Option<usize>, statement: usize, completed: bool },
    /// FinBox: net banking failed before there was a statement.
    Attempt { entity: usize, link: Option<usize>, reason: &'static str },
    /// FinBox: a session has all it needs.
    Session { session: usize },
    /// Run Payments: a merchant gets a status.
    Status { merchant: usize, status: &'static str },
    /// Run Payments: anything else.
    Movement { number: usize, event_type: &'static str, amount: String },
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
            Self::Statement { .. } | Self::Attempt { .. } | Self::Session { .. } => "finbox",
            Self::Status { .. } | Self::Movement { .. } => "runpayments",
        }
    }
}

impl Plan {
    /// Plans `deliveries` events: a tenth of their webhooks never arrive, a tenth come twice.
    pub(super) fn new(seed: u64, deliveries: usize) -> Self {
        let mut dice = Dice::new(seed);
        let mut happenings = Vec::new();
        let (rightfoot, fynapse, finbox) = (deliveries / 5, deliveries / 4, deliveries / 4);
        batches(&mut dice, rightfoot, &mut happenings);
        extracts(&mut dice, fynapse, &mut happenings);
        statements(&mut dice, finbox, &mut happenings);
        merchants(&mut dice, deliveries.saturating_sub(rightfoot + fynapse + finbox), &mut happenings);
        happenings.sort_by_key(|(at_ms, _)| *at_ms);
        let fates = fates(&mut dice, happenings.len());
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

fn pick<T: Copy>(dice: &mut Dice, choices: &[T], otherwise: T) -> T {
    choices.get(dice.below(choices.len())).copied().unwrap_or(otherwise)
}

fn moment(dice: &mut Dice) -> u64 {
    between(dice, 0, LAST_MS)
}

/// A decimal with two places, as text: money never is a float here.
fn amount(dice: &mut Dice) -> String {
    let sign = if dice.below(5) == 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", dice.below(100_000), dice.below(100))
}

fn batches(dice: &mut Dice, count: usize, happenings: &mut Vec<(u64, Happening)>) {
    for batch in 0..count {
        let rows = if batch % LONG_BATCH_EVERY == LONG_BATCH_EVERY / 2 { LONG_BATCH } else { 1 + dice.below(3) };
        let balances = (0..rows).map(|_| (dice.below(8) > 0).then(|| amount(dice))).collect();
        happenings.push((moment(dice), Happening::Batch { batch, balances }));
    }
}

fn extracts(dice: &mut Dice, count: usize, happenings: &mut Vec<(u64, Happening)>) {
    for extract in 0..count {
        let amount = amount(dice);
        happenings.push((moment(dice), Happening::Extract { extract, amount }));
    }
}

/// Some customers have a session, some upload by hand without a link, most come through a link and may try repeatedly.
fn statements(dice: &mut Dice, count: usize, happenings: &mut Vec<(u64, Happening)>) {
    let links = (count / 10).max(1);
    for n in 0..count {
        let lone = LONE_ENTITIES + n;
        let link = dice.below(links);
        let linked = link * ENTITIES_PER_LINK + dice.below(ENTITIES_PER_LINK);
        let reason = pick(dice, &REASONS, "OTHER");
        let happening = match dice.below(100) {
            0..15 => Happening::Session { session: n },
            15..28 => statement(lone, None, n, dice.below(3) > 0),
            28..34 => Happening::Attempt { entity: lone, link: None, reason },
            34..75 => statement(linked, Some(link), n, dice.below(3) > 0),
            _ => Happening::Attempt { entity: linked, link: Some(link), reason },
        };
        happenings.push((moment(dice), happening));
    }
}

fn statement(entity: usize, link: Option<usize>, statement: usize, completed: bool) -> Happening {
    Happening::Statement { entity, link, statement, completed }
}

fn merchants(dice: &mut Dice, count: usize, happenings: &mut Vec<(u64, Happening)>) {
    let mut left = count;
    for merchant in 0..count {
        if left <= count / 3 {
            break;
        }
        let mut at_ms = between(dice, 0, LAST_MS / 2);
        let stops = 1 + dice.below(STATUSES.len());
        let mut way: Vec<&'static str> = STATUSES.into_iter().take(stops).collect();
        if dice.below(5) == 0 {
            way.push(pick(dice, &ENDINGS, "declined"));
        }
        for status in way {
            if at_ms >= LAST_MS || left == 0 {
                break;
            }
            happenings.push((at_ms, Happening::Status { merchant, status }));
            left -= 1;
            at_ms += between(dice, MINUTE_MS, 10 * MINUTE_MS);
        }
    }
    for number in 0..left {
        let event_type = pick(dice, &MOVEMENTS, "transaction.entered");
        let amount = amount(dice);
        happenings.push((moment(dice), Happening::Movement { number, event_type, amount }));
    }
}

/// Dealt like cards, so that the shares are exact.
fn fates(dice: &mut Dice, count: usize) -> Vec<Fate> {
    let mut fates = vec![Fate::Arrives; count];
    let tenth = count / 10;
    for (n, fate) in fates.iter_mut().enumerate().take(tenth * 5 / 2) {
        *fate = match n {
            _ if n < tenth / 2 => Fate::LostUnnoticed,
            _ if n < tenth => Fate::LostForGood,
            _ if n < tenth * 2 => Fate::Doubled { gap_ms: between(dice, 0, 3 * MINUTE_MS) },
            _ => Fate::LostAtFirst { attempts: 1 + u32::from(dice.below(2) == 1) },
        };
    }
    for last in (1..count).rev() {
        fates.swap(last, dice.below(last + 1));
    }
    fates
}

/// Mostly at once, sometimes within the minute, now and then minutes late.
fn delay(dice: &mut Dice) -> u64 {
    let upto = match dice.below(10) {
        0..5 => 10 * SECOND_MS,
        5..8 => MINUTE_MS,
        _ => 6 * MINUTE_MS,
    };
    between(dice, 0, upto)
}

#[cfg(test)]
mod tests {
    use super::{Fate, HOUR_MS, Happening, Plan};

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
    fn a_merchant_walks_forward_and_all_is_within_the_hour() {
        let plan = Plan::new(3, 500);
        let mut seen = std::collections::BTreeMap::new();
        for event in &plan.events {
            assert!(event.at_ms < HOUR_MS);
            if let Happening::Status { merchant, status } = event.happening {
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
