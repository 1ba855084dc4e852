//! What a million events cost: the calls and units that the bench counted, the template's memory, a dated price list.
//!
//! The functions' duration on AWS is computed: the processor time measured here, at the share of a processor that the
//! function's memory brings, and an assumed time for each call. All else is counted.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::paths::{Path, Step};

/// The price list, as it is kept beside the sources.
const PRICES: &str = include_str!("../prices.json");
/// An event of the whole journey must not cost more, in dollars for a million.
const TARGET: f64 = 6.50;
/// The same without publishing.
const TARGET_UNPUBLISHED: f64 = 5.00;
/// How many messages one call of the event source takes from the queue, or deletes.
const QUEUE_BATCH: f64 = 10.0;

#[derive(Deserialize)]
struct PerMillion {
    per_million: f64,
}

#[derive(Deserialize)]
struct Each {
    each: f64,
}

#[derive(Deserialize)]
struct Prices {
    as_of: String,
    region: String,
    http_api_request: PerMillion,
    lambda_request: PerMillion,
    lambda_gb_second: Each,
    write_unit: PerMillion,
    read_unit: PerMillion,
    sqs_request: PerMillion,
    custom_event: PerMillion,
    log_gb: Each,
    table_gb_month: Each,
    latency_ms: BTreeMap<String, serde_json::Value>,
    vcpu_memory_mb: Each,
}

/// Where the money goes, in dollars for a million events.
#[derive(Clone, Debug, Default)]
struct Bill {
    gateway: f64,
    lambda: f64,
    writes: f64,
    reads: f64,
    queue: f64,
    bus: f64,
    logs: f64,
}

impl Bill {
    fn total(&self) -> f64 {
        self.gateway + self.lambda + self.writes + self.reads + self.queue + self.bus + self.logs
    }
}

/// Prints every path's bill. False: the reference event costs more than its target.
pub(crate) fn print(paths: &[Path], template: &str) -> Result<bool> {
    let prices: Prices = serde_json::from_str(PRICES).context("the price list can't be read")?;
    println!("Dollars for a million events, list prices of {} as of {}", prices.region, prices.as_of);
    println!(
        "{:<12} {:<20} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>8} {:>9}",
        "provider", "path", "gateway", "lambda", "writes", "reads", "queue", "bus", "logs", "total"
    );
    let mut reference = None;
    for path in paths {
        let bill = bill(path, &prices, template)?;
        println!(
            "{:<12} {:<20} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>8.3} {:>9.3}",
            path.provider,
            path.path,
            bill.gateway,
            bill.lambda,
            bill.writes,
            bill.reads,
            bill.queue,
            bill.bus,
            bill.logs,
            bill.total()
        );
        if path.provider == "runpayments" && path.path == "new" {
            reference = Some(bill);
        }
    }
    println!(
        "kept for 400 days, beside it: 1.5 KB an event, {:.2} $ for a million and a month",
        1.5 * prices.table_gb_month.each
    );
    let reference = reference.context("the reference event was not counted")?;
    let (total, unpublished) = (reference.total(), reference.total() - reference.bus);
    println!("without publishing: {unpublished:.2} (target {TARGET_UNPUBLISHED:.2})");
    println!(
        "reference event (Run Payments, new, worker batch of 10): {total:.2} $ for a million (target {TARGET:.2})"
    );
    Ok(total <= TARGET && unpublished <= TARGET_UNPUBLISHED)
}

fn bill(path: &Path, prices: &Prices, template: &str) -> Result<Bill> {
    let mut bill = Bill::default();
    for step in &path.steps {
        let calls = |name: &str| step.calls.get(name).copied().unwrap_or(0.0);
        if receives(&step.function) {
            bill.gateway += step.invocations * prices.http_api_request.per_million;
        }
        bill.lambda += step.invocations * prices.lambda_request.per_million;
        let gb = memory_mb(template, &step.function)? / 1024.0;
        bill.lambda += 1e6 * gb * seconds(step, prices, gb * 1024.0) * prices.lambda_gb_second.each;
        bill.writes += step.write_units.values().sum::<f64>() * prices.write_unit.per_million;
        bill.reads += step.read_units * prices.read_unit.per_million;
        bill.queue += calls("AmazonSQS.SendMessage") * prices.sqs_request.per_million;
        if step.function == "worker" {
            // The event source receives and deletes whole batches.
            bill.queue += 2.0 / QUEUE_BATCH * prices.sqs_request.per_million;
        }
        bill.bus += calls("AWSEvents.PutEvents") * prices.custom_event.per_million;
        bill.logs += step.log_bytes * 1e6 / 1e9 * prices.log_gb.each;
    }
    Ok(bill)
}

/// Whether a function sits behind the gateway.
fn receives(function: &str) -> bool {
    !matches!(function, "worker" | "reconciler")
}

/// What an event takes of a function's time. The worker deals with a batch at once, so its calls overlap; a batch's
/// events share the time of the slowest.
fn seconds(step: &Step, prices: &Prices, memory_mb: f64) -> f64 {
    let latency = |service: &str| prices.latency_ms.get(service).and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let calls: f64 = step.calls.iter().map(|(name, count)| count * latency(name.split('.').next().unwrap_or(""))).sum();
    let waiting = calls + step.provider_calls * latency("provider");
    let side_by_side = if step.function == "worker" { QUEUE_BATCH } else { 1.0 };
    let share = (memory_mb / prices.vcpu_memory_mb.each).min(1.0);
    (waiting / side_by_side + step.cpu_ms / share) / 1000.0
}

/// A function's memory, as the template gives it.
fn memory_mb(template: &str, function: &str) -> Result<f64> {
    let mut name: Vec<char> = function.chars().collect();
    if let Some(first) = name.first_mut() {
        first.make_ascii_uppercase();
    }
    let block = format!("\n  {}Function:\n", name.into_iter().collect::<String>());
    let rest = template.split_once(&block).map(|(_, rest)| rest);
    let memory = rest.and_then(|rest| rest.split_once("MemorySize:")).and_then(|(_, memory)| memory.lines().next());
    memory
        .and_then(|memory| memory.trim().parse().ok())
        .with_context(|| format!("the template gives {function} no memory"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_is_the_sum_of_its_lines() {
        let prices: Prices = serde_json::from_str(PRICES).unwrap();
        let template = "Resources:\n  RunpaymentsFunction:\n    Properties:\n      MemorySize: 1024\n";
        let step = Step {
            function: "runpayments".into(),
            invocations: 1.0,
            calls: BTreeMap::from([("DynamoDB.PutItem".into(), 1.0), ("AmazonSQS.SendMessage".into(), 1.0)]),
            write_units: BTreeMap::from([("table".into(), 1.0), ("due".into(), 1.0)]),
            read_units: 0.5,
            provider_calls: 0.0,
            log_bytes: 1000.0,
            cpu_ms: 0.0,
        };
        let path = Path { provider: "runpayments".into(), path: "new".into(), steps: vec![step] };
        let bill = bill(&path, &prices, template).unwrap();
        let near = |found: f64, expected: f64| assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        near(bill.gateway, 1.0);
        near(bill.writes, 1.25);
        near(bill.reads, 0.0625);
        near(bill.queue, 0.4);
        near(bill.logs, 0.5);
        // A request, and 13 ms of one gigabyte.
        near(bill.lambda, 0.2 + 13_000.0 * 0.0000133334);
        assert!(memory_mb(template, "worker").is_err());
    }
}
