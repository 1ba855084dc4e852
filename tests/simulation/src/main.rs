//! Runs the simulation over many seeds, or shows one.
//!
//! `simulate --seeds N [--seed S] [--minutes M]`: N seeds from 1, or from S; no more are begun after M minutes. With
//! `--seed` alone, that seed runs once and its history is printed. The exit code is 1 if any invariant was broken.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use hookledger_simulation::simulation::{Outcome, Totals, simulate};

/// Failing seeds whose history is printed in full. The others are named.
const HISTORIES: usize = 1;

fn main() -> ExitCode {
    match arguments() {
        Ok(Wanted { seeds, seed, minutes }) => run(seeds, seed, minutes),
        Err(error) => {
            eprintln!("error: {error}\nusage: simulate --seeds N [--seed S] [--minutes M]");
            ExitCode::from(2)
        }
    }
}

/// What the command line asks for.
#[derive(Default)]
struct Wanted {
    seeds: Option<u64>,
    seed: Option<u64>,
    minutes: Option<u64>,
}

fn arguments() -> Result<Wanted, String> {
    let mut wanted = Wanted::default();
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let number = given.next().and_then(|value| value.parse().ok());
        let number = Some(number.ok_or(format!("{name} needs a whole number"))?);
        match name.as_str() {
            "--seeds" => wanted.seeds = number,
            "--seed" => wanted.seed = number,
            "--minutes" => wanted.minutes = number,
            _ => return Err(format!("{name} is not an option")),
        }
    }
    if wanted.seeds.is_none() && wanted.seed.is_none() { Err("how many seeds?".into()) } else { Ok(wanted) }
}

fn run(seeds: Option<u64>, first: Option<u64>, minutes: Option<u64>) -> ExitCode {
    let started = Instant::now();
    let limit = minutes.map(|minutes| Duration::from_secs(minutes * 60));
    let first_seed = first.unwrap_or(1);
    let mut totals = Totals::default();
    let mut shown = 0;
    for seed in first_seed..first_seed.saturating_add(seeds.unwrap_or(1)) {
        if limit.is_some_and(|limit| started.elapsed() > limit) {
            println!("the time is over: {} of {} seeds were run", totals.seeds, seeds.unwrap_or(1));
            break;
        }
        let outcome = guarded(seed, seeds.is_none());
        totals.add(&outcome);
        if seeds.is_none() {
            outcome.history.iter().for_each(|line| println!("{line}"));
        }
        if !outcome.violations.is_empty() {
            if seeds.is_some() && shown < HISTORIES {
                shown += 1;
                guarded(seed, true).history.iter().for_each(|line| println!("{line}"));
            }
            for (invariant, what) in &outcome.violations {
                println!("seed {seed} breaks \"{invariant}\": {what}");
            }
            println!("to see it again: cargo xtask simulate --seed {seed}");
        }
    }
    let secs = started.elapsed().as_secs_f64().max(0.001);
    println!(
        "{:.0} seeds and {:.0} port calls per second; {} entries, {} of them waiting for a person",
        totals.seeds as f64 / secs,
        totals.port_calls as f64 / secs,
        totals.entries,
        totals.parked
    );
    println!("{totals}");
    ExitCode::from(u8::from(totals.violations > 0))
}

/// A flow that panics breaks an invariant too.
fn guarded(seed: u64, keep_history: bool) -> Outcome {
    catch_unwind(AssertUnwindSafe(|| simulate(seed, keep_history))).unwrap_or_else(|_| Outcome {
        seed,
        violations: vec![("no flow panics", format!("seed {seed} panicked, see above"))],
        ..Outcome::default()
    })
}
