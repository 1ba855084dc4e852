//! The fault switches of the provider APIs.

pub(crate) mod gate;

use serde::{Deserialize, Serialize};

/// No call is held longer than a minute: whoever waits has given up by then.
const SLOW_LIMIT_MS: u64 = 60_000;

/// No access token lives longer than both providers say.
const TOKEN_LIFE_LIMIT_MS: u64 = 3_600_000;

/// What goes wrong at one provider.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Faults {
    /// Every call fails with `status`.
    outage: bool,
    status: u16,
    /// So many calls fail with `status`, access tokens' calls included.
    fail_next: u32,
    slow_ms: u64,
    /// Every second answer is under way for so long: it shows how things stood when it was asked for, and what is asked
    /// meanwhile is answered before it.
    late_ms: u64,
    /// So many calls are answered 429.
    rate_limit_next: u32,
    /// Every call is answered 429, until this is switched off.
    rate_limit: bool,
    retry_after_secs: Option<u64>,
    /// Every call is answered with a page for people: 200, `text/html`.
    html: bool,
    /// JSON comes behind a byte order mark.
    byte_order_mark: bool,
    /// Errors repeat the request's URL and headers, credentials included, as careless APIs do.
    echo: bool,
    /// What a call with a dead access token is answered: 401 or 403.
    pub(crate) dead_token_status: u16,
    /// How long an access token lives that is given out from now on; 0: as long as documented.
    pub(crate) token_life_ms: u64,
    /// The merchant list spells statuses in other ways than the webhooks.
    pub(crate) odd_spellings: bool,
    /// Off, a delivery that asks to be forged goes out genuine.
    pub(crate) forging: bool,
    /// Calls that were let through.
    #[serde(skip)]
    passed: u64,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            outage: false,
            status: 503,
            fail_next: 0,
            slow_ms: 0,
            late_ms: 0,
            rate_limit_next: 0,
            rate_limit: false,
            retry_after_secs: None,
            html: false,
            byte_order_mark: false,
            echo: false,
            dead_token_status: 401,
            token_life_ms: 0,
            odd_spellings: false,
            forging: true,
            passed: 0,
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
    late_ms: Option<u64>,
    rate_limit_next: Option<u32>,
    rate_limit: Option<bool>,
    retry_after_secs: Option<u64>,
    html: Option<bool>,
    byte_order_mark: Option<bool>,
    echo: Option<bool>,
    /// Of those who hand out access tokens, as `token_life_ms`.
    dead_token_status: Option<u16>,
    token_life_ms: Option<u64>,
    /// Of the merchant list alone.
    odd_spellings: Option<bool>,
    /// Every access token given out lapses now.
    pub(crate) expire_tokens: bool,
}

/// A switch that not every provider has.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Quirk {
    DeadTokenStatus,
    TokenLifeMs,
    OddSpellings,
}

impl ApiPatch {
    /// Those of its switches that not every provider has.
    pub(crate) fn quirks(&self) -> impl Iterator<Item = Quirk> {
        let given = [
            (self.dead_token_status.is_some(), Quirk::DeadTokenStatus),
            (self.token_life_ms.is_some(), Quirk::TokenLifeMs),
            (self.odd_spellings.is_some(), Quirk::OddSpellings),
        ];
        given.into_iter().filter_map(|(given, quirk)| given.then_some(quirk))
    }
}

/// What a call meets instead of the API.
#[derive(Debug, PartialEq)]
enum Instead {
    /// A page for people.
    Html,
    /// An error, and after how many seconds to come again.
    Error(u16, Option<u64>),
}

impl Faults {
    pub(crate) fn apply(&mut self, patch: &Patch) -> Result<(), String> {
        let api = &patch.api;
        if api.status.is_some_and(|status| !(400..600).contains(&status)) {
            return Err("status must be from 400 to 599".to_owned());
        }
        if api.slow_ms.max(api.late_ms).is_some_and(|ms| ms > SLOW_LIMIT_MS) {
            return Err(format!("slow_ms and late_ms must be at most {SLOW_LIMIT_MS}"));
        }
        if api.dead_token_status.is_some_and(|status| ![401, 403].contains(&status)) {
            return Err("dead_token_status must be 401 or 403".to_owned());
        }
        if api.token_life_ms.is_some_and(|ms| ms > TOKEN_LIFE_LIMIT_MS) {
            return Err(format!("token_life_ms must be at most {TOKEN_LIFE_LIMIT_MS}"));
        }
        self.outage = api.outage.unwrap_or(self.outage);
        self.status = api.status.unwrap_or(self.status);
        self.fail_next = api.fail_next.unwrap_or(self.fail_next);
        self.slow_ms = api.slow_ms.unwrap_or(self.slow_ms);
        self.late_ms = api.late_ms.unwrap_or(self.late_ms);
        self.rate_limit_next = api.rate_limit_next.unwrap_or(self.rate_limit_next);
        self.rate_limit = api.rate_limit.unwrap_or(self.rate_limit);
        self.retry_after_secs = api.retry_after_secs.or(self.retry_after_secs);
        self.html = api.html.unwrap_or(self.html);
        self.byte_order_mark = api.byte_order_mark.unwrap_or(self.byte_order_mark);
        self.echo = api.echo.unwrap_or(self.echo);
        self.dead_token_status = api.dead_token_status.unwrap_or(self.dead_token_status);
        self.token_life_ms = api.token_life_ms.unwrap_or(self.token_life_ms);
        self.odd_spellings = api.odd_spellings.unwrap_or(self.odd_spellings);
        self.forging = patch.forging.unwrap_or(self.forging);
        Ok(())
    }

