//! `bench-core` and `skew`: what the core path costs beside its floor, and how evenly keys fall onto partitions.

use crate::job::{self, Job};
use crate::project::Project;
use anyhow::Result;
use std::time::Duration;

/// From nothing this compiles the core and a few small crates, as they ship.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Both are over in minutes, callgrind included.
const RUN_LIMIT: Duration = Duration::from_secs(30 * 60);
/// What ships: what is measured is compiled as the functions are.
const PROFILE: &str = "release";

/// The program that measures the core path.
pub(crate) const CORE_PATH: &str = "core_path";
/// The program that counts events on partitions.
pub(crate) const SHARD_SKEW: &str = "shard_skew";

/// Builds one of the two programs as what ships is built, and runs it.
pub(crate) fn run(project: &Project, program: &'static str) -> Result<u8> {
    let mut build = project.cargo("build");
    build.args(["--target", &project.triple, "--profile", PROFILE, "--package", "hookledger-measure"]);
    build.args(["--bin", program]);
    let log = project.log(&format!("build-{program}"));
    Job::logged(&format!("building {program} as what ships"), BUILD_LIMIT, log).succeed(build)?;
    let command = project.command(project.binary_of(PROFILE, program));
    Ok(job::exit_code(Job::on_terminal("the measurement", RUN_LIMIT).run(command)?))
}
