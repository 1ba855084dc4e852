//! Collects what the running stack holds: logs, metrics, the table, the queues, the functions' settings, files.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::evidence::Evidence;
use crate::local::{Local, Outcome};

/// The most log lines that one question answers. A group with as many may hold more.
const MAX_LOG_LINES: usize = 10_000;
/// The most pages of any list here.
const MAX_PAGES: usize = 1000;
/// Files of the stack that nobody here searches: the sandbox is the providers, and they know what they sent.
const PROVIDERS_OWN: &str = "sandbox.log";

/// Everything the stack has written, apart from the secrets' own documents.
pub async fn gather(local: &Local) -> Outcome<Evidence> {
    let mut evidence = Evidence::default();
    logs(local, &mut evidence).await?;
    metrics(local, &mut evidence).await?;
    table(local, &mut evidence).await?;
    queues(local, &mut evidence).await?;
    functions(local, &mut evidence).await?;
    files(&mut evidence)?;
    Ok(evidence)
}

async fn ask(local: &Local, service: &str, action: &str, version: &str, question: Value) -> Outcome<Value> {
    local.http.action(service, action, version, question).await
}

async fn logs(local: &Local, evidence: &mut Evidence) -> Outcome<()> {
    const JSON: &str = "application/x-amz-json-1.1";
    let groups = ask(local, "logs", "Logs_20140328.DescribeLogGroups", JSON, json!({})).await?;
    let groups = groups["logGroups"].as_array().ok_or("no list of log groups")?;
    for group in groups.iter().filter_map(|group| group["logGroupName"].as_str()) {
        let question = json!({ "logGroupName": group, "limit": MAX_LOG_LINES });
        let answer = ask(local, "logs", "Logs_20140328.FilterLogEvents", JSON, question).await?;
        let lines = answer["events"].as_array().ok_or("no list of log lines")?;
        if lines.len() >= MAX_LOG_LINES {
            return Err(format!("{group} holds more lines than are searched; start a fresh stack"));
        }
        for line in lines.iter().filter_map(|line| line["message"].as_str()) {
            // Counts are log lines in CloudWatch's embedded metric format.
            let place = if line.contains("\"_aws\"") { "metric in" } else { "log" };
            evidence.add(format!("{place} {group}"), line);
        }
    }
    Ok(())
}

async fn metrics(local: &Local, evidence: &mut Evidence) -> Outcome<()> {
    for action in ["ListMetrics", "DescribeAlarms"] {
        let target = format!("GraniteServiceVersion20100801.{action}");
        let answer = ask(local, "monitoring", &target, "application/x-amz-json-1.0", json!({})).await?;
        evidence.add(format!("metrics, {action}"), answer.to_string());
    }
    Ok(())
}

async fn table(local: &Local, evidence: &mut Evidence) -> Outcome<()> {
    let mut from = Value::Null;
    // A body in chunks is unpacked as a whole: its pieces alone tell nothing.
    let mut chunks: BTreeMap<String, BTreeMap<String, Vec<u8>>> = BTreeMap::new();
    for _ in 0..MAX_PAGES {
        let mut question = json!({ "TableName": local.stack.table });
        if !from.is_null() {
            question["ExclusiveStartKey"] = from;
        }
        let answer = ask(local, "dynamodb", "DynamoDB_20120810.Scan", "application/x-amz-json-1.0", question).await?;
        for item in answer["Items"].as_array().ok_or("no list of items")? {
            let (pk, sk) = (item["pk"]["S"].as_str().unwrap_or("?"), item["sk"]["S"].as_str().unwrap_or("?"));
            for (name, value) in item.as_object().into_iter().flatten() {
                let place = format!("table, {name} of {pk} {sk}");
                attribute(evidence, &place, value, is_body(pk, sk, name));
                evidence.add(format!("table, name of {name} of {pk} {sk}"), name.clone());
                if let (true, Some(bytes)) = (is_chunk(pk), binary(value)) {
                    chunks.entry(pk.to_string()).or_default().insert(sk.to_string(), bytes);
                }
            }
        }
        from = answer["LastEvaluatedKey"].clone();
        if from.is_null() {
            for (pk, parts) in chunks {
                let whole: Vec<u8> = parts.into_values().flatten().collect();
                evidence.add_bytes(&format!("table, all chunks of {pk}"), &whole, true);
            }
            return Ok(());
        }
    }
    Err("the table has more pages than are searched; start a fresh stack".into())
}

