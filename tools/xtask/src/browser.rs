//! `test browser`: the operator's page in a real browser, by the tests of `tools/cli/tests/cli/browser`.
//!
//! The browser is the machine's own. On Debian and Ubuntu root may install it, so there it is installed; elsewhere its tests
//! are not run, and that is said.

use crate::process::job::{Job, Sink};
use crate::project::Project;
use crate::venv::Venv;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// From nothing this compiles everything, on machines of two cores.
const COMPILE_LIMIT: Duration = Duration::from_secs(60 * 60);
/// They take one to two minutes on two cores.
const LIMIT: Duration = Duration::from_secs(15 * 60);
const INSTALL_LIMIT: Duration = Duration::from_secs(10 * 60);
const NAMES: [&str; 2] = ["chromium", "chromium-browser"];
/// Names the browser where it has another name.
const SETTING: &str = "HOOKLEDGER_CHROMIUM";

/// What was run.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ran {
    /// All of them, and they passed.
    All,
    /// None, and why: a line for the end.
    None(String),
}

/// Runs them, if there is a browser.
pub(crate) fn run(project: &Project) -> Result<Ran> {
    let Some(chromium) = found().or_else(|| install(project)) else {
        let why = not_run(&list(project)?);
        eprintln!("{why}");
        return Ok(Ran::None(why));
    };
    Venv::Browser.ensure(project)?;
    // Compiled first, so that the tests' own limit does not wait for a compiler.
    Job::on_terminal("cargo test", COMPILE_LIMIT).succeed(tests(project, &["--no-run"], &[]))?;
    let mut command = tests(project, &[], &["--ignored"]);
    command.env("HOOKLEDGER_BROWSER_PYTHON", Venv::Browser.program(project, "python")).env(SETTING, chromium);
    Job::on_terminal("the browser tests", LIMIT).succeed(command)?;
    Ok(Ran::All)
}

fn tests(project: &Project, of_cargo: &[&str], of_tests: &[&str]) -> Command {
    let mut command = project.cargo_local("test");
    // The whole workspace, as for the unit tests: with one package, cargo would compile the AWS SDK once more.
    command.args(["--workspace", "--test", "cli"]).args(of_cargo).args(["--", "browser::"]).args(of_tests);
    command
}

fn found() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path).flat_map(|folder| NAMES.map(|name| folder.join(name)));
    std::env::var_os(SETTING).map(PathBuf::from).into_iter().chain(on_path).find(|path| path.is_file())
}

/// Debian's package, where this may install it. A failure is no error: then there is no browser.
fn install(project: &Project) -> Option<PathBuf> {
    if !rustix::process::geteuid().is_root() || !Path::new("/usr/bin/apt-get").is_file() {
        return None;
    }
    for (step, arguments) in [
        ("apt-get update", &["update"][..]),
        ("apt-get install chromium", &["install", "--yes", "--no-install-recommends", "chromium"][..]),
    ] {
        let mut command = project.command("/usr/bin/apt-get");
        command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
        let log = project.log(&step.replace(' ', "-"));
        if let Err(error) = Job::logged(step, INSTALL_LIMIT, log).succeed(command) {
            eprintln!("{error:#}");
        }
    }
    found()
}

/// Which tests there are.
fn list(project: &Project) -> Result<String> {
    let file = project.log("browser-tests.txt");
    let sink = Sink::Answer { file: file.clone(), log: project.log("browser-tests") };
    Job { sink, ..Job::on_terminal("counting the browser tests", COMPILE_LIMIT) }.succeed(tests(
        project,
        &[],
        &["--ignored", "--list"],
    ))?;
    fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))
}

fn not_run(list: &str) -> String {
    let count = list.lines().filter(|line| line.ends_with(": test")).count();
    format!("browser: {count} NOT RUN: chromium is missing; as root: apt-get install chromium")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_run_is_counted() {
        let list = "browser::keys_help: test\nbrowser::each_page_is_sound: test\n\n2 tests, 0 benchmarks\n";
        assert_eq!(not_run(list), "browser: 2 NOT RUN: chromium is missing; as root: apt-get install chromium");
    }
}
