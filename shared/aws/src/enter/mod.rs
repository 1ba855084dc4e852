//! What comes in: envelopes of AWS, and what they are answered with.

pub mod batch;
pub mod gateway;
