//! Orders of people and of applications.

pub mod close;
pub mod replay;
pub mod reverify;
pub mod submit;
