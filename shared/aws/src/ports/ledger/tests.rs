//! What only this ledger does, against an engine in this process: chunks and their ends, the number of calls, the cap.
//! What every ledger does is in the contract suite.

use hookledger_core::ports::{Quarantine, ReopenedBy};
use std::sync::{Arc, Mutex};

use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::interceptors::context::BeforeTransmitInterceptorContextRef;
use aws_smithy_runtime_api::client::interceptors::{Intercept, dyn_dispatch_hint};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::timeout::TimeoutConfig;
use hookledger_core::flows::reconcile::Report;
use hookledger_core::model::debt::{DUE_SHARDS, Debt, Wanted};
use hookledger_core::model::entry::{Event, OnDuplicate, Origin, Start, State};
use hookledger_core::model::identity::{Identity, ProviderId, digest_hex};
use hookledger_core::model::refused::MAX_QUARANTINED_PER_SOURCE;

use super::item::Item;
use super::read::{collection, get, walk};
use super::*;
use crate::start::scripted;
use hookledger_core::model::entry::{Admitted, NewEntry};
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Debts, Entries, Refusals, Results, Settlement, StoreError};

const PROVIDER: ProviderId = ProviderId("finbox");
const NOW: UnixMs = UnixMs(1_790_000_000_000);

/// The names of the calls that were made.
#[derive(Clone, Debug, Default)]
struct Calls(Arc<Mutex<Vec<String>>>);

impl Calls {
    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

#[dyn_dispatch_hint]
impl Intercept for Calls {
    fn name(&self) -> &'static str {
        "Calls"
    }

    fn read_before_transmit(
        &self,
        context: &BeforeTransmitInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let target = context.request().headers().get("x-amz-target").unwrap_or("").to_string();
        self.0.lock().unwrap().push(target.replace("DynamoDB_20120810.", ""));
        Ok(())
    }
}

async fn ledger() -> (DynamoLedger, Calls) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, dynoxide::Database::memory().unwrap()));
    let clients = scripted::clients(endpoint);
    let calls = Calls::default();
    // Without timeouts: on a busy machine a retry would count as a second call.
    let config = clients.dynamodb.config().to_builder().timeout_config(TimeoutConfig::disabled());
    let client = aws_sdk_dynamodb::Client::from_conf(config.interceptor(calls.clone()).build());
    schema::create_table(&client, "table").await.unwrap();
    calls.take();
    (DynamoLedger::new(client, "table", 400), calls)
}

fn entry(id: &str, body: Vec<u8>, start: Start) -> NewEntry {
    NewEntry {
        provider: PROVIDER,
        event: Event {
            event_type: "x".into(),
            subject: Subject::new(PROVIDER, "entity", "e1"),
            identity: Identity::new(&[id]),
            occurred_at: None,
            known: true,
            on_duplicate: OnDuplicate::Same,
            notes: vec![("note", "n".into())],
        },
        origin: Origin::Push,
        received_at: NOW,
        start,
        proof: Some("a".into()),
        body,
    }
}

fn open() -> Start {
    Start::Open { due_at: NOW.plus_secs(120) }
}

fn settlement() -> Settlement {
    Settlement { state: State::Done, reason: None, at: NOW, expires_at: NOW.plus_secs(400 * 86_400) }
}

/// Bytes that don't compress: 700 KB make three chunks.
fn noise(seed: u8, bytes: usize) -> Vec<u8> {
    let hash = |n: usize| hex::decode(digest_hex(&[&[seed], n.to_be_bytes().as_slice()].concat())).unwrap();
    (0..bytes.div_ceil(32)).flat_map(hash).take(bytes).collect()
}

async fn chunks(ledger: &DynamoLedger, key: &ItemKey) -> Vec<Item> {
    let row = get(&ledger.table, key, None).await.unwrap().unwrap();
    let digest = row["body_digest"].as_s().unwrap();
    // Below the provider of the row's own key.
    walk(collection(&ledger.table, &format!("{PROVIDER}#body#{digest}"), ""), 100).await.unwrap()
}

