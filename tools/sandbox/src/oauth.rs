//! OAuth2 client credentials, as the two providers that use them hand out access tokens.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use http::{HeaderMap, header};

use crate::sandbox::locked;
use crate::shelf::Shelf;

/// How long a token lasts. Both providers say so; real seconds, because the client is told the number.
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
    used_at: Instant,
}

impl Purse {
    /// Tokens that also lapse when they are not used for `idle_limit`.
    pub(crate) fn new(idle_limit: Duration) -> Self {
        Self { tokens: Mutex::new(Shelf::new(TOKENS_LIMIT)), idle_limit }
    }

    pub(crate) fn issue(&self, token: &str) {
        let now = Instant::now();
        locked(&self.tokens).put(token, Issued { at: now, used_at: now });
    }

    /// Whether the request carries a token that still counts.
    pub(crate) fn admits(&self, headers: &HeaderMap) -> bool {
        let Some(token) = bearer(headers) else { return false };
        let mut tokens = locked(&self.tokens);
        let Some(issued) = tokens.get_mut(token) else { return false };
        let live = issued.at.elapsed() < LIFETIME && issued.used_at.elapsed() < self.idle_limit;
        issued.used_at = Instant::now();
        live
    }

    pub(crate) fn empty(&self) {
        locked(&self.tokens).clear();
    }
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
        purse.issue("abc");
        assert!(purse.admits(&headers));
        purse.empty();
        assert!(!purse.admits(&headers));

        let hasty = Purse::new(Duration::ZERO);
        hasty.issue("abc");
        assert!(!hasty.admits(&headers), "an idle session lapses");
    }
}
