//! The ports, as they are in an AWS account: one implementation each.

pub mod api;
pub mod bus;
pub mod clock;
pub mod inbox;
pub mod ledger;
pub mod meter;
pub mod queue;
pub mod secrets;
