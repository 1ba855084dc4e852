//! OAuth 2 client credentials: what is asked, what is answered, and how long it is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hookledger_core::api::{ApiError, ApiResponse, ClientAuth, OAuthClient, encode};
use hookledger_core::identity::ProviderId;
use hookledger_core::secret::Secret;
use hookledger_core::time::UnixMs;
use serde::Deserialize;

/// A token is renewed this long before it ends, so that none ends on its way.
const RENEW_EARLY_SECS: u64 = 60;
/// How long a token is taken to live when the answer does not say (RFC 6749 only recommends that it does).
const DEFAULT_LIFE_SECS: u64 = 300;
/// No token is kept longer than this, whatever its issuer says.
const MAX_LIFE_SECS: u64 = 24 * 3600;

/// Where a token is asked for, and as whom.
#[derive(Clone, Copy)]
pub(super) struct Endpoint<'a> {
    pub(super) url: &'a str,
    pub(super) style: ClientAuth,
    pub(super) client: OAuthClient,
}

/// A token as it was issued.
#[derive(Debug)]
pub(super) struct Issued {
    pub(super) token: Secret,
    pub(super) life_secs: u64,
}

#[derive(Deserialize)]
struct TokenAnswer {
    access_token: Secret,
    // A number by the RFC, a text in some answers.
    #[serde(default)]
    expires_in: serde_json::Value,
}

/// The form that asks for a token.
pub(super) fn form(style: ClientAuth, id: &Secret, secret: &Secret) -> String {
    let grant = "grant_type=client_credentials";
    match style {
        ClientAuth::Basic => grant.to_string(),
        ClientAuth::Form => {
            format!("{grant}&client_id={}&client_secret={}", encode(id.reveal()), encode(secret.reveal()))
        }
    }
}

/// Reads the answer to it.
pub(super) fn issued(response: &ApiResponse) -> Result<Issued, ApiError> {
    match response.status {
        200..=299 => {}
        // Throttled or out of order is not refused.
        429 => return Err(ApiError::Throttled { after_secs: response.retry_after_secs }),
        408 | 425 | 500..=599 => return Err(ApiError::Unreachable),
        _ => return Err(ApiError::TokenRefused),
    }
    let answer: TokenAnswer = serde_json::from_slice(&response.body).map_err(|_| ApiError::TokenRefused)?;
    if answer.access_token.reveal().is_empty() {
        return Err(ApiError::TokenRefused);
    }
    let as_text = || answer.expires_in.as_str().and_then(|text| text.trim().parse().ok());
    let life_secs = answer.expires_in.as_u64().or_else(as_text).unwrap_or(DEFAULT_LIFE_SECS).min(MAX_LIFE_SECS);
    Ok(Issued { token: answer.access_token, life_secs })
}

/// A cached token.
#[derive(Default)]
pub(super) struct Cached(Option<(Secret, UnixMs)>);

impl Cached {
    /// The token, if it lives on for a while and is not the one that was just refused. Another request may have
    /// replaced that one already.
    pub(super) fn usable(&self, now: UnixMs, refused: Option<&Secret>) -> Option<Secret> {
        let (token, end) = self.0.as_ref()?;
        (now.plus_secs(RENEW_EARLY_SECS) < *end && Some(token) != refused).then(|| token.clone())
    }

    /// Keeps a new token, and returns it.
    pub(super) fn keep(&mut self, issued: Issued, now: UnixMs) -> Secret {
        self.0 = Some((issued.token.clone(), now.plus_secs(issued.life_secs)));
        issued.token
    }
}

type Key = (ProviderId, String, ClientAuth, OAuthClient);
type Slot = Arc<tokio::sync::Mutex<Cached>>;

/// All cached tokens: one for each provider, token endpoint and client there.
#[derive(Default)]
pub(super) struct Tokens(Mutex<BTreeMap<Key, Slot>>);

impl Tokens {
    /// The place of one token.
    pub(super) fn slot(&self, provider: ProviderId, endpoint: &Endpoint<'_>) -> Slot {
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        slots.entry((provider, endpoint.url.to_string(), endpoint.style, endpoint.client)).or_default().clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u16, body: &str) -> ApiResponse {
        ApiResponse { status, retry_after_secs: None, body: body.as_bytes().to_vec() }
    }

    #[test]
    fn answers_of_a_token_endpoint() {
        let life = |expires_in: &str| {
            let body = format!(r#"{{"access_token":"t","token_type":"bearer"{expires_in}}}"#);
            issued(&answer(200, &body)).map(|issued| issued.life_secs)
        };
        assert_eq!(life(r#","expires_in":3600"#), Ok(3600));
        assert_eq!(life(r#","expires_in":"3600""#), Ok(3600));
        assert_eq!(life(""), Ok(DEFAULT_LIFE_SECS));
        assert_eq!(life(r#","expires_in":99999999"#), Ok(MAX_LIFE_SECS));
        let refused =
            [(400, "{}"), (401, ""), (200, "{}"), (200, "<html>"), (200, r#"{"access_token":""}"#), (302, "")];
        for (status, body) in refused {
            assert_eq!(issued(&answer(status, body)).err(), Some(ApiError::TokenRefused), "{status} {body}");
        }
        for status in [408, 500, 503] {
            assert_eq!(issued(&answer(status, "")).err(), Some(ApiError::Unreachable), "{status}");
        }
        let throttled = ApiResponse { retry_after_secs: Some(7), ..answer(429, "") };
        assert_eq!(issued(&throttled).err(), Some(ApiError::Throttled { after_secs: Some(7) }));
    }

    #[test]
    fn a_token_is_renewed_before_it_ends_and_when_it_is_refused() {
        let mut cached = Cached::default();
        let at = UnixMs::from_secs;
        assert!(cached.usable(at(0), None).is_none());
        let token = cached.keep(Issued { token: Secret::new("t"), life_secs: 3600 }, at(0));
        assert!(cached.usable(at(3_539), None).is_some());
        assert!(cached.usable(at(3_540), None).is_none());
        assert!(cached.usable(at(1), Some(&token)).is_none());
        assert!(cached.usable(at(1), Some(&Secret::new("an older one"))).is_some());
    }

    #[test]
    fn the_form_cannot_be_broken_out_of() {
        let (id, secret) = (Secret::new("id&x=1"), Secret::new("s+ ü"));
        let expected = "grant_type=client_credentials&client_id=id%26x%3D1&client_secret=s%2B%20%C3%BC";
        assert_eq!(form(ClientAuth::Form, &id, &secret), expected);
        assert_eq!(form(ClientAuth::Basic, &id, &secret), "grant_type=client_credentials");
    }
}
