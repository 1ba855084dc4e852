//! What is told of the two providers that sign nothing: what their APIs said by then, and no oftener than they said it.

use std::collections::{BTreeMap, BTreeSet};

use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;

use super::super::attacker::BOGUS;
use super::super::engine::CLOCKS_APART_SECS;
use super::super::plot::Effect;
use super::super::world::Glass;
use super::{Check, Published};

/// An alert of Rightfoot's, as its entry's key begins.
const ALERT: &str = "event#BALANCE_THRESHOLD_ALERT#";
/// How an entry is settled whose effect another one brought.
const ANOTHER: &str = "another entry brought this effect already";

/// Whether its effect belongs to the subject and not to the entry: what the API said of it, whoever made us ask.
fn is_of_subject(entry: &ItemKey) -> bool {
    entry.pk.starts_with("finbox#session#") || entry.sk.starts_with("event#attempt##")
}

impl<L: Glass> Check<'_, L> {
    /// What is told is what the provider's API said by then: a true event, or an alert of authorizers that it names.
    pub(super) fn told(&mut self) {
        let plot = &self.world.truth.plot;
        let of_events = plot.events.iter().map(|event| (&event.key, event.at));
        let of_asking = plot.found_by_asking.iter().map(|(key, at)| (key, *at));
        let mut since: BTreeMap<&ItemKey, UnixMs> = BTreeMap::new();
        for (key, at) in of_events.chain(of_asking) {
            since.entry(key).and_modify(|first| *first = at.min(*first)).or_insert(at);
        }
        let mut found = Vec::new();
        let unsigned = |told: &&Published| {
            let provider = told.entry.pk.split_once('#').and_then(|(name, _)| hookledger_kit::find(name));
            provider.is_some_and(|kit| !kit.is_signed())
        };
        for told in self.published.iter().filter(unsigned) {
            let told_at = self.seen.told_at.get(&told.entry).map(|at| at.plus_secs(CLOCKS_APART_SECS));
            let is_alert = told.entry.sk.starts_with(ALERT);
            let at = since.get(&told.entry).filter(|_| !is_alert).copied().or_else(|| self.said_since(told));
            if at.is_none_or(|at| told_at.is_some_and(|told_at| told_at < at)) {
                found.push(("nothing is told that the API did not say", told.detail.clone()));
            }
            // A time that only the delivery names, and an id, are told of an alert alone.
            let timed = !told.detail.contains(r#""occurred_at":null"#) && told.detail.contains(r#""origin":"push""#);
            if (told.detail.contains(BOGUS) || timed) && !is_alert {
                found.push(("nothing posted is told", told.detail.clone()));
            }
        }
        self.violations.extend(found);
    }

    /// Since when the API says what was told under an identity that is no true event's.
    fn said_since(&self, told: &Published) -> Option<UnixMs> {
        let ItemKey { pk, sk } = &told.entry;
        let truth = &self.world.truth;
        if sk.starts_with(ALERT) {
            let of = |id: &str| *pk == format!("rightfoot#batch#{id}");
            return truth.sides.rightfoot.batches.iter().find(|batch| of(&batch.id))?.shown_from();
        }
        if sk.starts_with("event#attempt##failed") && pk.ends_with("#alone") {
            return truth.sides.finbox.alone.as_ref().map(|alone| alone.at);
        }
        let id = pk.strip_prefix("finbox#session#")?;
        let session = truth.sides.finbox.sessions.iter().find(|session| session.id == id)?;
        match told.event_type.as_str() {
            "ENRICHMENT_NOTIFICATION" => (!session.expired).then_some(session.processed_at),
            "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION" => (!session.expired).then_some(session.ended_at),
            "SESSION_EXPIRY_NOTIFICATION" => session.expired.then_some(session.ended_at),
            "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION/SESSION_EXPIRY_NOTIFICATION" => Some(session.ended_at),
            _ => None,
        }
    }

    /// What the API says of a subject once is told once, under the first identity that it was asked for; and what was
    /// taken of a genuine delivery is told, be it by another entry.
    pub(super) fn told_once(&mut self) {
        let mut of: BTreeMap<(&str, &str), BTreeSet<&str>> = BTreeMap::new();
        for told in self.published.iter().filter(|told| is_of_subject(&told.entry)) {
            of.entry((&told.entry.pk, &told.event_type)).or_default().insert(&told.id);
        }
        let mut found = Vec::new();
        for ((subject, event_type), ids) in of.iter().filter(|(_, ids)| ids.len() > 1) {
            found.push(("what the API says once is told once", format!("{subject} {event_type}: {} ids", ids.len())));
        }
        for event in self.seen.acknowledged.keys() {
            let happens = &self.world.truth.plot.events[*event];
            let Some(entry) = self.entries.get(&happens.key).filter(|_| happens.effect == Effect::Own) else {
                continue;
            };
            let by_another = entry.state == State::Done && entry.reason.as_deref() == Some(ANOTHER);
            if by_another && !of.contains_key(&(entry.key.pk.as_str(), entry.event_type.as_str())) {
                found.push(("what is done was published", format!("{} was told by nobody", entry.key)));
            }
        }
        self.violations.extend(found);
    }
}
