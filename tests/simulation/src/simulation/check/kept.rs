//! What is not swallowed, when all is quiet: another content under a known identity, a status that nobody knows, and
//! deliveries that never arrived.

use std::collections::BTreeMap;

use hookledger_core::model::entry::{Entry, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Metric;

use super::super::plot::{TrueEvent, Twin, is_other};
use super::super::sides::fynapse::Delivery;
use super::super::world::Glass;
use super::Check;

/// How a loss is settled.
const ARRIVED: &str = "the event arrived after all";

impl<L: Glass> Check<'_, L> {
    /// The second of two contents is kept beside the first, once, and counted.
    pub(super) fn other_contents(&mut self) {
        let with_twins = self.world.truth.plot.events.iter().filter(|event| event.twin == Twin::Content);
        let first_keys: BTreeMap<&ItemKey, &TrueEvent> = with_twins.map(|event| (&event.key, event)).collect();
        let others: Vec<&Entry> =
            self.entries.values().filter(|entry| first_keys.keys().any(|key| is_other(key, &entry.key))).collect();
        let mut found = Vec::new();
        for key in first_keys.keys() {
            let beside: Vec<&&Entry> = others.iter().filter(|entry| is_other(key, &entry.key)).collect();
            if beside.len() > 1 || beside.iter().any(|entry| entry.state != State::Ignored) {
                found.push(("another content is kept and counted", format!("beside {key} stand {beside:?}")));
            }
        }
        let counted = self.world.meter.total(Metric::DeliveriesConflicting);
        if let Some(what) = self.miscounted(others.len() as u64, counted) {
            found.push(("another content is kept and counted", what));
        }
        self.violations.extend(found);
    }

    /// What a list has shown of a merchant, and nobody knows, is kept.
    pub(super) fn unknown_statuses(&mut self) {
        for merchant in &self.world.truth.sides.runpayments.merchants {
            let key = merchant.listed_unknown();
            let state = self.state(&key);
            if !matches!(state, None | Some(State::Ignored)) {
                self.violations.push(("a status nobody knows is kept", format!("{key} is {state:?}")));
            }
        }
    }

    /// Every delivery that is gone for good is told once, and no longer when its event is here.
    pub(super) fn losses(&mut self) {
        let mut found = Vec::new();
        let truth = &self.world.truth;
        let deliveries = truth.sides.fynapse.deliveries();
        for delivery in &deliveries {
            let event = &truth.plot.events[delivery.event];
            // Of an event that the audit does not name nobody can tell whether it is here.
            let held = delivery.event_id.is_some() && self.entries.contains_key(&event.key);
            let loss = self.entries.get(&delivery.loss());
            let wanted = match loss {
                None => held || !delivery.tells_of_loss(),
                Some(loss) if held => loss.state == State::Done && loss.reason.as_deref() == Some(ARRIVED),
                Some(loss) => loss.state == State::Parked,
            };
            if !wanted {
                let how = loss.map(|loss| (loss.state, &loss.reason));
                let what =
                    format!("d{} is {}, its event held: {held}, its loss {how:?}", delivery.event, delivery.fate);
                found.push(("every loss is told once, and closed", what));
            }
            if loss.is_some() && !event.lost {
                found.push(("nothing is called lost that is not", format!("d{} of {}", delivery.event, event.key)));
            }
        }
        let told = deliveries.iter().filter(|delivery| self.entries.contains_key(&Delivery::loss(delivery))).count();
        if let Some(what) = self.miscounted(told as u64, self.world.meter.total(Metric::DeliveriesLost)) {
            found.push(("every loss is told once, and closed", what));
        }
        self.violations.extend(found);
    }

    /// Each of `kept` is counted once. A kill or a lost answer between the row and the count loses the count; the row stays.
    fn miscounted(&self, kept: u64, counted: u64) -> Option<String> {
        let unheard = self.world.chaos.kills() + self.world.chaos.unheard_puts();
        (counted > kept || counted + unheard < kept).then(|| format!("{kept} are kept, {counted} counted"))
    }
}
