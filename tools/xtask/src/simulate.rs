//! `simulate`: the flows in a simulated world that goes wrong everywhere, over many seeds.

use crate::job::Job;
use crate::project::Project;
use anyhow::{Result, bail};
use std::time::Duration;

/// From nothing this compiles everything, on machines of two cores.
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// The longest run; `--minutes` ends one earlier.
const RUN_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

/// Which seeds to run.
#[derive(clap::Args)]
pub(crate) struct Seeds {
    /// How many seeds to run
    #[arg(long)]
    seeds: Option<u64>,
    /// The first seed; without --seeds, the only one, and its history is printed
    #[arg(long)]
    seed: Option<u64>,
    /// Begin no more seeds after so many minutes
    #[arg(long)]
    minutes: Option<u64>,
}

/// Builds the simulator and runs it. The exit code is 1 if any seed broke an invariant.
pub(crate) fn run(project: &Project, seeds: &Seeds) -> Result<u8> {
    if seeds.seeds.is_none() && seeds.seed.is_none() {
        bail!("say how many seeds to run (--seeds N), or which one to show (--seed S)");
    }
    // The whole workspace, as everywhere: with fewer packages cargo would settle on fewer features and compile again.
    let mut build = project.cargo_local("build");
    build.args(["--workspace", "--bin", "simulate"]);
    Job::logged("building the simulator", BUILD_LIMIT, project.log("build-simulate")).succeed(build)?;
    let mut command = project.command(project.binary("simulate"));
    for (name, value) in [("--seeds", seeds.seeds), ("--seed", seeds.seed), ("--minutes", seeds.minutes)] {
        if let Some(value) = value {
            command.arg(name).arg(value.to_string());
        }
    }
    let status = Job::on_terminal("the simulation", RUN_LIMIT).run(command)?;
    // A run that a signal ended has no code; that is a failure like any other.
    Ok(status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1))
}
