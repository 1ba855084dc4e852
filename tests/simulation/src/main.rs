//! Runs the simulation over many seeds, or shows one.
//!
//! `simulate --seeds N [--seed S] [--minutes M]`: N seeds from 1, or from S; no more are begun after M minutes. With
//! `--seed` alone, that seed runs once and its history is printed. The last line is the sum; the exit code is 1 if any
//! invariant was broken.

use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use hookledger_simulation::simulation::{Outcome, guarded, many};

/// Failing seeds whose history is printed in full. The others are named.
const HISTORIES: usize = 1;

fn main() -> ExitCode {
    match arguments() {
        Ok(Wanted { seeds: Some(seeds), seed, minutes }) => run(seeds, seed.unwrap_or(1), minutes),
        Ok(Wanted { seed: Some(seed), .. }) => show(seed),
        Ok(_) => usage("how many seeds?"),
        Err(error) => usage(&error),
    }
}

fn usage(error: &str) -> ExitCode {
    eprintln!("error: {error}\nusage: simulate --seeds N [--seed S] [--minutes M]");
    ExitCode::from(2)
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
    Ok(wanted)
}

fn run(seeds: u64, first: u64, minutes: Option<u64>) -> ExitCode {
    let started = Instant::now();
    let until = minutes.map(|minutes| started + Duration::from_secs(minutes * 60));
    let shown = AtomicUsize::new(0);
    let totals = many(first..first.saturating_add(seeds), until, |outcome| {
        if shown.fetch_add(1, Ordering::Relaxed) < HISTORIES {
            guarded(outcome.seed, true).history.iter().for_each(|line| println!("{line}"));
        }
        tell(outcome);
    });
    if totals.seeds < seeds {
        println!("the time is over: {} of {seeds} seeds were run", totals.seeds);
    }
    let per_second = totals.seeds as f64 / started.elapsed().as_secs_f64().max(0.001);
    println!("{} entries, {} of them waiting for a person", totals.entries, totals.parked);
    println!("{} deliveries rescued, {} messages cut off as loops", totals.rescued, totals.cut);
    let (answered, troubled) = totals.most_calls;
    println!("one post caused {answered} calls that were answered at most, and {troubled} that met trouble");
    println!("{totals}, {per_second:.0} seeds/s");
    ExitCode::from(u8::from(totals.violations > 0))
}

fn show(seed: u64) -> ExitCode {
    let outcome = guarded(seed, true);
    outcome.history.iter().for_each(|line| println!("{line}"));
    tell(&outcome);
    println!("{} port calls, {} kills", outcome.port_calls, outcome.kills);
    ExitCode::from(u8::from(!outcome.violations.is_empty()))
}

fn tell(outcome: &Outcome) {
    let seed = outcome.seed;
    for (invariant, what) in &outcome.violations {
        println!("seed {seed} breaks \"{invariant}\": {what}");
    }
    if !outcome.violations.is_empty() {
        println!("to see it again: cargo xtask simulate --seed {seed}");
    }
}
