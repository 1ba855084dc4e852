//! Children: each in a process group of its own, under a time limit, so that nothing hangs and nothing is left behind.

pub(crate) mod job;
pub(crate) mod proc_table;
pub(crate) mod processes;
pub(crate) mod progress;
