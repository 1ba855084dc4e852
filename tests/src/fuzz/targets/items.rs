//! What the table may answer. Rows are written by this version, by older and newer ones, and by people with a console:
//! whatever is in them, they are read or named as corrupt.
//!
//! The answers come from a connector in this process. No engine would store most of these items, and what must hold is
//! about reading them.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::config::retry::RetryConfig;
use aws_sdk_dynamodb::config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config, Credentials, Region};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;
use hookledger_aws::ports::ledger::{DynamoLedger, Filter};
use hookledger_core::model::debt::{ExpectationState, Wanted};
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Debts, Entries, Expectations, Quarantine, Results, StoreError};
use serde_json::json;

use super::super::target::Seen;
use crate::dynamo::runtime;

/// Answers every call with the item of the moment.
#[derive(Clone, Debug, Default)]
struct OneItem(Arc<Mutex<Vec<u8>>>);

impl HttpConnector for OneItem {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let target = request.headers().get("x-amz-target").unwrap_or_default();
        let (before, after): (&[u8], &[u8]) =
            if target.ends_with("GetItem") { (b"{\"Item\":", b"}") } else { (b"{\"Count\":1,\"Items\":[", b"]}") };
        let body = [before, &self.0.lock().unwrap(), after].concat();
        let response = http::Response::builder().status(200).header("content-type", "application/x-amz-json-1.0");
        let response = response.body(SdkBody::from(body)).unwrap();
        HttpConnectorFuture::ready(Ok(HttpResponse::try_from(response).unwrap()))
    }
}

fn ledger(item: OneItem) -> DynamoLedger {
    let connector = SharedHttpConnector::new(item);
    let config = Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .endpoint_url("http://127.0.0.1:1")
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .http_client(http_client_fn(move |_, _| connector.clone()))
        .retry_config(RetryConfig::disabled())
        .timeout_config(TimeoutConfig::disabled());
    DynamoLedger::new(aws_sdk_dynamodb::Client::from_conf(config.build()), "table", 400)
}

fn key() -> ItemKey {
    ItemKey { pk: "finbox#entity#e1".into(), sk: "event#statement#s1#completed".into() }
}

pub(super) fn items(input: &[u8]) -> Seen {
    thread_local! {
        static TABLE: (tokio::runtime::Runtime, OneItem, DynamoLedger) = {
            let item = OneItem::default();
            (runtime(), item.clone(), ledger(item))
        };
    }
    TABLE.with(|(runtime, item, ledger)| {
        *item.0.lock().unwrap() = input.to_vec();
        runtime.block_on(read(ledger))
    })
}

async fn read(ledger: &DynamoLedger) -> Seen {
    let (key, subject) = (key(), Subject::from_stored(key().pk));
    let entry = ledger.entry(&key).await;
    assert!(entry == ledger.entry(&key).await, "one item was read in two ways");
    if let Ok(Some((entry, _))) = &entry {
        assert!(entry.key == key, "an entry of another key");
        assert!((entry.state == State::Open) == entry.due_at.is_some(), "an open entry that is never due");
    }
    let expectation = ledger.expectation(&key).await;
    if let Ok(Some(expectation)) = &expectation {
        assert!(expectation.key == key, "an expectation of another key");
        let waits = expectation.state == ExpectationState::Waiting;
        assert!(waits || expectation.due_at.is_none(), "an ended expectation that is due");
    }
    let debt = ledger.debt(&key).await;
    let facts = ledger.facts(&subject).await;
    let status = ledger.status(&subject).await;
    let due = ledger.due(0, UnixMs(i64::MAX), &Wanted { of_each: 10, without_entries_of: &[] }).await;
    let rows = ledger.rows(&subject.to_string(), "").await;
    let story = ledger.story(subject.as_str()).await;
    let refused = ledger.kept(ProviderId("finbox"), "2026-11-22", None, 10).await;
    // Sorts instants out of any range.
    let until = UnixMs::parse_rfc3339("2026-11-22T23:59:59.999Z").expect("a time");
    let recent = ledger.list_recent(UnixMs(i64::MIN), until, 3, &Filter::default()).await;
    let words = [
        word(&entry),
        word(&expectation),
        word(&debt),
        word(&facts),
        word(&status),
        word(&due),
        word(&rows),
        word(&story),
        word(&refused),
        word(&recent),
    ];
    words.join(" ")
}

