//! What lies beyond table and queue: the counts, the event bus, the secret store and the providers' APIs.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;

use hookledger_core::model::entry::Announcement;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::provider_call::{ApiError, ApiRequest, ApiResponse};
use hookledger_core::model::secret::ProviderSecrets;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Meter, Metric, ProviderApi, PublishError, Publisher, Secrets, SecretsError};

use super::clock::FixedClock;
use super::faults::Faults;
use super::turn::turn;

/// Keeps every count.
#[derive(Debug, Default)]
pub struct RecordingMeter {
    counts: RefCell<Vec<(Metric, Option<ProviderId>, u64)>>,
}

impl RecordingMeter {
    /// Everything counted so far, in order.
    pub fn counts(&self) -> Vec<(Metric, Option<ProviderId>, u64)> {
        self.counts.borrow().clone()
    }

    /// The sum of a metric over all providers.
    pub fn total(&self, metric: Metric) -> u64 {
        self.sum(|counted, _| counted == metric)
    }

    /// The sum of a metric for one provider.
    pub fn of(&self, metric: Metric, provider: ProviderId) -> u64 {
        self.sum(|counted, of| counted == metric && of == Some(provider))
    }

    /// The value counted last, for metrics that are levels.
    pub fn last(&self, metric: Metric) -> Option<u64> {
        self.counts.borrow().iter().rev().find(|(counted, ..)| *counted == metric).map(|(_, _, value)| *value)
    }

    /// Starts anew.
    pub fn clear(&self) {
        self.counts.borrow_mut().clear();
    }

    fn sum(&self, wanted: impl Fn(Metric, Option<ProviderId>) -> bool) -> u64 {
        self.counts.borrow().iter().filter(|(metric, of, _)| wanted(*metric, *of)).map(|(_, _, value)| value).sum()
    }
}

impl Meter for RecordingMeter {
    fn count(&self, metric: Metric, provider: Option<ProviderId>, value: u64) {
        self.counts.borrow_mut().push((metric, provider, value));
    }
}

/// Keeps every event published. Its one fault is named `publish`.
#[derive(Debug, Default)]
pub struct RecordingPublisher {
    /// The fault switches.
    pub faults: Faults,
    published: RefCell<Vec<Announcement>>,
}

impl RecordingPublisher {
    /// The events published so far, in order, repetitions included.
    pub fn published(&self) -> Vec<Announcement> {
        self.published.borrow().clone()
    }

    /// How many events were published so far, repetitions included.
    pub fn count(&self) -> usize {
        self.published.borrow().len()
    }
}

impl Publisher for RecordingPublisher {
    async fn publish(&self, announcement: &Announcement) -> Result<(), PublishError> {
        let effect = || {
            self.published.borrow_mut().push(announcement.clone());
            Ok(())
        };
        self.faults.call("publish", PublishError("a fault of the test"), effect).await
    }
}

/// What a cache holds of the secrets.
type Cached = Rc<RefCell<BTreeMap<ProviderId, Arc<ProviderSecrets>>>>;

/// The secret store, and a cache in front of it that learns of a rotation only by reading again. Faults are named
/// `get` and `reread`.
#[derive(Debug, Default)]
pub struct MemorySecrets {
    /// The fault switches.
    pub faults: Faults,
    cached: Cached,
    stored: RefCell<BTreeMap<ProviderId, Arc<ProviderSecrets>>>,
    reread_too_recent: Cell<bool>,
}

impl MemorySecrets {
    /// Sets a provider's secret document, in the store and in the cache.
    pub fn set(&self, provider: ProviderId, json: &str) {
        self.rotate(provider, json);
        self.expire();
    }

    /// Sets a provider's secret document in the store; the cache keeps the old one.
    pub fn rotate(&self, provider: ProviderId, json: &str) {
        let secrets = ProviderSecrets::parse(json).expect("the test's secret document is valid");
        self.stored.borrow_mut().insert(provider, Arc::new(secrets));
    }

    /// The cache's time is over: the next `get` sees what is stored.
    pub fn expire(&self) {
        self.cached.borrow_mut().clone_from(&self.stored.borrow());
    }

    /// While set, `reread` answers that it was tried too recently.
    pub fn reread_too_recent(&self, too_recent: bool) {
        self.reread_too_recent.set(too_recent);
    }
}

