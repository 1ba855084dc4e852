//! `catch-up`: how soon the reconciler pays many debts that fell due at once.

use crate::job::Job;
use crate::project::Project;
use anyhow::Result;
use std::time::Duration;

/// From nothing this compiles everything, on machines of two cores.
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
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
}

/// Builds the measurement and runs it. The exit code is 1 if anything stays due.
pub(crate) fn run(project: &Project, wanted: &Wanted) -> Result<u8> {
    // The whole workspace, as everywhere: with fewer packages cargo would settle on fewer features and compile again.
    let mut build = project.cargo_local("build");
    build.args(["--workspace", "--bin", "catch_up"]);
    Job::logged("building the measurement", BUILD_LIMIT, project.log("build-catch-up")).succeed(build)?;
    let mut command = project.command(project.binary("catch_up"));
    command.arg("--expectations").arg(wanted.expectations.to_string()).arg("--shards").arg(&wanted.shards);
    let status = Job::on_terminal("the measurement", RUN_LIMIT).run(command)?;
    // A run that a signal ended has no code; that is a failure like any other.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
