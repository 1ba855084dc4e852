//! Proof of origin: every way a provider can show that a delivery is its own, as data, and the one function that
//! checks it.
//!
//! Signed deliveries carry an HMAC-SHA256 over the exact bytes. Unsigned ones are held to an unguessable token in the
//! URL, an optional list of networks and an optional static header; what they say is confirmed by pull before anything
//! takes effect. Every comparison is in constant time and over the full length, every live secret is tried, and no
//! secret at all means refusal, never acceptance.

use std::borrow::Cow;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use ipnet::IpNet;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::model::delivery::{Delivery, Proof, Verified};
use crate::model::identity::digest_hex;
use crate::model::secret::{NamedSecret, ProviderSecrets, live};
use crate::model::time::UnixMs;

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
type Bytes<'a> = Cow<'a, [u8]>;

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

    fn decode(self, text: &str) -> Option<Bytes<'_>> {
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

/// How a provider's deliveries prove their origin.
#[derive(Clone, Debug)]
pub enum Scheme {
    /// `<header>: t=<unix seconds>,v1=<hex>[,v1=<hex>…]` over `<t>.<body>`.
    Timestamped {
        /// The header's name.
        header: &'static str,
        /// How the secret's text becomes the key.
        secret_encoding: Encoding,
        /// How old a signature may be, in seconds.
        past_secs: u64,
        /// How far in the future it may be, in seconds: the clocks' disagreement.
        future_secs: u64,
    },
    /// `<header>: <prefix><tag>` over the body. No instant is signed: freshness rests on deduplication.
    Prefixed {
        /// The header's name.
        header: &'static str,
        /// What stands before the tag, `sha256=`.
        prefix: &'static str,
        /// How the tag is written.
        tag_encoding: Encoding,
        /// How the secret's text becomes the key.
        secret_encoding: Encoding,
    },
    /// No signature: an unguessable URL token, and what else the operator turned on.
    Unsigned {
        /// Networks the delivery may come from; empty turns the check off.
        allowed_cidrs: Vec<IpNet>,
        /// The name of a header that must carry one of the `static_header` secrets; `None` turns the check off.
        static_header: Option<String>,
    },
}

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

impl Scheme {
    /// Proves the delivery's origin, or says why not and gives the delivery back to be kept.
    #[expect(clippy::result_large_err, reason = "a refusal hands back the whole delivery, as large as a verified one")]
    pub fn verify(
        &self,
        delivery: Delivery,
        secrets: &ProviderSecrets,
        now: UnixMs,
    ) -> Result<Verified, (Refusal, Delivery)> {
        match self.prove(&delivery, secrets, now) {
            Ok(proof) => Ok(Verified::new(delivery, proof)),
            Err(refusal) => Err((refusal, delivery)),
        }
    }

    /// The request headers this scheme looks at: kept with a refusal, so that it can be verified again.
    pub fn headers(&self) -> Vec<&str> {
        match self {
            Self::Timestamped { header, .. } | Self::Prefixed { header, .. } => vec![header],
            Self::Unsigned { static_header, .. } => static_header.iter().map(String::as_str).collect(),
        }
    }

