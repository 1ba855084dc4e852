//! What a million events cost: the calls and units that the bench counted, the template's memory, a dated price list.
//!
//! The functions' duration on AWS is computed: the processor time measured here, at the share of a processor that the
//! function's memory brings, and an assumed time for each call. All else is counted, or stands in the template.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use serde::Deserialize;

use crate::paths::{Path, Step, TICK, UNLISTED};

/// The price list, as it is kept beside the sources.
const PRICES: &str = include_str!("../prices.json");
/// An event of the whole journey must not cost more, in dollars for a million.
const TARGET: f64 = 6.50;
/// The least setup must not cost more: nothing is published, and what is worked is not listed.
const TARGET_LEAST: f64 = 5.00;
/// How many messages one call of the event source takes from the queue, or deletes.
const QUEUE_BATCH: f64 = 10.0;
/// What the gateway writes for a request, by the template's format with values of usual length.
const ACCESS_LINE_BYTES: f64 = 260.0;
/// What Lambda itself writes for an invocation: its lines START, END and REPORT.
const PLATFORM_LINES_BYTES: f64 = 265.0;
/// Minutes of a month, each of which runs the reconciler.
const MONTH_MINUTES: f64 = 43_800.0;
/// Metrics that each run of the reconciler counts: DebtsDue, OldestDebtSecs, CircuitsOpen, ReconcilerRuns, EntriesWaiting.
const RUN_METRICS: u32 = 5;
/// What Lambda asks an empty queue in a month: five pollers, twenty seconds each.
const EMPTY_RECEIVES: f64 = 5.0 * 3.0 * MONTH_MINUTES;
/// How long a settled event is kept unless told otherwise, in months.
const RETENTION_MONTHS: f64 = 400.0 / 30.4;

#[derive(Deserialize)]
struct PerMillion {
    per_million: f64,
}

#[derive(Deserialize)]
struct Each {
    each: f64,
}

#[derive(Deserialize)]
pub(crate) struct Prices {
    pub(crate) as_of: String,
    pub(crate) region: String,
    http_api_request: PerMillion,
    lambda_request: PerMillion,
    lambda_gb_second: Each,
    write_unit: PerMillion,
    read_unit: PerMillion,
    sqs_request: PerMillion,
    custom_event: PerMillion,
    schedule: PerMillion,
    log_gb: Each,
    table_gb_month: Each,
    key_month: Each,
    secret_month: Each,
    alarm_month: Each,
    metric_month: Each,
    latency_ms: BTreeMap<String, serde_json::Value>,
    vcpu_memory_mb: Each,
    hosted_gateways: Vec<Gateway>,
}

/// What others publish for receiving webhooks.
#[derive(Deserialize)]
struct Gateway {
    name: String,
    price: String,
    source: String,
}

/// Where the money goes, in dollars for a million events.
#[derive(Clone, Debug, Default)]
pub(crate) struct Bill {
    gateway: f64,
    lambda: f64,
    writes: f64,
    reads: f64,
    queue: f64,
    bus: f64,
    logs: f64,
}

impl Bill {
    pub(crate) fn total(&self) -> f64 {
        self.gateway + self.lambda + self.writes + self.reads + self.queue + self.bus + self.logs
    }
}

/// The price list.
pub(crate) fn prices() -> Result<Prices> {
    serde_json::from_str(PRICES).context("the price list can't be read")
}

/// What so many gigabytes of the table cost in a month.
pub(crate) fn storage(gb: f64, prices: &Prices) -> f64 {
    gb * prices.table_gb_month.each
}

/// What so many metrics cost in a month, each with one set of dimensions.
pub(crate) fn metrics(count: u32, prices: &Prices) -> f64 {
    f64::from(count) * prices.metric_month.each
}

/// What a stack costs in a month in which nothing arrives.
pub(crate) fn standing_of(paths: &[Path], prices: &Prices, template: &str) -> Result<f64> {
    let tick = paths.iter().find(|path| path.path == TICK).context("a run with nothing to do was not counted")?;
    Ok(standing(&bill(tick, prices, template)?, prices, template))
}

