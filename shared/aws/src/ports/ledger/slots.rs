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
        // Poisoned would mean that a thread panicked between two plain assignments. The slots are still slots.
        let mut minutes = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = minutes.entry((provider, shelf)).or_default();
        if current.name != minute {
            *current = Minute { name: minute.to_string(), taken: Vec::new() };
        }
        let slot = { slots }.find(|slot| !current.taken.contains(slot))?;
        current.taken.push(slot);
        Some(slot)
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
}