impl Secrets for MemorySecrets {
    /// A provider never set has the empty document, as after the first deployment.
    async fn get(&self, provider: ProviderId) -> Result<Arc<ProviderSecrets>, SecretsError> {
        let effect = || Ok(self.cached.borrow().get(&provider).cloned().unwrap_or_default());
        self.faults.call("get", SecretsError("a fault of the test"), effect).await
    }

    async fn reread(&self, provider: ProviderId) -> Result<Option<Arc<ProviderSecrets>>, SecretsError> {
        let effect = || {
            if self.reread_too_recent.get() {
                return Ok(None);
            }
            let stored = self.stored.borrow().get(&provider).cloned().unwrap_or_default();
            self.cached.borrow_mut().insert(provider, stored.clone());
            Ok(Some(stored))
        };
        self.faults.call("reread", SecretsError("a fault of the test"), effect).await
    }
}

type Script = Box<dyn FnMut(&str) -> Result<ApiResponse, ApiError>>;

/// The providers' APIs: a closure answers each request by its URL. Its one fault is named `call`.
#[derive(Default)]
pub struct ScriptedApi {
    /// The fault switches.
    pub faults: Faults,
    script: RefCell<Option<Script>>,
    requests: RefCell<Vec<(ProviderId, ApiRequest)>>,
    told: RefCell<Vec<Told>>,
    slowness: RefCell<Option<Slowness>>,
    /// When the answers arrive that are on their way, each under a number of its own.
    late: RefCell<BTreeMap<u64, UnixMs>>,
    numbered: Cell<u64>,
    secrets: RefCell<Option<Cached>>,
}

/// How long an answer is on its way, in milliseconds, by a clock.
struct Slowness {
    clock: Rc<FixedClock>,
    takes_ms: Box<dyn Fn() -> u64>,
}

/// An answer on its way. Whoever waits for it may be killed.
struct OnItsWay<'a> {
    api: &'a ScriptedApi,
    number: u64,
}

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        self.api.late.borrow_mut().remove(&self.number);
    }
}

/// What the caller of an API was told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Told {
    /// Whose API it was.
    pub provider: ProviderId,
    /// Whether anybody was there.
    pub answered: bool,
    /// Whether it may not be asked any more for now.
    pub throttled: bool,
}

impl ScriptedApi {
    /// Answers every request from now on with this closure. Before the first one, no provider can be reached.
    pub fn answer_with(&self, script: impl FnMut(&str) -> Result<ApiResponse, ApiError> + 'static) {
        *self.script.borrow_mut() = Some(Box::new(script));
    }

    /// The requests that reached a provider, in order.
    pub fn requests(&self) -> Vec<(ProviderId, ApiRequest)> {
        self.requests.borrow().clone()
    }

    /// What callers were told since this was asked last.
    pub fn take_told(&self) -> Vec<Told> {
        self.told.take()
    }

    /// From now on an answer arrives so long after it was made, by this clock. What is asked later may be answered
    /// sooner.
    pub fn answer_after(&self, clock: Rc<FixedClock>, takes_ms: impl Fn() -> u64 + 'static) {
        *self.slowness.borrow_mut() = Some(Slowness { clock, takes_ms: Box::new(takes_ms) });
    }

    /// When the next of the answers arrives that are on their way.
    pub fn next_answer_at(&self) -> Option<UnixMs> {
        self.late.borrow().values().min().copied()
    }

    /// Waits until the answer that was just made arrives.
    async fn arrival(&self) {
        let slow = self.slowness.borrow().as_ref().map(|slow| (slow.clock.clone(), (slow.takes_ms)()));
        let Some((clock, takes_ms)) = slow.filter(|(_, takes_ms)| *takes_ms > 0) else { return };
        let (at, number) = (clock.now().plus_ms(takes_ms), self.numbered.get());
        self.numbered.set(number + 1);
        self.late.borrow_mut().insert(number, at);
        let _waiting = OnItsWay { api: self, number };
        while clock.now() < at {
            turn().await;
        }
    }

    /// From now on a provider is used if the cache of these secrets holds anything of it. Before, all are.
    pub fn go_by(&self, secrets: &MemorySecrets) {
        *self.secrets.borrow_mut() = Some(secrets.cached.clone());
    }

