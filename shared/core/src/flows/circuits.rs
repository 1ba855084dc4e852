//! What one function knows of the providers' circuits.
//!
//! It keeps a copy of a circuit's row for a few seconds, so that a call to a healthy provider costs no read of its own. And
//! it remembers, for each endpoint, a request that was answered.

use std::cell::RefCell;
use std::collections::BTreeMap;

use crate::model::circuit::Circuit;
use crate::model::identity::ProviderId;
use crate::model::provider_call::{ApiError, ApiRequest, ApiResponse, Method};
use crate::model::time::UnixMs;

/// How long a function believes its copy of the row.
const BELIEVED_MS: u64 = 5_000;
/// Requests without an answer that a function remembers for each provider.
const MAX_FAILED: usize = 256;

/// What one function knows of all circuits. Kept for as long as the function lives; nothing in it is needed for
/// correctness.
#[derive(Debug, Default)]
pub struct Circuits(RefCell<BTreeMap<ProviderId, Known>>);

#[derive(Clone, Debug, Default)]
pub(super) struct Known {
    pub(super) circuit: Circuit,
    pub(super) read_at: Option<UnixMs>,
    pub(super) down_in_a_row: u32,
    /// By URL, when a request that brought no answer was last counted.
    pub(super) failed: BTreeMap<String, UnixMs>,
    /// By endpoint, a request that was answered with what it asked for.
    pub(super) answered: BTreeMap<&'static str, ApiRequest>,
    /// Until then somebody is finding out whether anybody is there.
    pub(super) checked_until: Option<UnixMs>,
}

impl Known {
    /// Counts a request that brought no answer: each URL once in a while, however often it is asked.
    pub(super) fn count(&mut self, url: &str, now: UnixMs, again_secs: u64) {
        if self.failed.get(url).is_some_and(|at| now < at.plus_secs(again_secs)) {
            return;
        }
        if self.failed.len() >= MAX_FAILED {
            self.failed.pop_first();
        }
        self.failed.insert(url.into(), now);
        self.down_in_a_row = self.down_in_a_row.saturating_add(1);
    }
}

impl Circuits {
    pub(super) fn with<T>(&self, provider: ProviderId, change: impl FnOnce(&mut Known) -> T) -> T {
        change(self.0.borrow_mut().entry(provider).or_default())
    }

    pub(super) fn last(&self, provider: ProviderId) -> Circuit {
        self.with(provider, |known| known.circuit.clone())
    }

    pub(super) fn believed(&self, provider: ProviderId, now: UnixMs) -> Option<Circuit> {
        self.with(provider, |known| {
            known.read_at.filter(|read_at| now.since_ms(*read_at) < BELIEVED_MS).map(|_| known.circuit.clone())
        })
    }

    /// Believes a row. One that was read before another caller's write, and comes after it, is older news.
    pub(super) fn believe(&self, provider: ProviderId, circuit: Circuit, now: UnixMs) -> Circuit {
        self.with(provider, |known| {
            known.read_at = Some(now);
            if circuit.version >= known.circuit.version {
                known.circuit = circuit;
            }
            if known.circuit.open_until.is_some() {
                known.down_in_a_row = 0;
            }
            known.circuit.clone()
        })
    }

    pub(super) fn doubt(&self, provider: ProviderId) {
        self.with(provider, |known| known.read_at = None);
    }

    /// A request to the same endpoint that was answered, and is another one: by this function, or as the row has it.
    pub(super) fn answered(&self, provider: ProviderId, request: &ApiRequest) -> Option<ApiRequest> {
        self.with(provider, |known| {
            let here = known.answered.get(request.endpoint).cloned();
            let there = known.circuit.answered.get(request.endpoint);
            let there = there.map(|good| ApiRequest { url: good.url.clone(), ..request.clone() });
            here.or(there).filter(|good| good.url != request.url)
        })
    }

    /// Whether this request is one that brought no answer when it was last sent.
    pub(super) fn has_failed(&self, provider: ProviderId, request: &ApiRequest) -> bool {
        self.with(provider, |known| known.failed.contains_key(&request.url))
    }

    /// Somebody is there.
    pub(super) fn up(&self, provider: ProviderId, request: &ApiRequest, outcome: &Result<ApiResponse, ApiError>) {
        self.with(provider, |known| {
            known.down_in_a_row = 0;
            known.failed.remove(&request.url);
            let brought = outcome.as_ref().is_ok_and(|response| (200..300).contains(&response.status));
            if brought && request.method == Method::Get {
                known.answered.insert(request.endpoint, request.clone());
            }
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_news_is_not_believed() {
        let (circuits, provider) = (Circuits::default(), ProviderId("p"));
        let open = Circuit { open_until: Some(UnixMs(9)), trips: 1, version: 4, ..Circuit::default() };
        circuits.believe(provider, open.clone(), UnixMs(0));
        assert_eq!(circuits.believe(provider, Circuit { version: 3, ..Circuit::default() }, UnixMs(1)), open);
        assert_eq!(circuits.believed(provider, UnixMs(5_000)), Some(open.clone()));
        assert_eq!(circuits.believed(provider, UnixMs(5_001)), None);
        circuits.doubt(provider);
        assert_eq!((circuits.believed(provider, UnixMs(1)), circuits.last(provider)), (None, open));
    }
}
