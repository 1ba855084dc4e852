//! Crashes the running local stack, round by round, or sends it a hundred of the same at once. The last line is what
//! was done and what came of it. Exits 0 only if nothing is lost and nothing doubled.
//!
//! `crash [--rounds N] [--seed S] [--identical N]`

use std::process::ExitCode;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use hookledger_tests::crash::identical::identical;
use hookledger_tests::crash::{Crash, crash};
use hookledger_tests::local::{Local, Outcome};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wanted = match arguments() {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("error: {error}\nusage: crash [--rounds N] [--seed S] [--identical N]");
            return ExitCode::from(2);
        }
    };
    match run(&wanted).await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the crashes could not be made: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Wanted {
    rounds: u32,
    seed: u64,
    identical: u32,
}

fn arguments() -> Result<Wanted, String> {
    let mut wanted = Wanted { rounds: 0, seed: 1, identical: 0 };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let number = given.next().and_then(|value| value.parse().ok());
        let number: u64 = number.ok_or(format!("{name} needs a whole number"))?;
        let small = u32::try_from(number).map_err(|_| format!("{name} {number} is too many"));
        match name.as_str() {
            "--rounds" => wanted.rounds = small?,
            "--seed" => wanted.seed = number,
            "--identical" => wanted.identical = small?,
            _ => return Err(format!("{name} is not an option")),
        }
    }
    Ok(wanted)
}

async fn run(wanted: &Wanted) -> Outcome<bool> {
    let local = Local::attach().await?;
    let started = Instant::now();
    let tell = |line: &str| println!("{:>5.0} s  {line}", started.elapsed().as_secs_f64());
    let mut last = Vec::new();
    let mut well = true;
    if wanted.identical > 0 {
        let run = SystemTime::now().duration_since(UNIX_EPOCH).map_or(Duration::ZERO, |since| since).as_secs();
        let seen = identical(&local, &run.to_string(), wanted.identical, tell).await?;
        well &= seen.wrong.is_empty();
        last.push(format!("identical: {seen}"));
    }
    if wanted.rounds > 0 {
        let crashed = crash(&local, Crash { seed: wanted.seed, rounds: wanted.rounds }, tell).await?;
        well &= crashed.is_as_it_should_be();
        last.push(crashed.to_string());
    }
    last.iter().for_each(|line| println!("{line}"));
    Ok(well)
}
