//! What the core path costs, in one table: criterion's figures, and the bytes it allocates, which are counted here.
//!
//! `core_path <folder>` reads what `benches/time.rs` left in criterion's folder. No figure of time is a pass or a fail:
//! on a shared machine they decide nothing by themselves. What can be decided exactly, that no body is copied, is.

use std::alloc::System;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use hookledger_measure::RATIO;
use hookledger_measure::bodies::{CASES, Case, SIZES};
use hookledger_measure::side::{Bench, Side};
use serde_json::Value;
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// From this size on the target holds.
const TARGET_FROM_BYTES: usize = 2 * 1024;
/// The core path may take this many times what its floor takes.
const TARGET: f64 = 1.3;
/// From this size on a body that is copied is told from the short texts of every event.
const COPY_SEEN_FROM_BYTES: usize = 64 * 1024;

fn main() -> ExitCode {
    let mut given = std::env::args_os().skip(1);
    let (Some(folder), None) = (given.next(), given.next()) else {
        eprintln!("usage: core_path <folder>   (criterion's, after `cargo bench --bench time`)");
        return ExitCode::from(2);
    };
    match table(Path::new(&folder)) {
        Ok(copied) => ExitCode::from(u8::from(copied)),
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Prints the table, and says whether a body was copied.
fn table(folder: &Path) -> Result<bool> {
    println!(
        "processor time of one event in microseconds, each side by itself; their ratio, measured in turns, with its"
    );
    println!(
        "95 % interval: criterion's medians. The bytes that the core path allocates for it, its body not counted\n"
    );
    println!(
        "{:<24} {:>9} {:>10} {:>10} {:>7} {:>12} {:>7} {:>10} {:>8}",
        "case", "body", "floor", "core path", "ratio", "from to", "target", "allocated", "of body"
    );
    let mut copied = false;
    for case in CASES {
        for size in SIZES {
            let bench = Bench::new(case, size);
            let figure = |name| Figure::read(folder, case, name, size);
            let micros = |side: Side| figure(side.name()).map(|time| time.median / 1e3);
            let (floor, path) = (micros(Side::Floor)?, micros(Side::CorePath)?);
            let Figure { median: ratio, lower, upper } = figure(RATIO)?;
            let spread = format!("{lower:.2} {upper:.2}");
            let target = match size >= TARGET_FROM_BYTES {
                true if ratio <= TARGET => "met",
                true => "missed",
                false => "none",
            };
            let (body, allocated) = (bench.bytes(), allocated(&bench));
            let share = allocated as f64 / body as f64;
            copied |= size >= COPY_SEEN_FROM_BYTES && share >= 1.0 && !case.may_copy;
            println!(
                "{:<24} {body:>9} {floor:>10.2} {path:>10.2} {ratio:>7.2} {spread:>12} {target:>7} {allocated:>10} {share:>7.2}x",
                case.name
            );
        }
    }
    if copied {
        eprintln!("error: a body was copied on the core path");
    }
    Ok(copied)
}

/// One of criterion's figures for one event: the median, and its interval. Times are nanoseconds.
struct Figure {
    median: f64,
    lower: f64,
    upper: f64,
}

impl Figure {
    /// Reads what criterion wrote of its last run.
    fn read(folder: &Path, case: &Case, figure: &str, size: usize) -> Result<Self> {
        let path = folder.join(case.name).join(figure).join(size.to_string()).join("new/estimates.json");
        let text = std::fs::read(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let estimates: Value = serde_json::from_slice(&text).with_context(|| format!("{}", path.display()))?;
        let number = |pointer: &str| {
            let number = estimates.pointer(pointer).and_then(Value::as_f64);
            number.with_context(|| format!("{} has no {pointer}", path.display()))
        };
        Ok(Self {
            median: number("/median/point_estimate")?,
            lower: number("/median/confidence_interval/lower_bound")?,
            upper: number("/median/confidence_interval/upper_bound")?,
        })
    }
}

/// The bytes that the core path allocates for one event, its body not counted, which was there before.
fn allocated(bench: &Bench) -> usize {
    let mut arrival = bench.arrival(Side::CorePath);
    let region = Region::new(COUNTED);
    bench.run(&mut arrival);
    // What a list grows by is in it.
    region.change().bytes_allocated
}
