//! What a function is put together from.

pub(crate) mod aws_error;
pub mod aws_http;
pub mod clients;
pub mod env;
pub mod logs;
#[cfg(test)]
pub(crate) mod scripted;
pub mod tls;
pub(crate) mod trace;
