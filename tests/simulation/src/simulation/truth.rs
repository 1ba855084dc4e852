//! What really happens at the four providers, decided before the run begins, and what their APIs answer about it.
//!
//! The keys of the entries are written down here a second time, from the providers' documents and not from the code that
//! derives them: the simulation's checks must not share a mistake with what they check.

mod asked;
mod trouble;

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;

use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject};
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock;

use super::attacker::{Attack, Mood};
use super::chaos::Chaos;
use super::dice::Dice;
use super::finbox::FinBox;
use super::fynapse::Fynapse;
use super::rightfoot::{DEADLY, LONG, Rightfoot, SLOW_PAGE_MS};
use super::runpayments::RunPayments;
use crate::memory::{FixedClock, answer};
pub(super) use asked::Calls;
use trouble::Spell;

/// Stands in a Run Payments body for the number of the attempt.
pub(super) const ATTEMPT: &str = "@ATTEMPT@";
/// Marks everything that never happened. It must be found nowhere in the ledger and on the bus.
pub(super) const FORGED: &str = "forged";
/// Marks what somebody with a leaked URL token claims. It may be let in, and must have no effect.
pub(super) const LEAKED: &str = "leaked";

/// One thing that happened, and that its provider tells us.
pub(super) struct TrueEvent {
    pub(super) provider: &'static str,
    /// Where its entry belongs.
    pub(super) key: ItemKey,
    /// When it happened, by true time.
    pub(super) at: UnixMs,
    /// How long the provider takes to send it.
    pub(super) delay_ms: u64,
    /// The provider says it sent it, and nothing ever arrives.
    pub(super) lost: bool,
    /// The body, with [`ATTEMPT`] where the number of the attempt belongs.
    pub(super) body: String,
    /// What must come of it.
    pub(super) effect: Effect,
    /// Whether another event has the same key.
    pub(super) twin: Twin,
}

/// Whether another event has the same key, and what the two are told apart by. Whichever comes first has the key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Twin {
    /// There is none.
    None,
    /// By what they say: the second is kept beside the first, and nothing is done for it.
    Content,
    /// By this type: the second's key is the first's with its type.
    Type(&'static str),
    /// By what they claim, where nothing is signed: the second stands beside the first, as an event of its own.
    Claims,
}

/// What must come of a true event.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Effect {
    /// One published id: the entry's own.
    Own,
    /// One published id for the merchant's status, pushed and listed together.
    Status(&'static str),
    /// As many as its kind occurred: pushes that look the same.
    Alike(usize),
    /// It is kept, and ignored.
    Ignored,
    /// It is kept for a person.
    Parked,
    /// It is answered 400 and quarantined, as its provider's documents ask.
    Quarantined,
}

/// A delivery that no provider sent.
pub(super) struct Forgery {
    pub(super) provider: &'static str,
    pub(super) at: UnixMs,
    pub(super) how: Forging,
    pub(super) body: String,
}

/// How a delivery is forged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forging {
    /// No token, no signature.
    Bare,
    /// A guessed token, or a signature with a guessed key.
    Guessed,
    /// The headers of a true delivery of this event over another body.
    Altered(usize),
    /// The true token, leaked.
    Leaked,
    /// The beginning of the true token or signature.
    Cut,
    /// Signed with the true key, days ago.
    Stale,
    /// Signed with the true key, for an hour from now.
    Ahead,
    /// The true token and header, from another network.
    Elsewhere,
    /// The true token, without the header that belongs to it.
    Headless,
    /// A true delivery of this event, sent again with other headers where none are signed.
    Replayed(usize),
}

/// A completion that an application announces.
pub(super) struct Announced {
    pub(super) provider: &'static str,
    pub(super) reference: String,
    pub(super) at: UnixMs,
    /// When the application thinks better of it.
    pub(super) closed_at: Option<UnixMs>,
    /// When the provider's API shows it complete; `None`: never. Links are never complete.
    pub(super) complete_at: Option<UnixMs>,
}

/// All that happens, before it is known who will hear of it.
#[derive(Default)]
pub(super) struct Plot {
    pub(super) events: Vec<TrueEvent>,
    pub(super) forgeries: Vec<Forgery>,
    pub(super) announced: Vec<Announced>,
    /// Events found only by asking: their entries' keys, and since when they are true.
    pub(super) found_by_asking: Vec<(ItemKey, UnixMs)>,
}

