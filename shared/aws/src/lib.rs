//! The edge of Hookledger: everything that touches AWS, the network, the clock or the environment.
//!
//! ```text
//! API Gateway ─ gateway ───▶ core::receive ───▶ dynamo, queue
//! SQS ───────── sqs_event ─▶ core::work ──────▶ dynamo, https, bus
//! schedule ────────────────▶ core::reconcile ─▶ dynamo, https, queue
//!               env, tls, clients, secrets and telemetry under all of them
//! ```

// What comes in, and what is answered.
pub mod gateway;
pub mod sqs_event;

// The ports.
pub mod dynamo;
pub mod queue;
pub mod bus;
pub mod secrets;
pub mod https;
pub mod telemetry;

// How a function is put together.
pub mod env;
pub mod tls;
pub mod sdk_http;
pub mod clients;
pub mod inbox;
pub mod serve;

mod failure;

#[cfg(test)]
mod scripted;

pub use inbox::AwsInbox;
pub use lambda_runtime;
