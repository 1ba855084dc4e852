//! Runs the fuzz targets for so long: `fuzz [--seconds N] [--target NAME] [--seed S] [--current FOLDER]`.
//!
//! `--seconds` is for all targets together; 0 tries the corpora and nothing else. An input that breaks a promise goes
//! into the target's corpus, where every later run, the short one in the tests included, tries it first. With
//! `--current`, each input is written there before it is tried. The exit code is 1 if any promise was broken.

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use hookledger_tests::fuzz::{Campaign, Report, TARGETS, Target, Until, quiet_panics, run, target};

/// What a run without `--seconds` takes.
const DEFAULT_SECONDS: u64 = 60;

fn main() -> ExitCode {
    match arguments() {
        Ok(wanted) => fuzz(&wanted),
        Err(error) => {
            eprintln!("error: {error}\nusage: fuzz [--seconds N] [--target NAME] [--seed S] [--current FOLDER]");
            ExitCode::from(2)
        }
    }
}

struct Wanted {
    seconds: u64,
    seed: u64,
    targets: Vec<&'static Target>,
    current: Option<PathBuf>,
}

fn arguments() -> Result<Wanted, String> {
    // Another seed each time, unless one is given: long runs should not all look at the same inputs.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_err(|error| error.to_string())?;
    let targets = TARGETS.iter().collect();
    let mut wanted = Wanted { seconds: DEFAULT_SECONDS, seed: now.as_secs(), targets, current: None };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or(format!("{name} needs a value"))?;
        let number = || value.parse().map_err(|_| format!("{name} needs a whole number"));
        match name.as_str() {
            "--seconds" => wanted.seconds = number()?,
            "--seed" => wanted.seed = number()?,
            "--current" => wanted.current = Some(value.into()),
            "--target" => {
                let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
                wanted.targets = vec![target(&value).ok_or_else(|| format!("the targets are {}", names()))?];
            }
            _ => return Err(format!("{name} is not an option")),
        }
    }
    Ok(wanted)
}

fn fuzz(wanted: &Wanted) -> ExitCode {
    quiet_panics();
    let share = Duration::from_secs(wanted.seconds) / u32::try_from(wanted.targets.len()).unwrap_or(1);
    println!("seed {}, {:.1} s for each target", wanted.seed, share.as_secs_f64());
    println!("{:<12} {:>10} {:>9} {:>9} {:>8} {:>8}", "target", "executions", "seconds", "per s", "stories", "crashes");
    let mut crashes = 0;
    for target in &wanted.targets {
        let current = wanted.current.as_ref().map(|folder| folder.join(target.name));
        let report = run(target, &Campaign { seed: wanted.seed, until: Until::Elapsed(share), current });
        crashes += report.failures.len();
        show(target, &report);
    }
    ExitCode::from(u8::from(crashes > 0))
}

fn show(target: &Target, report: &Report) {
    let seconds = report.took.as_secs_f64();
    println!(
        "{:<12} {:>10} {:>9.1} {:>9.0} {:>8} {:>8}",
        target.name,
        report.executions,
        seconds,
        report.executions as f64 / seconds.max(0.001),
        report.seen.len(),
        report.failures.len()
    );
    for failure in &report.failures {
        println!("  {}", failure.message);
        match failure.keep(target) {
            Ok(path) => println!("  the input, {} bytes: {}", failure.input.len(), path.display()),
            Err(error) => println!("  the input could not be kept ({error}): {:?}", failure.input),
        }
        println!("  to see it again: cargo xtask fuzz --target {} --seconds 0", target.name);
    }
}
