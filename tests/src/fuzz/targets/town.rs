//! The world that most targets read in.

use crate::town::Town;

/// A world in which the providers offer all they can.
pub(super) fn full_town() -> Town {
    Town::with(&[hookledger_kit::settings(), vec![("FYNAPSE_SUBSCRIPTION_ID", "sub-1")]].concat())
}
