//! What is the same for every provider whose events are looked up: the trouble comes while the work asks.

use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_tests::local::{Local, until};
use hookledger_tests::samples::event_of;
use serde_json::{Value, json};

use super::super::operator::replay;
use super::look::now;

/// Longer than any backoff of a first attempt here, so that a wait of this length was asked for.
const RETRY_AFTER_SECS: u64 = 5;
/// Time to do something between two pages.
const SLOW_MS: u64 = 2_500;

/// An event that its provider can be asked about, and what comes of it.
pub(super) struct Pulled<'a> {
    local: &'a Local,
    provider: &'static str,
    body: String,
    /// Its entry.
    pub(super) key: ItemKey,
    /// The rows that it leaves, by the start of their keys: those of the first answer first.
    rows: &'static [(&'static str, usize)],
}

impl<'a> Pulled<'a> {
    pub(super) fn new(
        local: &'a Local,
        provider: &'static str,
        body: String,
        rows: &'static [(&'static str, usize)],
    ) -> Self {
        let key = event_of(provider, &body).key();
        Self { local, provider, body, key, rows }
    }

    /// Its webhook arrives.
    pub(super) async fn arrives(&self) {
        self.local.sandbox.send_expecting(self.provider, &self.body, json!({}), 200).await.unwrap();
    }

    /// Its webhook is sent and lost.
    pub(super) async fn is_lost(&self) {
        let lost = json!({ "faults": { "drop": true } });
        self.local.sandbox.send_with(self.provider, &self.body, lost).await.unwrap();
    }

    pub(super) async fn faults(&self, api: Value) {
        self.local.sandbox.faults(self.provider, api).await.unwrap();
    }

    async fn count(&self, prefix: &str) -> usize {
        self.local.rows(&self.key.subject(), prefix).await.unwrap().len()
    }

    /// It ends settled, with all its rows; there is one entry and one publication of it.
    pub(super) async fn is_done_once(&self) -> Entry {
        let entry = self.local.until_state(&self.key, State::Done).await.unwrap();
        for (prefix, count) in self.rows {
            assert_eq!(self.count(prefix).await, *count, "rows {prefix}");
        }
        assert_eq!(self.count("event#").await, 1, "one entry");
        until("its event to be published", async || {
            let published = self.local.observer.published(&self.key.pk).await?.len();
            Ok(if published > 0 { Ok(()) } else { Err("nothing is".into()) })
        })
        .await
        .unwrap();
        self.is_published(1).await;
        entry
    }

    async fn is_published(&self, times: usize) {
        let published = self.local.observer.published(&self.key.pk).await.unwrap();
        assert_eq!(published.len(), times, "{published:#?}");
    }

    /// Waits until its work was put off for a reason that contains this.
    async fn is_put_off(&self, why: &str) -> Entry {
        until("the work to be put off", async || {
            let entry = self.local.entry(&self.key).await?.ok_or("there is no such entry")?;
            let off = entry.reason.as_ref().is_some_and(|reason| reason.contains(why));
            Ok(if off && entry.state == State::Open { Ok(entry) } else { Err(format!("it is {entry:?}")) })
        })
        .await
        .unwrap()
    }

    pub(super) async fn happy_path(&self) {
        self.arrives().await;
        let entry = self.is_done_once().await;
        assert_eq!(entry.origin, Origin::Push);
        self.arrives().await;
        assert_eq!(self.is_done_once().await, entry, "a redelivery changes nothing");
    }

    /// The API is down when the work asks: the event is kept, owed, and settled once the API is back.
    pub(super) async fn outage(&self) {
        self.faults(json!({ "outage": true })).await;
        self.arrives().await;
        let owed = self.is_put_off("").await;
        assert!(owed.due_at.is_some(), "{owed:?}");
        self.is_published(0).await;
        self.faults(json!({ "outage": false })).await;
        self.is_done_once().await;
    }

    /// 429 with `Retry-After`: nothing is tried earlier.
    pub(super) async fn rate_limited(&self) {
        self.faults(json!({ "outage": true, "status": 429, "retry_after_secs": RETRY_AFTER_SECS })).await;
        let sent_at = now();
        self.arrives().await;
        let due_at = self.is_put_off("429").await.due_at.unwrap();
        self.faults(json!({ "outage": false })).await;
        assert!(due_at >= sent_at.plus_secs(RETRY_AFTER_SECS), "sent at {sent_at}, due at {due_at}");
        self.is_done_once().await;
        assert!(now() >= due_at, "it was tried before {due_at}");
    }

    /// A refusal that no retry mends: a person finds it, and replays it when its cause is gone.
    pub(super) async fn refused(&self) {
        self.faults(json!({ "outage": true, "status": 422 })).await;
        self.arrives().await;
        let parked = self.local.until_state(&self.key, State::Parked).await.unwrap();
        assert!(parked.reason.is_some_and(|reason| reason.contains("422")));
        let listed = self.local.ledger.list_parked(10_000).await.unwrap();
        assert!(listed.iter().any(|due| due.key == self.key), "`hookledger parked` lists it");
        self.is_published(0).await;
        self.faults(json!({ "outage": false })).await;
        replay(self.local, &self.key).unwrap();
        self.is_done_once().await;
    }

    /// The rows of the first answer are written, and the next question is on its way, slowly.
    pub(super) async fn is_mid_walk(&self) {
        self.faults(json!({ "slow_ms": SLOW_MS })).await;
        self.arrives().await;
        let (prefix, _) = self.rows[0];
        until("the first answer's rows", async || {
            let rows = self.local.rows(&self.key.subject(), prefix).await?.len();
            Ok(if rows > 0 { Ok(()) } else { Err("there are none".into()) })
        })
        .await
        .unwrap();
    }

    /// The provider replaces the key between two questions, and we learn of the new one a moment later: the walk begins
    /// anew, and ends as if nothing had been.
    pub(super) async fn key_revoked(&self) {
        self.is_mid_walk().await;
        let (local, provider, key) = (self.local, self.provider, "the-key-after");
        local.sandbox.control("PUT", &format!("{provider}/key"), &json!({ "api_key": key })).await.unwrap();
        let mut secret: Value = serde_json::from_str(&local.secret(provider).await.unwrap()).unwrap();
        self.faults(json!({ "slow_ms": 0 })).await;
        self.is_put_off("401").await;
        self.is_published(0).await;
        secret["api"]["api_key"] = key.into();
        local.put_secret(provider, &secret.to_string()).await.unwrap();
        self.is_done_once().await;
    }
}
