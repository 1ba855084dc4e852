//! The invariants, checked when everything is quiet: what the ledger and the bus hold against what really happened.

mod asked;
mod attacked;
mod calls;
mod kept;
mod merchants;
mod results;
mod rows;
mod strangers;
mod told;

use std::collections::{BTreeMap, BTreeSet};

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::fact::Fact;
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::{MAX_QUARANTINED_PER_MINUTE, MAX_QUARANTINED_PER_SOURCE, Shelf};
use hookledger_core::ports::{Clock as _, Metric};

use super::engine::{Seen, Violations};
use super::plot::{ATTEMPT, Effect, TrueEvent, is_other};
use super::world::{Glass, World};
pub(super) use calls::most_calls;

/// More deliveries than any event has: attempts, and copies of each.
const MAX_ATTEMPTS_SENT: u32 = 30;

/// Everything that is looked at, read once.
struct Check<'a, L> {
    world: &'a World<L>,
    seen: &'a Seen,
    entries: BTreeMap<ItemKey, Entry>,
    published: Vec<Published>,
    violations: Violations,
}

struct Published {
    id: String,
    entry: ItemKey,
    event_type: String,
    detail: String,
}

/// All violations of a run that has ended.
pub(super) fn check<L: Glass>(world: &World<L>, seen: &Seen) -> Violations {
    let memory = world.memory();
    let mut check = Check {
        world,
        seen,
        entries: memory.entries().into_iter().map(|entry| (entry.key.clone(), entry)).collect(),
        published: world.publisher.published().into_iter().map(|announcement| read(announcement.detail)).collect(),
        violations: Vec::new(),
    };
    check.debts();
    check.acknowledged();
    check.rescued();
    check.bodies();
    check.strangers();
    check.publications();
    check.merchants();
    check.links();
    check.expectations();
    check.results();
    check.other_contents();
    check.unknown_statuses();
    check.losses();
    check.refusals();
    check.circuits();
    check.rows_of_the_unsigned();
    check.attacked();
    check.violations
}

fn read(detail: String) -> Published {
    let value: serde_json::Value = serde_json::from_str(&detail).unwrap();
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_string();
    let entry = ItemKey { pk: text(&value["entry"]["pk"]), sk: text(&value["entry"]["sk"]) };
    Published { id: text(&value["id"]), entry, event_type: text(&value["type"]), detail }
}