fn ends(chunks: &[Item]) -> Vec<Option<i64>> {
    chunks.iter().map(|chunk| chunk.get("expires_at").map(|at| at.as_n().unwrap().parse().unwrap())).collect()
}

#[tokio::test]
async fn the_happy_path_is_one_put_and_one_update() {
    let (ledger, calls) = ledger().await;
    let new = entry("1", vec![b'x'; 200_000], open());
    assert_eq!(ledger.admit(&new).await, Ok(Admitted::New));
    assert_eq!(ledger.settle(&new.event.key(), &settlement()).await, Ok(true));
    assert_eq!(calls.take(), ["PutItem", "UpdateItem"]);
    let row = get(&ledger.table, &new.event.key(), None).await.unwrap().unwrap();
    assert!(!row.contains_key("due_at") && !row.contains_key("due_shard") && row.contains_key("recent_shard"));
    assert_eq!(row["expires_at"].as_n().unwrap(), &settlement().expires_at.secs().to_string());
}

#[tokio::test]
async fn chunks_end_unless_a_person_may_still_need_them() {
    let (ledger, _) = ledger().await;
    let end = NOW.plus_secs(430 * 86_400).secs();
    let new = entry("1", noise(1, 700_000), open());
    let key = new.event.key();
    ledger.admit(&new).await.unwrap();
    assert_eq!(ends(&chunks(&ledger, &key).await), [Some(end); 3]);
    assert_eq!(ledger.park(&key, "why", NOW).await, Ok(true));
    assert_eq!(ends(&chunks(&ledger, &key).await), [None; 3]);
    // A redelivery writes its chunks before it learns that it is one.
    assert!(matches!(ledger.admit(&new).await, Ok(Admitted::Duplicate(known)) if known.state == State::Parked));
    assert_eq!(ends(&chunks(&ledger, &key).await), [None; 3]);
    assert_eq!(ledger.reopen(&key, NOW, ReopenedBy::Person).await, Ok(true));
    assert_eq!(ledger.settle(&key, &settlement()).await, Ok(true));
    assert_eq!(ends(&chunks(&ledger, &key).await), [Some(end); 3]);
    assert_eq!(ledger.park(&key, "too late", NOW).await, Ok(false));
    assert_eq!(ends(&chunks(&ledger, &key).await), [Some(end); 3]);

    let parked = entry("2", noise(2, 700_000), Start::Parked { reason: "unreadable".into() });
    assert_eq!(ledger.admit(&parked).await, Ok(Admitted::New));
    assert_eq!(ends(&chunks(&ledger, &parked.event.key()).await), [None; 3]);
}

#[tokio::test]
async fn a_body_that_is_not_whole_is_not_handed_out() {
    let (ledger, _) = ledger().await;
    let new = entry("1", noise(1, 700_000), open());
    let key = new.event.key();
    ledger.admit(&new).await.unwrap();
    let chunk = item::key_of(&chunks(&ledger, &key).await[1]).unwrap();
    let delete = ledger.table.client.delete_item().table_name("table").set_key(Some(item::key_attributes(&chunk)));
    delete.send().await.unwrap();
    assert_eq!(ledger.entry(&key).await.unwrap_err(), StoreError::Corrupt { key, what: "body" });
}

