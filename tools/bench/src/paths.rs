//! What every path of every provider asks of AWS, counted and not timed: the base of what it costs.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hookledger_kit::{self as kit, Kit};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::aws::Counts;
use crate::events;
use crate::measure::{BATCH, Bench, status, subject};
use crate::process::Process;

/// What one event asks for on one path, at one function.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Step {
    /// The function.
    pub(crate) function: String,
    /// Invocations for each event: a batch of ten shares one.
    pub(crate) invocations: f64,
    /// Calls to AWS by operation.
    pub(crate) calls: BTreeMap<String, f64>,
    /// Write request units, by the table and its indexes.
    pub(crate) write_units: BTreeMap<String, f64>,
    /// Read request units.
    pub(crate) read_units: f64,
    /// Calls to the provider's API.
    pub(crate) provider_calls: f64,
    /// Bytes of log lines, metrics included.
    pub(crate) log_bytes: f64,
    /// Processor time in milliseconds on this machine.
    pub(crate) cpu_ms: f64,
}

/// The paths of a run, or those that are recorded beside the bench.
#[derive(Deserialize)]
pub(crate) struct Counted {
    pub(crate) paths: Vec<Path>,
}

/// One path of one provider.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Path {
    pub(crate) provider: String,
    pub(crate) path: String,
    pub(crate) steps: Vec<Step>,
}

/// The path of an event that the list of what came in leaves out.
pub(crate) const UNLISTED: &str = "new, unlisted";

/// The path of an event whose webhook never came.
const RECOVERED: &str = "recovered by poll";

/// The path on which nothing happens: a run of the reconciler that finds nothing due.
pub(crate) const TICK: &str = "nothing due";

/// How many events a path is averaged over.
const EVENTS: usize = 3 * BATCH;

/// The functions, running side by side.
struct Town {
    receivers: BTreeMap<&'static str, Process>,
    worker: Process,
    expectations: Process,
    reconciler: Process,
}

/// Counts every path.
pub(crate) async fn count(bench: &mut Bench<'_>) -> Result<Vec<Path>> {
    let mut receivers = BTreeMap::new();
    for provider in kit::ALL {
        let process = bench.start(&subject(bench.places, provider.name)?, false).await?;
        receivers.insert(provider.name, process);
    }
    let worker = bench.start(&subject(bench.places, "worker")?, false).await?;
    let expectations = bench.start(&subject(bench.places, "expectations")?, false).await?;
    let reconciler = bench.start(&subject(bench.places, "reconciler")?, false).await?;
    let mut town = Town { receivers, worker, expectations, reconciler };
    bench.aws.count_units(true);
    let mut paths = Vec::new();
    for provider in kit::ALL {
        paths.extend(town.provider(bench, provider).await?);
    }
    paths.push(town.listed(bench).await?);
    paths.push(town.unlisted(bench).await?);
    // Last, because the first run of all walks the providers' lists.
    paths.push(town.idle(bench).await?);
    bench.aws.count_units(false);
    for process in town.receivers.into_values().chain([town.worker, town.expectations, town.reconciler]) {
        process.end().await?;
    }
    Ok(paths)
}

impl Town {
    async fn provider(&mut self, bench: &mut Bench<'_>, provider: &Kit) -> Result<Vec<Path>> {
        let bodies: Vec<String> = (0..EVENTS).map(|_| events::body(provider, bench.numbers.next())).collect();
        let deliveries: Vec<Bytes> =
            bodies.iter().map(|body| events::delivery(provider, body.as_bytes(), false)).collect();
        let forged: Vec<Bytes> = bodies.iter().map(|body| events::delivery(provider, body.as_bytes(), true)).collect();
        let (received, messages) = self.take_in(bench, provider, &deliveries).await?;
        let open = self.receive(bench, provider, &deliveries, 200).await?;
        bench.aws.take_messages();
        let worked = self.work(bench, &messages).await?;
        let settled = self.receive(bench, provider, &deliveries, 200).await?;
        ensure!(bench.aws.take_messages().is_empty(), "a settled duplicate of {} was enqueued", provider.name);
        let refused = self.receive(bench, provider, &forged, 403).await?;
        let path = |path: &str, steps| Path { provider: provider.name.into(), path: path.into(), steps };
        let mut paths = vec![
            path("new", vec![received, worked]),
            path("duplicate, open", vec![open]),
            path("duplicate, settled", vec![settled]),
            path("refused", vec![refused]),
        ];
        if !provider.references.is_empty() {
            paths.push(path(RECOVERED, self.polled(bench, provider).await?));
        }
        Ok(paths)
    }

    /// New events, and the messages they become.
    async fn take_in(
        &mut self,
        bench: &Bench<'_>,
        provider: &Kit,
        deliveries: &[Bytes],
    ) -> Result<(Step, Vec<String>)> {
        bench.aws.take_messages();
        let received = self.receive(bench, provider, deliveries, 200).await?;
        let messages = bench.aws.take_messages();
        ensure!(messages.len() == EVENTS, "{} messages for {EVENTS} events", messages.len());
        Ok((received, messages))
    }

