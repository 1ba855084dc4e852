//! What a provider offers, or says that it does not.

/// What a provider offers, or the reason why not. There is no third, silent case.
pub enum Offer<'a, T: ?Sized> {
    /// This does it.
    Offered(&'a T),
    /// The provider does not offer it.
    Unavailable(&'static str),
}

impl<'a, T: ?Sized> Offer<'a, T> {
    /// What is offered, if anything.
    pub fn offered(self) -> Option<&'a T> {
        match self {
            Self::Offered(offer) => Some(offer),
            Self::Unavailable(_) => None,
        }
    }
}
