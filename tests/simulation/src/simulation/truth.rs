//! The providers: what really happens there (`plot.rs`), decided before the run begins, and what their APIs answer
//! about it.

mod asked;
mod calls;
mod spell;
mod trouble;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock;

use super::attacker::Attack;
use super::author::Author;
use super::chaos::Chaos;
use super::dice::Dice;
use super::mood::Mood;
use super::plot::Plot;
use super::query::parameter;
use super::side::{Look, Side};
use super::sides::Sides;
use super::sides::rightfoot::{DEADLY, LONG, SLOW_PAGE_MS};
use crate::memory::{FixedClock, answer};
pub(super) use calls::Calls;
use spell::Spell;

/// The providers as they are.
pub(super) struct Truth {
    pub(super) plot: Plot,
    pub(super) sides: Sides,
    pub(super) attack: Attack,
    mood: Mood,
    dice: Dice,
    clock: Rc<FixedClock>,
    chaos: Rc<Chaos>,
    start: UnixMs,
    spell: Spell,
    /// Whoever asked last ran out of memory over the answer.
    deadly: Cell<bool>,
    /// The answer made last is of a batch whose every page takes its time.
    slow: Cell<bool>,
    /// What was asked while somebody attacks, by URL.
    asked: RefCell<BTreeMap<String, Calls>>,
}

impl Truth {
    /// The history of a seed.
    pub(super) fn new(
        seed: u64,
        clock: Rc<FixedClock>,
        chaos: Rc<Chaos>,
        (span_secs, deadline_secs): (u64, u64),
        held: bool,
    ) -> Self {
        let dice = Dice::new(seed, 2);
        let author = Author { dice: &dice, start: clock.now(), span_secs, held };
        let mut plot = Plot::default();
        let mut sides = Sides::new(&author, &mut plot);
        let (start, spell) = (clock.now(), Spell::new(&Dice::new(seed, 5), span_secs));
        let mood = Mood::of(seed);
        let mut attack = Attack::default();
        if mood.attacked {
            sides.finbox.alone(&Author { dice: &Dice::new(seed, 9), ..author }, &mut plot);
            attack = Attack::new(seed, start, (span_secs, deadline_secs), &plot, &sides.rightfoot, &sides.finbox);
        }
        let dice = Dice::new(seed, 3);
        let (deadly, slow) = (Cell::default(), Cell::default());
        let asked = RefCell::default();
        Self { plot, sides, attack, mood, dice, clock, chaos, start, spell, deadly, slow, asked }
    }

    /// Whoever was shown a page of a list does not go on from it.
    pub(super) fn forget_pages(&self) {
        self.sides.all().for_each(Side::forget_page);
    }

    /// When the longest of its troubles is over.
    pub(super) fn well_from(&self) -> UnixMs {
        if self.mood.gentle { self.start } else { self.start.plus_secs(self.spell.until) }
    }

    /// How long the answer made last is on its way: most are there at once, a few are overtaken by what is asked later.
    pub(super) fn answer_takes_ms(&self) -> u64 {
        match self.slow.take() {
            true => SLOW_PAGE_MS,
            false if !self.chaos.healed() && self.dice.percent(3) => self.dice.between(500, 9_000),
            false => 0,
        }
    }

    /// Whether the last answer kills who asked for it.
    pub(super) fn take_deadly(&self) -> bool {
        self.deadly.take()
    }

    /// A provider's answer to a request, by its URL.
    pub(super) fn answer(&self, url: &str) -> Result<ApiResponse, ApiError> {
        let trouble = self.trouble().or_else(|| self.down(url));
        self.count(url, trouble.is_some());
        if let Some(trouble) = trouble {
            return trouble;
        }
        let now = self.clock.now();
        // A replica that lags behind, now and then.
        let lag_ms = if !self.chaos.healed() && self.dice.percent(15) { self.dice.below(60_000) } else { 0 };
        let seen_at = UnixMs(now.0 - i64::try_from(lag_ms).unwrap());
        if let Some(query) = url.split_once("/v1/balances?").map(|(_, query)| query) {
            // What kills is to read all of it: a poll asks for one balance.
            let reads_all = parameter(query, "limit") != Some("1") && !self.mood.gentle;
            self.deadly.set(reads_all && parameter(query, "batchId") == Some(DEADLY));
            self.slow.set(parameter(query, "batchId") == Some(LONG));
        }
        let look = Look { seen_at, now, dice: &self.dice, healed: self.chaos.healed() };
        self.sides.all().find_map(|side| side.answer(url, &look)).unwrap_or_else(|| answer(404, "{}"))
    }
}
