//! Back through what came in, so many entries at a time, however many there are. More are held only where more came in one
//! instant.

use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::{Filter, Pointer};
use hookledger_core::model::time::UnixMs;

use crate::when::start_of_day;

const DAY_MS: u64 = 24 * 3600 * 1000;
/// A stretch of time is never shorter, however much came in it.
const MIN_STRETCH_MS: u64 = 1000;

/// A place on the way back. What is left of a day ends where the day does, since the index begins anew there; and an
/// instant is never cut in two, so that the order of what came in it is one order.
pub(super) struct Back {
    since: UnixMs,
    until: UnixMs,
    /// The index is read from each of its shards so far back, and what is over `at_once` is thrown away: the stretch grows
    /// and shrinks with what comes in it, so that this is little.
    stretch_ms: u64,
    at_once: usize,
}

impl Back {
    /// From the end of a span: so many at a time, of about so long a stretch.
    pub(super) fn new((since, until): (UnixMs, UnixMs), at_once: usize, stretch_secs: u64) -> Self {
        Self { since, until, stretch_ms: stretch_secs.saturating_mul(1000).clamp(MIN_STRETCH_MS, DAY_MS), at_once }
    }

    /// From when back is left, if anything is.
    pub(super) fn left(&self) -> Option<UnixMs> {
        (self.until >= self.since).then_some(self.until)
    }

    /// The next entries, the latest first. There may be none in a stretch; `None` is the end of the way.
    pub(super) async fn next(&mut self, inbox: &AwsInbox, filter: &Filter<'_>) -> anyhow::Result<Option<Vec<Pointer>>> {
        loop {
            if self.until < self.since {
                return Ok(None);
            }
            let stretch = UnixMs(self.until.0.saturating_sub_unsigned(self.stretch_ms - 1));
            let begin = start_of_day(self.until).max(self.since).max(stretch);
            let mut page = inbox.ledger.list_recent(begin, self.until, self.at_once, filter).await?;
            let goes_on = page.last().filter(|_| page.len() >= self.at_once).map(|last| last.received_at);
            let Some(goes_on) = goes_on else {
                if page.len() < self.at_once / 4 {
                    self.stretch_ms = self.stretch_ms.saturating_mul(2).min(DAY_MS);
                }
                self.until = UnixMs(begin.0.saturating_sub(1));
                return Ok(Some(page));
            };
            self.stretch_ms = (self.stretch_ms / 2).max(MIN_STRETCH_MS);
            page.retain(|pointer| pointer.received_at > goes_on);
            if page.is_empty() {
                // All are of one instant: it is asked for again, and whole.
                self.at_once = self.at_once.saturating_mul(2);
                continue;
            }
            self.until = goes_on;
            return Ok(Some(page));
        }
    }
}
