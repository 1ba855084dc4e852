//! What the local stack is called, and where it is.

/// The local stack's name.
pub(crate) const STACK: &str = "hookledger-local";
/// One second here stands for this many in production.
pub(crate) const TIME_SCALE: u64 = 30;
/// The emulator's region; it holds nothing but this stack.
pub(crate) const REGION: &str = "us-east-1";
/// The emulator's administrator. Other keys are held to the policies of the roles they belong to.
pub(crate) const ADMINISTRATOR: (&str, &str) = ("test", "test");

pub(crate) fn endpoint(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}
