//! Canaries planted on purpose, one in each place that is searched.

use std::path::PathBuf;

use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::job::Job;
use hookledger_tests::canary::state::gather;
use hookledger_tests::canary::{Canary, random_hex};
use hookledger_tests::local::{Local, Outcome, until};
use hookledger_tests::story::Scene;
use serde_json::{Value, json};

const AMZ_JSON: &str = "application/x-amz-json-1.0";
const LOGS_JSON: &str = "application/x-amz-json-1.1";

/// What stands where: the canary's name, and how its place begins.
const PLACES: [(&str, &str); 9] = [
    ("function's own log", "log "),
    ("embedded metric", "metric in "),
    ("metric", "metrics, ListMetrics"),
    ("attribute, as hex", "table, note of canary#plant"),
    ("attribute, packed", "table, packed of canary#plant"),
    ("name in a map", "table, map of canary#plant"),
    ("message, as base64", "queue "),
    ("answer", "answer "),
    ("file", "file "),
];

/// Plants them, finds each where it is, and takes them away again.
pub(super) async fn is_found(scene: &Scene) -> Outcome<()> {
    let local = &scene.local;
    let plants = PLACES.map(|(kind, _)| Canary::new(kind, random_hex()));
    let [log, embedded, metric, hexed, packed, name, message, answer, file] = plants.each_ref().map(|c| &*c.value);
    own_log(local, log).await?;
    embedded_metric(local, embedded).await?;
    let data = json!({ "Namespace": "Planted", "MetricData": [{ "MetricName": metric, "Value": 1 }] });
    ask(local, "monitoring", "GraniteServiceVersion20100801.PutMetricData", AMZ_JSON, data).await?;
    row(local, hexed, packed, name).await?;
    let body = json!({ "QueueUrl": local.stack.dead_letter_queue_url, "MessageBody": base64(&format!("x{message}x")) });
    ask(local, "sqs", "AmazonSQS.SendMessage", AMZ_JSON, body).await?;
    let answered = local.expect("PUT", "rightfoot", answer).await?.expect(201)?.text();
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/local/logs/planted.log");
    std::fs::write(&path, format!("one line\n{file}\n")).map_err(|error| error.to_string())?;

    let found = until("what is planted to be found", async || {
        let mut evidence = gather(local).await?;
        evidence.add("answer of the expectations API", answered.clone());
        let finds = evidence.search(&plants);
        let seen =
            |kind: &str, place: &str| finds.iter().any(|find| find.kind == kind && find.place.starts_with(place));
        let missing: Vec<&str> = PLACES.iter().filter(|(kind, at)| !seen(kind, at)).map(|(kind, _)| *kind).collect();
        Ok(if missing.is_empty() { Ok(()) } else { Err(format!("not found: {}", missing.join("; "))) })
    })
    .await;

    std::fs::remove_file(path).map_err(|error| error.to_string())?;
    local.expect("DELETE", "rightfoot", answer).await?.expect(200)?;
    local.dead_letters().await?;
    let row = json!({ "TableName": local.stack.table, "Key": key() });
    ask(local, "dynamodb", "DynamoDB_20120810.DeleteItem", AMZ_JSON, row).await?;
    found
}

/// A job for an entry that is not there: the worker says so, and names its subject.
async fn own_log(local: &Local, marker: &str) -> Outcome<()> {
    let key = ItemKey { pk: format!("rightfoot#batch#{marker}"), sk: "event#planted".into() };
    local.send_message("rightfoot", &Job::entry(key).to_json()).await
}

/// A line as a function counts, with the marker as a dimension.
async fn embedded_metric(local: &Local, marker: &str) -> Outcome<()> {
    let group = local.log_group_of("worker").await?;
    let stream = json!({ "logGroupName": group, "logStreamName": marker.chars().rev().collect::<String>() });
    ask(local, "logs", "Logs_20140328.CreateLogStream", LOGS_JSON, stream.clone()).await?;
    let now = hookledger_core::ports::Clock::now(&hookledger_aws::ports::clock::SystemClock::new()).0;
    let line = json!({ "_aws": { "Timestamp": now }, "Provider": marker }).to_string();
    let mut events = stream;
    events["logEvents"] = json!([{ "timestamp": now, "message": line }]);
    ask(local, "logs", "Logs_20140328.PutLogEvents", LOGS_JSON, events).await.map(drop)
}

fn key() -> Value {
    json!({ "pk": { "S": "canary#plant" }, "sk": { "S": "row" } })
}

async fn row(local: &Local, hexed: &str, packed: &str, name: &str) -> Outcome<()> {
    let mut item = key();
    item["note"] = json!({ "S": hex::encode(hexed) });
    item["packed"] = json!({ "B": base64_of(&deflated(packed)) });
    item["map"] = json!({ "M": { name: { "S": "" } } });
    let put = json!({ "TableName": local.stack.table, "Item": item });
    ask(local, "dynamodb", "DynamoDB_20120810.PutItem", AMZ_JSON, put).await.map(drop)
}

/// As the ledger packs long bodies: raw deflate.
fn deflated(marker: &str) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(format!("{}{marker}", "long ".repeat(300)).as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn base64(text: &str) -> String {
    base64_of(text.as_bytes())
}

fn base64_of(bytes: &[u8]) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

async fn ask(local: &Local, service: &str, action: &str, version: &str, question: Value) -> Outcome<Value> {
    let headers = [("content-type", version), ("x-amz-target", action)];
    local.http.aws(service, "POST", "/", &headers, question.to_string().into_bytes()).await?.json()
}
