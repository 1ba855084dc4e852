//! The functions. Each `main.rs` runs one of these and nothing else: read the environment, build the clients, connect
//! them while the function still starts, and run the flow for every event.
//!
//! What an event needs is connected, and its secret read, before the first event is asked for, all at the same time.

mod expectations;
mod function;
mod problem;
mod receiver;
mod reconciler;
mod submissions;
mod worker;

pub use expectations::expectations;
pub use function::run;
pub use receiver::receiver;
pub use reconciler::reconciler;
pub use worker::worker;