/// Where the bytes of a delivery belong: an entry's body, its chunks, the quarantine.
fn is_body(pk: &str, sk: &str, name: &str) -> bool {
    let entry = sk.starts_with("event#") || pk.contains("#refused#");
    (name == "body" && entry) || (name == "bytes" && is_chunk(pk))
}

/// Whether it is a piece of a body: `<provider>#body#<digest>`.
fn is_chunk(pk: &str) -> bool {
    pk.split('#').nth(1) == Some("body")
}

/// Walks a value down to its texts and bytes.
fn attribute(evidence: &mut Evidence, place: &str, value: &Value, is_body: bool) {
    if let Some(bytes) = binary(value) {
        evidence.add_bytes(place, &bytes, is_body);
        return;
    }
    for (kind, inner) in value.as_object().into_iter().flatten() {
        match (kind.as_str(), inner) {
            ("M", Value::Object(map)) => {
                for (name, value) in map {
                    evidence.add(format!("{place}, name of {name}"), name.clone());
                    attribute(evidence, place, value, false);
                }
            }
            ("L", Value::Array(list)) => list.iter().for_each(|value| attribute(evidence, place, value, false)),
            _ => evidence.add(place, inner.as_str().map_or_else(|| inner.to_string(), str::to_string)),
        }
    }
}

fn binary(value: &Value) -> Option<Vec<u8>> {
    STANDARD.decode(value["B"].as_str()?).ok()
}

async fn queues(local: &Local, evidence: &mut Evidence) -> Outcome<()> {
    let url = format!("{}/_ministack/sqs/messages", local.stack.endpoint);
    let answer = local.http.send("GET", &url, &[], Vec::new()).await?.json()?;
    let regions = answer["messages"].as_object().into_iter().flatten().filter_map(|(_, regions)| regions.as_object());
    for (queue, messages) in regions.flatten().filter_map(|(_, queues)| queues.as_object()).flatten() {
        let name = queue.rsplit('/').next().unwrap_or(queue);
        for message in messages.as_array().into_iter().flatten() {
            evidence.add(format!("queue {name}"), message.to_string());
        }
    }
    Ok(())
}

/// The functions' environments and descriptions, and the template they were deployed from.
async fn functions(local: &Local, evidence: &mut Evidence) -> Outcome<()> {
    let answer = local.http.aws("lambda", "GET", "/2015-03-31/functions", &[], Vec::new()).await?.json()?;
    for function in answer["Functions"].as_array().ok_or("no list of functions")? {
        evidence.add(format!("function {}", function["FunctionName"]), function.to_string());
    }
    Ok(())
}

/// What the stack's processes wrote on disk: their logs, and the emulator's state but for the functions' own binaries.
fn files(evidence: &mut Evidence) -> Outcome<()> {
    let stack = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/local");
    let mut open: Vec<PathBuf> = vec![stack.join("logs"), stack.join("state")];
    while let Some(folder) = open.pop() {
        let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        for entry in entries.flatten() {
            let path = entry.path();
            let name = entry.file_name().to_string_lossy().into_owned();
            if path.is_dir() {
                open.push(path);
            } else if name != PROVIDERS_OWN && name != "bootstrap" {
                // A file of the emulator may be gone again by now; then nobody reads it either.
                let Ok(bytes) = std::fs::read(&path) else { continue };
                evidence.add_bytes(&format!("file {}", path.display()), &bytes, false);
            }
        }
    }
    Ok(())
}
