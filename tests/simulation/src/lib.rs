//! A world in memory for the flows that ship, and the simulation that runs them there until something breaks.

pub mod memory;
pub mod simulation;
