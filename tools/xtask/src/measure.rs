//! `bench-core` and `skew`: what the core path costs beside its floor, and how evenly keys fall onto partitions.

use crate::process::job::{self, Job};
use crate::project::Project;
use anyhow::{Context, Result};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

/// From nothing this compiles the core and a few small crates, as they ship.
const BUILD_LIMIT: Duration = Duration::from_secs(30 * 60);
/// Each is over in minutes.
const RUN_LIMIT: Duration = Duration::from_secs(30 * 60);
/// What ships, but for the functions' names, which callgrind is told where to count by.
const PROFILE: &str = "bench";
/// Cargo's folder for that profile.
const PROFILE_FOLDER: &str = "release";

/// Measures the core path: how long it takes, what it allocates, how many instructions it needs. The exit code is 1 if
/// it copied a body.
pub(crate) fn core_path(project: &Project) -> Result<u8> {
    let figures = project.local().join("criterion");
    let log = project.log("bench-core");
    println!("every sample's figures: {}", project.shown(&log));
    let time = bench(project, "time", |command| command.env("CRITERION_HOME", &figures));
    Job::logged("criterion measures how long it takes", RUN_LIMIT, log).succeed(time)?;
    let mut table = built(project, "core_path")?;
    table.arg(&figures);
    let code = job::exit_code(Job::on_terminal("the table", RUN_LIMIT).run(table)?);
    instructions(project)?;
    Ok(code)
}

/// Counts how events fall onto partitions.
pub(crate) fn skew(project: &Project) -> Result<u8> {
    let command = built(project, "shard_skew")?;
    Ok(job::exit_code(Job::on_terminal("the count", RUN_LIMIT).run(command)?))
}

/// Counts instructions, where valgrind is installed.
fn instructions(project: &Project) -> Result<()> {
    if !Command::new("valgrind").arg("--version").output().is_ok_and(|found| found.status.success()) {
        println!("\nvalgrind is not installed: no instructions are counted (time and bytes above need nothing)");
        return Ok(());
    }
    let runner = gungraun(project)?;
    println!("\ninstructions of one event under callgrind: the core path, then the floor and how they compare\n");
    let count = bench(project, "instructions", |command| {
        command.env("GUNGRAUN_RUNNER", &runner).env("GUNGRAUN_HOME", project.local().join("gungraun"))
    });
    Job::on_terminal("gungraun counts instructions", RUN_LIMIT).succeed(count)
}

/// Gungraun's own program, of the version of its library, in the project's own folder.
fn gungraun(project: &Project) -> Result<PathBuf> {
    let metadata = project.metadata()?;
    let packages = metadata.get("packages").and_then(Value::as_array).into_iter().flatten();
    let named = |package: &&Value| package.get("name").is_some_and(|name| name == "gungraun");
    let version = packages.filter(named).find_map(|package| package.get("version")?.as_str());
    let version = version.context("cargo metadata knows no gungraun")?;
    let folder = project.local().join(format!("gungraun-{version}"));
    let program = folder.join("bin/gungraun-runner");
    if !program.is_file() {
        let mut install = project.cargo("install");
        install.args(["gungraun-runner", "--locked", "--version", &format!("={version}"), "--root"]).arg(&folder);
        let log = project.log("install-gungraun");
        Job::logged("installing gungraun's program", BUILD_LIMIT, log).succeed(install)?;
    }
    Ok(program)
}

/// One of the benches, by way of cargo.
fn bench(project: &Project, name: &str, more: impl FnOnce(&mut Command) -> &mut Command) -> Command {
    let mut command = project.cargo("bench");
    command.args(["--quiet", "--target", &project.triple, "--package", "hookledger-measure", "--bench", name]);
    more(&mut command);
    command
}

/// One of the two programs, built as what ships is built.
fn built(project: &Project, program: &str) -> Result<Command> {
    let mut build = project.cargo("build");
    build.args(["--target", &project.triple, "--profile", PROFILE, "--package", "hookledger-measure"]);
    build.args(["--bin", program]);
    let log = project.log(&format!("build-{program}"));
    Job::logged(&format!("building {program} as what ships"), BUILD_LIMIT, log).succeed(build)?;
    Ok(project.command(project.binary_of(PROFILE_FOLDER, program)))
}
