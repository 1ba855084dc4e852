//! How long the core path takes beside its floor, for every case and size.
//!
//! Criterion takes the samples; the clock is the thread's processor time, so that what others take of the machine is not
//! in it. Each side is measured by itself, in time; and both together, in multiples of the floor: there they take turns
//! within each sample, because a shared machine's speed changes by the second.

use std::time::Duration;

use criterion::measurement::{Measurement, ValueFormatter, WallTime};
use criterion::{BatchSize, BenchmarkId, Criterion, Throughput};
use hookledger_measure::RATIO;
use hookledger_measure::bodies::{CASES, SIZES};
use hookledger_measure::side::{Bench, Side};

/// How long one figure is measured, and how long it is warmed up before that.
const MEASURED_FOR: Duration = Duration::from_millis(800);
const WARMED_UP_FOR: Duration = Duration::from_millis(300);
/// Resamplings for the intervals. Criterion's own 100,000 would take longer than the samples.
const RESAMPLES: usize = 10_000;
/// How many bytes of bodies lie ready at a time: so few that they are still in the cache.
const READY_BYTES: usize = 64 * 1024;

fn main() {
    let mut times = configured(ProcessorTime);
    sides(&mut times);
    times.final_summary();
    let mut ratios = configured(TimesTheFloor);
    in_turns(&mut ratios);
    ratios.final_summary();
}

fn configured<M: Measurement>(measurement: M) -> Criterion<M> {
    Criterion::default()
        .with_measurement(measurement)
        .measurement_time(MEASURED_FOR)
        .warm_up_time(WARMED_UP_FOR)
        .nresamples(RESAMPLES)
        .configure_from_args()
}

/// Each side by itself.
fn sides(criterion: &mut Criterion<ProcessorTime>) {
    for case in CASES {
        let mut group = criterion.benchmark_group(case.name);
        for size in SIZES {
            let bench = Bench::new(case, size);
            group.throughput(Throughput::Bytes(bench.bytes() as u64));
            for side in Side::BOTH {
                group.bench_function(BenchmarkId::new(side.name(), size), |bencher| {
                    let arrive = || bench.arrival(side);
                    bencher.iter_batched_ref(arrive, |it| bench.run(it), BatchSize::NumIterations(ready(&bench)));
                });
            }
        }
        group.finish();
    }
}

/// Both sides in turns, a few bodies each.
fn in_turns(criterion: &mut Criterion<TimesTheFloor>) {
    for case in CASES {
        let mut group = criterion.benchmark_group(case.name);
        for size in SIZES {
            let bench = Bench::new(case, size);
            group.bench_function(BenchmarkId::new(RATIO, size), |bencher| {
                bencher.iter_custom(|events| {
                    let (mut left, [mut floor, mut path]) = (events, [Duration::ZERO; 2]);
                    while left > 0 {
                        let turn = left.min(ready(&bench));
                        floor += timed(&bench, Side::Floor, turn);
                        path += timed(&bench, Side::CorePath, turn);
                        left -= turn;
                    }
                    path.div_duration_f64(floor) * events as f64
                });
            });
        }
        group.finish();
    }
}

/// The bodies of one turn.
fn ready(bench: &Bench) -> u64 {
    (READY_BYTES / bench.bytes()).max(1) as u64
}

fn timed(bench: &Bench, side: Side, events: u64) -> Duration {
    let mut arrivals: Vec<_> = (0..events).map(|_| bench.arrival(side)).collect();
    let start = ProcessorTime.start();
    arrivals.iter_mut().for_each(|arrival| bench.run(arrival));
    ProcessorTime.end(start)
}

/// The processor time of the thread that measures.
struct ProcessorTime;

impl Measurement for ProcessorTime {
    type Intermediate = Duration;
    type Value = Duration;

    fn start(&self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
        Duration::try_from(now).expect("a clock that began at nought")
    }
    fn end(&self, start: Duration) -> Duration {
        self.start().saturating_sub(start)
    }
    fn add(&self, one: &Duration, other: &Duration) -> Duration {
        *one + *other
    }
    fn zero(&self) -> Duration {
        Duration::ZERO
    }
    fn to_f64(&self, value: &Duration) -> f64 {
        WallTime.to_f64(value)
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        WallTime.formatter()
    }
}

/// Processor time, counted in what the floor takes for one event at that moment.
struct TimesTheFloor;

impl Measurement for TimesTheFloor {
    type Intermediate = ();
    type Value = f64;

    fn start(&self) {}
    /// What takes turns is timed where it does.
    fn end(&self, (): ()) -> f64 {
        unreachable!("one side alone has no ratio: use `iter_custom`")
    }
    fn add(&self, one: &f64, other: &f64) -> f64 {
        one + other
    }
    fn zero(&self) -> f64 {
        0.0
    }
    fn to_f64(&self, value: &f64) -> f64 {
        *value
    }
    fn formatter(&self) -> &dyn ValueFormatter {
        self
    }
}

impl ValueFormatter for TimesTheFloor {
    fn scale_values(&self, _: f64, _: &mut [f64]) -> &'static str {
        "floors"
    }
    fn scale_throughputs(&self, _: f64, _: &Throughput, _: &mut [f64]) -> &'static str {
        "floors"
    }
    fn scale_for_machines(&self, _: &mut [f64]) -> &'static str {
        "floors"
    }
}
