//! Counts, as JSON on standard output.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};

use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Meter, Metric};
use serde_json::{Value, json};

use crate::ports::clock::now;

/// The namespace of every metric.
const NAMESPACE: &str = "Hookledger";

/// Counts as CloudWatch's embedded metric format: one line of JSON on standard output for each count.
///
/// A batch's settled entries share a line for each provider, with how long each took. Log lines are paid by the byte, and
/// this one every event would have.
#[derive(Debug)]
pub struct EmfMeter {
    stack: String,
    /// Whether anything is told at all.
    tells: bool,
    /// What was settled in the batch that is being worked on; `None` outside of a batch.
    settled: Mutex<Option<BTreeMap<ProviderId, Settled>>>,
}

/// What a batch settled of one provider.
#[derive(Debug, Default, PartialEq, Eq)]
struct Settled {
    entries: u64,
    /// How long each pushed one took.
    ms: Vec<u64>,
}

impl EmfMeter {
    /// Counts for the stack of this name.
    pub fn new(stack: impl Into<String>) -> Self {
        Self { stack: stack.into(), tells: true, settled: Mutex::new(None) }
    }

    /// Counts nothing: for the command line, whose standard output is a person's.
    pub fn silent() -> Self {
        Self { stack: String::new(), tells: false, settled: Mutex::new(None) }
    }

    /// From here on settled entries are added up. Only they: a process that dies loses the sum, and what is parked,
    /// refused or failed must not wait for that.
    pub fn begin_batch(&self) {
        *self.settled() = Some(BTreeMap::new());
    }

    /// Tells the sums since `begin_batch`.
    pub fn end_batch(&self) {
        let settled = self.settled().take().unwrap_or_default();
        for (provider, Settled { entries, ms }) in settled {
            let mut counts = vec![(Metric::EntriesSettled, json!(entries))];
            if !ms.is_empty() {
                // CloudWatch takes a hundred values in one line; a batch has ten messages.
                counts.push((Metric::SettleMs, json!(ms)));
            }
            self.tell(Some(provider), &counts);
        }
    }

    fn settled(&self) -> MutexGuard<'_, Option<BTreeMap<ProviderId, Settled>>> {
        // Poisoned would mean a panic in an addition. The sums are still sums.
        self.settled.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Alarms are on the stack as a whole; the second dimension set tells the providers apart.
    fn line(&self, provider: Option<ProviderId>, counts: &[(Metric, Value)], at: UnixMs) -> Value {
        let mut dimensions = vec![vec!["Stack"]];
        if provider.is_some() {
            dimensions.push(vec!["Stack", "Provider"]);
        }
        let zeroes = counts.iter().flat_map(|(metric, _)| beside(*metric)).map(|zero| (*zero, json!(0)));
        let counts: Vec<(Metric, Value)> = counts.iter().cloned().chain(zeroes).collect();
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
            fields.extend(counts.into_iter().map(|(metric, value)| (metric.name().to_string(), value)));
            if let Some(provider) = provider {
                fields.insert("Provider".to_string(), provider.0.into());
            }
        }
        line
    }

    fn tell(&self, provider: Option<ProviderId>, counts: &[(Metric, Value)]) {
        if !self.tells {
            return;
        }
        let line = self.line(provider, counts, now());
        // One call, so that lines don't mix. A closed standard output is nothing a count could help with.
        let _ = writeln!(std::io::stdout().lock(), "{line}");
    }
}

/// Metrics that are counted as 0 beside one: an alarm compares them, and where nothing was ever let in there would be none
/// to compare. CloudWatch's math fills the gaps of a metric, but a metric that does not exist has none.
fn beside(metric: Metric) -> &'static [Metric] {
    match metric {
        Metric::DeliveriesRefused => &[Metric::DeliveriesReceived, Metric::DeliveriesDuplicate],
        Metric::EventsFound => &[Metric::EventsLate, Metric::DeliveriesReceived, Metric::DeliveriesLost],
        _ => &[],
    }
}

fn unit(metric: Metric) -> &'static str {
    match metric {
        Metric::OldestDebtSecs => "Seconds",
        Metric::SettleMs => "Milliseconds",
        _ => "Count",
    }
}

impl Meter for EmfMeter {
    fn count(&self, metric: Metric, provider: Option<ProviderId>, value: u64) {
        if let (Metric::EntriesSettled | Metric::SettleMs, Some(provider)) = (metric, provider)
            && let Some(settled) = self.settled().as_mut()
        {
            let settled = settled.entry(provider).or_default();
            match metric {
                Metric::SettleMs => settled.ms.push(value),
                _ => settled.entries += value,
            }
            return;
        }
        self.tell(provider, &[(metric, json!(value))]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_has_the_published_shape() {
        let meter = EmfMeter::new("hookledger-local");
        let line =
            meter.line(Some(ProviderId("finbox")), &[(Metric::EntriesParked, json!(2))], UnixMs(1_700_000_000_000));
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
        let line =
            EmfMeter::new("s").line(Some(ProviderId("finbox")), &[(Metric::DeliveriesRefused, json!(1))], UnixMs(0));
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
        meter.count(Metric::SettleMs, Some(ProviderId("finbox")), 250);
        meter.count(Metric::EntriesParked, Some(ProviderId("finbox")), 1);
        let sums = [("finbox", 2, vec![250]), ("fynapse", 1, vec![])];
        let sums = sums.map(|(name, entries, ms)| (ProviderId(name), Settled { entries, ms }));
        assert_eq!(*meter.settled(), Some(BTreeMap::from(sums)));
        meter.end_batch();
        assert_eq!(*meter.settled(), None);
    }

    /// The alarms named `…LossRateAlarm` need all four.
    #[test]
    fn what_was_found_is_counted_beside_what_was_late_and_seen() {
        let line = EmfMeter::new("s").line(Some(ProviderId("finbox")), &[(Metric::EventsFound, json!(1))], UnixMs(0));
        let names = ["EventsFound", "EventsLate", "DeliveriesReceived", "DeliveriesLost"];
        assert_eq!(names.map(|name| line[name].as_u64()), [Some(1), Some(0), Some(0), Some(0)]);
    }

    #[test]
    fn each_latency_of_a_batch_is_a_value_of_its_own() {
        let counts = [(Metric::EntriesSettled, json!(2)), (Metric::SettleMs, json!([250, 900]))];
        let line = EmfMeter::new("s").line(Some(ProviderId("finbox")), &counts, UnixMs(0));
        let metrics = &line["_aws"]["CloudWatchMetrics"][0]["Metrics"];
        assert_eq!(metrics[1], json!({ "Name": "SettleMs", "Unit": "Milliseconds" }));
        assert_eq!((&line["EntriesSettled"], &line["SettleMs"]), (&json!(2), &json!([250, 900])));
    }

    #[test]
    fn a_count_for_all_names_no_provider() {
        let line = EmfMeter::new("s").line(None, &[(Metric::OldestDebtSecs, json!(90))], UnixMs(0));
        let metrics = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(metrics["Dimensions"], json!([["Stack"]]));
        assert_eq!(metrics["Metrics"], json!([{ "Name": "OldestDebtSecs", "Unit": "Seconds" }]));
        assert_eq!(line.get("Provider"), None);
        assert!(!line.to_string().contains('\n'));
    }
}
