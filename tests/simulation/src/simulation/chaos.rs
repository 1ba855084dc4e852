//! What goes wrong, and the record of it: the ports' faults, and the history.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::rc::Rc;

use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock;

use super::dice::Dice;
use crate::memory::{Fate, FixedClock, LOST, Side};

/// The ports that fail, by the names they have in a history.
pub(super) const PORTS: [&str; 5] = ["ledger", "queue", "bus", "secrets", "api"];

/// Calls of a calm minute that fail, of a thousand, on each side of their effect.
const CALM_PERMILLE: u64 = 12;

/// A delivery that was rescued is tried again for longer than this.
const MAX_TABLE_GONE_SECS: u64 = 3 * 24 * 3_600;

/// A time in which a port is throttled, or gone.
#[derive(Debug)]
struct Storm {
    port: &'static str,
    from: UnixMs,
    until: UnixMs,
    before_permille: u64,
    after_permille: u64,
}

/// Decides about every port call until the world heals, and keeps the history.
#[derive(Debug)]
pub(super) struct Chaos {
    dice: Dice,
    clock: Rc<FixedClock>,
    storms: Vec<Storm>,
    /// A time of hours or days in which there is no table: when it begins and ends.
    table_gone: Option<(UnixMs, UnixMs)>,
    healed: Cell<bool>,
    calls: Cell<u64>,
    kills: Cell<u64>,
    /// Expectations that were ended, without an answer that says so.
    unheard_ends: Cell<u64>,
    /// Entries that were put, without an answer that says so.
    unheard_puts: Cell<u64>,
    status_moved: Cell<bool>,
    cursor_moved: Cell<bool>,
    circuit_moved: Cell<bool>,
    expectation_ended: Cell<bool>,
    claimed: Cell<bool>,
    fact_put: Cell<bool>,
    rows_put: Cell<bool>,
    fact_matched: Cell<bool>,
    /// A provider's answer got lost on its way.
    answer_lost: Cell<bool>,
    /// The invocations that a fault struck.
    struck: RefCell<BTreeSet<u32>>,
    /// Those of them whose table it was.
    blinded: RefCell<BTreeSet<u32>>,
    /// The invocation that is being polled.
    who: Cell<u32>,
    history: RefCell<Option<Vec<String>>>,
}

impl Chaos {
    /// The troubles of a seed, within `span_secs` from now. Without a history the seeds run several times as fast.
    pub(super) fn new(seed: u64, clock: Rc<FixedClock>, span_secs: u64, keep_history: bool) -> Self {
        let dice = Dice::new(seed, 1);
        let start = clock.now();
        let storm = |_| {
            let from = start.plus_ms(dice.below(span_secs * 1000));
            let length_ms = if dice.percent(70) { dice.between(1_000, 60_000) } else { dice.between(60_000, 900_000) };
            let (before_permille, after_permille) = dice.pick(&[(1000, 0), (500, 200), (100, 600), (300, 0)]);
            Storm { port: dice.pick(&PORTS), from, until: from.plus_ms(length_ms), before_permille, after_permille }
        };
        let mut storms: Vec<Storm> = (0..dice.below(7)).map(storm).collect();
        // The providers' APIs are gone for longer than a circuit opens for, and for longer than some deadlines.
        if dice.percent(50) {
            let from = start.plus_ms(dice.below(span_secs * 1000));
            let until = from.plus_secs(dice.between(600, 4_200));
            storms.insert(0, Storm { port: "api", from, until, before_permille: 1000, after_permille: 0 });
        }
        // Of a dice of its own, so that the other seeds stay what they are.
        let rare = Dice::new(seed, 10);
        let table_gone = rare.percent(3).then(|| {
            let from = start.plus_ms(rare.below(span_secs * 1000));
            (from, from.plus_secs(rare.between(3_600, MAX_TABLE_GONE_SECS)))
        });
        if let Some((from, until)) = table_gone {
            storms.insert(0, Storm { port: "ledger", from, until, before_permille: 1000, after_permille: 0 });
        }
        Self {
            dice,
            clock,
            storms,
            table_gone,
            healed: Cell::default(),
            calls: Cell::default(),
            kills: Cell::default(),
            unheard_ends: Cell::default(),
            unheard_puts: Cell::default(),
            status_moved: Cell::default(),
            cursor_moved: Cell::default(),
            circuit_moved: Cell::default(),
            expectation_ended: Cell::default(),
            claimed: Cell::default(),
            fact_put: Cell::default(),
            rows_put: Cell::default(),
            fact_matched: Cell::default(),
            answer_lost: Cell::default(),
            struck: RefCell::default(),
            blinded: RefCell::default(),
            who: Cell::default(),
            history: RefCell::new(keep_history.then(Vec::new)),
        }
    }

    /// When the table is back that was gone for hours or days; the beginning of time if it never is.
    pub(super) fn table_back_at(&self) -> UnixMs {
        self.table_gone.map_or(UnixMs(0), |(_, until)| until)
    }

    /// Whether the table has been gone for an hour, and is not back yet.
    pub(super) fn table_is_long_gone(&self) -> bool {
        let now = self.clock.now();
        self.table_gone.is_some_and(|(from, until)| from.plus_secs(3_600) < now && now < until)
    }

    /// From now on nothing goes wrong.
    pub(super) fn heal(&self) {
        self.healed.set(true);
    }

