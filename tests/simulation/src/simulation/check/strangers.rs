//! Whose an entry is, when all is quiet: a true event's, or a claim's that has no effect. Nothing forged is anywhere.

use std::collections::{BTreeMap, BTreeSet};

use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::identity::ItemKey;

use super::super::plot::{Effect, FORGED, LEAKED, OVERTAKEN, Twin, beside, is_other};
use super::super::world::Glass;
use super::Check;

/// Why an entry of a true event may wait for a person. Any other reason is a mistake of ours.
const GOOD_REASONS: [&str; 4] =
    ["tried 8 times: ", "taken up 8 times without an answer", "never confirmed: ", "begun anew 8 times: "];

/// But not that its provider was down, or its quota used up: an outage is no failure of what waits for its end. Runs end
/// long before the week that this holds for. And not that there is much to be read.
const BAD_REASONS: [&str; 3] =
    ["its circuit is open", "answered 429", "the provider's answers take longer than one attempt may last"];

impl<L: Glass> Check<'_, L> {
    /// Every entry is a true event's, or a leaked token's claim without effect. Nothing forged is anywhere.
    pub(super) fn strangers(&mut self) {
        let (plot, memory) = (&self.world.truth.plot, self.world.memory());
        let mut known: BTreeMap<ItemKey, Option<Effect>> =
            plot.found_by_asking.iter().map(|(key, _)| (key.clone(), None)).collect();
        known.extend(plot.events.iter().map(|event| (event.key.clone(), Some(event.effect))));
        for event in &plot.events {
            if let Twin::Type(event_type) = event.twin {
                known.insert(beside(&event.key, event_type), Some(event.effect));
            }
        }
        for merchant in &self.world.truth.sides.runpayments.merchants {
            for (status, _) in &merchant.statuses {
                // How many of them there may be, `merchants` says.
                known.extend((1..=merchant.statuses.len() + 1).map(|n| (merchant.listed(status, n), None)));
            }
            if merchant.listed_unknown_ever() {
                known.insert(merchant.listed_unknown(), None);
            }
        }
        let losses: BTreeSet<ItemKey> =
            self.world.truth.sides.fynapse.deliveries().iter().map(|delivery| delivery.loss()).collect();
        let seconds: Vec<&ItemKey> =
            plot.events.iter().filter(|event| event.twin == Twin::Content).map(|event| &event.key).collect();
        // How a loss and a second content must stand, `losses` and `other_contents` say.
        let elsewhere = |key: &ItemKey| losses.contains(key) || seconds.iter().any(|first| is_other(first, key));
        let alerts: BTreeMap<&ItemKey, &str> = plot
            .events
            .iter()
            .filter(|event| event.twin == Twin::Claims)
            .map(|event| (&event.key, event.body.as_str()))
            .collect();
        let claimed = |key: &ItemKey, body: &[u8]| alerts.get(key).is_some_and(|genuine| genuine.as_bytes() != body);
        for entry in self.entries.values().filter(|entry| !elsewhere(&entry.key)).cloned().collect::<Vec<_>>() {
            let body = memory.stored(&entry.key).map(|stored| stored.body).unwrap_or_default();
            let text = format!("{} {}", entry.key, String::from_utf8_lossy(&body));
            if text.contains(FORGED) {
                self.violated("nothing forged gets in", format!("an entry {text}"));
            } else if text.contains(LEAKED) {
                let overtaken = entry.reason.as_ref().is_some_and(|reason| reason.starts_with(OVERTAKEN));
                if entry.state != State::Parked && !overtaken {
                    self.violated("nothing forged takes effect", format!("{} is {:?}", entry.key, entry.state));
                }
            } else if claimed(&entry.key, &body) && self.is_harmless(&entry) {
                // Somebody was first under the key of an alert. What he claims is an event of its own.
            } else if let Some(effect) = known.get(&self.world.on_the_first_day(&entry.key)) {
                let reason = entry.reason.clone().unwrap_or_default();
                let good = GOOD_REASONS.iter().any(|good| reason.starts_with(good))
                    && !BAD_REASONS.iter().any(|bad| reason.contains(bad));
                if entry.state == State::Parked && *effect != Some(Effect::Parked) && !good {
                    self.violated("true events are parked for a good reason", format!("{}: {reason}", entry.key));
                }
            } else if !self.is_harmless(&entry) {
                self.violated("entries are true events", format!("nothing happened that is {text}"));
            }
        }
        let forged = |text: &str| text.contains(FORGED) || text.contains(LEAKED);
        for (key, row) in memory.all_rows() {
            if forged(&format!("{key} {}", String::from_utf8_lossy(&row.row.document))) {
                self.violated("nothing forged takes effect", format!("a row {key}"));
            }
        }
        let details: Vec<String> = self.published.iter().map(|published| published.detail.clone()).collect();
        for detail in details.into_iter().filter(|detail| forged(detail)) {
            self.violated("nothing forged takes effect", format!("published {detail}"));
        }
    }

    /// Somebody with a live token may have an entry that is no true event's: one that is ignored, waits for a person, or
    /// has an effect that the provider's API says. Which these are, `told` says.
    fn is_harmless(&self, entry: &Entry) -> bool {
        let unsigned = !hookledger_kit::of(&entry.provider).is_signed();
        self.world.mood.attacked && unsigned && entry.state != State::Open && entry.origin == Origin::Push
    }
}