/// Draws what happens.
pub(super) struct Author<'a> {
    pub(super) dice: &'a Dice,
    pub(super) start: UnixMs,
    pub(super) span_secs: u64,
    /// Whether unsigned deliveries are held to a network and a header.
    pub(super) held: bool,
}

impl Author<'_> {
    /// A moment of the history.
    pub(super) fn moment(&self) -> UnixMs {
        self.start.plus_ms(self.dice.between(60_000, self.span_secs * 1000))
    }

    /// How long a provider takes to send: mostly moments, now and then many minutes.
    pub(super) fn delay_ms(&self) -> u64 {
        if self.dice.percent(15) { self.dice.between(30_000, 600_000) } else { self.dice.between(0, 3_000) }
    }

    /// Whether nothing ever arrives.
    pub(super) fn lost(&self) -> bool {
        self.dice.percent(20)
    }

    /// Puts down that something happened at `at`: its webhook may take a while, or never arrive. What is sent late is
    /// sent once all the same.
    pub(super) fn tell(
        &self,
        plot: &mut Plot,
        provider: &'static str,
        key: ItemKey,
        at: UnixMs,
        body: String,
        effect: Effect,
    ) {
        let (delay_ms, lost, twin) = (self.delay_ms(), self.lost(), Twin::None);
        plot.events.push(TrueEvent { provider, key, at, delay_ms, lost, body, effect, twin });
    }

    /// When an application that announced something closes it again, if it does.
    pub(super) fn closed(&self, announced_at: UnixMs) -> Option<UnixMs> {
        self.dice.percent(12).then(|| announced_at.plus_ms(self.dice.below(1_800_000)))
    }

    /// A moment around another: applications announce before and after the fact.
    pub(super) fn around(&self, at: UnixMs) -> UnixMs {
        let earliest = UnixMs(at.0 - 1_200_000).max(self.start.plus_secs(1));
        earliest.plus_ms(self.dice.below(2_400_000))
    }
}

/// The key of an entry.
pub(super) fn key(provider: &'static str, kind: &str, id: &str, identity: &[&str]) -> ItemKey {
    ItemKey::entry(&Subject::new(ProviderId(provider), kind, id), &Identity::new(identity))
}

/// The providers as they are.
pub(super) struct Truth {
    pub(super) plot: Plot,
    pub(super) rightfoot: Rightfoot,
    pub(super) fynapse: Fynapse,
    pub(super) finbox: FinBox,
    pub(super) runpayments: RunPayments,
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
        let rightfoot = Rightfoot::new(&author, &mut plot);
        let fynapse = Fynapse::new(&author, &mut plot);
        let mut finbox = FinBox::new(&author, &mut plot);
        let runpayments = RunPayments::new(&author, &mut plot);
        let (start, spell) = (clock.now(), Spell::new(&Dice::new(seed, 5), span_secs));
        let mood = Mood::of(seed);
        let mut attack = Attack::default();
        if mood.attacked {
            finbox.alone(&Author { dice: &Dice::new(seed, 9), ..author }, &mut plot);
            attack = Attack::new(seed, start, (span_secs, deadline_secs), &plot, &rightfoot, &finbox);
        }
        let dice = Dice::new(seed, 3);
        let (deadly, slow) = (Cell::default(), Cell::default());
        let asked = RefCell::default();
        Self {
            plot,
            rightfoot,
            fynapse,
            finbox,
            runpayments,
            attack,
            mood,
            dice,
            clock,
            chaos,
            start,
            spell,
            deadly,
            slow,
            asked,
        }
    }

    /// Whoever was shown a page of a list does not go on from it.
    pub(super) fn forget_pages(&self) {
        drop((self.runpayments.take_served(), self.fynapse.take_served()));
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
            let refuses_token = !self.chaos.healed() && self.dice.percent(5);
            return self.rightfoot.answer(query, seen_at, refuses_token);
        }
        if let Some((_, query)) = url.split_once("/merchants?") {
            return self.runpayments.answer(query, seen_at, now);
        }
        if let Some((_, query)) = url.split_once("/event-deliveries/deliveries?") {
            return self.fynapse.answer(query, now);
        }
        match url.split_once("/bank-connect/v1/") {
            Some((_, path)) => self.finbox.answer(path, seen_at),
            None => answer(404, "{}"),
        }
    }
}

/// The value of a query's parameter.
pub(super) fn parameter<'a>(query: &'a str, name: &str) -> Option<&'a str> {
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}
