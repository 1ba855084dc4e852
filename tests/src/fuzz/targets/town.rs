//! The world that most targets read in.

use crate::town::Town;

/// A world in which the providers offer all they can.
pub(super) fn full_town() -> Town {
    Town::with(&[
        ("FYNAPSE_API_BASE_URL", "https://api.fynapse.com"),
        ("FYNAPSE_SUBSCRIPTION_ID", "sub-1"),
        ("RUNPAYMENTS_REPORTING", "on"),
    ])
}
