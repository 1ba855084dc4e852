//! `hour`: random hours of all four providers on the local stack, each compared with what happened.

use crate::job::Job;
use crate::processes::Record;
use crate::progress::Timings;
use crate::project::Project;
use crate::setup::{self, Lock};
use crate::stack::{self, Health};
use crate::{build, ministack};
use anyhow::{Result, bail};
use std::time::Duration;

/// The longest run, whatever the number of seeds. An hour takes about a minute on a quiet machine.
const RUN_LIMIT: Duration = Duration::from_secs(12 * 60 * 60);

/// Which hours to play.
#[derive(clap::Args)]
pub(crate) struct Hours {
    /// How many seeds to play
    #[arg(long, default_value_t = 1)]
    seeds: u64,
    /// The first seed
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Events in each hour, every one with its webhook
    #[arg(long, default_value_t = 500)]
    deliveries: u64,
    /// Announce nothing, so that nobody asks for what was lost, to see the comparison fail
    #[arg(long)]
    no_expectations: bool,
}

/// Plays them on the stack that is up, or on one of its own. The exit code is 1 if anything is missing or extra.
pub(crate) fn run(project: &Project, hours: &Hours) -> Result<u8> {
    let mut timings = Timings::default();
    setup::prepare(project, &mut timings)?;
    if stack::health(project)? == Health::Healthy {
        let record = Record::load(project)?;
        if record.deployed != build::digest(project)? {
            bail!("the stack that is up runs other code than the one here; end it first: cargo xtask down");
        }
        return play(project, &record, hours);
    }
    let _lock = Lock::take(project)?;
    let record = setup::bring_up(project, &mut timings)?;
    let outcome = play(project, &record, hours);
    // Before the outcome is looked at, whatever it is.
    let down = setup::take_down(project, &record);
    let code = outcome?;
    down?;
    Ok(code)
}

fn play(project: &Project, record: &Record, hours: &Hours) -> Result<u8> {
    let mut command = project.command(project.binary("hour"));
    for (name, value) in [("--seeds", hours.seeds), ("--seed", hours.seed), ("--deliveries", hours.deliveries)] {
        command.arg(name).arg(value.to_string());
    }
    if hours.no_expectations {
        command.arg("--no-expectations");
    }
    let mut guard = ministack::guard(project, record);
    let job = Job { watch: Some(&mut guard), ..Job::on_terminal("the hours", RUN_LIMIT) };
    let status = job.run(command)?;
    // A run that a signal ended has no code; that is a failure like any other.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
