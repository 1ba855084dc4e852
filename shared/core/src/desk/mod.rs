//! Orders of people and of applications, and what they count.

pub mod close;
pub mod loss;
pub mod replay;
pub mod reverify;
pub mod submit;
