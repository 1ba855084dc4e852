//! What really happens at the providers, in plain words: the events, what must come of each, and what is forged.
//!
//! The keys of the entries are written down here a second time, from the providers' documents and not from the code that
//! derives them: the simulation's checks must not share a mistake with what they check.

use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject};
use hookledger_core::model::time::UnixMs;

/// Stands in a Run Payments body for the number of the attempt.
pub(super) const ATTEMPT: &str = "@ATTEMPT@";
/// Marks everything that never happened. It must be found nowhere in the ledger and on the bus.
pub(super) const FORGED: &str = "forged";
/// Marks what somebody with a leaked URL token claims. It may be let in, and must have no effect.
pub(super) const LEAKED: &str = "leaked";

/// How an entry is settled whose provider says something else by now.
pub(super) const OVERTAKEN: &str = "overtaken: ";

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

/// The key of an entry.
pub(super) fn key(provider: &'static str, kind: &str, id: &str, identity: &[&str]) -> ItemKey {
    ItemKey::entry(&Subject::new(ProviderId(provider), kind, id), &Identity::new(identity))
}

/// The key of a twin that came second, and is told apart by its type.
pub(super) fn beside(first: &ItemKey, event_type: &str) -> ItemKey {
    ItemKey { pk: first.pk.clone(), sk: format!("{}#{event_type}", first.sk) }
}

/// Whether this is the key of another content under the same identity.
pub(super) fn is_other(first: &ItemKey, key: &ItemKey) -> bool {
    key.pk == first.pk && key.sk.strip_prefix(&first.sk).is_some_and(|rest| rest.starts_with("#other#"))
}
