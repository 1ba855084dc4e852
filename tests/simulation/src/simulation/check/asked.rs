//! What was asked for, when all is quiet: links that are watched, and what was announced.

use std::collections::BTreeSet;

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Entry, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Metric;

use super::super::world::Glass;
use super::Check;

impl<L: Glass> Check<'_, L> {
    /// A link that was watched is known completely: every statement, and attempts that look the same by their number.
    pub(super) fn links(&mut self) {
        let truth = &self.world.truth;
        let watched: BTreeSet<String> = self.world.memory().expectations().into_iter().map(|e| e.reference).collect();
        let kept = |link: &String| watched.contains(link) && !self.seen.closed.contains(link);
        let mut missing: Vec<ItemKey> = Vec::new();
        let mut found = Vec::new();
        for statement in &truth.sides.finbox.statements {
            if statement.link().is_some_and(|link| kept(&format!("link:{link}"))) {
                missing.push(statement.key());
            }
        }
        for alike in &truth.sides.finbox.alike {
            if kept(&format!("link:{}", alike.link)) {
                missing.extend((1..=alike.at.len()).map(|n| alike.key(n)));
            }
        }
        missing.retain(|key| !matches!(self.state(key), Some(State::Done | State::Parked)));
        found.extend(
            missing.into_iter().map(|key| ("what is watched is known", format!("{key} is {:?}", self.state(&key)))),
        );
        self.violations.extend(found);
    }

    /// What was announced has come, or is reported as expired.
    pub(super) fn expectations(&mut self) {
        let rows = self.world.memory().expectations();
        let mut found = Vec::new();
        for index in &self.seen.announced {
            let announced = &self.world.truth.plot.announced[*index];
            let Some(row) = rows.iter().find(|row| row.reference == announced.reference) else {
                found.push(("announced is kept", format!("{} is forgotten", announced.reference)));
                continue;
            };
            if self.seen.closed.contains(&announced.reference) {
                continue;
            }
            let healed_at = self.seen.healed_at.unwrap_or(self.world.start);
            let in_time = announced.complete_at.is_some_and(|at| at <= healed_at);
            let lived = self.seen.waiting_at_heal.contains(&row.key) || row.created_at > healed_at;
            if in_time && lived && row.state != ExpectationState::Met {
                found.push(("announced is found", format!("{} is complete, and {:?}", row.key, row.state)));
            }
            if announced.complete_at.is_none() && row.state == ExpectationState::Met {
                found.push(("announced is found", format!("{} was met, and never completed", row.key)));
            }
            let of_subject = |entry: &Entry| entry.key.pk == row.key.pk && entry.state != State::Open;
            if row.state == ExpectationState::Closed && !row.repeats {
                found.push(("announced is found", format!("{} was closed, and nobody asked for it", row.key)));
            }
            if row.state == ExpectationState::Met && !self.entries.values().any(of_subject) {
                found.push(("announced is found", format!("{} was met, and nothing is there", row.key)));
            }
        }
        // More than there are rows: what expired may be announced again, and expire again.
        let expired = self.world.memory().times_expired();
        let counted = self.world.meter.total(Metric::ExpectationsExpired);
        // A kill or a lost answer between the row and the count loses the count; the row stays listed.
        let unheard = self.world.chaos.kills() + self.world.chaos.unheard_ends();
        if counted > expired || counted + unheard < expired {
            found.push(("expired is counted", format!("{expired} expired, {counted} counted")));
        }
        self.violations.extend(found);
    }
}
