//! The targets, held against what was measured in the same run.

use crate::paths::Path;
use crate::report::{Row, Target};

/// What a team would otherwise write.
const PEERS: [&str; 3] = ["python", "python-powertools", "node"];

/// Judges every target.
pub(crate) fn judge(results: &[Row], paths: &[Path]) -> Vec<Target> {
    let of = |name: &str, tls: bool| results.iter().find(|result| result.subject == name && result.tls == tls);
    // A receiver's figure over another subject's, in the same mode.
    let ratio = |figure: &dyn Fn(&Row) -> f64, name: &str, other: &str, tls: bool| {
        of(name, tls).zip(of(other, tls)).map(|(ours, theirs)| figure(ours) / figure(theirs))
    };
    let init = |row: &Row| row.init_ms.median;
    let init_cpu = |row: &Row| row.init_cpu_ms.median;
    let cpu = |row: &Row| row.cpu_ms.median;
    let mut targets = Vec::new();
    let mut each = |what: String, limit: f64, unit: &str, figure: &dyn Fn(&str) -> Option<f64>| {
        let figures: Vec<_> = hookledger_kit::names().map(|name| (name.to_string(), figure(name))).collect();
        targets.push(verdict(what, limit, unit, &figures));
    };
    for (tls, mode) in [(false, "plain"), (true, "over TLS")] {
        each(format!("init against the bare floor, {mode}"), 2.0, "×", &|name| ratio(&init, name, "floor-bare", tls));
        let what = format!("processor time of an init against the bare floor, {mode}");
        each(what, 2.0, "×", &|name| ratio(&init_cpu, name, "floor-bare", tls));
        for peer in PEERS {
            each(format!("init against {peer}, {mode}"), 1.0 / 40.0, "×", &|name| ratio(&init, name, peer, tls));
        }
    }
    each("first request against a warm one, over TLS".into(), 1.3, "×", &|name| {
        of(name, true).map(|row| row.first_ms.median / row.warm_p50_ms.median)
    });
    for (tls, mode) in [(false, "plain"), (true, "over TLS")] {
        let what = format!("processor time of an event against the floor of two calls, {mode}");
        each(what, 1.15, "×", &|name| ratio(&cpu, name, "floor-sdk", tls));
        for peer in PEERS {
            let what = format!("processor time of an event against {peer}, {mode}");
            each(what, 0.1, "×", &|name| ratio(&cpu, name, peer, tls));
        }
    }
    each("peak memory, over TLS".into(), 8.0, " MB", &|name| of(name, true).map(|row| row.peak_rss_mb.median));
    each("zip".into(), 2.5, " MB", &|name| of(name, true).map(|row| row.zip_bytes as f64 / 1e6));
    let worker = of("worker", true).map(|row| row.zip_bytes as f64 / 1e6);
    targets.push(verdict("zip".into(), 3.0, " MB", &[("worker".into(), worker)]));
    // One sampled write to the quarantine at the most.
    for (path, limit) in [("new", 2.0), ("duplicate, settled", 1.0), ("refused", 1.0)] {
        let paths = paths.iter().filter(|counted| counted.path == path);
        let calls = paths.map(|path| (path.provider.clone(), path.steps.first().map(|step| step.calls.values().sum())));
        let calls: Vec<(String, Option<f64>)> = calls.collect();
        targets.push(verdict(format!("AWS calls of a receiver, {path}"), limit, "", &calls));
    }
    targets
}

/// Met if every figure is there and within the limit.
fn verdict(what: String, limit: f64, unit: &str, figures: &[(String, Option<f64>)]) -> Target {
    // A ratio below a tenth needs more digits than a size.
    let digits = if limit < 0.1 { 4 } else { 2 };
    let measured: Vec<String> = figures
        .iter()
        .map(|(name, figure)| match figure {
            Some(figure) => format!("{name} {figure:.digits$}{unit}"),
            None => format!("{name} not measured"),
        })
        .collect();
    Target {
        what,
        target: format!("≤ {limit:.digits$}{unit}"),
        measured: measured.join(", "),
        met: figures.iter().all(|(_, figure)| figure.is_some_and(|figure| figure <= limit)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_figure_above_the_limit_misses_the_target_and_so_does_a_missing_one() {
        let rows = [
            (vec![Some(1.0), Some(2.0)], true, "a 1.00×, b 2.00×"),
            (vec![Some(1.0), Some(2.01)], false, "a 1.00×, b 2.01×"),
            (vec![Some(1.0), None], false, "a 1.00×, b not measured"),
            (vec![Some(f64::NAN), Some(1.0)], false, "a NaN×, b 1.00×"),
        ];
        for (figures, met, measured) in rows {
            let figures: Vec<(String, Option<f64>)> = ["a", "b"].map(String::from).into_iter().zip(figures).collect();
            let target = verdict("what".into(), 2.0, "×", &figures);
            assert_eq!((target.met, target.measured.as_str()), (met, measured));
        }
    }
}
