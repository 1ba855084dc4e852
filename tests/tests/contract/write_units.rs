//! What an event's writes are billed: DynamoDB's own count, as the engine gives it for the very requests of the adapter.
//!
//! The engine (dynoxide) charges by rules that were taken down from DynamoDB: a row by the larger of what it was and
//! what it becomes, an index by the change to what it holds, a move within an index twice. A write whose condition does
//! not hold is billed as well, by the row that was in its way; no answer says so, and it is counted here as one unit,
//! which it is for a row of at most 1 KB.

use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::interceptors::{
    BeforeSerializationInterceptorContextMut, FinalizerInterceptorContextRef,
};
use aws_sdk_dynamodb::config::{ConfigBag, Intercept, RuntimeComponents};
use aws_sdk_dynamodb::error::BoxError;
use aws_sdk_dynamodb::operation::put_item::{PutItemError, PutItemInput, PutItemOutput};
use aws_sdk_dynamodb::operation::update_item::{UpdateItemInput, UpdateItemOutput};
use aws_sdk_dynamodb::types::{ConsumedCapacity, ReturnConsumedCapacity};
use hookledger_aws::ports::ledger::{DynamoLedger, Filter, schema};
use hookledger_aws::start::env::Recent;
use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::entry::{Admitted, Event, NewEntry, OnDuplicate, Origin, Start, State};
use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject, digest_hex};
use hookledger_core::model::refused::{QUARANTINE_SECS, Refused};
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Attempt, Debts, Entries, Expectations, Postponed, Refusals, Results, Settlement};
use hookledger_tests::dynamo::{RETENTION_DAYS, TABLE, in_process, runtime};

const PROVIDER: ProviderId = ProviderId("runpayments");
/// 2040, so that nothing is expired.
const NOW: UnixMs = UnixMs(2_208_988_800_000);
/// The body of the event that all figures are for, in bytes.
const BODY_BYTES: usize = 400;

/// Units for rows, for the index `due`, for the index `recent`.
type Units = (u32, u32, u32);

/// Asks for the bill of every write and adds it up.
#[derive(Clone, Debug, Default)]
struct Bill(Arc<Mutex<Units>>);

impl Bill {
    fn add(&self, capacity: Option<&ConsumedCapacity>) {
        let mut bill = self.0.lock().expect("a bill");
        // No answer: the condition did not hold.
        let Some(capacity) = capacity else { return bill.0 += 1 };
        let units = |count: Option<f64>| count.unwrap_or_default() as u32;
        let index =
            |name: &str| units(capacity.global_secondary_indexes().and_then(|all| all.get(name)?.capacity_units()));
        bill.0 += units(capacity.table().and_then(|table| table.capacity_units()));
        bill.1 += index(schema::DUE_INDEX);
        bill.2 += index(schema::RECENT_INDEX);
    }

    /// What was billed since this was last asked.
    fn take(&self) -> Units {
        std::mem::take(&mut self.0.lock().expect("a bill"))
    }
}

impl Intercept for Bill {
    fn name(&self) -> &'static str {
        "bill"
    }

    fn modify_before_serialization(
        &self,
        context: &mut BeforeSerializationInterceptorContextMut<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let asked = Some(ReturnConsumedCapacity::Indexes);
        if let Some(put) = context.input_mut().downcast_mut::<PutItemInput>() {
            put.return_consumed_capacity = asked;
        } else if let Some(update) = context.input_mut().downcast_mut::<UpdateItemInput>() {
            update.return_consumed_capacity = asked;
        }
        Ok(())
    }

    fn read_after_execution(
        &self,
        context: &FinalizerInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        _: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        match context.output_or_error() {
            Some(Ok(output)) => {
                let put = output.downcast_ref::<PutItemOutput>().map(PutItemOutput::consumed_capacity);
                let update = output.downcast_ref::<UpdateItemOutput>().map(UpdateItemOutput::consumed_capacity);
                if let Some(capacity) = put.or(update) {
                    self.add(Some(capacity.expect("the engine states what it charges")));
                }
            }
            Some(Err(error)) => {
                let lost = error.as_operation_error().and_then(|error| error.downcast_ref::<PutItemError>());
                assert!(lost.is_some_and(PutItemError::is_conditional_check_failed_exception), "{error:?}");
                self.add(None);
            }
            None => {}
        }
        Ok(())
    }
}