    async fn receive(&mut self, bench: &Bench<'_>, provider: &Kit, events: &[Bytes], expected: u64) -> Result<Step> {
        let name = provider.name;
        let process = self.receivers.get_mut(name).context("no such receiver")?;
        run(bench, name, process, events, events.len(), |answer| status(answer) == Some(expected)).await
    }

    async fn work(&mut self, bench: &Bench<'_>, messages: &[String]) -> Result<Step> {
        let batches: Vec<Bytes> = messages.chunks(BATCH).map(events::batch).collect();
        let done = |answer: &[u8]| answer == br#"{"batchItemFailures":[]}"#;
        run(bench, "worker", &mut self.worker, &batches, messages.len(), done).await
    }

    /// Completions that were announced and whose webhooks never came.
    async fn polled(&mut self, bench: &mut Bench<'_>, provider: &Kit) -> Result<Vec<Step>> {
        let orders: Vec<Bytes> = (0..EVENTS)
            .map(|_| {
                let reference = provider.reference(&format!("bench-{}", bench.numbers.next()));
                json!({ "action": "put", "provider": provider.name, "reference": reference }).to_string().into()
            })
            .collect();
        bench.aws.take_messages();
        let created = |answer: &[u8]| status(answer) == Some(201);
        let announced = run(bench, "expectations", &mut self.expectations, &orders, EVENTS, created).await?;
        let polls = bench.aws.take_messages();
        let polled = self.work(bench, &polls).await?;
        let found = bench.aws.take_messages();
        ensure!(found.len() == EVENTS, "{} of {EVENTS} polls of {} found something", found.len(), provider.name);
        let worked = self.work(bench, &found).await?;
        Ok(vec![announced, polled, worked])
    }

    /// The reference event again, where `RecentEntries` is `unworked`.
    async fn unlisted(&mut self, bench: &mut Bench<'_>) -> Result<Path> {
        let provider = events::reference();
        let name = provider.name;
        let deliveries: Vec<Bytes> = (0..EVENTS).map(|_| bench.event_of(provider)).collect();
        let unlisting = subject(bench.places, name)?.told("RECENT_ENTRIES", "unworked");
        let usual = self.receivers.insert(name, bench.start(&unlisting, false).await?);
        let (received, messages) = self.take_in(bench, provider, &deliveries).await?;
        if let Some(unlisting) = usual.and_then(|usual| self.receivers.insert(name, usual)) {
            unlisting.end().await?;
        }
        let worked = self.work(bench, &messages).await?;
        Ok(Path { provider: name.into(), path: UNLISTED.into(), steps: vec![received, worked] })
    }

    /// A run that finds nothing due.
    async fn idle(&mut self, bench: &Bench<'_>) -> Result<Path> {
        let ticks = [events::tick()];
        let step = run(bench, "reconciler", &mut self.reconciler, &ticks, 1, |answer| told(answer, "due", 0)).await?;
        Ok(Path { provider: "any".into(), path: TICK.into(), steps: vec![step] })
    }

    /// Merchants that only the list tells of.
    async fn listed(&mut self, bench: &mut Bench<'_>) -> Result<Path> {
        bench.aws.take_messages();
        let fine = |answer: &[u8]| told(answer, "failed", 0);
        let walked =
            run(bench, "reconciler", &mut self.reconciler, &[events::tick()], crate::aws::MERCHANTS, fine).await?;
        let found = bench.aws.take_messages();
        ensure!(found.len() == crate::aws::MERCHANTS, "the walk found {} merchants", found.len());
        let worked = self.work(bench, &found).await?;
        Ok(Path { provider: "runpayments".into(), path: RECOVERED.into(), steps: vec![walked, worked] })
    }
}

/// Whether an answer tells this number under this name.
fn told(answer: &[u8], name: &str, number: u64) -> bool {
    let answer: serde_json::Value = serde_json::from_slice(answer).unwrap_or_default();
    answer.get(name).and_then(serde_json::Value::as_u64) == Some(number)
}

/// Hands a process these events, and divides what it asked for by the number of things it dealt with.
async fn run(
    bench: &Bench<'_>,
    function: &str,
    process: &mut Process,
    events: &[Bytes],
    items: usize,
    good: impl Fn(&[u8]) -> bool,
) -> Result<Step> {
    let logged = process.log_bytes()?;
    let cpu = process.cpu()?;
    bench.aws.take_counts();
    for event in events {
        let answer = process.runtime.invoke(event.clone()).await?;
        ensure!(good(&answer.body), "{function} answered {}", String::from_utf8_lossy(&answer.body));
    }
    let counts = bench.aws.take_counts();
    let each = |total: f64| total / items as f64;
    let Counts { calls, write_units, read_units, provider_calls, .. } = counts;
    Ok(Step {
        function: function.into(),
        invocations: each(events.len() as f64),
        calls: calls.into_iter().map(|(name, count)| (name, each(count as f64))).collect(),
        write_units: write_units.into_iter().map(|(name, units)| (name, each(units))).collect(),
        read_units: each(read_units),
        provider_calls: each(provider_calls as f64),
        log_bytes: each((process.log_bytes()? - logged) as f64),
        cpu_ms: each((process.cpu()? - cpu).as_secs_f64() * 1000.0),
    })
}
