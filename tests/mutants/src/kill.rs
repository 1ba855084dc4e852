//! Turns one mutant on after another and runs seeds until an invariant breaks.

use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use crate::mutant::Mutant;
use crate::table::all;

/// A mutant that so many seeds don't find has survived.
const MAX_SEEDS: u64 = 10_000;

/// What came of one seed.
#[derive(Debug, Default)]
pub struct Found {
    /// What went wrong: the invariant's name, and what broke it.
    pub violations: Vec<(&'static str, String)>,
    /// What happened, if it was asked for.
    pub history: Vec<String>,
}

/// The world that the mutants live in.
#[derive(Clone, Copy)]
pub struct World {
    /// Turns a mutant on, or all of them off, for the thread it is called on.
    pub choose: fn(Option<usize>),
    /// Runs a seed, and keeps its history if asked to.
    pub run: fn(u64, bool) -> Found,
}

/// The end of one mutant.
struct Verdict {
    seeds: u64,
    /// The invariant that broke, and what broke it; `None`: it survived.
    broke: Option<(&'static str, String)>,
}

/// Runs the table, or shows one mutant. The exit code is 1 if any mutant survives, or if the unmutated code breaks
/// anything on the same seeds.
pub fn kill(world: World) -> ExitCode {
    // A mutant that panics is dead; its message would only be in the way.
    std::panic::set_hook(Box::new(|_| {}));
    match arguments() {
        Ok((None, _)) => table(world),
        Ok((Some(name), seed)) => one(world, &name, seed),
        Err(error) => {
            eprintln!("error: {error}\nusage: kill [--mutant NAME [--seed S]]");
            ExitCode::from(2)
        }
    }
}

fn arguments() -> Result<(Option<String>, Option<u64>), String> {
    let (mut mutant, mut seed) = (None, None);
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or(format!("{name} needs a value"))?;
        match name.as_str() {
            "--mutant" => mutant = Some(value),
            "--seed" => seed = Some(value.parse().map_err(|_| "--seed needs a whole number")?),
            _ => return Err(format!("{name} is not an option")),
        }
    }
    Ok((mutant, seed))
}

/// All of them, side by side on every processor.
fn table(world: World) -> ExitCode {
    let started = Instant::now();
    let mutants = all();
    let next = AtomicUsize::new(0);
    let verdicts = Mutex::new(Vec::new());
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some((number, mutant)) = take(&mutants, &next) {
                    (world.choose)(Some(number));
                    let verdict = hunt(world);
                    println!("{}", line(mutant, &verdict));
                    verdicts.lock().unwrap().push(verdict);
                }
            });
        }
    });
    let verdicts = verdicts.into_inner().unwrap();
    let survived = verdicts.iter().filter(|verdict| verdict.broke.is_none()).count();
    let most = verdicts.iter().map(|verdict| verdict.seeds).max().unwrap_or(0);
    let clean = unmutated(world, most, threads as u64);
    println!(
        "{} mutants, {} killed, {survived} survived, {:.0} s",
        mutants.len(),
        mutants.len() - survived,
        started.elapsed().as_secs_f64()
    );
    ExitCode::from(u8::from(survived > 0 || !clean))
}

fn take<'m>(mutants: &'m [Mutant], next: &AtomicUsize) -> Option<(usize, &'m Mutant)> {
    let number = next.fetch_add(1, Ordering::Relaxed);
    mutants.get(number).map(|mutant| (number, mutant))
}

fn line(mutant: &Mutant, verdict: &Verdict) -> String {
    let Verdict { seeds, broke } = verdict;
    match broke {
        Some((invariant, _)) => format!("{:<36} killed    {seeds:>5} seeds   {invariant}", mutant.name),
        None => format!("{:<36} survived  {seeds:>5} seeds   {}", mutant.name, mutant.story),
    }
}

/// Seeds from 1 on, until one of them sees it.
fn hunt(world: World) -> Verdict {
    for seed in 1..=MAX_SEEDS {
        if let Some(broke) = (world.run)(seed, false).violations.into_iter().next() {
            return Verdict { seeds: seed, broke: Some(broke) };
        }
    }
    Verdict { seeds: MAX_SEEDS, broke: None }
}

/// The same seeds without a mutant: what kills must be the mutant, not the seed.
fn unmutated(world: World, seeds: u64, threads: u64) -> bool {
    let broken = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let broken = &broken;
            scope.spawn(move || {
                (world.choose)(None);
                for seed in (1..=seeds).filter(|seed| seed % threads == thread) {
                    let violations = (world.run)(seed, false).violations;
                    broken.lock().unwrap().extend(violations.into_iter().map(|(name, what)| (seed, name, what)));
                }
            });
        }
    });
    let broken = broken.into_inner().unwrap();
    let how = if broken.is_empty() { "clean" } else { "BROKEN" };
    println!("{:<36} {how:<8}  {seeds:>5} seeds", "(unmutated)");
    for (seed, invariant, what) in &broken {
        println!("  seed {seed} breaks \"{invariant}\": {what}");
    }
    broken.is_empty()
}

/// One mutant's history, of the seed given or of the first that sees it.
fn one(world: World, name: &str, seed: Option<u64>) -> ExitCode {
    let mutants = all();
    let Some(number) = mutants.iter().position(|mutant| mutant.name == name) else {
        eprintln!("error: no mutant is called {name}; there are:");
        mutants.iter().for_each(|mutant| eprintln!("  {:<36} {}", mutant.name, mutant.story));
        return ExitCode::from(2);
    };
    (world.choose)(Some(number));
    let seed = seed.unwrap_or_else(|| hunt(world).seeds);
    let found = (world.run)(seed, true);
    found.history.iter().for_each(|line| println!("{line}"));
    println!("{}: {}", mutants[number].name, mutants[number].story);
    for (invariant, what) in &found.violations {
        println!("seed {seed} breaks \"{invariant}\": {what}");
    }
    if found.violations.is_empty() {
        println!("seed {seed} does not see it");
    }
    ExitCode::from(u8::from(found.violations.is_empty()))
}