fn entry(origin: Origin, body_bytes: usize) -> NewEntry {
    NewEntry {
        provider: PROVIDER,
        event: Event {
            event_type: "transaction.entered".into(),
            subject: Subject::new(PROVIDER, "transaction", "12345"),
            identity: Identity::new(&["6f3c2a3e-51f6-4a7c-9a4c-8a1f1f0b7d11"]),
            occurred_at: Some(NOW),
            known: true,
            on_duplicate: OnDuplicate::Same,
            notes: vec![("webhook_id", "wh_12345".into())],
        },
        origin,
        received_at: NOW,
        start: Start::Open { due_at: NOW.plus_secs(120) },
        proof: Some("2026-11".into()),
        // Noise, so that what is stored is as large as what came.
        body: (0u32..).flat_map(|n| digest_hex(&n.to_be_bytes()).into_bytes()).take(body_bytes).collect(),
    }
}

fn settled() -> Settlement {
    Settlement { state: State::Done, reason: None, at: NOW, expires_at: NOW.plus_secs(QUARANTINE_SECS) }
}

async fn admitted(ledger: &DynamoLedger, entry: &NewEntry) -> ItemKey {
    assert_eq!(ledger.admit(entry).await, Ok(Admitted::New));
    entry.event.key()
}

/// Runs a case on an empty table; the units of each of its steps.
fn billed(case: impl AsyncFnOnce(&DynamoLedger, &mut dyn FnMut())) -> Vec<Units> {
    billed_listing(Recent::All, case)
}

fn billed_listing(recent: Recent, case: impl AsyncFnOnce(&DynamoLedger, &mut dyn FnMut())) -> Vec<Units> {
    let bill = Bill::default();
    let mut steps = Vec::new();
    runtime().block_on(async {
        let client = Client::from_conf(in_process().await.config().to_builder().interceptor(bill.clone()).build());
        let mut step = || steps.push(bill.take());
        case(&DynamoLedger::new(client, TABLE, RETENTION_DAYS).listing(recent), &mut step).await;
    });
    steps
}

#[test]
fn an_event_costs_five_units_and_its_duplicate_one() {
    let steps = billed(async |ledger, step| {
        let entry = entry(Origin::Push, BODY_BYTES);
        let key = admitted(ledger, &entry).await;
        step();
        assert_eq!(ledger.settle(&key, &settled()).await, Ok(true));
        step();
        assert!(matches!(ledger.admit(&entry).await, Ok(Admitted::Duplicate(known)) if known.state == State::Done));
        step();
    });
    assert_eq!(steps, [(1, 1, 1), (1, 1, 0), (1, 0, 0)]);
}

#[test]
fn what_is_not_listed_costs_a_unit_less() {
    let steps = billed_listing(Recent::Unworked, async |ledger, step| {
        let worked = entry(Origin::Push, BODY_BYTES);
        let key = admitted(ledger, &worked).await;
        step();
        assert_eq!(ledger.settle(&key, &settled()).await, Ok(true));
        step();
        let start = Start::Ignored { reason: "not known here", expires_at: NOW.plus_secs(QUARANTINE_SECS) };
        let mut ignored = NewEntry { start, ..worked };
        ignored.event.identity = Identity::new(&["another"]);
        admitted(ledger, &ignored).await;
        step();
        let listed = ledger.list_recent(NOW.minus_secs(60), NOW, 10, &Filter::default()).await.expect("a list");
        assert_eq!(listed.into_iter().map(|listed| listed.key).collect::<Vec<_>>(), [ignored.event.key()]);
    });
    assert_eq!(steps, [(1, 1, 0), (1, 1, 0), (1, 0, 1)]);
}

#[test]
fn what_the_provider_is_asked_for_costs_its_row_and_the_frozen_detail() {
    let steps = billed(async |ledger, step| {
        let entry = entry(Origin::Push, BODY_BYTES);
        let key = admitted(ledger, &entry).await;
        step();
        let row = Row { sk: "balance#a1".into(), columns: vec![("balance", "1.10".into())], document: vec![b'x'; 200] };
        let snapshot = Snapshot::delivered(NOW);
        assert_eq!(ledger.put_rows(&entry.event.subject, &[row], &snapshot).await, Ok(()));
        step();
        assert_eq!(ledger.freeze(&key, &"d".repeat(500)).await.map(|frozen| frozen.len()), Ok(500));
        step();
        assert_eq!(ledger.settle(&key, &settled()).await, Ok(true));
        step();
    });
    // The frozen detail takes the entry over 1 KB, so freezing and settling are two units each.
    assert_eq!(steps, [(1, 1, 1), (1, 0, 0), (2, 0, 0), (2, 1, 0)]);
}

