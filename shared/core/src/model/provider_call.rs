//! Calls to providers, as data: a provider's file says *which* request to send and *what* the answer means, never how
//! to send it. So everything about a provider can be tested without a socket.

use std::fmt;

/// The largest answer read from a provider. Beyond it the call fails rather than fill the function's memory.
pub const MAX_ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// How a request proves to the provider that it is ours. Names of credentials, not their values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Auth {
    /// `Authorization: Bearer <credential>`.
    Bearer {
        /// Which entry of the secret's `api` object.
        credential: &'static str,
    },
    /// One header for each credential.
    Headers(&'static [(&'static str, &'static str)]),
    /// OAuth 2 client credentials: fetch a token, cache it, send it as a bearer.
    ClientCredentials {
        /// Where tokens are issued.
        token_url: String,
        /// How the client authenticates there.
        style: ClientAuth,
        /// Which credentials it has there.
        client: OAuthClient,
    },
}

/// An OAuth client by the names of its credentials in the secret's `api` object. A provider may want another client for
/// each of its APIs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct OAuthClient {
    /// Where its id is.
    pub id: &'static str,
    /// Where its secret is.
    pub secret: &'static str,
}

impl OAuthClient {
    /// The client of a provider that wants only one.
    pub const ONLY: Self = Self { id: "client_id", secret: "client_secret" };
}

/// How an OAuth client presents `client_id` and `client_secret` to the token endpoint.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ClientAuth {
    /// HTTP Basic.
    Basic,
    /// Fields of the form body.
    Form,
}

/// What a request does to what it names. Work and reconciliation only read; submissions and set-up write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, or asks for something to be done.
    Post,
    /// Replaces.
    Put,
    /// Changes in part.
    Patch,
}

/// A request to a provider's API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApiRequest {
    /// Which of the API's resources it is about, whatever ids are in the URL: what one of them is answered says that the
    /// others might be.
    pub endpoint: &'static str,
    /// What it does.
    pub method: Method,
    /// The whole URL. Ids in it are percent-encoded.
    pub url: String,
    /// How it is authorised.
    pub auth: Auth,
    /// What is sent along, if anything.
    pub json: Option<JsonBody>,
}

impl ApiRequest {
    /// A request that only reads.
    pub fn get(endpoint: &'static str, url: String, auth: Auth) -> Self {
        Self { endpoint, method: Method::Get, url, auth, json: None }
    }

    /// A request that brings something along.
    pub fn send(method: Method, url: String, auth: Auth, json: Vec<u8>) -> Self {
        // It is sent once: nobody measures by it whether the provider answers.
        Self { endpoint: "", method, url, auth, json: Some(JsonBody(json)) }
    }
}

/// A request's JSON. It may hold what no log may show, so `Debug` tells its size only.
#[derive(Clone, PartialEq, Eq)]
pub struct JsonBody(Vec<u8>);

impl JsonBody {
    /// The bytes to send.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for JsonBody {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of JSON", self.0.len())
    }
}

/// A provider's answer.
#[derive(Clone)]
pub struct ApiResponse {
    /// HTTP status.
    pub status: u16,
    /// `Retry-After` in seconds, whether it was sent as a number or as a date.
    pub retry_after_secs: Option<u64>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl fmt::Debug for ApiResponse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ApiResponse").field("status", &self.status).field("body_bytes", &self.body.len()).finish()
    }
}

