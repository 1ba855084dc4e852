//! HMAC-SHA256 over bytes, and the encodings a secret or a signature can be written in.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// How a secret or a signature is written. Run Payments and Fynapse leave it open, so it is a setting.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Encoding {
    Utf8,
    Hex,
    Base64,
}

impl Encoding {
    /// The key bytes of a written secret.
    pub(crate) fn decode(self, written: &str) -> Result<Vec<u8>, String> {
        match self {
            Self::Utf8 => Ok(written.as_bytes().to_vec()),
            Self::Hex => hex::decode(written).map_err(|error| format!("the secret is not hex: {error}")),
            Self::Base64 => STANDARD.decode(written).map_err(|error| format!("the secret is not base64: {error}")),
        }
    }

    /// A tag as it stands in a header. A tag is not text, so `utf8` writes hex.
    pub(crate) fn encode(self, tag: &[u8]) -> String {
        match self {
            Self::Base64 => STANDARD.encode(tag),
            Self::Utf8 | Self::Hex => hex::encode(tag),
        }
    }
}

/// The tag over the parts, one after another. HMAC takes a key of any length, so there is always one.
pub(crate) fn tag(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        return Vec::new();
    };
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().to_vec()
}

/// The SHA-256 of some bytes, in hex.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

#[cfg(test)]
mod tests {
    use super::{Encoding, tag};

    #[test]
    fn the_tag_matches_rfc_4231() {
        // RFC 4231, test case 2.
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex::encode(tag(b"Jefe", &[b"what do ya want ", b"for nothing?"])), expected);
    }

    #[test]
    fn secrets_are_decoded_as_told() {
        assert_eq!(Encoding::Utf8.decode("6a65").unwrap(), b"6a65");
        assert_eq!(Encoding::Hex.decode("6a65").unwrap(), b"je");
        assert_eq!(Encoding::Base64.decode("amU=").unwrap(), b"je");
        assert!(Encoding::Hex.decode("xyz").is_err());
        assert_eq!((Encoding::Hex.encode(b"je"), Encoding::Base64.encode(b"je")), ("6a65".into(), "amU=".into()));
    }
}
