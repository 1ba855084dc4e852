//! What Lambda hands to the functions: API Gateway's events, and batches of queue messages.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hookledger_aws::enter::batch::{BatchResponse, parse};
use hookledger_aws::enter::gateway::{EnvelopeError, Request, Response};
use hookledger_core::model::job::{Job, JobError};
use hookledger_core::model::secret::Secret;
use hookledger_core::ports::Clock;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::super::target::Seen;
use crate::memory::answer;
use crate::town::{SECRET, Town};

fn event(input: &[u8]) -> Option<Box<RawValue>> {
    RawValue::from_string(String::from_utf8(input.to_vec()).ok()?).ok()
}

fn samples_of(start: &str) -> Vec<Vec<u8>> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/lambda");
    let files = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder}: {error}"));
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.sort();
    let of = paths.iter().filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(start)));
    of.map(|path| std::fs::read(path).unwrap()).collect()
}

/// Any event is answered, the exact bytes come out of it, and nothing in it is let in without the token.
pub(super) fn gateway(input: &[u8]) -> Seen {
    let Some(event) = event(input) else { return "not JSON: the runtime's to refuse".into() };
    let request = match Request::parse(&event) {
        Ok(request) => request,
        Err(error) => {
            assert!(Response::unreadable_envelope().status() == 503, "a broken envelope is our side's fault");
            return format!("503: {}", if error == EnvelopeError::Base64 { "base64" } else { "shape" });
        }
    };
    assert!(Request::parse(&event).as_ref() == Ok(&request), "one event was read in two ways");
    assert!(request.headers.iter().all(|(name, _)| *name == name.to_ascii_lowercase()), "a header in upper case");
    let envelope: Value = serde_json::from_str(event.get()).unwrap_or_default();
    if let Some(text) = envelope["body"].as_str() {
        let encoded = envelope["isBase64Encoded"] == true;
        let back = if encoded { BASE64_STANDARD.encode(&request.body).into_bytes() } else { request.body.clone() };
        assert!(back == text.as_bytes(), "the body is not what the envelope holds");
    }
    for caught in request.path_parameters.values().filter(|caught| caught.len() > 12) {
        let told = format!("{request:?}");
        assert!(request.method.contains(caught) || !told.contains(caught), "a part of the path was printed");
    }
    let town = Town::new();
    let provider = town.provider("rightfoot").id();
    let posted = request.method == "POST";
    let delivery = match request.into_delivery(provider, true, town.inbox.clock.now()) {
        Ok(delivery) => delivery,
        Err(unrouted) => return format!("404: {}", unrouted.0.map_or("nobody's", |below| below.0)),
    };
    assert!(posted, "a request by another method is a delivery");
    let genuine = delivery.path_token.as_ref().map(Secret::reveal) == Some(SECRET);
    let answered = town.deliver_this(delivery);
    assert!((answered.status == 403) != genuine, "answered {} with a genuine token: {genuine}", answered.status);
    assert!([200, 400, 403].contains(&answered.status), "answered {}", answered.status);
    let kept = town.inbox.ledger.entries().len() + town.inbox.ledger.refusals().len();
    assert!(kept == 1, "kept {kept} times");
    format!("{}", Response::from(answered).status())
}

pub(super) fn gateway_samples() -> Vec<Vec<u8>> {
    let mut samples = samples_of("http-");
    let body = r#"{"event_uuid":"u","type":"BALANCE_BATCH_COMPLETED","batch_id":"b"}"#;
    let plain = (body.to_string(), false);
    for ((body, encoded), caught) in [
        (plain.clone(), json!({ "token": SECRET })),
        ((BASE64_STANDARD.encode(body), true), json!({ "token": SECRET })),
        (plain.clone(), json!({ "rest": format!("{SECRET}/") })),
        (plain, json!({ "elsewhere": format!("rightfoot/{SECRET}/") })),
    ] {
        let event = json!({
            "version": "2.0", "headers": { "content-type": "application/json" },
            "pathParameters": caught, "body": body, "isBase64Encoded": encoded,
            "requestContext": { "http": { "method": "POST", "sourceIp": "192.0.2.7" } },
        });
        samples.push(event.to_string().into_bytes());
    }
    samples
}

