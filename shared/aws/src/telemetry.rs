//! What is told to the outside: log lines and counts, both as JSON on standard output, and the clock.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Meter, Metric};
use serde_json::{Value, json};
use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// The namespace of every metric.
const NAMESPACE: &str = "Hookledger";

/// Sends log lines to standard output as JSON, from the level in `RUST_LOG` (default `info`). Called once, first thing.
///
/// **Rationale.** `Targets` knows levels and modules, which is all that is wanted. `EnvFilter` also looks into fields, and
/// brings a regular expression engine into every function for it.
pub fn init_logs() {
    let wanted = std::env::var("RUST_LOG").ok().and_then(|levels| levels.parse().ok());
    let wanted = wanted.unwrap_or_else(|| Targets::new().with_default(Level::INFO));
    // A second call would find a subscriber in place: it is the same one.
    let _ = subscriber(wanted, std::io::stdout).try_init();
}

pub(crate) fn subscriber<W>(wanted: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The span list would repeat the one span there is.
    let lines = fmt::layer().json().flatten_event(true).with_span_list(false).with_ansi(false).with_writer(writer);
    tracing_subscriber::registry().with(wanted).with(lines.with_filter(filter_fn(may_speak)))
}

/// **Rationale.** Below `info` the Lambda runtime logs whole events, and the AWS SDK whole requests: bodies, tokens and
/// secrets. No setting may turn that on, so other crates are heard from `info` upwards whatever `RUST_LOG` says. The
/// one span they open, the runtime's, carries ids of the invocation and nothing else.
fn may_speak(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || line.target().starts_with("hookledger")
}

/// Counts as CloudWatch's embedded metric format: one line of JSON on standard output for each count.
///
/// A batch's settled entries share a line for each provider. Log lines are paid by the byte, and this one every event
/// would have.
#[derive(Debug)]
pub struct EmfMeter {
    stack: String,
    /// What was settled in the batch that is being worked on; `None` outside of a batch.
    settled: Mutex<Option<BTreeMap<ProviderId, u64>>>,
}

impl EmfMeter {
    /// Counts for the stack of this name.
    pub fn new(stack: impl Into<String>) -> Self {
        Self { stack: stack.into(), settled: Mutex::new(None) }
    }

    /// From here on settled entries are added up. Only they: a process that dies loses the sum, and what is parked,
    /// refused or failed must not wait for that.
    pub fn begin_batch(&self) {
        *self.settled() = Some(BTreeMap::new());
    }

    /// Tells the sums since `begin_batch`.
    pub fn end_batch(&self) {
        let settled = self.settled().take().unwrap_or_default();
        for (provider, value) in settled {
            self.count(Metric::EntriesSettled, Some(provider), value);
        }
    }

    fn settled(&self) -> MutexGuard<'_, Option<BTreeMap<ProviderId, u64>>> {
        // Poisoned would mean a panic in an addition. The sums are still sums.
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Alarms are on the stack as a whole; the second dimension set tells the providers apart.
    fn line(&self, metric: Metric, provider: Option<ProviderId>, value: u64, at: UnixMs) -> Value {
        let mut dimensions = vec![vec!["Stack"]];
        if provider.is_some() {
            dimensions.push(vec!["Stack", "Provider"]);
        }
        let counts: Vec<(Metric, u64)> =
            std::iter::once((metric, value)).chain(beside(metric).iter().map(|zero| (*zero, 0))).collect();
        let metrics = counts.iter().map(|(metric, _)| json!({ "Name": metric.name(), "Unit": unit(*metric) }));
        let mut line = json!({
            "_aws": {
                "Timestamp": at.0,
                "CloudWatchMetrics": [{
                    "Namespace": NAMESPACE,
                    "Dimensions": dimensions,
                    "Metrics": metrics.collect::<Vec<_>>(),
                }],
            },
            "Stack": self.stack,
        });
        if let Some(fields) = line.as_object_mut() {
            fields.extend(counts.into_iter().map(|(metric, value)| (metric.name().to_string(), value.into())));
            if let Some(provider) = provider {
                fields.insert("Provider".to_string(), provider.0.into());
            }
        }
        line
    }
}

/// Metrics that are counted as 0 beside one: an alarm compares them, and where nothing was ever let in there would be none
/// to compare. CloudWatch's math fills the gaps of a metric, but a metric that does not exist has none.
fn beside(metric: Metric) -> &'static [Metric] {
    match metric {
        Metric::DeliveriesRefused => &[Metric::DeliveriesReceived, Metric::DeliveriesDuplicate],
        _ => &[],
    }
}

fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::OldestDebtSecs => "Seconds",
        _ => "Count",
    }
}

