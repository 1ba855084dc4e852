//! What a provider's side of the history is to the rest of the simulation.

use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;

use super::dice::Dice;
use super::engine::seen::Violations;
use super::plot::{Plot, TrueEvent};
use crate::memory::{MemoryLedger, StoredEntry};

/// All that the providers' results must have, the rows that share a key too.
pub(super) const SHORT: &str = "nothing settled short of what the provider has";
/// What is done has its rows, to the digit.
pub(super) const RESULTS: &str = "results equal the truth";
/// No list is left behind before all that it shows is known.
pub(super) const AFTER_ITS_PAGE: &str = "a cursor moves after its page";

/// What a provider's side of the history is to the rest of the simulation. What happens there is drawn when it is made.
pub(super) trait Side {
    /// The provider's name.
    fn provider(&self) -> &'static str;

    /// The provider's settings that are not as they are by default.
    fn settings(&self, drawn: &Drawn) -> Vec<(&'static str, &'static str)>;

    /// What its API answers. None, if the URL is not its own.
    fn answer(&self, url: &str, look: &Look<'_>) -> Option<Result<ApiResponse, ApiError>>;

    /// The lists that are walked.
    fn lists(&self) -> &'static [&'static str];

    /// The page that a list showed last is forgotten: whoever asked for it does not go on from it.
    fn forget_page(&self);

    /// What the page showed last says and nobody knows, although a list's cursor has moved: to this position, or to the
    /// end. A position that is no number counts as the end.
    fn passed_over(&self, reached: Option<u64>, held: &Held<'_>) -> Option<String>;

    /// What is wrong, when all is quiet, with the results of what is done.
    fn results(&self, held: &Held<'_>) -> Violations;
}

/// What is drawn of the settings.
pub(super) struct Drawn {
    /// Whether unsigned deliveries are held to a network and a header.
    pub(super) held: bool,
    /// How many rows a page of a list has: few, or 200.
    pub(super) page_limit: &'static str,
}

/// How an API is looked at.
pub(super) struct Look<'a> {
    /// By a replica that lags behind, as things stood then.
    pub(super) seen_at: UnixMs,
    pub(super) now: UnixMs,
    /// For what an API does of its own accord.
    pub(super) dice: &'a Dice,
    /// Whether all troubles are over.
    pub(super) healed: bool,
}

/// What is held of the truth.
pub(super) struct Held<'a> {
    pub(super) memory: &'a MemoryLedger,
    pub(super) now: UnixMs,
    pub(super) plot: &'a Plot,
    /// What is kept of an event, under its own key or beside its twin's.
    pub(super) kept: &'a dyn Fn(&TrueEvent) -> Option<StoredEntry>,
}

impl Held<'_> {
    /// The entry, if it is done.
    pub(super) fn done(&self, key: &ItemKey) -> Option<StoredEntry> {
        self.memory.stored(key).filter(|stored| stored.entry.state == State::Done)
    }

    /// Whether the entry's subject has a row under each of these names.
    pub(super) fn has_rows(&self, entry: &ItemKey, names: &[&str]) -> bool {
        let rows = self.memory.rows(&entry.subject());
        names.iter().all(|name| rows.iter().any(|row| row.sk.starts_with(name)))
    }
}
