//! What proves a delivery.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// What proves a delivery: headers, or a token at the end of its URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The headers: that of the signature first.
    pub headers: Vec<(&'static str, String)>,
    /// The token.
    pub path_token: Option<String>,
}

impl Proof {
    pub(crate) fn header(name: &'static str, value: String) -> Self {
        Self { headers: vec![(name, value)], path_token: None }
    }

    pub(crate) fn token(token: &str) -> Self {
        Self { headers: Vec::new(), path_token: Some(token.into()) }
    }
}

/// The HMAC-SHA256 of the parts, one after the other, in hex.
pub(crate) fn tag(secret: &str, parts: &[&[u8]]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key may have any length");
    parts.iter().for_each(|part| mac.update(part));
    hex::encode(mac.finalize().into_bytes())
}
