//! What proves a delivery.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
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

/// [Standard Webhooks](https://www.standardwebhooks.com): three headers, and a tag over the message's id, the time and the
/// body. The key is the base64 behind `whsec_`; a secret that is no base64, such as a guessed one, is a key as it stands.
pub fn standard(message: &str, body: &[u8], secret: &str, at_secs: i64) -> Proof {
    let text = secret.strip_prefix("whsec_").unwrap_or(secret);
    let key = BASE64_STANDARD.decode(text).unwrap_or_else(|_| text.into());
    let at = at_secs.to_string();
    let tag = BASE64_STANDARD.encode(hmac(&key, &[message.as_bytes(), b".", at.as_bytes(), b".", body]));
    let headers =
        vec![("webhook-signature", format!("v1,{tag}")), ("webhook-id", message.into()), ("webhook-timestamp", at)];
    Proof { headers, path_token: None }
}

/// The HMAC-SHA256 of the parts, one after the other, in hex.
pub(crate) fn tag(secret: &str, parts: &[&[u8]]) -> String {
    hex::encode(hmac(secret.as_bytes(), parts))
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key may have any length");
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}
