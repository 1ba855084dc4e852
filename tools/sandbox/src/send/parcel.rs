//! A parcel on its way: attempts, waits and how it ends.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use jiff::Timestamp;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;

use super::request::SendFaults;
use crate::deliveries::{Attempt, clip, flatten, now};
use crate::lock::locked;
use crate::provider::{Attempted, Ending, Forgery, Letter, Provider, Verdict};
use crate::sandbox::Sandbox;
use crate::sign::Encoding;

/// A `Retry-After` beyond this many seconds is cut: no schedule lasts that long.
const RETRY_AFTER_LIMIT_SECS: u64 = 10_000_000;

/// How far off a stale or a future signature is: outside any sensible tolerance.
const STALE_SECS: i64 = 30 * 86_400;
const FUTURE_SECS: i64 = 86_400;

/// All that a delivery needs until it ends.
pub(super) struct Parcel {
    pub(super) sandbox: Arc<Sandbox>,
    pub(super) provider: &'static str,
    pub(super) id: String,
    pub(super) target: Uri,
    pub(super) body: Bytes,
    pub(super) extra: HeaderMap,
    pub(super) keys: Vec<Vec<u8>>,
    pub(super) signature_encoding: Encoding,
    pub(super) faults: SendFaults,
    pub(super) forge: Option<Forgery>,
    pub(super) retry: bool,
    pub(super) epoch: watch::Receiver<u64>,
}

impl Parcel {
    /// Makes attempts until the delivery ends. `done` hears of the first.
    pub(super) async fn run(mut self, done: oneshot::Sender<()>) {
        if self.faults.drop {
            self.end(0, None, Ending::Dropped);
        } else if self.pause(Duration::from_millis(self.faults.delay_ms)).await {
            self.attempts(Some(done)).await;
        }
    }

    async fn attempts(&mut self, mut done: Option<oneshot::Sender<()>>) {
        let mut waited = Duration::ZERO;
        // Every schedule is finite; the bound only guards against one that is not.
        for attempt in 1..=64 {
            if self.provider().is_some_and(|provider| provider.called_off(&self.id)) {
                return self.end(attempt - 1, None, Ending::Cancelled);
            }
            let made = self.attempt(attempt).await;
            // Several copies: the provider is content if one of them was taken.
            let taken = made.iter().find(|made| made.status.is_some_and(|status| (200..300).contains(&status)));
            let (status, retry_after_secs) =
                taken.or(made.first()).map_or((None, None), |made| (made.status, retry_after_secs(&made.headers)));
            locked(&self.sandbox.deliveries).attempted(&self.id, made);

            let roll = locked(&self.sandbox.dice).unit();
            let attempted = Attempted { attempt, status, retry_after_secs, waited, roll };
            let verdict = self.provider().map_or(Verdict::GiveUp, |provider| provider.verdict(&attempted));
            let wait = match verdict {
                Verdict::Delivered => {
                    return self.end(attempt, status, Ending::Delivered);
                }
                Verdict::Again(wait) if self.retry => wait,
                Verdict::Again(_) | Verdict::GiveUp => {
                    return self.end(attempt, status, Ending::GaveUp);
                }
            };
            if let Some(provider) = self.provider() {
                provider.progressed(&self.id, attempt, status, None);
            }
            if let Some(done) = done.take() {
                let _ = done.send(());
            }
            waited += wait;
            let time_scale = locked(&self.sandbox.config).time_scale;
            if !self.pause(wait.div_f64(time_scale)).await {
                return;
            }
        }
    }

    /// One attempt, in as many copies as were asked for. All copies are the same bytes.
    async fn attempt(&self, attempt: u32) -> Vec<Attempt> {
        let Some(provider) = self.provider() else { return Vec::new() };
        let body = provider.body(&self.body, attempt);
        let headers = self.headers(provider, &body);
        let body = if self.faults.corrupt { self.corrupted(&body) } else { body };
        if attempt <= self.faults.drop_attempts {
            return vec![lost(attempt, &headers)];
        }
        let copies = if attempt == 1 { self.faults.times.unwrap_or(1) } else { 1 };
        let mut under_way = JoinSet::new();
        for copy in 1..=copies {
            let (sandbox, target) = (self.sandbox.clone(), self.target.clone());
            under_way.spawn(request(sandbox, target, headers.clone(), body.clone(), (attempt, copy)));
        }
        let mut made = under_way.join_all().await;
        made.sort_by_key(|attempt| attempt.copy);
        made
    }

    fn headers(&self, provider: &dyn Provider, body: &Bytes) -> HeaderMap {
        let shift = match self.forge {
            Some(Forgery::Stale) => -STALE_SECS,
            Some(Forgery::Future) => FUTURE_SECS,
            Some(Forgery::Signature | Forgery::Token) | None => 0,
        };
        let letter = Letter {
            body,
            delivery_id: &self.id,
            unix_secs: Timestamp::now().as_second() + shift,
            keys: &self.keys,
            signature_encoding: self.signature_encoding,
        };
        let mut headers = letter.headers(provider);
        headers.extend(self.extra.clone());
        headers
    }

    fn corrupted(&self, body: &Bytes) -> Bytes {
        let mut bytes = body.to_vec();
        let place = locked(&self.sandbox.dice).below(bytes.len());
        if let Some(byte) = bytes.get_mut(place) {
            *byte ^= 1;
        }
        bytes.into()
    }

    fn end(&self, attempts: u32, status: Option<u16>, ending: Ending) {
        if let Some(provider) = self.provider() {
            provider.progressed(&self.id, attempts, status, Some(ending));
        }
        locked(&self.sandbox.deliveries).ended(&self.id, ending);
    }

    /// Waits; false when the sandbox was reset or stops meanwhile.
    async fn pause(&mut self, wait: Duration) -> bool {
        tokio::select! {
            biased;
            _ = self.epoch.changed() => false,
            () = tokio::time::sleep(wait) => true,
        }
    }

    fn provider(&self) -> Option<&dyn Provider> {
        self.sandbox.provider(self.provider)
    }
}

async fn request(
    sandbox: Arc<Sandbox>,
    target: Uri,
    headers: HeaderMap,
    body: Bytes,
    (attempt, copy): (u32, u32),
) -> Attempt {
    let (at, started, request_headers) = (now(), Instant::now(), flatten(&headers));
    let outcome = sandbox.post.send(Method::POST, &target, headers, body).await;
    let took_ms = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
    let (status, error, body, headers) = match outcome {
        Ok(reply) => (Some(reply.status), None, clip(&reply.body), flatten(&reply.headers)),
        Err(error) => (None, Some(error), String::new(), BTreeMap::new()),
    };
    Attempt { attempt, copy, at, took_ms, status, error, body, headers, request_headers }
}

fn lost(attempt: u32, headers: &HeaderMap) -> Attempt {
    Attempt {
        attempt,
        copy: 1,
        at: now(),
        took_ms: 0,
        status: None,
        error: Some("lost on the way, as asked".to_owned()),
        body: String::new(),
        headers: BTreeMap::new(),
        request_headers: flatten(headers),
    }
}

/// `Retry-After` in seconds. The form with a date is not read: nothing here sends it.
fn retry_after_secs(headers: &BTreeMap<String, String>) -> Option<u64> {
    let secs: u64 = headers.get(header::RETRY_AFTER.as_str())?.trim().parse().ok()?;
    Some(secs.min(RETRY_AFTER_LIMIT_SECS))
}