    fn prove(&self, delivery: &Delivery, secrets: &ProviderSecrets, now: UnixMs) -> Result<Proof, Refusal> {
        match self {
            Self::Timestamped { header, secret_encoding, past_secs, future_secs } => {
                let (signed_at, tags) = timestamped_header(delivery.header(header))?;
                let signed = [signed_at.text.as_bytes(), b".", delivery.bytes()];
                let secret_id = matching_key(&secrets.signing_secrets, *secret_encoding, now, &signed, &tags)?;
                // Only now, with the timestamp known to be theirs, does its age mean anything.
                if now.since_ms(signed_at.at) > past_secs.saturating_mul(1000) {
                    return Err(Refusal::Stale);
                }
                if signed_at.at.since_ms(now) > future_secs.saturating_mul(1000) {
                    return Err(Refusal::Future);
                }
                Ok(Proof { secret_id, signed_at: Some(signed_at.at) })
            }
            Self::Prefixed { header, prefix, tag_encoding, secret_encoding } => {
                let value = delivery.header(header).ok_or(Refusal::MissingSignature)?;
                let tag = value.strip_prefix(prefix).ok_or(Refusal::MalformedSignature)?;
                let tag = tag_encoding.decode(tag).ok_or(Refusal::MalformedSignature)?;
                let signed = [delivery.bytes()];
                let secret_id = matching_key(&secrets.signing_secrets, *secret_encoding, now, &signed, &[tag])?;
                Ok(Proof { secret_id, signed_at: None })
            }
            Self::Unsigned { allowed_cidrs, static_header } => {
                let token = delivery.token_digest().unwrap_or_default();
                let secret_id = matching_digest(&secrets.url_tokens, now, &token, Refusal::WrongToken)?;
                if !allowed_cidrs.is_empty() {
                    let source = delivery.source_ip.as_deref().and_then(|ip| ip.parse().ok());
                    let source: std::net::IpAddr = source.ok_or(Refusal::SourceNotAllowed)?;
                    if !allowed_cidrs.iter().any(|network| network.contains(&source)) {
                        return Err(Refusal::SourceNotAllowed);
                    }
                }
                if let Some(name) = static_header {
                    let value = delivery.header(name).unwrap_or("");
                    let value = digest_hex(value.as_bytes());
                    matching_digest(&secrets.static_header, now, &value, Refusal::WrongStaticHeader)?;
                }
                Ok(Proof { secret_id, signed_at: None })
            }
        }
    }
}

struct SignedAt<'a> {
    /// The digits as sent: they are what was signed.
    text: &'a str,
    at: UnixMs,
}

/// The most `v1` tags looked at: one for each secret of a rotation, with room.
const MAX_TAGS: usize = 8;

/// Reads `t=<digits>,v1=<hex>[,v1=<hex>…]`. Unknown `key=value` fields are passed over, and so is a tag that can't be read
/// beside one that can: it matches nothing. A second `t` is malformed, since it could not be said which one was signed.
fn timestamped_header(value: Option<&str>) -> Result<(SignedAt<'_>, Vec<Bytes<'_>>), Refusal> {
    let value = value.ok_or(Refusal::MissingSignature)?;
    let mut signed_at = None;
    let mut tags = Vec::new();
    for field in value.split(',') {
        match field.trim().split_once('=') {
            Some(("t", text)) if signed_at.is_none() && text.bytes().all(|b| b.is_ascii_digit()) => {
                let secs = text.parse().map_err(|_| Refusal::MalformedSignature)?;
                signed_at = Some(SignedAt { text, at: UnixMs::from_secs(secs) });
            }
            Some(("v1", tag)) if tags.len() < MAX_TAGS => tags.extend(Encoding::Hex.decode(tag)),
            Some((key, _)) if key != "t" => {}
            _ => return Err(Refusal::MalformedSignature),
        }
    }
    match signed_at {
        Some(signed_at) if !tags.is_empty() => Ok((signed_at, tags)),
        _ => Err(Refusal::MalformedSignature),
    }
}

/// The id of the live secret under which one of the tags signs these parts.
fn matching_key(
    secrets: &[NamedSecret],
    encoding: Encoding,
    now: UnixMs,
    signed: &[&[u8]],
    tags: &[Bytes<'_>],
) -> Result<String, Refusal> {
    let mut any_live = false;
    for secret in live(secrets, now) {
        let Some(key) = encoding.decode(secret.value.reveal()).filter(|key| !key.is_empty()) else { continue };
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(&key) else { continue };
        any_live = true;
        for part in signed {
            mac.update(part);
        }
        // `verify_slice` compares in constant time and refuses a tag that is not full length.
        if tags.iter().any(|tag| mac.clone().verify_slice(tag).is_ok()) {
            return Ok(secret.id.clone());
        }
    }
    Err(if any_live { Refusal::WrongSignature } else { Refusal::Unconfigured })
}

/// The id of the live secret with this SHA-256 in hex. Digests are compared, so that not even the length leaks.
fn matching_digest(secrets: &[NamedSecret], now: UnixMs, given: &str, wrong: Refusal) -> Result<String, Refusal> {
    let mut found = None;
    let mut any_live = false;
    for secret in live(secrets, now) {
        any_live = true;
        let expected = digest_hex(secret.value.reveal().as_bytes());
        if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) && found.is_none() {
            found = Some(secret.id.clone());
        }
    }
    found.ok_or(if any_live { wrong } else { Refusal::Unconfigured })
}

#[cfg(test)]
mod tests;
