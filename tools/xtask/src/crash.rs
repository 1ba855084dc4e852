//! `crash`: kills, restarts and refusals under load on the local stack, and a hundred of the same at once.

use crate::build::Code;
use crate::process::job::{self, Job};
use crate::process::processes::Record;
use crate::process::progress::Timings;
use crate::project::Project;
use crate::stack::ministack;
use crate::stack::setup;
use anyhow::Result;
use std::time::Duration;

/// The longest run, whatever the number of rounds. 200 took 19 minutes on two busy cores.
const RUN_LIMIT: Duration = Duration::from_secs(12 * 60 * 60);

/// What to break, and how often.
#[derive(clap::Args)]
pub(crate) struct Crashes {
    /// Troubles: killed functions, restarts of the emulator, spells in which table, queue or bus refuse
    #[arg(long, default_value_t = 20)]
    rounds: u32,
    /// What the troubles and the deliveries come from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// How often a hundred identical deliveries arrive at once
    #[arg(long, default_value_t = 0)]
    identical: u32,
}

/// Crashes the stack that is up, or one of its own. The exit code is 1 if anything is lost or doubled.
pub(crate) fn run(project: &Project, crashes: &Crashes) -> Result<u8> {
    let mut timings = Timings::default();
    setup::prepare(project, Code::Local, &mut timings)?;
    setup::with_stack(project, &mut timings, |record| play(project, record, crashes))
}

fn play(project: &Project, record: &Record, crashes: &Crashes) -> Result<u8> {
    let mut command = project.command(project.binary("crash"));
    command.args(["--rounds", &crashes.rounds.to_string(), "--seed", &crashes.seed.to_string()]);
    command.args(["--identical", &crashes.identical.to_string()]);
    let mut guard = ministack::guard(project, record);
    let job = Job { watch: Some(&mut guard), ..Job::on_terminal("the crashes", RUN_LIMIT) };
    let status = job.run(command)?;
    Ok(job::exit_code(status))
}