    /// Their URLs.
    pub fn urls(&self) -> Vec<String> {
        self.requests.borrow().iter().map(|(_, request)| request.url.clone()).collect()
    }
}

impl ProviderApi for ScriptedApi {
    async fn is_used(&self, provider: ProviderId) -> bool {
        let secrets = self.secrets.borrow();
        let Some(cached) = secrets.as_ref() else { return true };
        cached.borrow().get(&provider).is_some_and(|secrets| !secrets.is_empty())
    }

    async fn call(&self, provider: ProviderId, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
        let effect = || {
            self.requests.borrow_mut().push((provider, request.clone()));
            let mut script = self.script.borrow_mut();
            script.as_mut().map_or(Err(ApiError::Unreachable), |answer| answer(&request.url))
        };
        let outcome = self.faults.call("call", ApiError::Unreachable, effect).await;
        if outcome.is_ok() {
            self.arrival().await;
        }
        let answered = match &outcome {
            Ok(response) => response.status < 500,
            Err(error) => !matches!(error, ApiError::Unreachable | ApiError::TimedOut),
        };
        let throttled = outcome.as_ref().is_ok_and(|response| response.status == 429);
        self.told.borrow_mut().push(Told { provider, answered, throttled });
        outcome
    }
}

/// A provider's answer of this status and body.
pub fn answer(status: u16, body: impl Into<Vec<u8>>) -> Result<ApiResponse, ApiError> {
    Ok(ApiResponse { status, retry_after_secs: None, body: body.into() })
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use super::*;

    const PROVIDER: ProviderId = ProviderId("fynapse");

    #[test]
    fn a_rotation_is_seen_by_reading_again() {
        let secrets = MemorySecrets::default();
        let ids = |document: &ProviderSecrets| -> Vec<String> {
            document.signing_secrets.iter().map(|secret| secret.id.clone()).collect()
        };
        assert!(ids(&run(secrets.get(PROVIDER)).unwrap()).is_empty());
        secrets.set(PROVIDER, r#"{"signing_secrets":[{"id":"old","value":"x"}]}"#);
        secrets.rotate(PROVIDER, r#"{"signing_secrets":[{"id":"new","value":"y"}]}"#);
        assert_eq!(ids(&run(secrets.get(PROVIDER)).unwrap()), ["old"]);
        secrets.reread_too_recent(true);
        assert!(run(secrets.reread(PROVIDER)).unwrap().is_none());
        secrets.reread_too_recent(false);
        assert_eq!(ids(&run(secrets.reread(PROVIDER)).unwrap().unwrap()), ["new"]);
        assert_eq!(ids(&run(secrets.get(PROVIDER)).unwrap()), ["new"]);
    }

    #[test]
    fn counts_are_kept_apart() {
        let meter = RecordingMeter::default();
        meter.count(Metric::DeliveriesReceived, Some(PROVIDER), 2);
        meter.count(Metric::DeliveriesReceived, Some(ProviderId("finbox")), 1);
        meter.count(Metric::DebtsDue, None, 9);
        meter.count(Metric::DebtsDue, None, 4);
        assert_eq!((meter.total(Metric::DeliveriesReceived), meter.of(Metric::DeliveriesReceived, PROVIDER)), (3, 2));
        assert_eq!(meter.last(Metric::DebtsDue), Some(4));
    }

    #[test]
    fn the_api_answers_by_the_script_and_remembers() {
        let api = ScriptedApi::default();
        let auth = || hookledger_core::model::provider_call::Auth::Bearer { credential: "api_key" };
        let request = |url: &str| ApiRequest::get("data", url.into(), auth());
        assert_eq!(run(api.call(PROVIDER, &request("https://a/1"))).unwrap_err(), ApiError::Unreachable);
        api.answer_with(|url| answer(if url.ends_with('2') { 200 } else { 404 }, "{}"));
        assert_eq!(run(api.call(PROVIDER, &request("https://a/2"))).unwrap().status, 200);
        assert_eq!(run(api.call(PROVIDER, &request("https://a/3"))).unwrap().status, 404);
        assert_eq!(api.urls(), ["https://a/1", "https://a/2", "https://a/3"]);
    }
}
