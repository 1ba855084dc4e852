//! What Hookledger does, in reading order.

// Small steps that several flows share.
mod enqueue;
mod settle;
pub mod span;
pub mod circuits;
pub mod call;

// A delivery comes in.
pub mod receive;
pub mod admit;

// Its work is done.
pub mod work;
mod answer_pages;
mod put_off;
mod read_again;
mod effect;
mod status;
mod detail;
mod tell;

// What is owed gets paid.
pub mod expectations;
mod poll;
mod walk;
pub mod losses;
pub mod plan;
pub mod reconcile;
