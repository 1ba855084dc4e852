//! OAuth2 client credentials, as the two providers that use them hand out access tokens.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use axum::response::Response;
use http::{HeaderMap, StatusCode, header};

use crate::lock::locked;
use crate::odd::mark;
use crate::provider::Provider;
use crate::shelf::Shelf;

/// How long a token lasts, unless a fault makes it shorter. Both providers say so; real seconds, because the client is
/// told the number.
pub(crate) const LIFETIME: Duration = Duration::from_secs(3600);

/// Tokens in circulation; a client that asks anew for every call would otherwise fill memory.
const TOKENS_LIMIT: usize = 1_000;

/// The tokens a provider has given out.
pub(crate) struct Purse {
    tokens: Mutex<Shelf<Issued>>,
    idle_limit: Duration,
}

struct Issued {
    at: Instant,
    life: Duration,
    used_at: Instant,
}

impl Purse {
    /// Tokens that also lapse when they are not used for `idle_limit`.
    pub(crate) fn new(idle_limit: Duration) -> Self {
        Self { tokens: Mutex::new(Shelf::new(TOKENS_LIMIT)), idle_limit }
    }

    /// Hands out a token that lives so long, or as documented (0), and says for how many seconds. A part of one counts as
    /// one, so that whoever believes it may find the token dead.
    pub(crate) fn issue(&self, token: &str, life_ms: u64) -> u64 {
        let life = Some(life_ms).filter(|ms| *ms > 0).map_or(LIFETIME, Duration::from_millis);
        let now = Instant::now();
        locked(&self.tokens).put(token, Issued { at: now, life, used_at: now });
        life.as_millis().div_ceil(1000).try_into().unwrap_or(u64::MAX)
    }

    /// Whether the request carries a token that still counts.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = bearer(headers) else { return false };
        let mut tokens = locked(&self.tokens);
        let Some(issued) = tokens.get_mut(token) else { return false };
        let live = issued.at.elapsed() < issued.life && issued.used_at.elapsed() < self.idle_limit;
        issued.used_at = Instant::now();
        live
    }

    pub(crate) fn empty(&self) {
        locked(&self.tokens).clear();
    }
}

/// What a call without a token that counts is answered.
pub(crate) fn dead(provider: &dyn Provider, status: u16, message: &str) -> Response {
    let status = StatusCode::from_u16(status);
    let mut response = provider.error(status.unwrap_or(StatusCode::UNAUTHORIZED), message);
    if response.status() == StatusCode::FORBIDDEN {
        mark(&mut response, "dead_token_403");
    }
    response
}

/// The token of an `Authorization: Bearer` header.
pub(crate) fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{HeaderMap, header};

    use super::Purse;

    #[test]
    fn a_token_counts_until_it_lapses() {
        let mut headers = HeaderMap::new();
        headers.insert(header::AUTHORIZATION, "bearer abc".parse().unwrap());
        let purse = Purse::new(Duration::from_secs(300));
        assert!(!purse.admits(&headers));
        assert_eq!(purse.issue("abc", 0), 3600);
        assert!(purse.admits(&headers));
        purse.empty();
        assert!(!purse.admits(&headers));

        let hasty = Purse::new(Duration::ZERO);
        hasty.issue("abc", 0);
        assert!(!hasty.admits(&headers), "an idle session lapses");

        assert_eq!(purse.issue("abc", 1), 1);
        std::thread::sleep(Duration::from_millis(2));
        assert!(!purse.admits(&headers), "it lives shortly");
    }
}