    /// What the next call meets instead of the API, if it meets anything. What lasts uses up no count.
    fn next(&mut self) -> Option<Instead> {
        let error = |faults: &Self| Some(Instead::Error(faults.status, faults.retry_after_secs));
        let too_many = |faults: &Self| Some(Instead::Error(429, faults.retry_after_secs.or(Some(1))));
        if self.outage {
            return error(self);
        }
        if self.html {
            return Some(Instead::Html);
        }
        if self.rate_limit {
            return too_many(self);
        }
        if self.rate_limit_next > 0 {
            self.rate_limit_next -= 1;
            return too_many(self);
        }
        if self.fail_next > 0 {
            self.fail_next -= 1;
            return error(self);
        }
        None
    }

    /// How long the answer to a call that was let through is under way.
    fn under_way_ms(&mut self) -> u64 {
        self.passed = self.passed.wrapping_add(1);
        if self.passed % 2 == 1 { self.late_ms } else { 0 }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Faults, Instead};
    use crate::testing::start;

    fn patched(json: &str) -> Result<Faults, String> {
        let mut faults = Faults::default();
        faults.apply(&serde_json::from_str(json).unwrap()).map(|()| faults)
    }

    #[test]
    fn counts_run_out_and_what_lasts_does_not() {
        let error = |status, secs| Some(Instead::Error(status, secs));
        let json = r#"{"provider": "x", "api": {"fail_next": 1, "rate_limit_next": 1, "retry_after_secs": 2}}"#;
        let mut faults = patched(json).unwrap();
        assert_eq!([faults.next(), faults.next(), faults.next()], [error(429, Some(2)), error(503, Some(2)), None]);
        let mut faults = patched(r#"{"provider": "x", "api": {"outage": true, "status": 502}}"#).unwrap();
        assert_eq!([faults.next(), faults.next()], [error(502, None), error(502, None)]);
        let mut faults = patched(r#"{"provider": "x", "api": {"rate_limit": true}}"#).unwrap();
        assert_eq!([faults.next(), faults.next()], [error(429, Some(1)), error(429, Some(1))]);
        let mut faults = patched(r#"{"provider": "x", "api": {"html": true}}"#).unwrap();
        assert_eq!([faults.next(), faults.next()], [Some(Instead::Html), Some(Instead::Html)]);
    }

    #[test]
    fn every_second_answer_is_late() {
        let mut faults = patched(r#"{"provider": "x", "api": {"late_ms": 70}}"#).unwrap();
        let waits: Vec<u64> = (0..4).map(|_| faults.under_way_ms()).collect();
        assert_eq!(waits, [70, 0, 70, 0]);
    }

    #[test]
    fn nonsense_is_refused() {
        for api in [
            r#"{"status": 200}"#,
            r#"{"slow_ms": 60001}"#,
            r#"{"late_ms": 60001}"#,
            r#"{"dead_token_status": 404}"#,
            r#"{"token_life_ms": 3600001}"#,
        ] {
            assert!(patched(&format!(r#"{{"provider": "x", "api": {api}}}"#)).is_err(), "{api}");
        }
        assert!(!patched(r#"{"provider": "x", "forging": false}"#).unwrap().forging);
    }

    #[tokio::test]
    async fn a_switch_that_a_provider_has_not_is_refused() {
        let running = start(json!({})).await;
        let quirks = [
            (json!({ "dead_token_status": 403 }), ["fynapse", "runpayments"].as_slice()),
            (json!({ "token_life_ms": 5 }), &["fynapse", "runpayments"]),
            (json!({ "odd_spellings": true }), &["runpayments"]),
        ];
        for (api, of) in quirks {
            for provider in hookledger_kit::names() {
                let body = json!({ "provider": provider, "api": api }).to_string();
                let reply = running.call(http::Method::PUT, "/control/faults", &[], &body).await;
                assert_eq!(reply.status, if of.contains(&provider) { 200 } else { 400 }, "{provider} {api}");
            }
        }
    }
}
