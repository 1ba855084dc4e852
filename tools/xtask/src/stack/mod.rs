//! The local stack: the emulator, the simulated providers, and the functions deployed to them.

pub(crate) mod commands;
pub(crate) mod deploy;
pub(crate) mod file;
pub(crate) mod health;
pub(crate) mod lock;
pub(crate) mod ministack;
pub(crate) mod names;
pub(crate) mod pids;
pub(crate) mod sandbox;
pub(crate) mod second;
pub(crate) mod secrets;
pub(crate) mod setup;
