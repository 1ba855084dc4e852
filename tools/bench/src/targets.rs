//! The targets, held against what was measured in the same run.

use crate::paths::Path;
use crate::report::{Row, Target};

/// The receivers.
const RECEIVERS: [&str; 4] = ["rightfoot", "fynapse", "finbox", "runpayments"];
/// What a team would otherwise write.
const PEERS: [&str; 3] = ["python", "python-powertools", "node"];

/// Judges every target.
pub(crate) fn judge(results: &[Row], paths: &[Path]) -> Vec<Target> {
    let of = |name: &str, tls: bool| results.iter().find(|result| result.subject == name && result.tls == tls);
    let mut targets = Vec::new();
    let mut at_most = |what: String, measured: f64, limit: f64, unit: &str| {
        let show = |figure: f64| format!("{figure:.2}{unit}");
        targets.push(Target {
            what,
            target: format!("≤ {}", show(limit)),
            measured: show(measured),
            met: measured <= limit,
        });
    };
    let ratio = |a: Option<f64>, b: Option<f64>| a.zip(b).map_or(f64::NAN, |(a, b)| a / b);
    for name in RECEIVERS {
        let init = |name| of(name, false).map(|result: &Row| result.init_ms.median);
        at_most(format!("{name}: init against the bare floor"), ratio(init(name), init("floor-bare")), 2.0, "×");
        for peer in PEERS {
            at_most(format!("{name}: init against {peer}"), ratio(init(name), init(peer)), 1.0 / 40.0, "×");
        }
        let secure = of(name, true);
        let first = ratio(secure.map(|r| r.first_ms.median), secure.map(|r| r.warm_p50_ms.median));
        at_most(format!("{name}: first request against a warm one, over TLS"), first, 1.3, "×");
        let cpu = |name| of(name, false).map(|result: &Row| result.cpu_ms.median);
        at_most(
            format!("{name}: processor time against the two-calls floor"),
            ratio(cpu(name), cpu("floor-sdk")),
            1.15,
            "×",
        );
        for peer in PEERS {
            at_most(format!("{name}: processor time against {peer}"), ratio(cpu(name), cpu(peer)), 0.1, "×");
        }
        let (rss, zip) =
            (secure.map_or(f64::NAN, |r| r.peak_rss_mb.median), secure.map_or(f64::NAN, |r| r.zip_bytes as f64 / 1e6));
        at_most(format!("{name}: peak memory over TLS"), rss, 8.0, " MB");
        at_most(format!("{name}: zip"), zip, 2.5, " MB");
    }
    at_most("worker: zip".into(), of("worker", true).map_or(f64::NAN, |r| r.zip_bytes as f64 / 1e6), 3.0, " MB");
    for path in paths {
        let calls: f64 = path.steps.first().map_or(f64::NAN, |step| step.calls.values().sum());
        match path.path.as_str() {
            "new" => at_most(format!("{}: AWS calls for a new event", path.provider), calls, 2.0, ""),
            "duplicate, settled" => {
                at_most(format!("{}: AWS calls for a settled duplicate", path.provider), calls, 1.0, "")
            }
            // One sampled quarantine write at the most.
            "refused" => at_most(format!("{}: AWS calls for a refused delivery", path.provider), calls, 1.0, ""),
            _ => {}
        }
    }
    targets
}
