//! How many calls reached a provider, and how they went.

/// The calls that reached a provider.
#[derive(Clone, Copy, Default)]
pub(crate) struct Calls {
    /// Those it answered.
    pub(crate) answered: u64,
    /// Those that met trouble.
    pub(crate) troubled: u64,
}
