//! The edge of Hookledger: everything that touches AWS, the network, the clock or the environment.
//!
//! ```text
//! API Gateway ─ enter::gateway ─▶ core::flows::receive ───▶ ports: ledger, queue
//! SQS ───────── enter::batch ───▶ core::flows::work ──────▶ ports: ledger, api, bus
//! schedule ─────────────────────▶ core::flows::reconcile ─▶ ports: ledger, api, queue
//! ```
//!
//! Floors: start (environment, clients, TLS, logs) < enter < ports < serve, which runs the functions.

pub mod start;
pub mod enter;
pub mod ports;
pub mod serve;

pub use lambda_runtime;
pub use ports::inbox::AwsInbox;
