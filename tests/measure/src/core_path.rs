//! What the core path costs: from the delivery's bytes to the put that is handed to the ledger, beside its floor.
//!
//! ```text
//! core path   receive::receive, as it ships: verify, parse, identity, the entry to put; ports that take and keep nothing
//! floor       one HMAC-SHA256 over the body (unsigned providers: one SHA-256 of the URL's token), and one reading of
//!             the body by serde_json into a borrowed value
//! ```
//!
//! Both read the same bytes, in turns. `core_path` prints a table; the same program under callgrind counts
//! instructions (`instructions`). Nothing here is a pass or a fail: figures of a shared machine decide nothing by
//! themselves. What can be decided exactly, that no body is copied, is.

#[path = "core_path/bodies.rs"]
mod bodies;
#[path = "core_path/instructions.rs"]
mod instructions;
#[path = "core_path/ports.rs"]
mod ports;
#[path = "core_path/side.rs"]
mod side;

use std::alloc::System;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

use bodies::{CASES, Case};
use side::{Bench, Side};

#[global_allocator]
static COUNTED: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// The sizes of the bodies, in bytes.
const SIZES: [usize; 4] = [300, 2 * 1024, 64 * 1024, 2 * 1024 * 1024];
/// From this size on the target holds.
const TARGET_FROM_BYTES: usize = 2 * 1024;
/// The core path may take this many times what its floor takes.
const TARGET: f64 = 1.3;
/// How long a case is measured at one size.
const MEASURED_FOR: Duration = Duration::from_millis(2500);
/// How many bytes of bodies lie ready for one sample: so few that a sample is over before the machine turns to others.
const SAMPLE_BYTES: usize = 64 * 1024;
/// The core path may allocate this much more for a body than for one a tenth of its size and still copy nothing: what
/// grows with a body are lists of places in it.
const BODY_COPIED: f64 = 1.0;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = given.iter().map(String::as_str).collect();
    match words.as_slice() {
        [] => table(),
        // How `instructions` calls this program under callgrind.
        ["--once", case, bytes, side, times] => once(case, bytes, side, times),
        _ => None,
    }
    .unwrap_or_else(|| {
        eprintln!("usage: core_path   (it takes no options)");
        ExitCode::from(2)
    })
}

/// Measures everything and prints it. The exit code is 1 if a body was copied.
fn table() -> Option<ExitCode> {
    println!(
        "processor time of one event, the fastest of many samples, in microseconds; bytes allocated for one event\n"
    );
    println!(
        "{:<24} {:>9} {:>10} {:>10} {:>7} {:>7} {:>10} {:>8}",
        "case", "body", "floor", "core path", "ratio", "target", "allocated", "of body"
    );
    let mut copied = false;
    for case in CASES {
        for bytes in SIZES {
            let bench = Bench::new(case, bytes);
            let (floor, path) = measured(&bench);
            let ratio = path / floor;
            let target = match bytes >= TARGET_FROM_BYTES {
                true if ratio <= TARGET => "met",
                true => "missed",
                false => "none",
            };
            let allocated = allocated(&bench);
            let share = allocated as f64 / bench.bytes() as f64;
            copied |= bytes >= 64 * 1024 && share >= BODY_COPIED && !case.may_copy;
            println!(
                "{:<24} {:>9} {floor:>10.2} {path:>10.2} {ratio:>7.2} {target:>7} {allocated:>10} {share:>7.2}x",
                case.name,
                bench.bytes()
            );
        }
    }
    println!();
    instructions::table(&SIZES[1..3]);
    if copied {
        eprintln!("error: a body was copied on the core path");
    }
    Some(ExitCode::from(u8::from(copied)))
}

/// The fastest sample of floor and core path, in microseconds for one event.
fn measured(bench: &Bench) -> (f64, f64) {
    let bodies = (SAMPLE_BYTES / bench.bytes()).max(1);
    let (mut floor, mut path) = (f64::MAX, f64::MAX);
    let started = Instant::now();
    while started.elapsed() < MEASURED_FOR {
        for (side, fastest) in [(Side::Floor, &mut floor), (Side::CorePath, &mut path)] {
            let mut arrivals = bench.arrivals(side, bodies);
            let from = used();
            arrivals.iter_mut().for_each(|arrival| bench.run(side, arrival));
            *fastest = fastest.min((used() - from) * 1e6 / bodies as f64);
        }
    }
    (floor, path)
}

/// The processor time that this thread has used, in seconds: what others take of the machine is not in it.
fn used() -> f64 {
    let at = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    at.tv_sec as f64 + at.tv_nsec as f64 / 1e9
}

/// The bytes that the core path allocates for one event, its body not counted, which was there before.
fn allocated(bench: &Bench) -> usize {
    let mut arrivals = bench.arrivals(Side::CorePath, 1);
    let region = Region::new(COUNTED);
    arrivals.iter_mut().for_each(|arrival| bench.run(Side::CorePath, arrival));
    let change = region.change();
    // A list that grows is counted by its growth as well.
    change.bytes_allocated + usize::try_from(change.bytes_reallocated.max(0)).unwrap_or(0)
}

fn once(case: &str, bytes: &str, side: &str, times: &str) -> Option<ExitCode> {
    let case: &Case = CASES.iter().find(|known| known.name == case)?;
    let (side, times) = (Side::from_name(side)?, times.parse().ok()?);
    let bench = Bench::new(case, bytes.parse().ok()?);
    bench.arrivals(side, times).iter_mut().for_each(|arrival| bench.run(side, arrival));
    Some(ExitCode::SUCCESS)
}