fn word<T>(read: &Result<T, StoreError>) -> &'static str {
    match read {
        Ok(_) => "read",
        Err(StoreError::Corrupt { what, .. }) => what,
        Err(StoreError::Refused(_)) => "refused",
        Err(StoreError::Unavailable(_)) => "no answer",
    }
}

/// A row of every kind, as it is written today.
pub(super) fn samples() -> Vec<Vec<u8>> {
    let s = |text: &str| json!({ "S": text });
    let n = |number: i64| json!({ "N": number.to_string() });
    let ids = json!({ "pk": s("finbox#entity#e1"), "sk": s("event#statement#s1#completed") });
    let rows = [
        json!({
            "provider": s("finbox"), "event_type": s("statement.completed"), "state": s("open"), "origin": s("push"),
            "received_at": n(1_790_000_000_000), "occurred_at": n(1), "due_shard": s("07"), "due_at": n(5), "attempts": n(0), "waits": n(0),
            "reopened": n(0), "recent_shard": s("2026-11-22#3"), "proof": s("a"), "reason": s("why"), "frozen_detail": s("{}"),
            "notes": { "M": { "why": s("x") } }, "body": { "B": "e30=" }, "body_encoding": s("plain"), "body_bytes": n(2),
        }),
        json!({
            "provider": s("finbox"), "event_type": s("x"), "state": s("parked"), "origin": s("poll"), "received_at": n(1),
            "due_shard": s("parked#07"), "due_at": n(1), "attempts": n(8), "waits": n(2), "reopened": n(3),
            "body_encoding": s("deflate"), "body_bytes": n(5_000_000), "body_digest": s("ab"), "body_chunks": n(3),
        }),
        json!({
            "provider": s("finbox"), "reference": s("link:l1"), "repeats": { "BOOL": true }, "state": s("waiting"),
            "created_at": n(1), "deadline": n(9), "polls": n(1), "found": n(0), "due_shard": s("01"), "due_at": n(3),
        }),
        json!({ "provider": s("runpayments"), "list": s("merchants"), "due_at": n(5), "pages": n(4), "position": s("200") }),
        json!({
            "status": s("live"), "n": n(2), "owner_pk": s("p"), "owner_sk": s("q"), "origin": s("poll"), "occurred_at": n(5),
            "matched_pk": s("p"), "matched_sk": s("r"), "rank": n(6), "moved_at": n(6), "version": n(9),
            "held_back": s("new"), "held_back_rank": n(1), "held_back_at": n(5),
        }),
        json!({
            "columns": { "M": { "balance": s("10.10") } }, "document": { "B": "S0wEAA==" }, "document_encoding": s("deflate"),
            "document_bytes": n(1), "expires_at": n(1_800_000_000),
        }),
        json!({
            "provider": s("finbox"), "code": s("wrong_token"), "reason": s("the rule"), "refused_at": n(60_000), "digest": s("abc"),
            "body": { "B": "AP8=" }, "body_bytes": n(9_000), "source_ip": s("192.0.2.1"),
            "headers": { "L": [{ "L": [s("x-signature"), s("t=1")] }, { "L": [s("only one")] }, s("none")] },
        }),
    ];
    let whole = |row: &serde_json::Value| {
        let mut row = row.clone();
        row.as_object_mut().unwrap().extend(ids.as_object().unwrap().clone());
        row.to_string().into_bytes()
    };
    rows.iter().map(whole).collect()
}
