//! The fault switches of the provider APIs, and the gate every API call passes.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use serde::{Deserialize, Serialize};

use crate::sandbox::{Sandbox, locked};

/// No call is held longer than a minute: whoever waits has given up by then.
const SLOW_LIMIT_MS: u64 = 60_000;

/// What goes wrong at one provider.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Faults {
    /// Every call fails with `status`.
    outage: bool,
    status: u16,
    /// So many calls fail with `status`, access tokens' calls included.
    fail_next: u32,
    slow_ms: u64,
    /// So many calls are answered 429.
    rate_limit_next: u32,
    retry_after_secs: Option<u64>,
    /// Errors repeat the request's URL and headers, credentials included, as careless APIs do.
    echo: bool,
    /// Off, a delivery that asks to be forged goes out genuine.
    pub(crate) forging: bool,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            outage: false,
            status: 503,
            fail_next: 0,
            slow_ms: 0,
            rate_limit_next: 0,
            retry_after_secs: None,
            echo: false,
            forging: true,
        }
    }
}

/// A change to the switches; what is left out stays as it was.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Patch {
    pub(crate) provider: String,
    #[serde(default)]
    pub(crate) api: ApiPatch,
    forging: Option<bool>,
}

/// The part of it about the API.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ApiPatch {
    outage: Option<bool>,
    status: Option<u16>,
    fail_next: Option<u32>,
    slow_ms: Option<u64>,
    rate_limit_next: Option<u32>,
    retry_after_secs: Option<u64>,
    echo: Option<bool>,
    /// Every access token given out lapses now.
    pub(crate) expire_tokens: bool,
}

impl Faults {
    pub(crate) fn apply(&mut self, patch: &Patch) -> Result<(), String> {
        let api = &patch.api;
        if api.status.is_some_and(|status| !(400..600).contains(&status)) {
            return Err("status must be from 400 to 599".to_owned());
        }
        if api.slow_ms.is_some_and(|slow_ms| slow_ms > SLOW_LIMIT_MS) {
            return Err(format!("slow_ms must be at most {SLOW_LIMIT_MS}"));
        }
        self.outage = api.outage.unwrap_or(self.outage);
        self.status = api.status.unwrap_or(self.status);
        self.fail_next = api.fail_next.unwrap_or(self.fail_next);
        self.slow_ms = api.slow_ms.unwrap_or(self.slow_ms);
        self.rate_limit_next = api.rate_limit_next.unwrap_or(self.rate_limit_next);
        self.retry_after_secs = api.retry_after_secs.or(self.retry_after_secs);
        self.echo = api.echo.unwrap_or(self.echo);
        self.forging = patch.forging.unwrap_or(self.forging);
        Ok(())
    }

    /// The error the next call meets, if it meets one. An outage uses up no count.
    fn next(&mut self) -> Option<(u16, Option<u64>)> {
        if self.outage {
            return Some((self.status, self.retry_after_secs));
        }
        if self.rate_limit_next > 0 {
            self.rate_limit_next -= 1;
            return Some((429, self.retry_after_secs.or(Some(1))));
        }
        if self.fail_next > 0 {
            self.fail_next -= 1;
            return Some((self.status, self.retry_after_secs));
        }
        None
    }
}

/// Counts the call, then lets it through, late or not at all.
pub(crate) async fn gate(
    State((sandbox, name)): State<(Arc<Sandbox>, &'static str)>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let Some(provider) = sandbox.provider(name) else {
        return next.run(request).await;
    };
    let path = path.as_str().strip_prefix(provider.base()).unwrap_or(path.as_str());
    let route = format!("{} {path}", request.method());
    *locked(&sandbox.requests).entry(name).or_default().entry(route).or_default() += 1;

    let (slow_ms, echo, error) = {
        let mut faults = locked(&sandbox.faults);
        let faults = faults.entry(name).or_default();
        (faults.slow_ms, faults.echo, faults.next())
    };
    if slow_ms > 0 {
        tokio::time::sleep(Duration::from_millis(slow_ms)).await;
    }
    let Some((status, retry_after_secs)) = error else {
        return next.run(request).await;
    };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let mut message = status.canonical_reason().unwrap_or("Error").to_owned();
    if echo {
        message = format!("{message}: {} {:?}", request.uri(), request.headers());
    }
    let mut response = provider.error(status, &message);
    if let Some(secs) = retry_after_secs {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::Faults;

    fn patched(json: &str) -> Result<Faults, String> {
        let mut faults = Faults::default();
        faults.apply(&serde_json::from_str(json).unwrap()).map(|()| faults)
    }

    #[test]
    fn counts_run_out_and_an_outage_does_not() {
        let json = r#"{"provider": "x", "api": {"fail_next": 1, "rate_limit_next": 1, "retry_after_secs": 2}}"#;
        let mut faults = patched(json).unwrap();
        assert_eq!([faults.next(), faults.next(), faults.next()], [Some((429, Some(2))), Some((503, Some(2))), None]);
        let mut faults = patched(r#"{"provider": "x", "api": {"outage": true, "status": 502}}"#).unwrap();
        assert_eq!([faults.next(), faults.next()], [Some((502, None)); 2]);
    }

    #[test]
    fn nonsense_is_refused() {
        assert!(patched(r#"{"provider": "x", "api": {"status": 200}}"#).is_err());
        assert!(patched(r#"{"provider": "x", "api": {"slow_ms": 60001}}"#).is_err());
        assert!(!patched(r#"{"provider": "x", "forging": false}"#).unwrap().forging);
    }
}
