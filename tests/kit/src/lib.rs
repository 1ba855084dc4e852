//! What tests and tools know of each provider: how its events look, how it proves and repeats them, what its API answers.
//! All of it is in one file for each provider; nothing else in tests and tools branches on a provider's name.

mod kit;
mod proof;
mod providers;
mod retries;
mod url;

pub use kit::{Kit, Local, Order, Unreadable, Way, with_field};
pub use proof::{Proof, standard};
pub use providers::{ALL, answer, confirm, event, find, names, of, settings};
pub use retries::{Retries, Wait};