#[tokio::test]
async fn rows_are_replaced_whatever_their_size_and_number() {
    let (ledger, _) = ledger().await;
    let subject = Subject::new(PROVIDER, "entity", "e1");
    let row = |n: usize, document: Vec<u8>| Row {
        sk: format!("balance#{n:03}"),
        columns: vec![("amount", format!("{n}.10"))],
        document,
    };
    let mut rows: Vec<Row> = (0..60).map(|n| row(n, b"{}".to_vec())).collect();
    rows.push(row(60, noise(7, 700_000)));
    let snapshot = Snapshot::delivered(NOW);
    ledger.put_rows(&subject, &rows, &snapshot).await.unwrap();
    ledger.put_rows(&subject, &rows, &snapshot).await.unwrap();
    ledger.put_rows(&subject, &[], &snapshot).await.unwrap();
    let stored = ledger.rows(subject.as_str(), "balance#").await.unwrap();
    assert_eq!(stored.len(), 61);
    assert_eq!(stored[9].columns, [("amount".to_string(), "9.10".to_string())]);
    assert!(stored[60].document == rows[60].document);
}

#[tokio::test]
async fn a_flood_of_refusals_costs_twenty_writes_a_minute_and_a_few_that_count() {
    let (ledger, calls) = ledger().await;
    let refused = |n: u32, at: UnixMs| Refused {
        provider: PROVIDER,
        code: "token".into(),
        reason: "no token matches".into(),
        at,
        digest: digest_hex(&n.to_be_bytes()),
        body: n.to_be_bytes().to_vec(),
        body_bytes: 4,
        token_digest: None,
        headers: vec![("x".into(), "y".into())],
        source_ip: None,
    };
    let mut kept = 0;
    for n in 0..50 {
        kept += u8::from(ledger.refuse(&refused(n, NOW)).await.unwrap());
    }
    // Thirty find no slot: counted at the 1st, 2nd, 4th, 8th and 16th of them.
    assert_eq!((kept, calls.take().len()), (MAX_QUARANTINED_PER_SOURCE, 20 + 5));
    // Another function, which knows nothing of these: the table itself holds the cap.
    let other = DynamoLedger::new(ledger.table.client.clone(), "table", 400);
    assert_eq!(other.refuse(&refused(99, NOW)).await, Ok(false));
    assert_eq!(other.refuse(&refused(99, NOW.plus_secs(60))).await, Ok(true));
    let listed = ledger.kept(PROVIDER, &NOW.day(), None, 100).await.unwrap();
    assert_eq!(listed.len(), 21);
    assert_eq!(listed.iter().map(|kept| kept.more).sum::<u64>(), 16 + 1, "and one of the other's");
    assert_eq!((listed[0].refused.body.as_slice(), listed[0].refused.body_bytes), (99u32.to_be_bytes().as_slice(), 4));
}

