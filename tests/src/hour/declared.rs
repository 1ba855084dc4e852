//! What no API gives back and no API tells the loss of: the events that may be missing once none of their webhooks
//! arrived, and why.
//!
//! The list is the whole of it. An event that was answered with a 2xx is never on it, and an event that is not on it
//! has to be in the ledger at the end of the hour, whatever became of its webhook: itself, or at Fynapse, whose audit
//! names the deliveries that were lost, as a loss that a person is shown.

use super::truth::{Fact, Told};

/// One kind of event that can be lost for good.
#[derive(Debug)]
pub struct Declared {
    /// What it is.
    pub what: &'static str,
    /// Why nobody can ask for it.
    pub why: &'static str,
    is: fn(&Told, &[Told]) -> bool,
}

/// Everything that may be lost.
pub static ALL: [Declared; 5] = [
    Declared {
        what: "FinBox: a failed attempt without link and statement",
        why: "failed attempts are listed by link only, and entities show statements only",
        is: |told, _| matches!(told.fact, Fact::Attempt { link_id: None, .. }),
    },
    Declared {
        what: "FinBox: a failure that FinBox overtook soon after",
        why: "an entity shows the present progress of its statements and keeps no history",
        is: |told, _| matches!(&told.fact, Fact::Statement { progress, overtaken: true, .. } if progress == "failed"),
    },
    Declared {
        what: "FinBox: that a session expired",
        why: "the poll of a session asks for its progress, and one that expired has none",
        is: |told, _| matches!(told.fact, Fact::Expiry { .. }),
    },
    Declared {
        what: "Run Payments: an event that is no merchant's status",
        why: "there is no list of events and no replay; a report shows rows, and none of the events that made them",
        is: |told, _| matches!(told.fact, Fact::Movement { .. }),
    },
    Declared {
        what: "Run Payments: a status that the merchant left before a walk saw it",
        why: "the merchant list shows the present status and keeps no history",
        is: left_behind,
    },
];

/// The first declaration that covers this event.
pub fn declaration(told: &Told, truth: &[Told]) -> Option<&'static Declared> {
    ALL.iter().find(|declared| !told.acknowledged && (declared.is)(told, truth))
}

/// Whether the merchant got another status later on.
fn left_behind(told: &Told, truth: &[Told]) -> bool {
    let Fact::Status { merchant_id, status, .. } = &told.fact else { return false };
    let mut of_merchant = truth.iter().filter_map(|told| match &told.fact {
        Fact::Status { merchant_id: id, status, .. } if id == merchant_id => Some(status),
        _ => None,
    });
    of_merchant.next_back() != Some(status)
}
