//! What was seen, as tables for a person and as JSON for the cost model.

use std::collections::BTreeMap;
use std::path::Path as FilePath;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

use crate::aws::Counts;
use crate::measure::Sample;
use crate::paths::Path;

/// A median and how far the middle half of the runs lies apart.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Spread {
    /// Of these figures.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        Self { median: at(&figures, 0.5), low: at(&figures, 0.25), high: at(&figures, 0.75) }
    }

    fn shown(self, digits: usize) -> String {
        format!("{:.digits$} ({:.digits$}–{:.digits$})", self.median, self.low, self.high)
    }
}

/// The figure at this share of the sorted figures.
fn at(sorted: &[f64], share: f64) -> f64 {
    let last = sorted.len().saturating_sub(1);
    sorted.get((last as f64 * share).round() as usize).copied().unwrap_or(f64::NAN)
}

/// All runs of one subject in one mode.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Row {
    pub(crate) subject: String,
    pub(crate) tls: bool,
    pub(crate) runs: usize,
    pub(crate) init_ms: Spread,
    pub(crate) init_cpu_ms: Spread,
    pub(crate) first_ms: Spread,
    pub(crate) warm_p50_ms: Spread,
    pub(crate) warm_p99_ms: Spread,
    pub(crate) per_second: Spread,
    pub(crate) cpu_ms: Spread,
    pub(crate) peak_rss_mb: Spread,
    pub(crate) binary_bytes: u64,
    pub(crate) zip_bytes: u64,
    pub(crate) calls_init: BTreeMap<String, u64>,
    pub(crate) calls_first: BTreeMap<String, u64>,
    pub(crate) calls_warm: BTreeMap<String, f64>,
    pub(crate) connections_init: u64,
    pub(crate) connections_first: u64,
    pub(crate) connections_warm: u64,
    pub(crate) bytes_warm: f64,
}

/// Sums the runs up. None for no run.
pub(crate) fn sum_up(subject: &str, tls: bool, samples: &[Sample], sizes: (u64, u64)) -> Option<Row> {
    let last = samples.last()?;
    let ms = |time: Duration| time.as_secs_f64() * 1000.0;
    let spread = |figure: &dyn Fn(&Sample) -> f64| Spread::of(samples.iter().map(figure).collect());
    let warm = |sample: &Sample, share: f64| {
        let mut times: Vec<f64> = sample.warm.iter().map(|time| ms(*time)).collect();
        times.sort_by(f64::total_cmp);
        at(&times, share)
    };
    let events = last.warm.len().max(1) as f64;
    let Counts { calls, connections, bytes, .. } = last.warm_counts.clone();
    Some(Row {
        subject: subject.into(),
        tls,
        runs: samples.len(),
        init_ms: spread(&|sample| ms(sample.init)),
        init_cpu_ms: spread(&|sample| ms(sample.init_cpu)),
        first_ms: spread(&|sample| ms(sample.first)),
        warm_p50_ms: spread(&|sample| warm(sample, 0.5)),
        warm_p99_ms: spread(&|sample| warm(sample, 0.99)),
        per_second: spread(&|sample| {
            sample.warm.len() as f64 / sample.warm.iter().sum::<Duration>().as_secs_f64().max(f64::EPSILON)
        }),
        cpu_ms: spread(&|sample| ms(sample.cpu)),
        peak_rss_mb: spread(&|sample| sample.peak_rss as f64 / 1e6),
        binary_bytes: sizes.0,
        zip_bytes: sizes.1,
        calls_init: last.init_counts.calls.clone(),
        calls_first: last.first_counts.calls.clone(),
        calls_warm: calls.into_iter().map(|(name, count)| (name, count as f64 / events)).collect(),
        connections_init: last.init_counts.connections,
        connections_first: last.first_counts.connections,
        connections_warm: connections,
        bytes_warm: bytes as f64 / events,
    })
}

/// Everything, as it is written down.
#[derive(Deserialize, Serialize)]
pub(crate) struct Report {
    pub(crate) quick: bool,
    pub(crate) machine: String,
    pub(crate) results: Vec<Row>,
    pub(crate) paths: Vec<Path>,
    pub(crate) targets: Vec<Target>,
}

/// A target, what was measured, and whether that meets it.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub(crate) struct Target {
    pub(crate) what: String,
    pub(crate) target: String,
    pub(crate) measured: String,
    pub(crate) met: bool,
}

