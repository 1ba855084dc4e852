//! Why a delivery was not let in.

/// Why a delivery was not let in. The code is stable: it is stored, counted and alarmed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// We hold no live secret to check with: our configuration is missing, so the provider should try again.
    #[error("no live secret or token is configured: put one into the provider's secret")]
    Unconfigured,
    /// The signature header is absent.
    #[error("the signature header is missing")]
    MissingSignature,
    /// The signature header does not have its documented shape.
    #[error("the signature header is malformed")]
    MalformedSignature,
    /// No live secret produces this signature.
    #[error("no live secret produces this signature")]
    WrongSignature,
    /// Signed too long ago.
    #[error("the signature is too old")]
    Stale,
    /// Signed in the future.
    #[error("the signature's timestamp lies in the future")]
    Future,
    /// The URL carries no live token.
    #[error("the URL's token is missing or not a live one")]
    WrongToken,
    /// The source address is in none of the allowed networks.
    #[error("the source address is not in the allowed networks")]
    SourceNotAllowed,
    /// The static header is missing or has no live value.
    #[error("the static header is missing or not a live value")]
    WrongStaticHeader,
}

impl Refusal {
    /// The stable code.
    pub fn code(self) -> &'static str {
        match self {
            Self::Unconfigured => "unconfigured",
            Self::MissingSignature => "missing_signature",
            Self::MalformedSignature => "malformed_signature",
            Self::WrongSignature => "wrong_signature",
            Self::Stale => "stale",
            Self::Future => "future",
            Self::WrongToken => "wrong_token",
            Self::SourceNotAllowed => "source_not_allowed",
            Self::WrongStaticHeader => "wrong_static_header",
        }
    }

    /// Whether a freshly read secret could turn this refusal into a match.
    pub fn may_be_rotation(self) -> bool {
        matches!(self, Self::Unconfigured | Self::WrongSignature | Self::WrongToken | Self::WrongStaticHeader)
    }
}
