//! What is submitted leaves no trace: a canary in the document is looked for everywhere that anything is kept or told,
//! in the table as DynamoDB holds it.

use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::types::AttributeValue;
use hookledger_core::desk::submit::{Receipt, SubmitError, Submitter};
use hookledger_core::model::provider_call::ApiError;
use hookledger_tests::dynamo::{TABLE, in_process, runtime};
use hookledger_tests::memory::{Side, answer};
use hookledger_tests::on_dynamo::OnDynamo;
use hookledger_tests::town::Town;
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

const SSN: &str = "000-86-7530";
const ACCOUNT: &str = "4929000867530";
const DOCUMENT: &str = r#"{"authorizers":[{"authorizer_unique_id":"a1","first_name":"Canary","ssn":"000-86-7530","account_number":"4929000867530","routing_number":"000000000"}]}"#;

/// Keeps every line that is logged, fields and all, at every level.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<String>>);

impl Visit for Log {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.0.lock().unwrap().push_str(&format!("{field}={value:?} "));
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("hookledger")
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, values: &Record<'_>) {
        values.record(&mut self.clone());
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, event: &Event<'_>) {
        event.record(&mut self.clone());
    }

    fn enter(&self, _: &Id) {}

    fn exit(&self, _: &Id) {}
}

fn text(value: &AttributeValue) -> String {
    match value {
        AttributeValue::S(text) | AttributeValue::N(text) => text.clone(),
        AttributeValue::B(bytes) => String::from_utf8_lossy(bytes.as_ref()).into_owned(),
        other => format!("{other:?}"),
    }
}

fn clean(what: &str, seen: &str) {
    for canary in [SSN, ACCOUNT, "Canary"] {
        assert!(!seen.contains(canary), "{canary} is in {what}");
    }
}

#[test]
fn nothing_of_a_submission_is_kept_or_told() {
    let log = Log::default();
    // With one subscriber alone, `tracing` asks the thread that first reaches a line whether anybody listens, and
    // remembers a no for all threads. The other tests' threads have none. With a second one it asks them all.
    let _second = tracing::Dispatch::new(Log::default());
    let told = tracing::subscriber::with_default(log.clone(), || runtime().block_on(submit_in_every_way()));
    let logged = log.0.lock().unwrap().clone();
    assert!(logged.contains("submitted") && logged.contains("not submitted"), "the log was not captured: {logged}");
    clean("a log line", &logged);
    clean("an error, a receipt, a count, a message or a request's Debug", &told);
}

/// Happy, refused with the canary in the refusal, down, unreachable, lost; with the table failing after the sending.
/// Returns everything that was told.
async fn submit_in_every_way() -> String {
    let client = in_process().await;
    let mut told = String::new();
    for way in 0..5 {
        let town = Town::new();
        let inbox = OnDynamo::over(&client, town);
        let town = &inbox.town;
        town.inbox.api.answer_with(move |_| match way {
            0 => answer(200, r#"{"batch_id":"b1"}"#),
            1 => answer(400, DOCUMENT),
            2 => answer(503, DOCUMENT),
            3 => Err(ApiError::Unreachable),
            _ => answer(200, r#"{"batch_id":"b2"}"#),
        });
        if way == 4 {
            town.inbox.api.faults.next(Side::After, 1);
        }
        let (api, secrets) = (&town.inbox.api, &town.inbox.secrets);
        let submitter = Submitter { inbox: &inbox, api, secrets, webhook_base_url: "https://us.example" };
        let submitted: Result<Receipt, SubmitError> =
            submitter.submit(town.provider("rightfoot"), DOCUMENT.as_bytes()).await;
        assert_eq!(submitted.is_ok(), way == 0);
        if let Err(error) = &submitted {
            told.push_str(&error.to_string());
        }
        told.push_str(&format!("{submitted:?} {:?} {:?}", town.inbox.meter.counts(), town.inbox.api.requests()));
        for message in town.inbox.queue.messages() {
            told.push_str(&format!("{message:?}"));
        }
        assert_eq!(town.inbox.api.requests().len(), 1, "the document was sent, or there is nothing to look for");
    }
    let items = client.scan().table_name(TABLE).send().await.unwrap().items.unwrap_or_default();
    assert_eq!(items.len(), 2, "the submission and the batch");
    for (name, value) in items.iter().flatten() {
        clean(&format!("attribute {name}"), &format!("{name} {}", text(value)));
    }
    let digest = items
        .iter()
        .find_map(|item| item["pk"].as_s().unwrap().strip_prefix("rightfoot#submission#").map(String::from));
    let digest = digest.unwrap();
    let guessed = hookledger_core::model::identity::digest_hex(DOCUMENT.as_bytes());
    assert!(!guessed.starts_with(&digest), "whoever reads the table could try documents against it");
    told
}