/// Prints every path's bill. False: the reference event costs more than its target.
pub(crate) fn print(paths: &[Path], template: &str) -> Result<bool> {
    let prices = prices()?;
    println!("Dollars for a million events, list prices of {} as of {}\n", prices.region, prices.as_of);
    println!(
        "{:<12} {:<20} {:>8} {:>7} {:>7} {:>7} {:>7} {:>7} {:>7} {:>8}   write units as billed",
        "provider", "path", "gateway", "lambda", "writes", "reads", "queue", "bus", "logs", "total"
    );
    let mut reference = None;
    let mut unlisted = None;
    let mut idle = Bill::default();
    for path in paths {
        let bill = bill(path, &prices, template)?;
        if path.path == TICK {
            idle = bill;
            continue;
        }
        let Bill { gateway, lambda, writes, reads, queue, bus, logs } = bill;
        println!(
            "{:<12} {:<20} {gateway:>8.3} {lambda:>7.3} {writes:>7.3} {reads:>7.3} {queue:>7.3} {bus:>7.3} {logs:>7.3} \
             {:>8.3}   {}",
            path.provider,
            path.path,
            bill.total(),
            units(path)
        );
        match (path.provider.as_str(), path.path.as_str()) {
            ("runpayments", "new") => reference = Some(bill),
            ("runpayments", UNLISTED) => unlisted = Some(bill),
            _ => {}
        }
    }
    let month = standing(&idle, &prices, template);
    let storage = 1.5 * prices.table_gb_month.each * RETENTION_MONTHS;
    println!("\nBeside it: keeping a million events of 1.5 KB, indexes included, for 400 days: {storage:.2}");
    println!("Beside it: a month in which nothing arrives: {month:.2}");
    for Gateway { name, price, source } in &prices.hosted_gateways {
        println!("To compare: {name}: {price} ({source})");
    }
    let reference = reference.context("the reference event was not counted")?;
    let unlisted = unlisted.context("the unlisted event was not counted: run the bench again")?;
    let (total, least) = (reference.total(), unlisted.total() - unlisted.bus);
    println!("\nwithout publishing: {:.2} $ for a million", total - reference.bus);
    println!("without publishing, RecentEntries=unworked: {least:.2} $ for a million (target {TARGET_LEAST:.2})");
    println!(
        "reference event (Run Payments, new, worker batch of 10): {total:.2} $ for a million (target {TARGET:.2})"
    );
    Ok(total <= TARGET && least <= TARGET_LEAST)
}

/// The units of each write request, step by step: `runpayments: due 1, recent 1, table 1`.
fn units(path: &Path) -> String {
    let step = |step: &Step| {
        let units: Vec<String> = step.write_units.iter().map(|(name, units)| format!("{name} {units:.2}")).collect();
        format!("{}: {}", step.function, if units.is_empty() { "none".into() } else { units.join(", ") })
    };
    path.steps.iter().map(step).collect::<Vec<_>>().join("; ")
}

/// A path, in dollars for a million events.
pub(crate) fn bill(path: &Path, prices: &Prices, template: &str) -> Result<Bill> {
    let mut bill = Bill::default();
    for step in &path.steps {
        let calls = |name: &str| step.calls.get(name).copied().unwrap_or(0.0);
        let mut log_bytes = step.log_bytes + step.invocations * PLATFORM_LINES_BYTES;
        if receives(&step.function) {
            bill.gateway += step.invocations * prices.http_api_request.per_million;
            log_bytes += step.invocations * ACCESS_LINE_BYTES;
        }
        let memory_mb = memory_mb(template, &step.function)?;
        let gb_seconds = memory_mb / 1024.0 * billed_ms(step, prices, memory_mb) / 1000.0;
        bill.lambda += step.invocations * prices.lambda_request.per_million;
        bill.lambda += 1e6 * step.invocations * gb_seconds * prices.lambda_gb_second.each;
        bill.writes += step.write_units.values().sum::<f64>() * prices.write_unit.per_million;
        bill.reads += step.read_units * prices.read_unit.per_million;
        bill.queue +=
            (calls("AmazonSQS.SendMessage") + calls("AmazonSQS.GetQueueAttributes")) * prices.sqs_request.per_million;
        if step.function == "worker" {
            // The event source receives and deletes whole batches.
            bill.queue += 2.0 / QUEUE_BATCH * prices.sqs_request.per_million;
        }
        bill.bus += calls("AWSEvents.PutEvents") * prices.custom_event.per_million;
        bill.logs += log_bytes * 1e6 / 1e9 * prices.log_gb.each;
    }
    Ok(bill)
}

/// What a stack costs in a month in which nothing arrives.
fn standing(tick: &Bill, prices: &Prices, template: &str) -> f64 {
    let count = |kind: &str| template.matches(&format!("Type: {kind}\n")).count() as f64;
    tick.total() * MONTH_MINUTES / 1e6
        + MONTH_MINUTES / 1e6 * prices.schedule.per_million
        + count("AWS::Lambda::EventSourceMapping") * EMPTY_RECEIVES / 1e6 * prices.sqs_request.per_million
        + count("AWS::KMS::Key") * prices.key_month.each
        + count("AWS::SecretsManager::Secret") * prices.secret_month.each
        + alarm_metrics(template) as f64 * prices.alarm_month.each
        + metrics(RUN_METRICS, prices)
}

/// The metrics that alarms look at, each of which is billed: one for an alarm, or those that its expression names.
fn alarm_metrics(template: &str) -> usize {
    let count = |line: &str| template.matches(line).count();
    count("Type: AWS::CloudWatch::Alarm\n") - count("\n      Metrics:\n") + count("          MetricStat:\n")
}

/// Whether a function sits behind the gateway.
fn receives(function: &str) -> bool {
    !matches!(function, "worker" | "reconciler")
}