impl<L: Glass> Check<'_, L> {
    fn violated(&mut self, invariant: &'static str, what: String) {
        self.violations.push((invariant, what));
    }

    fn state(&self, key: &ItemKey) -> Option<State> {
        self.entries.get(key).map(|entry| entry.state)
    }

    /// What is owed has a due time; what is not, has none.
    fn debts(&mut self) {
        for entry in self.entries.values().cloned().collect::<Vec<_>>() {
            if (entry.state == State::Open) != entry.due_at.is_some() {
                let what = format!("{} is {:?} and due at {:?}", entry.key, entry.state, entry.due_at);
                self.violated("debts have due times", what);
            }
        }
        for expectation in self.world.memory().expectations() {
            if (expectation.state == ExpectationState::Waiting) != expectation.due_at.is_some() {
                let what =
                    format!("{} is {:?} and due at {:?}", expectation.key, expectation.state, expectation.due_at);
                self.violated("debts have due times", what);
            }
        }
    }

    /// What is kept of a delivery is what was sent, byte for byte; and what owes has no end.
    fn bodies(&mut self) {
        let memory = self.world.memory();
        let mut found = Vec::new();
        for event in &self.world.truth.plot.events {
            let Some(stored) = self.world.kept(event).filter(|stored| stored.entry.origin == Origin::Push) else {
                continue;
            };
            let sent = |made: u32| event.body.replace(ATTEMPT, &made.to_string()).into_bytes();
            // Somebody with a leaked token may have claimed it first, in other words.
            let claimed = !hookledger_kit::of(event.provider).is_signed();
            let same = (1..=MAX_ATTEMPTS_SENT).any(|made| stored.body == sent(made));
            if !same && !claimed {
                found.push(("what is kept is what was sent", event.key.to_string()));
            }
        }
        for entry in memory.entries().into_iter().filter(|entry| entry.state == State::Open) {
            if memory.expires_at(&entry.key).is_some() {
                found.push(("what owes never expires", entry.key.to_string()));
            }
        }
        self.violations.extend(found);
    }

    /// Every true event that was answered 2xx has come to its end.
    fn acknowledged(&mut self) {
        let acknowledged: Vec<usize> = self.seen.acknowledged.keys().copied().collect();
        for event in acknowledged {
            let happens = &self.world.truth.plot.events[event];
            let TrueEvent { key, effect, .. } = happens;
            let kept = self.world.kept(happens);
            let is_second = kept.as_ref().is_some_and(|kept| is_other(key, &kept.entry.key));
            let state = kept.map(|kept| kept.entry.state);
            let accounted = match effect {
                _ if is_second => state == Some(State::Ignored),
                Effect::Own | Effect::Status(_) | Effect::Alike(_) => {
                    matches!(state, Some(State::Done | State::Parked))
                }
                Effect::Ignored => state == Some(State::Ignored),
                Effect::Parked => state == Some(State::Parked),
                Effect::Quarantined => false,
            };
            if !accounted {
                self.violated("acknowledged is accounted for", format!("event {event}, {key}, is {state:?}"));
            }
        }
    }

    /// No outage here lasts longer than a delivery waits for its end.
    fn rescued(&mut self) {
        for dead in self.world.dead_letters.take().into_iter().filter(|dead| dead.rescue) {
            self.violated("what is rescued is stored in time", format!("dead after {}: {}", dead.receives, dead.body));
        }
    }

    /// One effect, one id, one detail; and what is done was published.
    fn publications(&mut self) {
        let mut details: BTreeMap<String, &str> = BTreeMap::new();
        let facts = self.world.memory().all_facts();
        let mut found = Vec::new();
        for published in &self.published {
            let first = details.entry(published.id.clone()).or_insert(&published.detail);
            if *first != published.detail {
                found.push(("one id, one detail", format!("{first} and {}", published.detail)));
            }
            let subject = Subject::from_stored(published.entry.pk.clone());
            // A status is published as the fact that its entry owns: the nth time of this status, and of no other.
            let id = match published.event_type.strip_prefix("merchant.") {
                Some(status) => {
                    let own = |fact: &&Fact| fact.owner == published.entry && fact.status == status;
                    facts
                        .iter()
                        .map(|(_, fact)| fact)
                        .find(own)
                        .map(|own| subject.item(Fact::sk(status, own.n)).stable_id())
                }
                None => Some(published.entry.stable_id()),
            };
            if id.as_ref() != Some(&published.id) {
                let what = format!("{} was published as {}, and is {id:?}", published.entry, published.id);
                found.push(("one effect, one id", what));
            }
        }
        let published: BTreeSet<&ItemKey> = self.published.iter().map(|published| &published.entry).collect();
        for entry in self.entries.values() {
            if entry.state == State::Done && entry.reason.is_none() && !published.contains(&entry.key) {
                found.push(("what is done was published", format!("{} is done, and nobody was told", entry.key)));
            }
            if matches!(entry.state, State::Ignored) && published.contains(&entry.key) {
                found.push(("what is done was published", format!("{} is ignored, and was published", entry.key)));
            }
        }
        self.violations.extend(found);
    }

    /// No circuit stays open but for its time, whoever died while moving it.
    fn circuits(&mut self) {
        let latest = self.world.clock.now().plus_secs(self.world.timing.circuit.cap_secs + 10);
        for circuit in self.world.circuits().collect::<Vec<_>>() {
            if circuit.open_until.is_some_and(|until| until > latest) {
                self.violated("no circuit is open for ever", format!("{circuit:?}, and it would be now"));
            }
        }
    }

    /// Every refusal that was answered is counted, and the quarantine's cap holds.
    fn refusals(&mut self) {
        let counted = self.world.meter.total(Metric::DeliveriesRefused);
        if counted < self.seen.refused {
            self.violated("refusals are counted", format!("{} answered 403, {counted} counted", self.seen.refused));
        }
        let refusals = self.world.memory().refusals();
        let mut in_minute: BTreeMap<(ProviderId, Shelf, i64), u64> = BTreeMap::new();
        let mut of_source: BTreeMap<(ProviderId, Shelf, i64, &Option<String>), u64> = BTreeMap::new();
        for refused in &refusals {
            let shelf = Shelf::of(&refused.code);
            let minute = refused.at.secs() / 60;
            *in_minute.entry((refused.provider, shelf, minute)).or_default() += 1;
            *of_source.entry((refused.provider, shelf, minute, &refused.source_ip)).or_default() += 1;
        }
        if let Some(most) = in_minute.values().max().filter(|most| **most > MAX_QUARANTINED_PER_MINUTE.into()) {
            self.violated("the quarantine is capped", format!("{most} kept of one provider's minute"));
        }
        if let Some(most) = of_source.values().max().filter(|most| **most > MAX_QUARANTINED_PER_SOURCE.into()) {
            self.violated("the quarantine is capped", format!("{most} kept of one sender's minute"));
        }
        let kept = refusals.len() as u64;
        if kept > counted {
            self.violated("refusals are counted", format!("{kept} kept, {counted} counted"));
        }
    }
}
