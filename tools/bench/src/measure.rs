//! One subject, measured once: started, handed its first event, then many more.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use hookledger_kit::Kit;
use serde_json::Value;

use crate::aws::{Aws, Counts};
use crate::events;
use crate::process::Process;
use crate::subjects::{Places, Subject, Work};
use crate::tls::Tls;

/// What the worker is handed at a time.
pub(crate) const BATCH: usize = 10;

/// What one run of one subject showed.
#[derive(Clone, Debug)]
pub(crate) struct Sample {
    pub(crate) init: Duration,
    /// Processor time until then.
    pub(crate) init_cpu: Duration,
    pub(crate) first: Duration,
    /// Each warm invocation's time.
    pub(crate) warm: Vec<Duration>,
    /// Processor time for each warm invocation.
    pub(crate) cpu: Duration,
    pub(crate) peak_rss: u64,
    pub(crate) init_counts: Counts,
    pub(crate) first_counts: Counts,
    /// Of all warm invocations.
    pub(crate) warm_counts: Counts,
}

/// Makes events that nobody has seen before.
#[derive(Default)]
pub(crate) struct Numbers(u64);

impl Numbers {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 += 1;
        self.0
    }
}

/// Everything a measurement needs.
pub(crate) struct Bench<'a> {
    pub(crate) places: &'a Places,
    pub(crate) aws: &'a Aws,
    pub(crate) tls: &'a Tls,
    pub(crate) numbers: Numbers,
    /// A receiver that makes the worker's messages.
    feeder: Process,
}

impl<'a> Bench<'a> {
    pub(crate) async fn new(places: &'a Places, aws: &'a Aws, tls: &'a Tls) -> Result<Self> {
        let feeder = subject(places, events::reference().name)?;
        let feeder = Process::start(&places.start(&feeder, aws, tls, false)).await?;
        Ok(Self { places, aws, tls, numbers: Numbers::default(), feeder })
    }

    /// Starts a subject, plain or over TLS.
    pub(crate) async fn start(&self, subject: &Subject, secure: bool) -> Result<Process> {
        Process::start(&self.places.start(subject, self.aws, self.tls, secure)).await
    }

    /// Runs a subject once.
    pub(crate) async fn sample(&mut self, subject: &Subject, secure: bool, warm: usize) -> Result<Sample> {
        let mut events = Vec::with_capacity(warm + 1);
        for _ in 0..=warm {
            events.push(self.event(subject.work).await?);
        }
        self.aws.take_counts();
        let mut process = self.start(subject, secure).await?;
        let init_cpu = process.cpu()?;
        let init_counts = self.aws.take_counts();
        let mut events = events.into_iter();
        let first = process.runtime.invoke(events.next().context("no event")?).await?;
        accepted(subject, &first.body)?;
        let first_counts = self.aws.take_counts();
        let before = process.cpu()?;
        let mut times = Vec::with_capacity(warm);
        for event in events {
            let answer = process.runtime.invoke(event).await?;
            accepted(subject, &answer.body)?;
            times.push(answer.took);
        }
        let cpu = process.cpu()?.saturating_sub(before) / u32::try_from(warm.max(1))?;
        let sample = Sample {
            init: process.init,
            init_cpu,
            first: first.took,
            warm: times,
            cpu,
            peak_rss: process.peak_rss()?,
            init_counts,
            first_counts,
            warm_counts: self.aws.take_counts(),
        };
        process.end().await?;
        self.aws.take_messages();
        Ok(sample)
    }

    /// A new event of this kind.
    pub(crate) async fn event(&mut self, work: Work) -> Result<Bytes> {
        Ok(match work {
            Work::Deliveries(provider) => self.event_of(provider),
            Work::Batches => {
                let messages = self.messages(BATCH).await?;
                events::batch(&messages)
            }
            Work::Ticks => events::tick(),
            Work::Orders => {
                let reference = format!("order-{}", self.numbers.next());
                serde_json::json!({ "action": "put", "provider": "rightfoot", "reference": reference })
                    .to_string()
                    .into()
            }
        })
    }

    /// Admits new events of Run Payments and returns their messages.
    async fn messages(&mut self, count: usize) -> Result<Vec<String>> {
        self.aws.take_messages();
        for _ in 0..count {
            let event = self.event_of(events::reference());
            self.feeder.runtime.invoke(event).await?;
        }
        let messages = self.aws.take_messages();
        ensure!(messages.len() == count, "{} messages for {count} events", messages.len());
        Ok(messages)
    }

    /// A new event of a provider.
    pub(crate) fn event_of(&mut self, provider: &Kit) -> Bytes {
        events::delivery(provider, events::body(provider, self.numbers.next()).as_bytes(), false)
    }
}

/// The subject of this name.
pub(crate) fn subject(places: &Places, name: &str) -> Result<Subject> {
    places.subjects().into_iter().find(|subject| subject.name == name).with_context(|| format!("no subject {name}"))
}

/// Nothing is timed that did not do its work.
fn accepted(subject: &Subject, answer: &[u8]) -> Result<()> {
    let value: Value = serde_json::from_slice(answer).unwrap_or_default();
    let failed = value.get("batchItemFailures").and_then(Value::as_array).map(Vec::len);
    let good = match subject.work {
        Work::Deliveries(_) => status(answer) == Some(200),
        Work::Orders => status(answer) == Some(201),
        Work::Batches => failed == Some(0),
        Work::Ticks => value.get("failed").and_then(Value::as_u64) == Some(0),
    };
    ensure!(good, "{} answered {}", subject.name, String::from_utf8_lossy(answer));
    Ok(())
}

/// The HTTP status in an answer.
pub(crate) fn status(answer: &[u8]) -> Option<u64> {
    serde_json::from_slice::<Value>(answer).ok()?.get("statusCode")?.as_u64()
}
