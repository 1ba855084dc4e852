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
use crate::model::identity::ItemKey;
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
    /// Counts an entry of this key.
    pub fn count(
        &mut self,
        provider: &str,
        event_type: &str,
        key: &ItemKey,
        origin: Origin,
        pushed_at: Option<UnixMs>,
    ) {
        self.seen += 1;
        if origin == Origin::Poll && has_webhook(provider, event_type, key) {
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
        for (event_type, sk, origin, pushed_at) in [
            ("statement.completed", "event#statement#s1#completed", push, None),
            ("statement.completed", "event#statement#s2#completed", poll, None),
            ("statement.completed", "event#statement#s3#completed", poll, at),
            ("statement.failed", "event#attempt#l1#failed#a9#1", poll, None),
            // Its webhook says what the first one's says.
            ("statement.failed", "event#attempt#l1#failed#a9#2", poll, None),
            ("SESSION_PROGRESS_COMPLETED", "event#SESSION_PROGRESS_COMPLETED#s1", poll, None),
        ] {
            let key = ItemKey { pk: "finbox#entity#e1".into(), sk: sk.into() };
            losses.count("finbox", event_type, &key, origin, pushed_at);
        }
        assert_eq!((losses, losses.lost()), (Losses { seen: 6, found: 3, late: 1 }, 2));
        assert_eq!(losses.lost_percent(), Some(200.0 / 6.0));
    }
}