/// Any batch is read record by record, every job is one that we could have written, and the answer never holds an
/// empty id. What the jobs name is worked on or left alone.
pub(super) fn sqs(input: &[u8]) -> Seen {
    let Some(event) = event(input) else { return "not JSON: the runtime's to refuse".into() };
    let Ok(records) = parse(&event) else { return "no batch".into() };
    assert!(parse(&event).as_ref() == Ok(&records), "one batch was read in two ways");
    let whole: Value = serde_json::from_str(event.get()).unwrap_or_default();
    assert!(whole["Records"].as_array().map(Vec::len) == Some(records.len()), "records were lost");
    let nameless = records.iter().any(|record| record.message_id.is_none());
    match BatchResponse::of(&records, []) {
        Ok(answer) => {
            let answer = serde_json::to_value(answer).unwrap();
            let failures = answer["batchItemFailures"].as_array().unwrap();
            let named = failures.iter().all(|f| f["itemIdentifier"].as_str().is_some_and(|id| !id.trim().is_empty()));
            let mut ids: Vec<_> = records.iter().filter_map(|record| record.message_id.as_deref()).collect();
            ids.sort_unstable();
            ids.dedup();
            assert!(named && !nameless && failures.len() == ids.len(), "an answer that fails the whole batch");
        }
        Err(_) => assert!(nameless, "a batch of named records can't be answered"),
    }
    let town = Town::new();
    town.deliver("rightfoot", r#"{"event_uuid":"u","type":"BALANCE_BATCH_COMPLETED","batch_id":"batch-2001"}"#);
    town.inbox.api.answer_with(|_| answer(404, ""));
    let jobs = records.iter().take(8).map(|record| match Job::parse(&record.body) {
        Ok(job) => {
            let back = Job::parse(&job.to_json());
            assert!(back.as_ref() == Ok(&job), "a job came back as another");
            let kind = match &job {
                Job::Entry { .. } => "entry",
                Job::Poll { .. } => "poll",
                Job::Rescue { .. } => "rescue",
            };
            let worked = town.work_on(job).is_ok();
            // Only a rescue may have to come back: it is the one job whose loss would be an event's.
            assert!(worked || kind == "rescue", "a job could not be finished with, although the table is there");
            if worked { kind } else { "rescue that comes back" }
        }
        Err(JobError::NotAJob) => "no job",
        Err(JobError::Version(_)) => "another version",
    });
    let mut jobs: Vec<&str> = jobs.collect();
    jobs.dedup();
    let kept = town.inbox.ledger.entries().len() + town.inbox.ledger.refusals().len();
    format!(
        "{} records{}: {}, {kept} kept",
        records.len().min(3),
        if nameless { ", a nameless one" } else { "" },
        jobs.join(" ")
    )
}

pub(super) fn sqs_samples() -> Vec<Vec<u8>> {
    let mut samples = samples_of("sqs-");
    let town = Town::new();
    let delivery = town.delivery("finbox", r#"{"entity_id":"e1","statement_id":"s1","progress":"completed"}"#);
    let rescued = hookledger_core::model::job::RescuedDelivery::pack(&delivery, &[]);
    let rescue = Job::Rescue { v: hookledger_core::model::job::JOB_VERSION, delivery: rescued };
    town.deliver("rightfoot", r#"{"event_uuid":"u","type":"BALANCE_BATCH_COMPLETED","batch_id":"batch-2001"}"#);
    let entry = town.only_entry();
    let due_at = entry.due_at.unwrap();
    let jobs =
        [rescue, Job::entry(entry.key.clone()), Job::retry(entry.key.clone(), due_at), Job::poll(entry.key, due_at)];
    let records =
        jobs.iter().enumerate().map(|(n, job)| json!({ "messageId": format!("m{n}"), "body": job.to_json() }));
    samples.push(json!({ "Records": records.collect::<Vec<_>>() }).to_string().into_bytes());
    samples
}
