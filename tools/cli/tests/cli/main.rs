//! `hookledger` as a person runs it, on a table in this process.

#![expect(clippy::expect_used, clippy::unwrap_used, reason = "all of this is test code")]

mod announce;
mod browser;
mod console;
mod each;
mod look;
mod mend;
mod send;
mod terminal;
mod town;
