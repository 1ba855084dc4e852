//! Plays random hours on the running local stack and prints what came of each. Exits 0 only if the ledger equals what
//! happened, less what is declared.
//!
//! `hour [--seeds N] [--seed S] [--deliveries D] [--no-expectations] [--mixed]`: N hours from seed S on. Without expectations
//! nobody asks for what was lost at Rightfoot and FinBox, so the check must fail: it shows that it looks. Mixed, two versions
//! of the functions share the hour; `cargo xtask hour --mixed` has put both where the emulator finds them.

use std::process::ExitCode;

use hookledger_tests::hour::mixed::{Way, play_mixed};
use hookledger_tests::hour::{Hour, play};
use hookledger_tests::local::{Local, Outcome};

const DELIVERIES: usize = 500;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let wanted = match arguments() {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!(
                "error: {error}\nusage: hour [--seeds N] [--seed S] [--deliveries D] [--no-expectations] [--mixed]"
            );
            return ExitCode::from(2);
        }
    };
    match run(&wanted).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the hour could not be played: {error}");
            ExitCode::FAILURE
        }
    }
}

struct Wanted {
    seeds: u64,
    first: u64,
    deliveries: usize,
    announced: bool,
    mixed: bool,
}

fn arguments() -> Result<Wanted, String> {
    let mut wanted = Wanted { seeds: 1, first: 1, deliveries: DELIVERIES, announced: true, mixed: false };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        if name == "--no-expectations" {
            wanted.announced = false;
            continue;
        }
        if name == "--mixed" {
            wanted.mixed = true;
            continue;
        }
        let number = given.next().and_then(|value| value.parse().ok());
        let number: u64 = number.ok_or(format!("{name} needs a whole number"))?;
        match name.as_str() {
            "--seeds" => wanted.seeds = number,
            "--seed" => wanted.first = number,
            "--deliveries" => wanted.deliveries = usize::try_from(number).map_err(|error| error.to_string())?,
            _ => return Err(format!("{name} is not an option")),
        }
    }
    Ok(wanted)
}

async fn run(wanted: &Wanted) -> Outcome<usize> {
    let mut local = Local::attach().await?;
    let mut failed = Vec::new();
    for seed in wanted.first..wanted.first.saturating_add(wanted.seeds) {
        let hour = Hour { seed, deliveries: wanted.deliveries, announced: wanted.announced };
        let (told, as_it_should_be) = if wanted.mixed {
            let mixed = play_mixed(&mut local, &hour, Way::of_seed(seed)).await;
            mixed.map(|mixed| (mixed.to_string(), mixed.is_as_it_should_be()))
        } else {
            play(&local, &hour).await.map(|played| (played.to_string(), played.is_as_it_should_be()))
        }
        .map_err(|error| format!("seed {seed}: {error}"))?;
        println!("{told}");
        if !as_it_should_be {
            failed.push(seed);
        }
    }
    println!("{} hours, {} as they should be; not so: {failed:?}", wanted.seeds, wanted.seeds - failed.len() as u64);
    Ok(failed.len())
}
