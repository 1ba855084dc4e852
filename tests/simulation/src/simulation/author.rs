//! Who draws what happens: moments, delays, what gets lost on its way, and when an application closes what it announced.

use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;

use super::dice::Dice;
use super::plot::{Effect, Plot, TrueEvent, Twin};

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
