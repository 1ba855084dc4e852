//! The slots of a minute's quarantine that this process knows to be taken.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::refused::Shelf;

/// The slots of the current minute that are known to be taken, by provider and shelf.
#[derive(Debug, Default)]
pub(super) struct Slots(Mutex<BTreeMap<(ProviderId, Shelf), Minute>>);

#[derive(Debug, Default)]
struct Minute {
    name: String,
    taken: Vec<u8>,
    /// Refused beyond the slots, and how many of these were told.
    more: u64,
    told: u64,
}

impl Slots {
    /// Takes the first of these slots that nobody is known to have. `None`: there is none left in this minute.
    pub(super) fn next(
        &self,
        provider: ProviderId,
        shelf: Shelf,
        minute: &str,
        slots: impl Iterator<Item = u8>,
    ) -> Option<u8> {
        self.of(provider, shelf, minute, |current| {
            let slot = { slots }.find(|slot| !current.taken.contains(slot))?;
            current.taken.push(slot);
            Some(slot)
        })
    }

    /// Counts one that found no slot. How many were not told so far, where it is time to tell: each time they have doubled.
    pub(super) fn more(&self, provider: ProviderId, shelf: Shelf, minute: &str) -> Option<u64> {
        self.of(provider, shelf, minute, |current| {
            current.more = current.more.saturating_add(1);
            let untold = current.more.saturating_sub(current.told);
            let is_time = current.told == 0 || untold >= current.told;
            current.told = if is_time { current.more } else { current.told };
            is_time.then_some(untold)
        })
    }

    fn of<T>(
        &self,
        provider: ProviderId,
        shelf: Shelf,
        minute: &str,
        with: impl FnOnce(&mut Minute) -> Option<T>,
    ) -> Option<T> {
        // Poisoned would mean that a thread panicked between two plain assignments. The slots are still slots.
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = minutes.entry((provider, shelf)).or_default();
        if current.name != minute {
            *current = Minute { name: minute.to_string(), ..Minute::default() };
        }
        with(current)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_slot_of_a_minute_is_taken_once_for_each_provider_and_shelf() {
        let slots = Slots::default();
        let take =
            |provider, minute: &str| slots.next(ProviderId(provider), Shelf::Wrong, minute, [17, 18, 2].into_iter());
        let taken: Vec<u8> = std::iter::from_fn(|| take("finbox", "10:15")).collect();
        assert_eq!(taken, [17, 18, 2]);
        assert_eq!(take("fynapse", "10:15"), Some(17));
        assert_eq!(slots.next(ProviderId("finbox"), Shelf::Genuine, "10:15", [17].into_iter()), Some(17));
        assert_eq!(take("finbox", "10:16"), Some(17));
    }

    #[test]
    fn at_least_half_of_those_beyond_is_told_in_few_steps() {
        let slots = Slots::default();
        let (mut told, mut steps) = (0, 0);
        for n in 1..=1_000_000_u64 {
            if let Some(more) = slots.more(ProviderId("finbox"), Shelf::Bare, "10:15") {
                (told, steps) = (told + more, steps + 1);
            }
            assert!(told <= n && told * 2 >= n, "{told} of {n}");
        }
        assert_eq!(steps, 20);
        assert_eq!(slots.more(ProviderId("finbox"), Shelf::Bare, "10:16"), Some(1), "another minute begins anew");
    }
}
