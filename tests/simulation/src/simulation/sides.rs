//! The providers' sides of the history, a file each, and the one list of them.

pub(super) mod finbox;
pub(super) mod fynapse;
pub(super) mod rightfoot;
pub(super) mod runpayments;

use super::author::Author;
use super::plot::Plot;
use super::side::Side;

/// All sides.
pub(super) struct Sides {
    pub(super) rightfoot: rightfoot::Rightfoot,
    pub(super) fynapse: fynapse::Fynapse,
    pub(super) finbox: finbox::FinBox,
    pub(super) runpayments: runpayments::RunPayments,
}

impl Sides {
    /// Draws them, one after the other: a new one comes last, so that each seed keeps the others.
    pub(super) fn new(author: &Author<'_>, plot: &mut Plot) -> Self {
        Self {
            rightfoot: rightfoot::Rightfoot::new(author, plot),
            fynapse: fynapse::Fynapse::new(author, plot),
            finbox: finbox::FinBox::new(author, plot),
            runpayments: runpayments::RunPayments::new(author, plot),
        }
    }

    /// Each of them.
    pub(super) fn all(&self) -> impl Iterator<Item = &dyn Side> {
        let all: [&dyn Side; _] = [&self.rightfoot, &self.fynapse, &self.finbox, &self.runpayments];
        all.into_iter()
    }
}