#[tokio::test]
async fn a_person_sees_what_waits_what_came_and_the_whole_story() {
    let (ledger, _) = ledger().await;
    let mut keys = Vec::new();
    for n in 0..5u32 {
        let mut new = entry(&n.to_string(), b"{}".to_vec(), open());
        new.received_at = NOW.plus_secs(u64::from(n));
        ledger.admit(&new).await.unwrap();
        keys.push(new.event.key());
    }
    for n in [3, 1] {
        ledger.park(&keys[n], "why", NOW.plus_secs(10 - n as u64)).await.unwrap();
    }
    let parked: Vec<ItemKey> = ledger.list_parked(10).await.unwrap().into_iter().map(|due| due.key).collect();
    assert_eq!(parked, [keys[1].clone(), keys[3].clone()], "the latest first");
    assert!(!ledger.list_parked(1).await.unwrap().is_empty());
    let owed: Vec<ItemKey> = ledger.list_owed(10).await.unwrap().into_iter().map(|due| due.key).collect();
    assert_eq!(owed.len(), 3, "{owed:?}");
    let until = NOW.plus_secs(60);
    let recent = ledger.list_recent(NOW, until, 3, &Filter::default()).await.unwrap();
    let first = recent[0].clone();
    assert_eq!(
        recent.into_iter().map(|p| p.key).collect::<Vec<_>>(),
        [keys[4].clone(), keys[3].clone(), keys[2].clone()]
    );
    // What a list is filtered by is in the index, and a filter comes before a limit.
    assert_eq!((first.event_type.as_str(), first.origin), ("x", Some(Origin::Push)));
    let filtered = async |filter: Filter<'_>| ledger.list_recent(NOW, until, 9, &filter).await.unwrap().len();
    let of = |event_type, origin| Filter { event_type, origin, ..Filter::default() };
    assert_eq!((filtered(of(Some("x"), Some("push"))).await, filtered(of(Some("y"), None)).await), (5, 0));
    assert_eq!((filtered(of(None, Some("poll"))).await, ledger.entries_of(&keys[0].pk).await.unwrap().len()), (0, 5));
    let bounded = ledger.list_recent(NOW.plus_secs(1), NOW.plus_secs(2), 9, &Filter::default()).await.unwrap();
    assert_eq!(bounded.len(), 2);
    let mut all = keys.clone();
    all.push(ItemKey { pk: keys[0].pk.clone(), sk: "event#none".into() });
    let known = ledger.look_at(&all).await.unwrap();
    let states: Vec<_> =
        known.values().map(|debt| if let Ok(Debt::Entry(entry)) = debt { entry.state } else { State::Done }).collect();
    assert_eq!((known.len(), states.iter().filter(|state| **state == State::Parked).count()), (5, 2));
    assert!(ledger.is_known(&keys[0].pk).await.unwrap() && !ledger.is_known("finbox#entity#none").await.unwrap());
    let story = ledger.story(&keys[0].pk).await.unwrap();
    assert_eq!(story.len(), 5);
    assert_eq!(story[1].state.as_deref(), Some("parked"));
    assert!(story[1].columns.contains(&("note".into(), "n".into())), "{:?}", story[1].columns);
    assert!(!story[1].columns.iter().any(|(name, _)| name == "body"));
    let due: usize = {
        let mut all = 0;
        for shard in 0..DUE_SHARDS {
            all += ledger.due(shard, NOW.plus_secs(9_999), &Wanted::ALL).await.unwrap().keys.len();
        }
        all
    };
    assert_eq!(due, 3, "parked rows are no machine's debt");
    let parked = ledger.entry_header(&keys[1]).await.unwrap().unwrap();
    assert_eq!((parked.state, parked.due_at), (State::Parked, None));
    assert_eq!(ledger.claim(&keys[1], NOW.plus_secs(9), NOW).await, Ok(false));
}

#[tokio::test]
async fn each_run_leaves_word_of_itself_and_the_last_word_stands() {
    let (ledger, _) = ledger().await;
    let report = |due| Report { due, carried_out: 2, left: 1, failed: 0, oldest_secs: 7 };
    for (shards, at, due) in [(0..=31, 10, 3), (32..=63, 11, 4), (0..=31, 70, 5), (0..=31, 40, 6)] {
        ledger.record_run(&shards, NOW.plus_secs(at), &report(due)).await.unwrap();
    }
    let ran = |shards: &str, at, due| Ran { shards: shards.into(), at: NOW.plus_secs(at), report: report(due) };
    assert_eq!(ledger.list_runs().await.unwrap(), [ran("00-31", 70, 5), ran("32-63", 11, 4)]);
    // They owe nothing and are no debts.
    assert!(ledger.list_owed(9).await.unwrap().is_empty());
}

#[tokio::test]
async fn without_a_table_the_store_refuses_and_without_an_engine_it_is_unavailable() {
    let (ledger, _) = ledger().await;
    let lost = DynamoLedger::new(ledger.table.client.clone(), "another", 400);
    let key = ItemKey { pk: "p".into(), sk: "event#1".into() };
    assert!(matches!(lost.entry(&key).await, Err(StoreError::Refused(_))));
    let nobody = scripted::clients("http://127.0.0.1:9");
    let down = DynamoLedger::new(nobody.dynamodb, "table", 400);
    assert_eq!(down.entry(&key).await.unwrap_err(), StoreError::Unavailable("not reachable"));
}
