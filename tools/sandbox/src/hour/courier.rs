//! A webhook of the hour on its way: losses, copies, and the provider's own schedule of attempts.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Uri, header};
use jiff::Timestamp;

use super::events::{Fate, Planned};
use super::playing::Playing;
use super::stage::Fact;
use crate::lock::locked;
use crate::problem::Problem;
use crate::provider::{Attempted, Ending, Event, Letter, Provider, Verdict};
use crate::sandbox::Sandbox;
use crate::sign::Encoding;

/// No wait between two attempts is longer, in real time: what a schedule puts beyond the hour would outlast the check.
const WAIT_LIMIT: Duration = Duration::from_secs(5);
/// None is shorter: scaled down, the quick retries would come before the first answer is written.
const WAIT_LEAST: Duration = Duration::from_millis(100);
/// Every schedule is finite; the bound only guards against one that is not.
const ATTEMPTS_LIMIT: u32 = 64;

/// All that a webhook of the hour needs until its delivery ends.
pub(super) struct Parcel {
    sandbox: Arc<Sandbox>,
    hour: Arc<Playing>,
    /// Its place in the truth.
    number: usize,
    provider: &'static str,
    delivery_id: String,
    target: Uri,
    keys: Vec<Vec<u8>>,
    signature_encoding: Encoding,
    body: Bytes,
    delay: Duration,
    fate: Fate,
}

impl Parcel {
    /// Notes the event at its provider, whatever becomes of the webhook.
    pub(super) fn pack(
        sandbox: &Arc<Sandbox>,
        hour: &Arc<Playing>,
        event: &Planned,
        fact: &Fact,
    ) -> Result<Self, Problem> {
        let provider = sandbox.provider(fact.provider).ok_or_else(|| Problem::unknown("provider"))?;
        let (target, keys, signature_encoding) = {
            let config = locked(&sandbox.config);
            let target = provider.target(&fact.body, config.targets.get(fact.provider).cloned());
            let keys = config.keys(fact.provider).map_err(Problem::conflict)?;
            (target, keys, config.signature_encoding.get(fact.provider).copied().unwrap_or(Encoding::Hex))
        };
        let target = target.ok_or_else(|| Problem::conflict(format!("no target is set for {}", fact.provider)))?;
        let delivery_id = locked(&sandbox.dice).uuid();
        provider.happened(&Event {
            delivery_id: &delivery_id,
            body: &fact.body,
            update_listing: true,
            audit_status: None,
            ahead_secs: event.happening.ahead_secs(),
        });
        Ok(Self {
            sandbox: sandbox.clone(),
            hour: hour.clone(),
            number: 0,
            provider: fact.provider,
            delivery_id,
            target,
            keys,
            signature_encoding,
            body: fact.body.clone(),
            delay: hour.real(event.delay_ms),
            fate: event.fate,
        })
    }

    pub(super) fn delivery_id(&self) -> &str {
        &self.delivery_id
    }

    pub(super) fn numbered(self, number: usize) -> Self {
        Self { number, ..self }
    }

    /// Delivers, or doesn't; the truth hears of every answer.
    pub(super) async fn deliver(self) {
        tokio::time::sleep(self.delay).await;
        match self.fate {
            Fate::LostUnnoticed => self.end(1, Some(200), Ending::Delivered),
            Fate::LostForGood => self.end(1, None, Ending::GaveUp),
            Fate::Arrives => self.attempts(0).await,
            Fate::LostAtFirst { attempts } => self.attempts(attempts).await,
            Fate::Doubled { gap_ms } => {
                let copy = async {
                    tokio::time::sleep(self.hour.real(gap_ms)).await;
                    self.attempt(1).await;
                };
                tokio::join!(self.attempts(0), copy);
            }
        }
        locked(&self.hour.progress).ended += 1;
    }

    /// Attempts on the provider's schedule, of which the first `lost` get lost.
    async fn attempts(&self, lost: u32) {
        let mut waited = Duration::ZERO;
        for attempt in 1..=ATTEMPTS_LIMIT {
            let (status, retry_after_secs) = if attempt <= lost { (None, None) } else { self.attempt(attempt).await };
            let roll = locked(&self.sandbox.dice).unit();
            let attempted = Attempted { attempt, status, retry_after_secs, waited, roll };
            let wait = match self.provider().map_or(Verdict::GiveUp, |provider| provider.verdict(&attempted)) {
                Verdict::Delivered => return self.end(attempt, status, Ending::Delivered),
                Verdict::GiveUp => return self.end(attempt, status, Ending::GaveUp),
                Verdict::Again(wait) => wait,
            };
            if let Some(provider) = self.provider() {
                provider.progressed(&self.delivery_id, attempt, status, None);
            }
            waited += wait;
            tokio::time::sleep(wait.div_f64(self.hour.time_scale).clamp(WAIT_LEAST, WAIT_LIMIT)).await;
        }
    }

    /// One request, and what it was answered.
    async fn attempt(&self, attempt: u32) -> (Option<u16>, Option<u64>) {
        let Some(provider) = self.provider() else { return (None, None) };
        let Ok(_on_the_wire) = self.hour.wire.acquire().await else { return (None, None) };
        let body = provider.body(&self.body, attempt);
        let headers = self.headers(provider, &body);
        let reply = self.sandbox.post.send(Method::POST, &self.target, headers, body).await.ok();
        let status = reply.as_ref().map(|reply| reply.status);
        let retry_after = reply.as_ref().and_then(|reply| reply.headers.get(header::RETRY_AFTER)?.to_str().ok());
        let answered = Attempted { attempt: 1, status, retry_after_secs: None, waited: Duration::ZERO, roll: 0.0 };
        if let Some(told) = locked(&self.hour.progress).truth.get_mut(self.number) {
            told.answers.push(status);
            told.acknowledged |= provider.verdict(&answered) == Verdict::Delivered;
        }
        (status, retry_after.and_then(|secs| secs.trim().parse().ok()))
    }

    fn headers(&self, provider: &dyn Provider, body: &Bytes) -> HeaderMap {
        let letter = Letter {
            body,
            delivery_id: &self.delivery_id,
            unix_secs: Timestamp::now().as_second(),
            keys: &self.keys,
            signature_encoding: self.signature_encoding,
        };
        letter.headers(provider)
    }

    fn end(&self, attempts: u32, status: Option<u16>, ending: Ending) {
        if let Some(provider) = self.provider() {
            provider.progressed(&self.delivery_id, attempts, status, Some(ending));
        }
    }

    fn provider(&self) -> Option<&dyn Provider> {
        self.sandbox.provider(self.provider)
    }
}
