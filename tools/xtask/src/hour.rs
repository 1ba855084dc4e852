//! `hour`: random hours of all four providers on the local stack, each compared with what happened.

use crate::build::Code;
use crate::previous;
use crate::process::job::{self, Job};
use crate::process::processes::Record;
use crate::process::progress::Timings;
use crate::project::Project;
use crate::stack::ministack;
use crate::stack::setup;
use crate::venv::Venv;
use anyhow::Result;
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
    /// Let an earlier revision's functions work on the same table and queues: those of the latest tag before this commit, or
    /// else of the commit before it, or of the revision that is named. Odd seeds go over from the earlier functions to the
    /// present ones, even seeds go back
    #[arg(long, value_name = "REVISION", num_args = 0..=1, default_missing_value = "")]
    mixed: Option<String>,
}

/// Plays them on the stack that is up, or on one of its own. The exit code is 1 if anything is missing or extra.
pub(crate) fn run(project: &Project, hours: &Hours) -> Result<u8> {
    let mut timings = Timings::default();
    Venv::Sam.ensure(project)?;
    let previous = hours.mixed.as_deref().map(|revision| previous::build(project, revision)).transpose()?;
    setup::prepare(project, Code::Local, &mut timings)?;
    setup::with_stack(project, &mut timings, |record| {
        if let Some(previous) = &previous {
            previous.stage(project, record)?;
        }
        play(project, record, hours)
    })
}

fn play(project: &Project, record: &Record, hours: &Hours) -> Result<u8> {
    let mut command = project.command(project.binary("hour"));
    for (name, value) in [("--seeds", hours.seeds), ("--seed", hours.seed), ("--deliveries", hours.deliveries)] {
        command.arg(name).arg(value.to_string());
    }
    if hours.no_expectations {
        command.arg("--no-expectations");
    }
    if hours.mixed.is_some() {
        command.arg("--mixed");
    }
    let mut guard = ministack::guard(project, record);
    let job = Job { watch: Some(&mut guard), ..Job::on_terminal("the hours", RUN_LIMIT) };
    let status = job.run(command)?;
    Ok(job::exit_code(status))
}
