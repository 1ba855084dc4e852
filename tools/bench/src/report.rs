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
        for tls in [false, true] {
            let results: Vec<&Row> = self.results.iter().filter(|result| result.tls == tls).collect();
            let Some(first) = results.first() else { continue };
            println!("\n{}: medians of {} runs (middle half)", if tls { "Over TLS" } else { "Plain" }, first.runs);
            println!(
                "{:<18} {:>22} {:>22} {:>20} {:>9} {:>9} {:>22} {:>7} {:>9} {:>9}",
                "subject",
                "init ms",
                "first ms",
                "warm p50 ms",
                "p99 ms",
                "events/s",
                "CPU ms per event",
                "RSS MB",
                "file MB",
                "zip MB"
            );
            for result in results {
                let mb = |bytes: u64| format!("{:.2}", bytes as f64 / 1e6);
                println!(
                    "{:<18} {:>22} {:>22} {:>20} {:>9.2} {:>9.0} {:>22} {:>7.1} {:>9} {:>9}",
                    result.subject,
                    result.init_ms.shown(1),
                    result.first_ms.shown(2),
                    result.warm_p50_ms.shown(2),
                    result.warm_p99_ms.median,
                    result.per_second.median,
                    result.cpu_ms.shown(3),
                    result.peak_rss_mb.median,
                    mb(result.binary_bytes),
                    mb(result.zip_bytes),
                );
            }
        }
        println!("\nAWS calls and connections: in init / for the first event / for a warm event");
        for result in self.results.iter().filter(|result| !result.tls) {
            let all = |calls: &BTreeMap<String, u64>| calls.values().sum::<u64>();
            println!(
                "{:<18} calls {} / {} / {:.2}   connections {} / {} / {}   {:.0} bytes sent for a warm event",
                result.subject,
                all(&result.calls_init),
                all(&result.calls_first),
                result.calls_warm.values().sum::<f64>(),
                result.connections_init,
                result.connections_first,
                result.connections_warm,
                result.bytes_warm,
            );
        }
        println!("\nPer event on each path: AWS calls, write units (table + indexes), read units, log bytes");
        for path in &self.paths {
            for step in &path.steps {
                let units: Vec<String> =
                    step.write_units.iter().map(|(name, units)| format!("{name} {units:.1}")).collect();
                println!(
                    "{:<12} {:<20} {:<13} calls {:>5.2}  writes {:>5.2} ({})  reads {:>4.2}  log {:>5.0}",
                    path.provider,
                    path.path,
                    step.function,
                    step.calls.values().sum::<f64>(),
                    step.write_units.values().sum::<f64>(),
                    units.join(", "),
                    step.read_units,
                    step.log_bytes,
                );
            }
        }
        println!("\nTargets");
        for Target { what, target, measured, met } in &self.targets {
            println!("{} {what}: {measured} (target {target})", if *met { "met   " } else { "MISSED" });
        }
    }
}
