//! Keys and tags, out of the text that they are written as.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

/// How the text of a secret becomes key bytes, or how a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// The bytes of the text itself.
    Utf8,
    /// Hexadecimal, either case.
    Hex,
    /// Standard base64 with padding.
    Base64,
}

/// A key or tag, from where it lies if nothing has to be decoded.
pub(in crate::model) type Bytes<'a> = Cow<'a, [u8]>;

impl Encoding {
    /// Reads `utf8`, `hex` or `base64`.
    pub fn from_name(name: &str) -> Option<Self> {
        match name {
            "utf8" => Some(Self::Utf8),
            "hex" => Some(Self::Hex),
            "base64" => Some(Self::Base64),
            _ => None,
        }
    }

    pub(in crate::model) fn decode(self, text: &str) -> Option<Bytes<'_>> {
        match self {
            Self::Utf8 => Some(Cow::Borrowed(text.as_bytes())),
            Self::Hex => {
                // Into a place of the right size, not digit by digit into one that grows.
                let mut bytes = vec![0; text.len() / 2];
                hex::decode_to_slice(text, &mut bytes).ok().map(|()| Cow::Owned(bytes))
            }
            Self::Base64 => BASE64_STANDARD.decode(text).ok().map(Cow::Owned),
        }
    }
}

/// The shortest key that Standard Webhooks allows.
const MIN_WHSEC_BYTES: usize = 24;

/// A key of Standard Webhooks: base64, behind `whsec_` or without it. A shorter one proves nothing.
pub(in crate::model) fn whsec(text: &str) -> Option<Bytes<'_>> {
    Encoding::Base64.decode(text.strip_prefix("whsec_").unwrap_or(text)).filter(|key| key.len() >= MIN_WHSEC_BYTES)
}
