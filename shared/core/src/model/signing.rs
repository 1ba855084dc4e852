//! The other side of each scheme: what a provider sends beside a body. For a test delivery of a person who holds the
//! secret; no function of a stack signs anything.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::model::identity::digest_hex;
use crate::model::secret::{NamedSecret, ProviderSecrets, Secret, live};
use crate::model::signature::bytes::{Bytes, whsec};
use crate::model::signature::{Encoding, STANDARD_ID, STANDARD_SIGNATURE, STANDARD_TIMESTAMP, Scheme};
use crate::model::time::UnixMs;

/// What goes beside a body, so that it is let in.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The id of the secret or token that it is made with.
    pub secret_id: String,
    /// Headers. A static header's value is a secret; a signature is none, but lets its bearer in for a while.
    pub headers: Vec<(String, Secret)>,
    /// The last segment of the URL, where the scheme holds a delivery to one.
    pub path_token: Option<Secret>,
}

/// The list holds no live secret that can be used, so nothing can be signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0} of the provider's secret holds none that is live and can be used: `hookledger secret list` shows them")]
pub struct NoSecret(pub &'static str);

impl Scheme {
    /// How old what is signed may be, in seconds. `None`: no instant is signed, so nothing is ever too old.
    pub fn max_age_secs(&self) -> Option<u64> {
        match self {
            Self::Timestamped { past_secs, .. } | Self::Standard { past_secs, .. } => Some(*past_secs),
            Self::Prefixed { .. } | Self::Unsigned { .. } => None,
        }
    }

    /// Signs a body with the first secret that is live `now`, as of `signed_at`.
    pub fn sign(
        &self,
        body: &[u8],
        secrets: &ProviderSecrets,
        signed_at: UnixMs,
        now: UnixMs,
    ) -> Result<Signed, NoSecret> {
        let instant = signed_at.secs().to_string();
        match self {
            Self::Timestamped { header, secret_encoding, .. } => {
                let (secret_id, key) = first_key(&secrets.signing_secrets, |text| secret_encoding.decode(text), now)?;
                let tag = hex::encode(tag(&key, &[instant.as_bytes(), b".", body])?);
                Ok(signed(secret_id, vec![(*header, format!("t={instant},v1={tag}"))]))
            }
            Self::Standard { .. } => {
                let (secret_id, key) = first_key(&secrets.signing_secrets, whsec, now)?;
                // The same body is the same message at each attempt.
                let id = format!("msg_{}", digest_hex(body));
                let tag = tag(&key, &[id.as_bytes(), b".", instant.as_bytes(), b".", body])?;
                let signature = format!("v1,{}", BASE64_STANDARD.encode(tag));
                let headers = vec![(STANDARD_ID, id), (STANDARD_TIMESTAMP, instant), (STANDARD_SIGNATURE, signature)];
                Ok(signed(secret_id, headers))
            }
            Self::Prefixed { header, prefix, tag_encoding, secret_encoding } => {
                let (secret_id, key) = first_key(&secrets.signing_secrets, |text| secret_encoding.decode(text), now)?;
                let tag = tag(&key, &[body])?;
                let tag = match tag_encoding {
                    Encoding::Base64 => BASE64_STANDARD.encode(tag),
                    Encoding::Hex | Encoding::Utf8 => hex::encode(tag),
                };
                Ok(signed(secret_id, vec![(*header, format!("{prefix}{tag}"))]))
            }
            Self::Unsigned { static_header, .. } => {
                let token = first(&secrets.url_tokens, now).ok_or(NoSecret("url_tokens"))?;
                let mut headers = Vec::new();
                if let Some(name) = static_header {
                    let value = first(&secrets.static_header, now).ok_or(NoSecret("static_header"))?;
                    headers.push((name.clone(), value.value.clone()));
                }
                Ok(Signed { secret_id: token.id.clone(), headers, path_token: Some(token.value.clone()) })
            }
        }
    }
}

fn signed(secret_id: String, headers: Vec<(&str, String)>) -> Signed {
    let headers = headers.into_iter().map(|(name, value)| (name.to_string(), Secret::new(value)));
    Signed { secret_id, headers: headers.collect(), path_token: None }
}

fn first(secrets: &[NamedSecret], now: UnixMs) -> Option<&NamedSecret> {
    live(secrets, now).next()
}

/// The first live secret whose text is a key, as `verify` would use it.
fn first_key<'a>(
    secrets: &'a [NamedSecret],
    decode: impl Fn(&'a str) -> Option<Bytes<'a>>,
    now: UnixMs,
) -> Result<(String, Bytes<'a>), NoSecret> {
    live(secrets, now)
        .find_map(|secret| {
            let key = decode(secret.value.reveal()).filter(|key| !key.is_empty())?;
            Some((secret.id.clone(), key))
        })
        .ok_or(NoSecret("signing_secrets"))
}

fn tag(key: &[u8], parts: &[&[u8]]) -> Result<Vec<u8>, NoSecret> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).map_err(|_| NoSecret("signing_secrets"))?;
    for part in parts {
        mac.update(part);
    }
    Ok(mac.finalize().into_bytes().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::delivery::Delivery;
    use crate::model::identity::ProviderId;
    use crate::model::signature::Refusal;

    const NOW: UnixMs = UnixMs(1_760_000_000_000);
    const BODY: &[u8] = br#"{"event_id":"e1"}"#;

    fn schemes() -> [(&'static str, Scheme); 6] {
        let prefixed = |tag_encoding, secret_encoding| Scheme::Prefixed {
            header: "x-webhook-signature-256",
            prefix: "sha256=",
            tag_encoding,
            secret_encoding,
        };
        let header = "webhook-signature";
        let timestamped =
            Scheme::Timestamped { header, secret_encoding: Encoding::Hex, past_secs: 600, future_secs: 300 };
        let unsigned = |static_header: Option<&str>| Scheme::Unsigned {
            allowed_cidrs: Vec::new(),
            static_header: static_header.map(Into::into),
        };
        [
            ("timestamped", timestamped),
            ("standard", Scheme::Standard { past_secs: 300, future_secs: 300 }),
            ("prefixed", prefixed(Encoding::Hex, Encoding::Utf8)),
            ("prefixed base64", prefixed(Encoding::Base64, Encoding::Base64)),
            ("unsigned", unsigned(None)),
            ("unsigned with a header", unsigned(Some("x-secret-key"))),
        ]
    }

    /// A value that is a key in each encoding, and long enough for each list.
    fn secrets(value: &str) -> ProviderSecrets {
        let (over, value) = ("00".repeat(32), value.repeat(32));
        let list = format!(
            r#"[{{"id":"over","value":"{over}","not_after":"2020-01-01T00:00:00Z"}},{{"id":"a","value":"{value}"}}]"#
        );
        let json = format!(r#"{{"signing_secrets":{list},"url_tokens":{list},"static_header":{list}}}"#);
        ProviderSecrets::parse(&json).unwrap()
    }

    fn verified(scheme: &Scheme, signed: Signed, body: &[u8]) -> Result<String, Refusal> {
        let mut delivery = Delivery::new(ProviderId("test"), NOW, body.to_vec());
        delivery.headers = signed.headers.into_iter().map(|(name, value)| (name, value.reveal().to_string())).collect();
        delivery.path_token = signed.path_token;
        let verified = scheme.verify(delivery, &secrets("a7"), NOW);
        verified.map(|verified| verified.proof().secret_id.clone()).map_err(|(refusal, _)| refusal)
    }

    #[test]
    fn what_is_signed_is_let_in_and_what_is_forged_is_not() {
        for (name, scheme) in schemes() {
            let signed = |value: &str| scheme.sign(BODY, &secrets(value), NOW, NOW).unwrap();
            let genuine = signed("a7");
            assert_eq!(genuine.secret_id, "a", "{name}");
            assert!(!format!("{genuine:?}").contains("a7a7"), "{name}");
            assert_eq!(verified(&scheme, genuine, BODY), Ok("a".into()), "{name}");
            let refused = verified(&scheme, signed("b8"), BODY);
            assert!(matches!(refused, Err(Refusal::WrongSignature | Refusal::WrongToken)), "{name}: {refused:?}");
            let is_signed = !matches!(scheme, Scheme::Unsigned { .. });
            assert_eq!(verified(&scheme, signed("a7"), b"{}").is_err(), is_signed, "{name}: another body");
        }
    }

    #[test]
    fn what_is_too_old_is_refused_where_an_instant_is_signed() {
        for (name, scheme) in schemes() {
            let signed = |secs| scheme.sign(BODY, &secrets("a7"), NOW.minus_secs(secs), NOW).unwrap();
            match scheme.max_age_secs() {
                Some(most) => {
                    assert_eq!(verified(&scheme, signed(most), BODY), Ok("a".into()), "{name}");
                    assert_eq!(verified(&scheme, signed(most + 1), BODY), Err(Refusal::Stale), "{name}");
                }
                None => assert_eq!(verified(&scheme, signed(99_999), BODY), Ok("a".into()), "{name}"),
            }
        }
    }

    #[test]
    fn nothing_is_signed_without_a_live_secret() {
        for (name, scheme) in schemes() {
            let list = if matches!(scheme, Scheme::Unsigned { .. }) { "url_tokens" } else { "signing_secrets" };
            let none = scheme.sign(BODY, &ProviderSecrets::default(), NOW, NOW).unwrap_err();
            assert_eq!(none, NoSecret(list), "{name}");
        }
    }
}
