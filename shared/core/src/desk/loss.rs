//! The loss rate: of the events that were first seen in a span of time, how many no webhook told us of.
//!
//! | word | an event that |
//! |---|---|
//! | seen | was written down for the first time, however it was learnt of |
//! | found | was first seen by asking the provider: its webhook had not come by then |
//! | late | was found, and its webhook came after all |
//! | lost | was found, and its webhook has not come so far |
//!
//! An event whose webhook may still come counts as lost until it does, so a young span shows more of them than it will. What
//! only asking can bring ([`has_webhook`]) counts as seen alone.

use crate::model::entry::Origin;
use crate::model::time::UnixMs;
use crate::providers::has_webhook;

/// The counts of a span of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Losses {
    /// Events first seen.
    pub seen: u64,
    /// Of them, first seen by asking.
    pub found: u64,
    /// Of those, pushed after all.
    pub late: u64,
}

impl Losses {
    /// Counts an entry.
    pub fn count(&mut self, provider: &str, event_type: &str, origin: Origin, pushed_at: Option<UnixMs>) {
        self.seen += 1;
        if origin == Origin::Poll && has_webhook(provider, event_type) {
            self.found += 1;
            self.late += u64::from(pushed_at.is_some());
        }
    }

    /// Events of which no webhook told us, so far.
    pub fn lost(&self) -> u64 {
        self.found.saturating_sub(self.late)
    }

    /// Of a hundred events that were seen, how many are lost. None of none.
    pub fn lost_percent(&self) -> Option<f64> {
        (self.seen > 0).then(|| self.lost() as f64 * 100.0 / self.seen as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lost_is_what_was_found_and_never_pushed() {
        let mut losses = Losses::default();
        assert_eq!(losses.lost_percent(), None);
        let (push, poll, at) = (Origin::Push, Origin::Poll, Some(UnixMs(1)));
        for (event_type, origin, pushed_at) in [
            ("statement.completed", push, None),
            ("statement.completed", poll, None),
            ("statement.completed", poll, at),
            ("SESSION_PROGRESS_COMPLETED", poll, None),
        ] {
            losses.count("finbox", event_type, origin, pushed_at);
        }
        assert_eq!((losses, losses.lost()), (Losses { seen: 4, found: 2, late: 1 }, 1));
        assert_eq!(losses.lost_percent(), Some(25.0));
    }
}
