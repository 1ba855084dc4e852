//! One HTTP arrival, before and after its origin is proved.
//!
//! A [`Delivery`] is what anybody may have sent. From outside this crate the only way to a [`Verified`] one is
//! [`Scheme::verify`](crate::model::signature::Scheme::verify), and only a `Verified` shows its body: nothing can be parsed
//! before it is verified, because it would not compile.

use std::fmt;

use crate::model::identity::{ProviderId, digest_hex};
use crate::model::refused::Refused;
use crate::model::secret::Secret;
use crate::model::time::UnixMs;

/// One HTTP arrival at a provider's webhook URL. Nothing in it is trusted.
pub struct Delivery {
    /// The provider whose URL was called.
    pub provider: ProviderId,
    /// When the receiver got it, by the receiver's clock.
    pub received_at: UnixMs,
    /// The client's address as the gateway saw it.
    pub source_ip: Option<String>,
    /// The last segment of the URL, where the provider's route has one.
    pub path_token: Option<Secret>,
    /// Header names in lower case with their values; a repeated header is joined by commas, as the gateway does.
    pub headers: Vec<(String, String)>,
    /// The exact bytes that were sent, already out of the gateway's base64. Private until verified.
    body: Vec<u8>,
    /// SHA-256 of the URL's token in hex, for a delivery whose token itself was not kept.
    kept_token_digest: Option<String>,
}

impl Delivery {
    /// An arrival of these bytes, without headers.
    pub fn new(provider: ProviderId, received_at: UnixMs, body: Vec<u8>) -> Self {
        Self {
            provider,
            received_at,
            source_ip: None,
            path_token: None,
            headers: Vec::new(),
            body,
            kept_token_digest: None,
        }
    }

    /// A refused delivery as it came, out of quarantine.
    pub(crate) fn kept(refused: Refused) -> Self {
        Self {
            source_ip: refused.source_ip,
            headers: refused.headers,
            kept_token_digest: refused.token_digest,
            ..Self::new(refused.provider, refused.at, refused.body)
        }
    }

    /// SHA-256 of the URL's token in hex. Tokens are compared by their digests, so one that is out of quarantine is as
    /// good as one that just came.
    pub(crate) fn token_digest(&self) -> Option<String> {
        let fresh = self.path_token.as_ref().map(|token| digest_hex(token.reveal().as_bytes()));
        fresh.or_else(|| self.kept_token_digest.clone())
    }

    /// The value of a header, whatever the case of its name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.as_str())
    }

    /// The bytes as sent, for the two purposes that don't interpret them: signing and keeping.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.body
    }

    /// Takes the bytes out without copying them.
    pub(crate) fn take_bytes(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.body)
    }

    /// Gives back what [`Delivery::take_bytes`] took.
    pub(crate) fn put_back(&mut self, bytes: Vec<u8>) {
        self.body = bytes;
    }

    /// SHA-256 of the bytes as sent, in hex.
    pub fn digest(&self) -> String {
        digest_hex(&self.body)
    }
}

impl fmt::Debug for Delivery {
    /// Sizes and names only: a body, a header's value or a token never reaches a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delivery")
            .field("provider", &self.provider.0)
            .field("received_at", &self.received_at)
            .field("headers", &self.headers.len())
            .field("body_bytes", &self.body.len())
            .finish_non_exhaustive()
    }
}

/// How a delivery proved where it came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// The id of the secret or token that matched.
    pub secret_id: String,
    /// The instant inside the signature, where the scheme signs one.
    pub signed_at: Option<UnixMs>,
}

/// A delivery whose origin is proved: by `signature`, now or when it was stored. Nothing outside this crate can make
/// one.
#[derive(Debug)]
pub struct Verified {
    delivery: Delivery,
    proof: Proof,
    /// When it came the first time, where it was refused then.
    refused_at: Option<UnixMs>,
}

impl Verified {
    pub(crate) fn new(delivery: Delivery, proof: Proof) -> Self {
        Self { delivery, proof, refused_at: None }
    }

    /// A delivery that was verified when it came, out of the ledger again.
    pub(crate) fn stored(provider: ProviderId, received_at: UnixMs, body: Vec<u8>) -> Self {
        let proof = Proof { secret_id: "verified when it came".into(), signed_at: None };
        Self::new(Delivery::new(provider, received_at, body), proof)
    }

    /// The body, now that it may be read.
    pub fn body(&self) -> &[u8] {
        &self.delivery.body
    }

    /// The arrival that was verified.
    pub fn delivery(&self) -> &Delivery {
        &self.delivery
    }

    /// The same, let in now: it was refused when it came.
    pub(crate) fn let_in_at(self, at: UnixMs) -> Self {
        let refused_at = Some(self.delivery.received_at);
        Self { delivery: Delivery { received_at: at, ..self.delivery }, refused_at, ..self }
    }

    /// When it came the first time, where it was refused then.
    pub fn refused_at(&self) -> Option<UnixMs> {
        self.refused_at
    }

    /// What proved it.
    pub fn proof(&self) -> &Proof {
        &self.proof
    }

    /// Takes the proof and the delivery apart, for storing.
    pub(crate) fn into_parts(self) -> (Delivery, Proof) {
        (self.delivery, self.proof)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_body_header_or_token() {
        let mut delivery = Delivery::new(ProviderId("finbox"), UnixMs(0), b"account 4111".to_vec());
        delivery.headers.push(("x-secret-key".into(), "hunter2".into()));
        delivery.path_token = Some(Secret::new("token-value"));
        let printed = format!("{delivery:?}");
        for hidden in ["4111", "hunter2", "token-value"] {
            assert!(!printed.contains(hidden), "{printed}");
        }
    }
}