impl Meter for EmfMeter {
    fn count(&self, metric: Metric, provider: Option<ProviderId>, value: u64) {
        if let (Metric::EntriesSettled, Some(provider)) = (metric, provider)
            && let Some(settled) = self.settled().as_mut()
        {
            *settled.entry(provider).or_default() += value;
            return;
        }
        let line = self.line(metric, provider, value, now());
        // One call, so that lines don't mix. A closed standard output is nothing a count could help with.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

/// The present, by the machine's clock.
pub(crate) fn now() -> UnixMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMs(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

/// The machine's clock, and chance from a generator that is seeded once for each process.
///
/// The numbers spread retries and sweeps. They are no secrets, and nothing that must be unguessable is made of them.
#[derive(Debug)]
pub struct SystemClock {
    state: AtomicU64,
}

impl SystemClock {
    /// A clock whose generator starts from the operating system's randomness.
    pub fn new() -> Self {
        let mut seed = [0; 8];
        if getrandom::fill(&mut seed).is_err() {
            // Without it, functions that start in the same millisecond draw the same waits; nothing else is lost.
            seed = now().0.to_le_bytes();
        }
        Self { state: AtomicU64::new(u64::from_le_bytes(seed)) }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn now(&self) -> UnixMs {
        now()
    }

    /// SplitMix64 (Steele, Lea and Flood, 2014): a counter with an odd step, and a mixing of its bits.
    fn random(&self) -> u64 {
        const STEP: u64 = 0x9E37_79B9_7F4A_7C15;
        let mut mixed = self.state.fetch_add(STEP, Ordering::Relaxed).wrapping_add(STEP);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::Arc;

    use super::*;

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(pub(crate) Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_setting_makes_other_crates_tell_what_they_carry() {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = subscriber("trace,lambda_runtime=trace".parse().unwrap(), move || writer.clone());
        tracing::subscriber::with_default(subscriber, || {
            tracing::trace!(target: "lambda_runtime::layers::api_response", body = "hunter2", "raw event");
            tracing::debug!(target: "aws_smithy_runtime::client", request = "hunter2", "transmitting");
            tracing::info!(target: "aws_smithy_runtime::client", "heard");
            tracing::debug!(target: "hookledger_core::flows::work", "ours");
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        assert!(!text.contains("hunter2"), "{text}");
        let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let messages: Vec<&Value> = told.iter().map(|line| &line["message"]).collect();
        assert_eq!(messages, ["heard", "ours"]);
    }

    #[test]
    fn a_count_has_the_published_shape() {
        let meter = EmfMeter::new("hookledger-local");
        let line = meter.line(Metric::EntriesParked, Some(ProviderId("finbox")), 2, UnixMs(1_700_000_000_000));
        let expected = json!({
            "_aws": { "Timestamp": 1_700_000_000_000i64, "CloudWatchMetrics": [{
                "Namespace": "Hookledger",
                "Dimensions": [["Stack"], ["Stack", "Provider"]],
                "Metrics": [{ "Name": "EntriesParked", "Unit": "Count" }],
            }]},
            "Stack": "hookledger-local", "Provider": "finbox", "EntriesParked": 2,
        });
        assert_eq!(line, expected);
    }

    /// The alarms named `…ShutOutAlarm` need all three.
    #[test]
    fn a_refusal_is_counted_beside_what_was_let_in() {
        let line = EmfMeter::new("s").line(Metric::DeliveriesRefused, Some(ProviderId("finbox")), 1, UnixMs(0));
        let names = ["DeliveriesRefused", "DeliveriesReceived", "DeliveriesDuplicate"];
        let metrics = names.map(|name| json!({ "Name": name, "Unit": "Count" }));
        assert_eq!(line["_aws"]["CloudWatchMetrics"][0]["Metrics"], json!(metrics));
        assert_eq!(names.map(|name| line[name].as_u64()), [Some(1), Some(0), Some(0)]);
    }

    #[test]
    fn a_batch_adds_up_what_it_settled_and_nothing_else() {
        let meter = EmfMeter::new("s");
        meter.count(Metric::EntriesSettled, Some(ProviderId("finbox")), 1);
        assert_eq!(*meter.settled(), None);
        meter.begin_batch();
        for provider in ["finbox", "fynapse", "finbox"] {
            meter.count(Metric::EntriesSettled, Some(ProviderId(provider)), 1);
        }
        meter.count(Metric::EntriesParked, Some(ProviderId("finbox")), 1);
        let sums = BTreeMap::from([(ProviderId("finbox"), 2), (ProviderId("fynapse"), 1)]);
        assert_eq!(*meter.settled(), Some(sums));
        meter.end_batch();
        assert_eq!(*meter.settled(), None);
    }

    #[test]
    fn a_count_for_all_names_no_provider() {
        let line = EmfMeter::new("s").line(Metric::OldestDebtSecs, None, 90, UnixMs(0));
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Dimensions"], json!([["Stack"]]));
        assert_eq!(metrics["Metrics"], json!([{ "Name": "OldestDebtSecs", "Unit": "Seconds" }]));
        assert_eq!(line.get("Provider"), None);
        assert!(!line.to_string().contains('\n'));
    }

    #[test]
    fn chance_is_seeded_for_each_process_and_does_not_repeat() {
        let known = SystemClock { state: AtomicU64::new(0) };
        // The published first numbers of SplitMix64 from the seed 0.
        assert_eq!([known.random(), known.random()], [0xE220_A839_7B1D_CDAF, 0x6E78_9E6A_A1B9_65F4]);
        let (a, b) = (SystemClock::new(), SystemClock::new());
        assert_ne!([a.random(), a.random()], [b.random(), b.random()]);
    }
}
