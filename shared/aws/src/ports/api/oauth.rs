//! OAuth 2 client credentials: what is asked, what is answered, and how long it is kept.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::provider_call::{ApiError, ApiResponse, ClientAuth, OAuthClient, encode};
use hookledger_core::model::secret::Secret;
use hookledger_core::model::time::UnixMs;
use http::HeaderValue;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// A token is renewed this long before it ends, so that none ends on its way; a short one for the last quarter of its life.
const RENEW_EARLY_MS: u64 = 60_000;
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
    expires_in: Value,
}

/// RFC 6749, 5.2.
#[derive(Deserialize)]
struct Refusal {
    error: String,
}

/// What stands in some servers' `error` for trouble of their own.
const PASSING: [&str; 3] = ["temporarily_unavailable", "server_error", "slow_down"];

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

/// Reads the answer to it. Only a refusal as OAuth writes it is one, and lasts until a person changes the credentials; all
/// else that is no token, a maintenance page say, may pass.
pub(super) fn issued(response: &ApiResponse) -> Result<Issued, ApiError> {
    match response.status {
        200..=299 => read(&response.body).and_then(usable_token).ok_or(ApiError::TokenTrouble),
        // Throttled or out of order is not refused.
        429 => Err(ApiError::Throttled { after_secs: response.retry_after_secs }),
        408 | 425 | 500..=599 => Err(ApiError::Unreachable),
        400 | 401 | 403 if read(&response.body).is_some_and(|refusal: Refusal| refusal.is_lasting()) => {
            Err(ApiError::TokenRefused)
        }
        _ => Err(ApiError::TokenTrouble),
    }
}

/// A JSON object, behind a byte order mark or not.
fn read<T: DeserializeOwned>(body: &[u8]) -> Option<T> {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii_start();
    // An array would be read as the fields in their order.
    body.starts_with(b"{").then(|| serde_json::from_slice(body).ok()).flatten()
}

impl Refusal {
    fn is_lasting(&self) -> bool {
        let error = self.error.trim();
        !error.is_empty() && !PASSING.contains(&error)
    }
}

/// The token, if it can be sent: what does not fit into a header is none.
fn usable_token(TokenAnswer { access_token: token, expires_in }: TokenAnswer) -> Option<Issued> {
    if token.reveal().trim().is_empty() || HeaderValue::from_str(token.reveal()).is_err() {
        return None;
    }
    let text = || expires_in.as_str().and_then(|text| text.trim().parse().ok());
    let life_secs = expires_in.as_f64().or_else(text).filter(|secs| *secs >= 0.0);
    // A number with decimals is cut off, one beyond any integer is the largest; the cap takes it.
    let life_secs = life_secs.map_or(DEFAULT_LIFE_SECS, |secs| secs as u64).min(MAX_LIFE_SECS);
    Some(Issued { token, life_secs })
}

/// A cached token, and until when it is used.
#[derive(Default)]
pub(super) struct Cached(Option<(Secret, UnixMs)>);

impl Cached {
    /// The token, if it lives on for a while and is not the one that was just refused. Another request may have
    /// replaced that one already.
    pub(super) fn usable(&self, now: UnixMs, refused: Option<&Secret>) -> Option<Secret> {
        let (token, until) = self.0.as_ref()?;
        (now < *until && Some(token) != refused).then(|| token.clone())
    }

    /// Keeps a new token, and returns it.
    pub(super) fn keep(&mut self, issued: Issued, now: UnixMs) -> Secret {
        let life_ms = issued.life_secs.saturating_mul(1000);
        let used_ms = life_ms.saturating_sub(RENEW_EARLY_MS.min(life_ms / 4));
        self.0 = Some((issued.token.clone(), now.plus_ms(used_ms)));
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
        assert_eq!(life(r#","expires_in":60.9"#), Ok(60));
        assert_eq!(life(r#","expires_in":-5"#), Ok(DEFAULT_LIFE_SECS));
        let marked = "\u{feff} {\"access_token\":\"t\"}";
        assert!(issued(&answer(200, marked)).is_ok(), "a byte order mark");
        for status in [408, 500, 503] {
            assert_eq!(issued(&answer(status, "")).err(), Some(ApiError::Unreachable), "{status}");
        }
        let throttled = ApiResponse { retry_after_secs: Some(7), ..answer(429, "") };
        assert_eq!(issued(&throttled).err(), Some(ApiError::Throttled { after_secs: Some(7) }));
    }

    #[test]
    fn only_a_refusal_in_the_words_of_oauth_is_one() {
        let refusal = r#"{"error":"invalid_client"}"#;
        for status in [400, 401, 403] {
            assert_eq!(issued(&answer(status, refusal)).err(), Some(ApiError::TokenRefused), "{status}");
        }
        let described = r#"{"error":"invalid_grant","error_description":"…"}"#;
        assert_eq!(issued(&answer(400, described)).err(), Some(ApiError::TokenRefused));
        let trouble = [
            (200, ""),
            (200, "<html>maintenance</html>"),
            (200, "{}"),
            (200, r#"{"access_token":""}"#),
            (200, r#"{"access_token":" "}"#),
            (200, r#"{"access_token":null}"#),
            (200, r#"{"access_token":7}"#),
            (200, "{\"access_token\":\"a\\nb\"}"),
            (200, r#"["t",3600]"#),
            (200, r#""t""#),
            (200, refusal),
            (204, ""),
            (302, ""),
            (400, ""),
            (400, "{}"),
            (400, "<html>"),
            (400, r#"{"error":""}"#),
            (400, r#"{"error":null}"#),
            (400, r#"{"error":{"code":1}}"#),
            (400, r#"["error"]"#),
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (400, r#"{"error":"server_error"}"#),
            (401, ""),
            (403, "<html>blocked</html>"),
            (404, refusal),
            (405, ""),
            (422, refusal),
        ];
        for (status, body) in trouble {
            let seen = issued(&answer(status, body)).err();
            assert_eq!(seen, Some(ApiError::TokenTrouble), "{status} {body}");
        }
    }

    #[test]
    fn a_short_token_is_used_for_three_quarters_of_its_life() {
        let rows = [(1, 750), (4, 3_000), (60, 45_000), (239, 179_250), (240, 180_000), (3_600, 3_540_000)];
        for (life_secs, used_ms) in rows {
            let mut cached = Cached::default();
            cached.keep(Issued { token: Secret::new("t"), life_secs }, UnixMs(0));
            assert!(cached.usable(UnixMs(used_ms - 1), None).is_some(), "{life_secs}");
            assert!(cached.usable(UnixMs(used_ms), None).is_none(), "{life_secs}");
        }
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
