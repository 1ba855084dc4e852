//! Proof of origin: every way a provider can show that a delivery is its own, as data, and the one function that
//! checks it.
//!
//! Signed deliveries carry an HMAC-SHA256 over the exact bytes. Unsigned ones are held to an unguessable token in the
//! URL, an optional list of networks and an optional static header; what they say is confirmed by pull before anything
//! takes effect. Every comparison is in constant time and over the full length, every live secret is tried, and no
//! secret at all means refusal, never acceptance.

pub(in crate::model) mod bytes;
mod header;
mod refusal;

use hmac::{Hmac, KeyInit, Mac};
use ipnet::IpNet;
use sha2::Sha256;
use subtle::ConstantTimeEq;

use crate::model::delivery::{Delivery, Proof, Verified};
use crate::model::identity::digest_hex;
use crate::model::secret::{NamedSecret, ProviderSecrets, live};
use crate::model::time::UnixMs;

use bytes::{Bytes, whsec};
use header::{standard_headers, timestamped_header};

pub use bytes::Encoding;
pub use refusal::Refusal;

/// The headers of Standard Webhooks: the message's id, the attempt's time, the tags.
pub(in crate::model) const STANDARD_ID: &str = "webhook-id";
pub(in crate::model) const STANDARD_TIMESTAMP: &str = "webhook-timestamp";
pub(in crate::model) const STANDARD_SIGNATURE: &str = "webhook-signature";

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
    /// [Standard Webhooks](https://www.standardwebhooks.com): `webhook-signature: v1,<base64>[ v1,<base64>…]` over
    /// `<webhook-id>.<webhook-timestamp>.<body>`. The key is the base64 behind `whsec_`. The id is signed, and the same at
    /// each attempt.
    Standard {
        /// How old a signature may be, in seconds.
        past_secs: u64,
        /// How far in the future it may be, in seconds.
        future_secs: u64,
    },
    /// No signature: an unguessable URL token, and what else the operator turned on.
    Unsigned {
        /// Networks the delivery may come from; empty turns the check off.
        allowed_cidrs: Vec<IpNet>,
        /// The name of a header that must carry one of the `static_header` secrets; `None` turns the check off.
        static_header: Option<String>,
    },
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
            Self::Standard { .. } => vec![STANDARD_ID, STANDARD_TIMESTAMP, STANDARD_SIGNATURE],
            Self::Unsigned { static_header, .. } => static_header.iter().map(String::as_str).collect(),
        }
    }

    fn prove(&self, delivery: &Delivery, secrets: &ProviderSecrets, now: UnixMs) -> Result<Proof, Refusal> {
        match self {
            Self::Timestamped { header, secret_encoding, past_secs, future_secs } => {
                let (signed_at, tags) = timestamped_header(delivery.header(header))?;
                let signed = [signed_at.text.as_bytes(), b".", delivery.bytes()];
                let secret_id =
                    matching_key(&secrets.signing_secrets, |text| secret_encoding.decode(text), now, &signed, &tags)?;
                of_this_time(signed_at.at, now, *past_secs, *future_secs)?;
                Ok(Proof { secret_id, signed_at: Some(signed_at.at) })
            }
            Self::Standard { past_secs, future_secs } => {
                let id = delivery.header(STANDARD_ID).ok_or(Refusal::MissingSignature)?;
                let (timestamp, signature) = (delivery.header(STANDARD_TIMESTAMP), delivery.header(STANDARD_SIGNATURE));
                let (signed_at, tags) = standard_headers(timestamp, signature)?;
                let signed = [id.as_bytes(), b".", signed_at.text.as_bytes(), b".", delivery.bytes()];
                let secret_id = matching_key(&secrets.signing_secrets, whsec, now, &signed, &tags)?;
                of_this_time(signed_at.at, now, *past_secs, *future_secs)?;
                Ok(Proof { secret_id, signed_at: Some(signed_at.at) })
            }
            Self::Prefixed { header, prefix, tag_encoding, secret_encoding } => {
                let value = delivery.header(header).ok_or(Refusal::MissingSignature)?;
                let tag = value.strip_prefix(prefix).ok_or(Refusal::MalformedSignature)?;
                let tag = tag_encoding.decode(tag).ok_or(Refusal::MalformedSignature)?;
                let signed = [delivery.bytes()];
                let secret_id =
                    matching_key(&secrets.signing_secrets, |text| secret_encoding.decode(text), now, &signed, &[tag])?;
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

/// Whether a signature's instant is near enough. To be asked when the instant is known to be theirs, not before: then its
/// age means something.
fn of_this_time(signed_at: UnixMs, now: UnixMs, past_secs: u64, future_secs: u64) -> Result<(), Refusal> {
    if now.since_ms(signed_at) > past_secs.saturating_mul(1000) {
        return Err(Refusal::Stale);
    }
    if signed_at.since_ms(now) > future_secs.saturating_mul(1000) {
        return Err(Refusal::Future);
    }
    Ok(())
}

/// The id of the live secret under which one of the tags signs these parts.
fn matching_key(
    secrets: &[NamedSecret],
    decode: impl Fn(&str) -> Option<Bytes<'_>>,
    now: UnixMs,
    signed: &[&[u8]],
    tags: &[Bytes<'_>],
) -> Result<String, Refusal> {
    let mut any_live = false;
    for secret in live(secrets, now) {
        let Some(key) = decode(secret.value.reveal()).filter(|key| !key.is_empty()) else { continue };
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