/// Why a call brought no answer. No text in it comes from the provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// No connection, or it broke.
    #[error("the provider's API could not be reached")]
    Unreachable,
    /// No answer in time.
    #[error("the provider's API did not answer in time")]
    TimedOut,
    /// The answer is larger than [`MAX_ANSWER_BYTES`].
    #[error("the provider's answer is larger than 16 MiB")]
    TooLarge,
    /// The secret store did not hand out the provider's secret.
    #[error("the provider's secret could not be read")]
    SecretUnavailable,
    /// The provider's secret lacks a credential this request needs.
    #[error("the provider's secret holds no credential for its API: fill its `api` object")]
    NoCredentials,
    /// The token endpoint asks us to wait.
    #[error("the provider's token endpoint answered 429")]
    Throttled {
        /// For how long, where it says so.
        after_secs: Option<u64>,
    },
    /// The token endpoint refused our client, in the words of OAuth.
    #[error("the provider's token endpoint refused our client credentials")]
    TokenRefused,
    /// The token endpoint answered something else: a page for people, say, or nothing. It may pass.
    #[error("the provider's token endpoint answered neither with a token nor with a refusal")]
    TokenTrouble,
    /// The request itself can't be built: a setting is wrong.
    #[error("the provider's API URL is not usable: check its base URL setting")]
    BadRequest,
}

impl ApiError {
    /// Whether the next call fails alike until a person changes a setting or a secret.
    pub fn is_lasting(self) -> bool {
        matches!(self, Self::NoCredentials | Self::TokenRefused | Self::BadRequest)
    }
}

/// The longest a `Retry-After` is believed, in seconds.
pub const MAX_RETRY_AFTER_SECS: u64 = 3600;

/// Why an answer brings the work no further.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Try again later: the provider's trouble.
    Retry {
        /// For the operator; holds no text of the provider's.
        reason: String,
        /// How long they asked us to wait.
        after_secs: Option<u64>,
    },
    /// We may ask no more for now. That is no failure of what is asked: it is put off as in an outage.
    Quota {
        /// For the operator.
        reason: String,
        /// How long they asked us to wait.
        after_secs: Option<u64>,
    },
    /// The provider refused: trying again would bring the same answer, so it is shown to a person.
    Permanent {
        /// For the operator; holds no text of the provider's.
        reason: String,
    },
}

impl Trouble {
    /// For the operator; holds no text of the provider's.
    pub fn reason(&self) -> &str {
        let (Self::Retry { reason, .. } | Self::Quota { reason, .. } | Self::Permanent { reason }) = self;
        reason
    }
}

impl From<ApiError> for Trouble {
    fn from(error: ApiError) -> Self {
        let reason = error.to_string();
        match error {
            ApiError::Throttled { after_secs } => Self::Quota { reason, after_secs },
            _ => Self::Retry { reason, after_secs: None },
        }
    }
}

/// Reads a status none of the provider's own rules claimed.
///
/// **Rationale.** Only a documented refusal is permanent: a 4xx with a JSON body, or with none. 401 and 403 count as
/// passing trouble: a key that expired or is being rotated is ours to mend, and the work is still owed afterwards. A
/// redirect, a page of HTML, a 2xx nobody documented come from something in front of the provider's API, and pass. What
/// is truly permanent ends up parked by its attempts.
pub fn trouble(response: &ApiResponse) -> Trouble {
    let reason = format!("the provider's API answered {}", response.status);
    let after_secs = response.retry_after_secs;
    match response.status {
        429 => Trouble::Quota { reason, after_secs },
        401 | 403 | 408 | 409 | 421 | 423 | 425 => Trouble::Retry { reason, after_secs },
        400..=499 => match Body::of(&response.body) {
            Body::Json | Body::Empty => Trouble::Permanent { reason },
            other => Trouble::Retry { reason: format!("{reason} with {other}"), after_secs },
        },
        _ => Trouble::Retry { reason, after_secs },
    }
}

/// The trouble with an answer that says it brings what was asked for, and can't be read. It may pass: a maintenance page
/// is answered 200 as well.
pub fn unreadable(response: &ApiResponse, what: &str) -> Trouble {
    let reason = match Body::of(&response.body) {
        Body::Json => format!("{what} has not the documented shape"),
        other => format!("{what} is {other}"),
    };
    Trouble::Retry { reason, after_secs: response.retry_after_secs }
}

/// What an answer's body is, by its first bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Body {
    Empty,
    Json,
    Gzip,
    Markup,
    Other,
}