impl Report {
    /// Writes the JSON.
    pub(crate) fn write(&self, file: &FilePath) -> Result<()> {
        std::fs::write(file, serde_json::to_vec_pretty(self)?)
            .with_context(|| format!("{} can't be written", file.display()))
    }

    /// Prints the tables.
    pub(crate) fn print(&self) {
        self.print_times();
        self.print_calls();
        self.print_paths();
        println!("\nTargets");
        for Target { what, target, measured, met } in &self.targets {
            println!("{} {what} ({target}): {measured}", if *met { "met   " } else { "MISSED" });
        }
    }

    fn print_times(&self) {
        for tls in [false, true] {
            let results: Vec<&Row> = self.results.iter().filter(|result| result.tls == tls).collect();
            let Some(first) = results.first() else { continue };
            let mode = if tls { "Over TLS" } else { "Plain" };
            println!("\n{mode}, {}: medians of {} runs (middle half)", self.machine, first.runs);
            println!(
                "{:<18} {:>24} {:>8} {:>21} {:>20} {:>7} {:>8} {:>20} {:>6} {:>7} {:>6}",
                "subject",
                "init ms",
                "its CPU",
                "first ms",
                "warm p50 ms",
                "p99",
                "events/s",
                "CPU ms per event",
                "RSS MB",
                "file MB",
                "zip MB"
            );
            for result in results {
                println!(
                    "{:<18} {:>24} {:>8.1} {:>21} {:>20} {:>7.2} {:>8.0} {:>20} {:>6.1} {:>7.2} {:>6.2}",
                    result.subject,
                    result.init_ms.shown(1),
                    result.init_cpu_ms.median,
                    result.first_ms.shown(2),
                    result.warm_p50_ms.shown(2),
                    result.warm_p99_ms.median,
                    result.per_second.median,
                    result.cpu_ms.shown(3),
                    result.peak_rss_mb.median,
                    result.binary_bytes as f64 / 1e6,
                    result.zip_bytes as f64 / 1e6,
                );
            }
        }
    }

    fn print_calls(&self) {
        println!("\nAWS calls and connections: in init / for the first event / for a warm event");
        for result in self.results.iter().filter(|result| result.tls) {
            let all = |calls: &BTreeMap<String, u64>| calls.values().sum::<u64>();
            println!(
                "{:<18} calls {} / {} / {:.2}   connections {} / {} / {}   {:.0} bytes sent for a warm event",
                result.subject,
                all(&result.calls_init),
                all(&result.calls_first),
                // Begun at a positive zero: a sum over nothing is a negative one.
                result.calls_warm.values().fold(0.0, |sum, calls| sum + calls),
                result.connections_init,
                result.connections_first,
                result.connections_warm,
                result.bytes_warm,
            );
        }
    }

    fn print_paths(&self) {
        println!("\nPer event on each path: AWS calls, write units (table + indexes), read units, log bytes");
        for path in &self.paths {
            for step in &path.steps {
                let units: Vec<String> =
                    step.write_units.iter().map(|(name, units)| format!("{name} {units:.2}")).collect();
                println!(
                    "{:<12} {:<20} {:<13} calls {:>5.2}  writes {:>5.2} ({})  reads {:>5.2}  log {:>5.0}",
                    path.provider,
                    path.path,
                    step.function,
                    step.calls.values().sum::<f64>(),
                    step.write_units.values().fold(0.0, |sum, units| sum + units),
                    units.join(", "),
                    step.read_units,
                    step.log_bytes,
                );
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_the_middle_half_and_its_median() {
        let spread = Spread::of(vec![9.0, 1.0, 5.0, 3.0, 7.0]);
        assert_eq!((spread.low, spread.median, spread.high), (3.0, 5.0, 7.0));
        assert_eq!(spread.shown(1), "5.0 (3.0–7.0)");
        let one = Spread::of(vec![2.0]);
        assert_eq!((one.low, one.median, one.high), (2.0, 2.0, 2.0));
        assert!(Spread::of(Vec::new()).median.is_nan());
    }

    #[test]
    fn a_share_of_sorted_figures() {
        let figures: Vec<f64> = (0..=100).map(f64::from).collect();
        assert_eq!(
            (at(&figures, 0.0), at(&figures, 0.5), at(&figures, 0.99), at(&figures, 1.0)),
            (0.0, 50.0, 99.0, 100.0)
        );
    }
}
