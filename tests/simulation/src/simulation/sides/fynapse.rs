//! Fynapse's half of the history: what it sends, and the audit in which it stands what became of each delivery.

mod audit;
mod events;

pub(crate) use audit::{Delivery, Fynapse};
