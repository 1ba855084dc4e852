//! How many instructions the core path takes beside its floor: counted under callgrind by gungraun, where another load
//! on the machine changes nothing.
//!
//! Callgrind's processor has no instructions for SHA-256, so both sides pay for it in ordinary ones; what a reader
//! learns from is the difference, which is what the core path does on top of its floor. Gungraun prints it: it compares
//! the two sides of a case at a size.

#![expect(missing_docs, reason = "gungraun's macros write modules without")]

use gungraun::prelude::*;
use gungraun::{Callgrind, OutputFormat};
use hookledger_measure::bodies::Case;
use hookledger_measure::side::{Arrival, Bench, Side};

const KB: usize = 1024;

macro_rules! sides {
    ($($case:ident $name:literal),+ $(,)?) => {
        sides! { @side floor, Side::Floor, $($case $name),+ }
        sides! { @side core_path, Side::CorePath, $($case $name),+ }
    };
    (@side $function:ident, $side:expr, $($case:ident $name:literal),+) => {
        #[library_benchmark(setup = ready)]
        $(#[benches::$case(args = [($side, $name, 2 * KB), ($side, $name, 64 * KB)])])+
        fn $function((bench, mut arrival): (Bench, Arrival)) -> (Bench, Arrival) {
            bench.run(&mut arrival);
            (bench, arrival)
        }
    };
}

fn ready(side: Side, case: &str, bytes: usize) -> (Bench, Arrival) {
    let bench = Bench::new(Case::named(case), bytes);
    let arrival = bench.arrival(side);
    (bench, arrival)
}

sides! {
    rightfoot_alerts "rightfoot alerts",
    fynapse_extract "fynapse extract",
    finbox_statement "finbox statement",
    finbox_session "finbox session",
    runpayments_transaction "runpayments transaction",
    runpayments_merchant "runpayments merchant",
}

library_benchmark_group!(name = beside_the_floor, compare_by_id = true, benchmarks = [core_path, floor]);

main!(
    config = LibraryBenchmarkConfig::default()
        .tool(Callgrind::with_args(["--cache-sim=no"]))
        .output_format(OutputFormat::default().truncate_description(None)),
    library_benchmark_groups = beside_the_floor
);
