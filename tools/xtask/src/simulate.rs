//! `simulate`: the flows in a simulated world that goes wrong everywhere, over many seeds; and the bugs it must find.
//!
//! ```text
//! seeds ─── build the simulator ─ run it
//! mutants ─ build `mutate` ─ write target/mutants, a copy with every bug behind a switch ─ build `kill` there ─ run it
//! ```

use crate::process::job::{self, Job};
use crate::project::Project;
use anyhow::{Result, bail};
use std::process::Command;
use std::time::Duration;

/// From nothing this compiles everything, on machines of two cores.
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// The longest run; `--minutes` ends one earlier.
const RUN_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
/// The profile of what only runs here and must be fast. It shares the target folder, and no file in it.
const PROFILE: &str = "simulate";
/// The seeds that belong to the tests.
pub(crate) const TEST_SEEDS: u64 = 2_000;

/// Which seeds to run.
#[derive(clap::Args, Default)]
pub(crate) struct Seeds {
    /// How many seeds to run
    #[arg(long)]
    pub(crate) seeds: Option<u64>,
    /// The first seed; without --seeds, the only one, and its history is printed
    #[arg(long)]
    pub(crate) seed: Option<u64>,
    /// Begin no more seeds after so many minutes
    #[arg(long)]
    pub(crate) minutes: Option<u64>,
    /// Run the simulation over code with known bugs, and see it find each of them
    #[arg(long, conflicts_with_all = ["seeds", "seed", "minutes"])]
    pub(crate) mutants: bool,
    /// Show how one of those bugs is found: the history of the first seed that sees it, or of --seed
    #[arg(long, conflicts_with_all = ["seeds", "minutes", "mutants"])]
    pub(crate) mutant: Option<String>,
}

/// Builds the simulator and runs it. The exit code is 1 if any seed broke an invariant, or if any known bug was missed.
pub(crate) fn run(project: &Project, wanted: &Seeds) -> Result<u8> {
    let command = if wanted.mutants || wanted.mutant.is_some() {
        let mut command = kill(project)?;
        command.args(wanted.mutant.iter().flat_map(|name| ["--mutant", name.as_str()]));
        with_numbers(command, &[("--seed", wanted.seed)])
    } else {
        if wanted.seeds.is_none() && wanted.seed.is_none() {
            bail!("say how many seeds to run (--seeds N), which one to show (--seed S), or --mutants");
        }
        let command = project.command(built(project, "hookledger-simulation", "simulate")?);
        with_numbers(command, &[("--seeds", wanted.seeds), ("--seed", wanted.seed), ("--minutes", wanted.minutes)])
    };
    let status = Job::on_terminal("the simulation", RUN_LIMIT).run(command)?;
    Ok(job::exit_code(status))
}

fn with_numbers(mut command: Command, options: &[(&str, Option<u64>)]) -> Command {
    for (name, value) in options {
        if let Some(value) = value {
            command.arg(name).arg(value.to_string());
        }
    }
    command
}

/// The program that runs the mutants, built from a copy of the sources that holds them.
fn kill(project: &Project) -> Result<Command> {
    let folder = project.root.join("target/mutants");
    let mut write = project.command(built(project, "hookledger-mutants", "mutate")?);
    write.arg(&project.root).arg(&folder);
    Job::logged("writing the mutants", BUILD_LIMIT, project.log("write-mutants")).succeed(write)?;
    let mut build = project.cargo("build");
    // The same target folder: what is not ours to mutate is compiled already.
    build.current_dir(&folder).arg("--target-dir").arg(&project.target_dir);
    build.args(["--target", &project.triple, "--profile", PROFILE, "--package", "kill"]);
    Job::logged("building the mutants", BUILD_LIMIT, project.log("build-mutants")).succeed(build)?;
    Ok(project.command(project.binary_of(PROFILE, "kill")))
}

/// One package's binary, optimised.
pub(crate) fn built(project: &Project, package: &str, binary: &str) -> Result<std::path::PathBuf> {
    let mut build = project.cargo("build");
    build.args(["--target", &project.triple, "--profile", PROFILE, "--package", package, "--bin", binary]);
    let log = project.log(&format!("build-{binary}"));
    Job::logged(&format!("building {binary}, optimised"), BUILD_LIMIT, log).succeed(build)?;
    Ok(project.binary_of(PROFILE, binary))
}
