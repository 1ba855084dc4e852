//! Newcomer: begun, and not known yet. No delivery of its is read, and none is let in.
//!
//! Sources: say here which pages of its documents tell what, and what is a guess.

use crate::model::delivery::Verified;
use crate::model::entry::{Entry, Event};
use crate::model::identity::{ProviderId, digest_hex};
use crate::model::provider_call::{ApiResponse, trouble};
use crate::model::settings::{Lookup, REMEMBERED, SettingError, Timing, number};
use crate::model::signature::Scheme;
use crate::providers::contract::{
    Answers, Definition, OnStoreDown, OnUnreadable, Polls, Provider, Submits, Unreadable,
};
use crate::providers::lists::Lists;
use crate::providers::offer::Offer;
use crate::providers::setup::Setup;
use crate::providers::step::{Ask, Asked, Outcome, Step};

const ID: ProviderId = ProviderId("newcomer");
/// Nobody has said yet what it offers.
const UNKNOWN: &str = "nobody has looked it up yet";

pub(super) const DEFINITION: Definition = Definition {
    id: ID,
    kinds: &["event"],
    kinds_with_status: &[],
    poll_only: |_, _| false,
    url_has_token: false,
    answers: &ANSWERS,
    build,
};

/// Which status makes it come again, and which makes it give up, its documents must say.
static ANSWERS: Answers = Answers {
    received: 200,
    refused: 403,
    unreadable: OnUnreadable::Quarantine(400),
    store_down: OnStoreDown::AskAgain,
};

struct Newcomer {
    scheme: Scheme,
}

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    // Standard Webhooks, as most new senders have it.
    let past = "NEWCOMER_TOLERANCE_PAST_SECS";
    let past_secs = number(lookup, past, 300)?;
    // A capture must grow stale before its identity is forgotten.
    if past_secs > Timing::read(lookup)?.oldest_processed_secs() {
        return Err(SettingError::new(past, REMEMBERED));
    }
    let future_secs = number(lookup, "NEWCOMER_TOLERANCE_FUTURE_SECS", 300)?;
    Ok(Box::new(Newcomer { scheme: Scheme::Standard { past_secs, future_secs } }))
}

impl Provider for Newcomer {
    fn id(&self) -> ProviderId {
        ID
    }

    fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    fn answers(&self) -> &'static Answers {
        &ANSWERS
    }

    fn parse(&self, _: &Verified) -> Result<Event, Unreadable> {
        Err(Unreadable::Field { field: "type", rule: "read yet: shared/core/src/providers/newcomer has to say how" })
    }

    fn content(&self, body: &[u8]) -> Option<String> {
        Some(digest_hex(body))
    }

    fn reference_in(&self, _: &[u8]) -> Option<String> {
        None
    }

    fn ask(&self, _: &Entry, _: &[u8], _: Option<&str>) -> Ask {
        Ask::Nothing(Box::new(Step::hopeless("nobody has said yet what to ask")))
    }

    fn answer(&self, _: &Asked<'_>, response: &ApiResponse) -> Step {
        Step::Trouble(trouble(response))
    }

    fn without_answer(&self, _: &Entry, _: &str) -> Option<Outcome> {
        None
    }

    fn polls(&self) -> Offer<'_, dyn Polls> {
        Offer::Unavailable(UNKNOWN)
    }

    fn lists(&self) -> Offer<'_, dyn Lists> {
        Offer::Unavailable(UNKNOWN)
    }

    fn submits(&self) -> Offer<'_, dyn Submits> {
        Offer::Unavailable(UNKNOWN)
    }

    fn setup(&self) -> Offer<'_, dyn Setup> {
        Offer::Unavailable(UNKNOWN)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::{build_with, verified};

    #[test]
    fn nothing_is_read_yet() {
        let newcomer = build_with(DEFINITION.build, &[]);
        assert!(newcomer.parse(&verified(ID, "{}")).is_err());
    }
}