#[test]
fn a_retry_costs_two_moves_within_the_index() {
    let steps = billed(async |ledger, step| {
        let key = admitted(ledger, &entry(Origin::Push, BODY_BYTES)).await;
        step();
        let due_at = NOW.plus_secs(150);
        let postponed = Postponed { due_at, reason: "unreachable".into(), attempt: Attempt::Failed, progress: None };
        assert_eq!(ledger.postpone(&key, &postponed).await, Ok(true));
        step();
        assert_eq!(ledger.claim(&key, due_at, NOW.plus_secs(300)).await, Ok(true));
        step();
        assert_eq!(ledger.settle(&key, &settled()).await, Ok(true));
        step();
    });
    assert_eq!(steps, [(1, 1, 1), (1, 2, 0), (1, 2, 0), (1, 1, 0)]);
}

#[test]
fn an_event_found_by_asking_costs_its_expectation_and_each_poll() {
    let steps = billed(async |ledger, step| {
        let expectation = Expectation {
            key: Subject::new(PROVIDER, "batch", "b1").item("expectation"),
            provider: PROVIDER.to_string(),
            reference: "b1".into(),
            repeats: false,
            state: ExpectationState::Waiting,
            created_at: NOW,
            due_at: Some(NOW.plus_secs(30)),
            deadline: NOW.plus_secs(3600),
            polls: 0,
            found: 0,
        };
        assert_eq!(ledger.expect(&expectation).await, Ok(true));
        step();
        assert_eq!(ledger.claim(&expectation.key, NOW.plus_secs(30), NOW.plus_secs(90)).await, Ok(true));
        step();
        admitted(ledger, &entry(Origin::Poll, BODY_BYTES)).await;
        step();
        let (at, expires_at) = (NOW, NOW.plus_secs(QUARANTINE_SECS));
        assert_eq!(ledger.end_expectation(&expectation.key, ExpectationState::Met, at, expires_at).await, Ok(true));
        step();
    });
    assert_eq!(steps, [(1, 1, 0), (1, 2, 0), (1, 1, 1), (1, 1, 0)]);
}

#[test]
fn a_refusal_costs_its_size_and_no_index() {
    let steps = billed(async |ledger, step| {
        for bytes in [BODY_BYTES, 4096] {
            let body = vec![b'x'; bytes];
            let refused = Refused {
                provider: PROVIDER,
                code: "wrong_signature".into(),
                reason: "no live secret produces this signature".into(),
                at: NOW.plus_secs(bytes as u64),
                digest: digest_hex(&body),
                body,
                body_bytes: bytes,
                token_digest: None,
                headers: vec![("x-webhook-signature-256".into(), format!("sha256={}", digest_hex(b"")))],
                source_ip: Some("192.0.2.7".into()),
            };
            assert_eq!(ledger.refuse(&refused).await, Ok(true));
            step();
        }
    });
    assert_eq!(steps, [(1, 0, 0), (5, 0, 0)]);
}

#[test]
fn what_is_only_kept_and_what_is_larger() {
    let steps = billed(async |ledger, step| {
        let start = Start::Ignored { reason: "not known here", expires_at: NOW.plus_secs(QUARANTINE_SECS) };
        admitted(ledger, &NewEntry { start, ..entry(Origin::Push, BODY_BYTES) }).await;
        step();
    });
    assert_eq!(steps, [(1, 0, 1)], "ignored: owes nothing, so it is in one index only");
    let steps = billed(async |ledger, step| {
        let key = admitted(ledger, &entry(Origin::Push, 16 * 1024)).await;
        step();
        assert_eq!(ledger.settle(&key, &settled()).await, Ok(true));
        step();
    });
    // Hex digits of noise pack to half; settling pays for the whole row again, which its end makes a little larger.
    let [(put, 1, 1), (settle, 1, 0)] = steps[..] else { panic!("{steps:?}") };
    assert!((9..=10).contains(&put) && (put..=put + 1).contains(&settle), "{steps:?}");
}
