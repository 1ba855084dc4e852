//! The providers, a file each, and the one list of them: state, paths, names, routes and resets follow from it.

pub(crate) mod finbox;
pub(crate) mod fynapse;
pub(crate) mod rightfoot;
pub(crate) mod runpayments;

/// Hands the list to a macro: each provider's module, and the type of its state in there.
macro_rules! with_providers {
    ($then:ident) => {
        $then! { rightfoot Rightfoot, fynapse Fynapse, finbox FinBox, runpayments RunPayments }
    };
}

pub(crate) use with_providers;
