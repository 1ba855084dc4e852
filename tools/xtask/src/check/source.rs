//! The checks that cargo itself brings.

use crate::process::job::Job;
use crate::project::Project;
use anyhow::Result;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60 * 60);

pub(super) fn fmt(project: &Project) -> Result<()> {
    let mut command = project.cargo("fmt");
    command.args(["--all", "--check"]);
    Job::on_terminal("cargo fmt", Duration::from_secs(5 * 60)).succeed(command)
}

pub(super) fn clippy(project: &Project) -> Result<()> {
    let mut command = project.cargo_local("clippy");
    // `--all-targets` leaves out the tests that run only by name.
    command.args(["--workspace", "--all-targets", "--test", "e2e", "--test", "contract_ministack"]);
    command.args(["--", "--deny", "warnings"]);
    Job::on_terminal("cargo clippy", LIMIT).succeed(command)
}

pub(super) fn doc(project: &Project) -> Result<()> {
    let mut command = project.cargo_local("doc");
    command.args(["--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "--deny warnings");
    Job::on_terminal("cargo doc", LIMIT).succeed(command)
}