    /// Whether nothing goes wrong any more.
    pub(super) fn healed(&self) -> bool {
        self.healed.get()
    }

    /// Whether this port has a bad time just now.
    pub(super) fn storming(&self, port: &str) -> bool {
        let now = self.clock.now();
        !self.healed() && self.storms.iter().any(|storm| storm.port == port && storm.from <= now && now < storm.until)
    }

    /// From now on calls are this invocation's.
    pub(super) fn polled(&self, who: u32) {
        self.who.set(who);
    }

    /// An invocation was killed.
    pub(super) fn killed(&self) {
        self.kills.set(self.kills.get() + 1);
    }

    /// Port calls so far.
    pub(super) fn calls(&self) -> u64 {
        self.calls.get()
    }

    /// Invocations killed so far.
    pub(super) fn kills(&self) -> u64 {
        self.kills.get()
    }

    /// Expectations that were ended, perhaps, by a flow that was told it failed.
    pub(super) fn unheard_ends(&self) -> u64 {
        self.unheard_ends.get()
    }

    /// Entries that were put, perhaps, by a flow that was told it failed.
    pub(super) fn unheard_puts(&self) -> u64 {
        self.unheard_puts.get()
    }

    /// Whether a status was moved since this was asked last.
    pub(super) fn take_status_moved(&self) -> bool {
        self.status_moved.take()
    }

    /// Whether a listing's cursor was written since this was asked last.
    pub(super) fn take_cursor_moved(&self) -> bool {
        self.cursor_moved.take()
    }

    /// Whether a circuit was moved since this was asked last.
    pub(super) fn take_circuit_moved(&self) -> bool {
        self.circuit_moved.take()
    }

    /// Whether an expectation was ended since this was asked last.
    pub(super) fn take_expectation_ended(&self) -> bool {
        self.expectation_ended.take()
    }

    /// Whether a debt was claimed since this was asked last.
    pub(super) fn take_claimed(&self) -> bool {
        self.claimed.take()
    }

    /// Whether result rows were put since this was asked last.
    pub(super) fn take_rows_put(&self) -> bool {
        self.rows_put.take()
    }

    /// Whether a status fact was put since this was asked last.
    pub(super) fn take_fact_put(&self) -> bool {
        self.fact_put.take()
    }

    /// Whether a status fact was found to be what a push says, since this was asked last.
    pub(super) fn take_fact_matched(&self) -> bool {
        self.fact_matched.take()
    }

    /// Whether a provider's answer got lost since this was asked last.
    pub(super) fn take_answer_lost(&self) -> bool {
        self.answer_lost.take()
    }

    /// Whether any call of this invocation failed.
    pub(super) fn struck(&self, who: u32) -> bool {
        self.struck.borrow().contains(&who)
    }

    /// How many invocations a fault struck.
    pub(super) fn times_struck(&self) -> u64 {
        self.struck.borrow().len() as u64
    }

    /// Whether any call of this invocation to its table failed.
    pub(super) fn blinded(&self, who: u32) -> bool {
        self.blinded.borrow().contains(&who)
    }

    /// Writes a line of the history, if one is kept.
    pub(super) fn tell(&self, line: impl FnOnce() -> String) {
        if let Some(history) = self.history.borrow_mut().as_mut() {
            history.push(format!("{}  {}", self.clock.now(), line()));
        }
    }

    /// The history, once.
    pub(super) fn take_history(&self) -> Vec<String> {
        self.history.borrow_mut().take().unwrap_or_default()
    }
}

impl Fate for Chaos {
    fn strikes(&self, port: &'static str, _call: &'static str) -> Option<Side> {
        self.calls.set(self.calls.get() + 1);
        if self.healed() {
            return None;
        }
        let now = self.clock.now();
        let raging = |storm: &&Storm| storm.port == port && storm.from <= now && now < storm.until;
        let (before, after) = match self.storms.iter().find(raging) {
            Some(storm) => (storm.before_permille, storm.after_permille),
            None => (CALM_PERMILLE, CALM_PERMILLE),
        };
        let thrown = self.dice.below(1000);
        if thrown >= before + after {
            return None;
        }
        self.struck.borrow_mut().insert(self.who.get());
        if port == "ledger" {
            self.blinded.borrow_mut().insert(self.who.get());
        }
        Some(if thrown < before { Side::Before } else { Side::After })
    }

    fn went(&self, port: &'static str, call: &'static str, how: &'static str) {
        match call {
            "move_status" => self.status_moved.set(true),
            "move_circuit" => self.circuit_moved.set(true),
            "end_expectation" => self.expectation_ended.set(true),
            "advance_listing" => self.cursor_moved.set(true),
            "claim" => self.claimed.set(true),
            "put_fact" => self.fact_put.set(true),
            "put_rows" => self.rows_put.set(true),
            "match_fact" => self.fact_matched.set(true),
            "call" if how == LOST => self.answer_lost.set(true),
            _ => {}
        }
        match call {
            "end_expectation" if how == LOST => self.unheard_ends.set(self.unheard_ends.get() + 1),
            "admit" if how == LOST => self.unheard_puts.set(self.unheard_puts.get() + 1),
            _ => {}
        }
        self.tell(|| format!("#{:<4} {port}.{call}: {how}", self.who.get()));
    }
}
