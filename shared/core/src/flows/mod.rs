//! What Hookledger does, in reading order.

// A delivery comes in.
pub mod receive;
pub mod admit;

// Its work is done.
pub mod work;
mod pages;
mod status;
mod detail;
mod tell;

// What is owed gets paid.
pub mod call;
pub mod expect;
mod walk;
pub mod losses;
pub mod reconcile;
