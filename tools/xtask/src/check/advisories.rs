//! Security advisories about our dependencies, by cargo-deny and RustSec's database, which is a download of its own.
//!
//! Where one of the two can't be had, that is said plainly, and nobody is told that all is well. Whoever wants no such
//! excuse, as CI does, sets `HOOKLEDGER_ADVISORIES=required`.

use crate::process::job::Job;
use crate::project::Project;
use anyhow::{Result, bail};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10 * 60);
const SETTING: &str = "HOOKLEDGER_ADVISORIES";

pub(super) fn check(project: &Project, cargo_deny_is_installed: bool) -> Result<()> {
    if !cargo_deny_is_installed {
        return unchecked("cargo-deny is not installed (`cargo install --locked cargo-deny`)");
    }
    let mut fetch = project.cargo("deny");
    fetch.args(["--workspace", "fetch", "db"]);
    if Job::on_terminal("cargo deny fetch", LIMIT).succeed(fetch).is_err() {
        return unchecked("their database can't be fetched from here");
    }
    let mut command = project.cargo("deny");
    // Offline: with the database that was fetched just now, so that what fails is an advisory and no network.
    command.args(["--workspace", "--offline", "check", "advisories"]);
    Job::on_terminal("cargo deny", LIMIT).succeed(command)
}

fn unchecked(why: &str) -> Result<()> {
    verdict(why, std::env::var(SETTING).is_ok_and(|wanted| wanted == "required")).map(|said| println!("{said}"))
}

/// What is said of advisories that could not be checked: an error where they must be.
fn verdict(why: &str, required: bool) -> Result<String> {
    if required {
        bail!("  security advisories are required by {SETTING} and NOT CHECKED: {why}");
    }
    Ok(format!("  security advisories are NOT CHECKED: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_checked_is_said_and_fails_where_it_is_required() {
        assert_eq!(verdict("no network", false).unwrap(), "  security advisories are NOT CHECKED: no network");
        assert!(verdict("no network", true).unwrap_err().to_string().contains("NOT CHECKED: no network"));
    }
}
