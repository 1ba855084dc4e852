//! Plain data and its rules: no trait of the world, no waiting. Everything else speaks in these.

// What everything speaks in.
pub mod time;
pub mod identity;
pub mod secret;

// A delivery comes in.
pub mod delivery;
pub mod signature;
pub mod signing;

// What is written down, and what is owed for it.
pub mod entry;
pub mod row;
pub mod refused;
pub mod fact;
pub mod debt;
pub mod job;
pub mod act;

// A provider is asked.
pub mod provider_call;
pub mod circuit;
pub mod backoff;

pub mod settings;
