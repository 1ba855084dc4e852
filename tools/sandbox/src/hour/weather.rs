//! The weather of an hour: when which provider's API is down, slow, short of patience, forgets its tokens, or answers
//! oddly.

use serde::Serialize;
use serde_json::{Value, json};

use super::clock::{HOUR_MS, MINUTE_MS, between};
use crate::dice::Dice;

/// The providers whose API work and polls depend on.
const ASKED: [&str; 3] = ["rightfoot", "finbox", "runpayments"];
/// The providers that hand out access tokens.
const TOKENS: [&str; 2] = ["fynapse", "runpayments"];

/// One change of a provider's fault switches.
#[derive(Clone, Serialize)]
pub(super) struct Weather {
    pub(super) at_ms: u64,
    pub(super) provider: &'static str,
    /// As the control API's `faults` takes it.
    pub(super) api: Value,
}

/// Two outages, slow spells, bursts of 429, tokens that lapse in the middle; and then what is odd rather than broken.
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
    oddities(dice, &mut weather);
    weather.sort_by_key(|change| change.at_ms);
    weather
}

/// At every provider a page for people for minutes, and a byte order mark; late answers where work asks; a quota that is
/// used up for long; tokens that live shortly and die otherwise than expected; a list that spells in its own way.
fn oddities(dice: &mut Dice, weather: &mut Vec<Weather>) {
    let mut spell = |provider, at_ms, length_ms, on: Value, off: Value| {
        weather.push(Weather { at_ms, provider, api: on });
        weather.push(Weather { at_ms: at_ms + length_ms, provider, api: off });
    };
    // Of two providers each, the one that is asked all the time among them: what nobody meets holds up the hour.
    for (switch, from, to) in [("html", 3, 5), ("byte_order_mark", 5, 10)] {
        let seldom = one_of(dice, &["fynapse", "finbox", "runpayments"]);
        for provider in ["rightfoot", seldom] {
            let at_ms = between(dice, HOUR_MS / 20, HOUR_MS * 8 / 10);
            let length_ms = between(dice, from * MINUTE_MS, to * MINUTE_MS);
            spell(provider, at_ms, length_ms, json!({ switch: true }), json!({ switch: false }));
        }
    }
    for provider in ASKED {
        let late_ms = between(dice, 1_000, 3_000);
        let at_ms = between(dice, 0, HOUR_MS * 9 / 10);
        let length_ms = between(dice, 3 * MINUTE_MS, 6 * MINUTE_MS);
        spell(provider, at_ms, length_ms, json!({ "late_ms": late_ms }), json!({ "late_ms": 0 }));
    }
    let provider = one_of(dice, &ASKED);
    let at_ms = between(dice, HOUR_MS / 10, HOUR_MS * 6 / 10);
    let length_ms = between(dice, 12 * MINUTE_MS, 20 * MINUTE_MS);
    let on = json!({ "rate_limit": true, "retry_after_secs": between(dice, 1, 3) });
    spell(provider, at_ms, length_ms, on, json!({ "rate_limit": false }));
    for provider in TOKENS {
        let api = json!({ "dead_token_status": 403, "token_life_ms": between(dice, 1_500, 6_000) });
        weather.push(Weather { at_ms: between(dice, 0, HOUR_MS / 2), provider, api });
    }
    weather.push(Weather { at_ms: 0, provider: "runpayments", api: json!({ "odd_spellings": true }) });
}

fn one_of(dice: &mut Dice, names: &[&'static str]) -> &'static str {
    names.get(dice.below(names.len())).copied().unwrap_or("rightfoot")
}

/// Trouble that has to be met by a call.
pub(super) enum Trouble {
    /// Calls fail with a 5xx.
    Outage,
    /// Calls are answered oddly, in this way.
    Odd(&'static str),
}

impl Weather {
    /// What is over with this, of what has to be met.
    pub(super) fn ends(&self) -> Option<Trouble> {
        let ends = |switch: &str| self.api.get(switch) == Some(&Value::Bool(false));
        let odd = ["html", "byte_order_mark"].into_iter().find(|switch| ends(switch));
        odd.map(Trouble::Odd).or(ends("outage").then_some(Trouble::Outage))
    }
}

#[cfg(test)]
mod tests {
    use super::forecast;
    use crate::dice::Dice;

    #[test]
    fn every_oddity_is_forecast() {
        for seed in 1..50 {
            let weather = forecast(&mut Dice::new(seed));
            let on = |switch: &str| {
                let on = |change: &&super::Weather| {
                    change.api.get(switch).is_some_and(|value| *value != false && *value != 0)
                };
                weather.iter().filter(on).count()
            };
            let counts = ["html", "byte_order_mark", "late_ms", "rate_limit", "token_life_ms", "odd_spellings"].map(on);
            assert_eq!(counts, [2, 2, 3, 1, 2, 1], "{seed}");
        }
    }
}