/// What an invocation is billed for, in whole milliseconds. The worker deals with a batch at once, so the calls of its
/// events overlap, and what they share is the processor.
fn billed_ms(step: &Step, prices: &Prices, memory_mb: f64) -> f64 {
    let latency = |service: &str| prices.latency_ms.get(service).and_then(serde_json::Value::as_f64).unwrap_or(0.0);
    let calls: f64 = step.calls.iter().map(|(name, count)| count * latency(name.split('.').next().unwrap_or(""))).sum();
    let waiting = calls + step.provider_calls * latency("provider");
    let items = 1.0 / step.invocations;
    let one_after_another = if step.function == "worker" { 1.0 } else { items };
    let share = (memory_mb / prices.vcpu_memory_mb.each).min(1.0);
    (waiting * one_after_another + step.cpu_ms * items / share).ceil()
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

    const TEMPLATE: &str = "Resources:\n  RunpaymentsFunction:\n    Properties:\n      MemorySize: 1024\n  \
                            WorkerFunction:\n    Properties:\n      MemorySize: 1769\n";

    fn step(function: &str, invocations: f64, calls: &[(&str, f64)]) -> Step {
        Step {
            function: function.into(),
            invocations,
            calls: calls.iter().map(|(name, count)| (name.to_string(), *count)).collect(),
            write_units: BTreeMap::new(),
            read_units: 0.0,
            provider_calls: 0.0,
            log_bytes: 0.0,
            cpu_ms: 0.0,
        }
    }

    fn near(found: f64, expected: f64) {
        assert!((found - expected).abs() < 1e-6, "{found} {expected}");
    }

    fn prices() -> Prices {
        super::prices().unwrap()
    }

    #[test]
    fn an_alarm_is_billed_for_each_metric_it_looks_at() {
        let one = "  A:\n    Type: AWS::CloudWatch::Alarm\n    Properties:\n      MetricName: X\n";
        let stat = "        - Id: a\n          MetricStat:\n            Period: 60\n";
        let three =
            format!("  B:\n    Type: AWS::CloudWatch::Alarm\n    Properties:\n      Metrics:\n{}", stat.repeat(3));
        assert_eq!([one, &three, &format!("{one}{three}")].map(alarm_metrics), [1, 3, 4]);
    }

    #[test]
    fn a_bill_is_the_sum_of_its_lines() {
        let mut step = step("runpayments", 1.0, &[("DynamoDB.PutItem", 1.0), ("AmazonSQS.SendMessage", 1.0)]);
        step.write_units = BTreeMap::from([("table".into(), 1.0), ("due".into(), 1.0)]);
        step.read_units = 0.5;
        step.log_bytes = 1000.0 - PLATFORM_LINES_BYTES - ACCESS_LINE_BYTES;
        let path = Path { provider: "runpayments".into(), path: "new".into(), steps: vec![step] };
        let bill = bill(&path, &prices(), TEMPLATE).unwrap();
        near(bill.gateway, 1.0);
        near(bill.writes, 1.25);
        near(bill.reads, 0.0625);
        near(bill.queue, 0.4);
        near(bill.logs, 0.5);
        // A request, and 13 ms of one gigabyte.
        near(bill.lambda, 0.2 + 13_000.0 * 0.0000133334);
        near(bill.total(), 1.0 + 1.25 + 0.0625 + 0.4 + 0.5 + 0.2 + 13_000.0 * 0.0000133334);
        assert!(memory_mb(TEMPLATE, "reconciler").is_err());
    }

    #[test]
    fn a_batch_shares_its_invocation_and_its_waiting() {
        let mut step = step("worker", 0.1, &[("DynamoDB.UpdateItem", 1.0)]);
        step.cpu_ms = 0.31;
        // Ten events wait together for 5 ms and take 3.1 ms of a whole processor; a begun millisecond is a whole one.
        near(billed_ms(&step, &prices(), 1769.0), 9.0);
        let path = Path { provider: "runpayments".into(), path: "new".into(), steps: vec![step] };
        let bill = bill(&path, &prices(), TEMPLATE).unwrap();
        near(bill.queue, 0.08);
        near(bill.gateway, 0.0);
        near(bill.logs, PLATFORM_LINES_BYTES / 10.0 / 1000.0 * 0.5);
        near(bill.lambda, 0.02 + 1e5 * 1769.0 / 1024.0 * 0.009 * 0.0000133334);
    }

    #[test]
    fn a_quiet_month_is_the_schedule_and_what_is_billed_by_the_month() {
        let template = "  A:\n    Type: AWS::KMS::Key\n  B:\n    Type: AWS::SecretsManager::Secret\n  C:\n    Type: \
                        AWS::Lambda::EventSourceMapping\n";
        let tick = Bill { lambda: 10.0, ..Bill::default() };
        near(standing(&tick, &prices(), template), 0.438 + 0.0438 + 0.2628 + 1.0 + 0.40 + 1.50);
    }
}