impl Body {
    fn of(body: &[u8]) -> Self {
        let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body).trim_ascii();
        match body {
            [] => Self::Empty,
            [0x1f, 0x8b, ..] => Self::Gzip,
            [b'<', ..] => Self::Markup,
            _ if serde_json::from_slice::<serde::de::IgnoredAny>(body).is_ok() => Self::Json,
            _ => Self::Other,
        }
    }
}

impl fmt::Display for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "empty",
            Self::Json => "JSON",
            Self::Gzip => "compressed by gzip, which nobody asked for",
            Self::Markup => "a page of HTML or XML, not JSON",
            Self::Other => "no JSON",
        })
    }
}

/// Percent-encodes an id for use as one path segment or query value.
pub fn encode(id: &str) -> String {
    let mut encoded = String::with_capacity(id.len());
    for byte in id.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    // A dot segment would be resolved away by the client and reach another resource.
    if encoded == "." || encoded == ".." { encoded.replace('.', "%2E") } else { encoded }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_cannot_leave_their_segment() {
        assert_eq!(encode("a/b?c#d e"), "a%2Fb%3Fc%23d%20e");
        assert_eq!(encode(".."), "%2E%2E");
        assert_eq!(encode("…"), "%E2%80%A6");
    }

    #[test]
    fn only_what_a_person_has_to_change_lasts() {
        for error in [ApiError::NoCredentials, ApiError::TokenRefused, ApiError::BadRequest] {
            assert!(error.is_lasting(), "{error}");
        }
        let passing = [
            ApiError::Unreachable,
            ApiError::TimedOut,
            ApiError::TooLarge,
            ApiError::SecretUnavailable,
            ApiError::Throttled { after_secs: None },
            ApiError::TokenTrouble,
        ];
        for error in passing {
            assert!(!error.is_lasting(), "{error}");
        }
    }

    #[test]
    fn only_a_documented_refusal_is_permanent() {
        let answer = |status, body: &[u8]| ApiResponse { status, retry_after_secs: Some(7), body: body.to_vec() };
        let json: &[u8] = br#"{"error":{"code":"secret text"}}"#;
        for status in [401, 403, 408, 409, 425, 500, 503, 599, 204, 206, 301, 302, 304] {
            assert!(matches!(trouble(&answer(status, json)), Trouble::Retry { after_secs: Some(7), .. }), "{status}");
        }
        assert!(matches!(trouble(&answer(429, json)), Trouble::Quota { after_secs: Some(7), .. }));
        for status in [400, 404, 410, 422] {
            for body in [json, b""] {
                assert!(matches!(trouble(&answer(status, body)), Trouble::Permanent { .. }), "{status}");
            }
            for body in [&b"<html>secret text"[..], b"secret text", b"\x1f\x8b\x08"] {
                assert!(matches!(trouble(&answer(status, body)), Trouble::Retry { .. }), "{status}");
            }
        }
        for response in [answer(400, json), answer(400, b"secret text"), answer(200, b"secret text")] {
            let told = format!("{response:?} {:?} {:?}", trouble(&response), unreadable(&response, "the answer"));
            assert!(!told.contains("secret text"), "{told}");
        }
    }

    #[test]
    fn an_unreadable_answer_says_what_it_is() {
        let reason = |body: &[u8]| {
            let response = ApiResponse { status: 200, retry_after_secs: None, body: body.to_vec() };
            unreadable(&response, "the page").reason().to_string()
        };
        assert_eq!(reason(b"<!doctype html>"), "the page is a page of HTML or XML, not JSON");
        assert_eq!(reason(b"\x1f\x8b\x08\0"), "the page is compressed by gzip, which nobody asked for");
        assert_eq!(reason(b"\xef\xbb\xbf{}"), "the page has not the documented shape");
        assert_eq!(reason(b""), "the page is empty");
        assert_eq!(reason(b"{"), "the page is no JSON");
    }
}
