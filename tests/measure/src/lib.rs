//! The core path beside its floor: what is measured, for all that measure it.
//!
//! ```text
//! core path   receive::receive, as it ships: verify, parse, identity, the entry to put; ports that take and keep nothing
//! floor       one HMAC-SHA256 over the body (unsigned providers: one SHA-256 of the URL's token), and one reading of
//!             the body by serde_json into a borrowed value
//! ```
//!
//! `benches/time.rs` measures both with criterion, `benches/instructions.rs` counts their instructions with gungraun,
//! the program `core_path` counts what they allocate and puts criterion's figures beside it.

pub mod bodies;
mod ports;
pub mod side;

/// The name of the figure for both sides in turns.
pub const RATIO: &str = "ratio";
