//! `catch-up`: how soon the reconciler pays many debts that fell due at once.

use crate::process::job::{self, Job};
use crate::project::Project;
use crate::simulate;
use anyhow::Result;
use std::time::Duration;

/// Four measurements of thirty rounds of a minute at most.
const RUN_LIMIT: Duration = Duration::from_secs(2 * 60 * 60);

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Wanted {
    /// How many expectations are due at once
    #[arg(long, default_value_t = 10_000)]
    expectations: u32,
    /// The numbers of runs a minute to measure, with commas between them
    #[arg(long, default_value = "1,2,4,8")]
    shards: String,
    /// How long the provider takes for each answer, in milliseconds
    #[arg(long, default_value_t = 50)]
    answer_ms: u32,
}

/// Builds the measurement, optimised, since most of what it measures is the engine in its own process; and runs it. The
/// exit code is 1 if anything stays due.
pub(crate) fn run(project: &Project, wanted: &Wanted) -> Result<u8> {
    let mut command = project.command(simulate::built(project, "hookledger-tests", "catch_up")?);
    command.arg("--expectations").arg(wanted.expectations.to_string()).arg("--shards").arg(&wanted.shards);
    command.arg("--answer-ms").arg(wanted.answer_ms.to_string());
    let status = Job::on_terminal("the measurement", RUN_LIMIT).run(command)?;
    Ok(job::exit_code(status))
}
