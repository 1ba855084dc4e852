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
    pub fn get(url: String, auth: Auth) -> Self {
        Self { method: Method::Get, url, auth, json: None }
    }

    /// A request that brings something along.
    pub fn send(method: Method, url: String, auth: Auth, json: Vec<u8>) -> Self {
        Self { method, url, auth, json: Some(JsonBody(json)) }
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

    /// How long the provider asked us to wait.
    pub fn after_secs(self) -> Option<u64> {
        if let Self::Throttled { after_secs } = self { after_secs } else { None }
    }
}

/// What an unexpected status means for the work that met it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Try again later: the provider's trouble, or a limit of theirs.
    Retry {
        /// For the operator; holds no text of the provider's.
        reason: String,
        /// How long they asked us to wait.
        after_secs: Option<u64>,
    },
    /// Trying again would bring the same answer: show it to a person.
    Permanent {
        /// For the operator; holds no text of the provider's.
        reason: String,
    },
}

/// Reads a status none of the provider's own rules claimed.
///
/// **Rationale.** 401 and 403 count as passing trouble: a key that expired or is being rotated is ours to mend, and the
/// work is still owed afterwards. What is truly permanent ends up parked by its attempts.
pub fn trouble(response: &ApiResponse) -> Trouble {
    let reason = format!("the provider's API answered {}", response.status);
    match response.status {
        401 | 403 | 408 | 425 | 429 | 500..=599 => Trouble::Retry { reason, after_secs: response.retry_after_secs },
        _ => Trouble::Permanent { reason },
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
    fn statuses() {
        let answer = |status| ApiResponse { status, retry_after_secs: Some(7), body: b"secret text".to_vec() };
        for status in [401, 403, 408, 425, 429, 500, 503, 599] {
            assert!(matches!(trouble(&answer(status)), Trouble::Retry { after_secs: Some(7), .. }), "{status}");
        }
        for status in [204, 301, 400, 404, 410, 422] {
            assert!(matches!(trouble(&answer(status)), Trouble::Permanent { .. }), "{status}");
        }
        assert!(!format!("{:?} {:?}", answer(400), trouble(&answer(400))).contains("secret text"));
    }
}
