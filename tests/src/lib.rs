//! What the tests that cross a crate share: a world in memory, and the contract that every ledger keeps.

pub use hookledger_simulation::memory;

pub mod contract;
pub mod dynamo;
pub mod on_dynamo;
pub mod town;
pub mod samples;
pub mod fuzz;
pub mod malformed;
pub mod local;
pub mod story;
pub mod hour;
pub mod crash;
pub mod way_back;
pub mod canary;
