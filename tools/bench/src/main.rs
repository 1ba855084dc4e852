//! `bench`: drives the release binaries as Lambda would, and says what they cost beside the floor and beside what a
//! team would otherwise write.
//!
//! ```text
//! main ─ aws       one endpoint: DynamoDB (a real engine), SQS, Secrets Manager, EventBridge; plain and TLS
//!      ├ runtime   Lambda's Runtime API, one for each process
//!      ├ subjects  what is measured, how it is started
//!      ├ proof     every receiver, ours or not, passes the same table before it is timed
//!      ├ measure   one run of one subject
//!      ├ paths     what every path of every provider asks of AWS, counted
//!      ├ report, targets
//!      └ cost      what a million events come to; month: what a month does
//! ```
//!
//! Runs are interleaved, so that a busy moment of the machine falls on all subjects. Figures compare within one run of
//! the bench and nowhere else.

mod aws;
mod cost;
mod events;
mod measure;
mod month;
mod paths;
mod process;
mod proof;
mod report;
mod runtime;
mod sizes;
mod subjects;
mod targets;
mod tls;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context as _, Result};
use clap::{Parser, Subcommand};
use serde_json::json;

use crate::aws::Aws;
use crate::events::SECRET;
use crate::measure::{Bench, Sample};
use crate::month::Month;
use crate::paths::Counted;
use crate::report::Report;
use crate::subjects::{Places, Subject, Work, secret_arn};
use crate::tls::Tls;

/// Measures the functions.
#[derive(Parser)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Measure, and write down what was seen.
    Run(Wanted),
    /// Print what a million events cost.
    Cost {
        /// What a run wrote down.
        #[arg(long)]
        results: PathBuf,
        /// The template with the functions' memory.
        #[arg(long)]
        template: PathBuf,
        #[command(flatten)]
        month: Month,
    },
}

/// What to measure.
#[derive(clap::Args)]
struct Wanted {
    /// The folder of the release binaries.
    #[arg(long)]
    release: PathBuf,
    /// The folder for environments, logs and results.
    #[arg(long)]
    folder: PathBuf,
    /// Fewer runs.
    #[arg(long)]
    quick: bool,
    /// Only these subjects.
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    match Arguments::parse().command {
        Command::Run(wanted) => run(wanted).await,
        Command::Cost { results, template, month } => {
            let read = |path: &Path| {
                std::fs::read_to_string(path).with_context(|| format!("{} can't be read", path.display()))
            };
            let Counted { paths } = serde_json::from_str(&read(&results)?)
                .with_context(|| format!("{} can't be read: run the bench again", results.display()))?;
            let template = read(&template)?;
            let within = month.print(&paths, &template)? || cost::print(&paths, &template)?;
            Ok(ExitCode::from(u8::from(!within)))
        }
    }
}

async fn run(wanted: Wanted) -> Result<ExitCode> {
    let Wanted { release, folder, quick, only } = wanted;
    std::fs::create_dir_all(&folder)?;
    let tls = Tls::make(&folder)?;
    let aws = Aws::start(&tls).await?;
    set_secrets(&aws);
    let places = Places { release, bench: folder.clone() };
    let mut bench = Bench::new(&places, &aws, &tls).await?;
    let wanted = |subject: &Subject| only.is_empty() || only.iter().any(|name| name == subject.name);
    let subjects: Vec<Subject> =
        places.subjects().into_iter().filter(|subject| wanted(subject) && subject.work != Work::Orders).collect();
    for subject in subjects.iter().filter(|subject| subject.whole) {
        proof::prove(&mut bench, subject).await?;
        eprintln!("{} does the whole job", subject.name);
    }
    let paths = paths::count(&mut bench).await?;
    eprintln!("the paths are counted");
    let samples = measure_all(&mut bench, &subjects, quick).await?;
    let mut results = Vec::new();
    for tls in [false, true] {
        for subject in &subjects {
            let runs = samples.get(&(subject.name, tls)).map(Vec::as_slice).unwrap_or_default();
            results.extend(report::sum_up(subject.name, tls, runs, sizes::of(&subject.parcel)?));
        }
    }
    let targets = targets::judge(&results, &paths);
    let machine = format!("{} cores", std::thread::available_parallelism().map_or(0, usize::from));
    let report = Report { quick, machine, results, paths, targets };
    report.print();
    let file = folder.join("results.json");
    report.write(&file)?;
    println!("\nwritten to {}", file.display());
    Ok(ExitCode::SUCCESS)
}

/// Runs every subject in turn, again and again.
async fn measure_all(
    bench: &mut Bench<'_>,
    subjects: &[Subject],
    quick: bool,
) -> Result<BTreeMap<(&'static str, bool), Vec<Sample>>> {
    let (rounds, warm) = if quick { (4, 100) } else { (15, 300) };
    let mut samples: BTreeMap<(&'static str, bool), Vec<Sample>> = BTreeMap::new();
    for round in 1..=rounds {
        // What earlier rounds left open would be overdue by now, and the reconciler's to pay.
        bench.aws.start_anew().await?;
        for subject in subjects {
            // A batch is ten events.
            let warm = if subject.work == Work::Batches { warm / measure::BATCH } else { warm };
            for tls in [false, true] {
                let sample = bench.sample(subject, tls, warm).await;
                let sample = sample.with_context(|| format!("{}, round {round}", subject.name))?;
                samples.entry((subject.name, tls)).or_default().push(sample);
            }
        }
        eprintln!("round {round} of {rounds}");
    }
    Ok(samples)
}

fn set_secrets(aws: &Aws) {
    for provider in hookledger_kit::ALL {
        let secret = json!([{ "id": "bench", "value": SECRET }]);
        let api = json!({ "api_key": "bench", "server_hash": "bench", "client_id": "bench", "client_secret": "bench" });
        let document = json!({ "signing_secrets": &secret, "url_tokens": &secret, "api": api });
        aws.set_secret(&secret_arn(provider), &document);
    }
}
