//! Orders of people and of applications.

pub mod reverify;
pub mod submit;
