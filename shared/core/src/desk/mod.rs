//! Orders of people and of applications.

pub mod replay;
pub mod reverify;
pub mod submit;
