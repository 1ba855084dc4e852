//! `test`: the unit tests, the ledger's contract, the operator's page in a browser, and the end-to-end suite on a local stack.

use crate::browser::{self, Ran};
use crate::build::Code;
use crate::process::job::{Job, Watch};
use crate::process::processes::Record;
use crate::process::progress::Timings;
use crate::project::Project;
use crate::simulate::{self, Seeds};
use crate::stack::ministack;
use crate::stack::setup;
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::time::Duration;

/// From nothing this compiles everything, on machines of two cores.
const UNIT_LIMIT: Duration = Duration::from_secs(60 * 60);
const E2E_LIMIT: Duration = Duration::from_secs(45 * 60);

const CONTRACT: [&str; 1] = ["contract"];
const END_TO_END: [&str; 2] = ["e2e", "contract_ministack"];

/// Which tests to run.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Suite {
    /// Everything `cargo test` runs by itself, and 2,000 seeds of the simulation
    Unit,
    /// The ledger's contract alone, on the memory ledger and on DynamoDB's in-process engine
    Contract,
    /// What needs the local stack; brings one up, unless one is up
    E2e,
    /// The operator's page in chromium; as root on Debian it installs that
    Browser,
    /// The unit tests, which include the contract, then the browser's, then the end-to-end suite
    All,
}

pub(crate) fn run(project: &Project, suite: Suite) -> Result<u8> {
    match suite {
        Suite::Unit => unit(project)?,
        Suite::Contract => targets(project, &CONTRACT, &[], UNIT_LIMIT, None)?,
        Suite::E2e => end_to_end(project)?,
        // Asked for alone, it has failed where nothing could be run.
        Suite::Browser => match browser::run(project)? {
            Ran::All => {}
            Ran::None(why) => bail!("{why}"),
        },
        Suite::All => {
            unit(project)?;
            let ran = browser::run(project)?;
            end_to_end(project)?;
            // The last words, so that nobody takes for tested what was not.
            if let Ran::None(why) = ran {
                eprintln!("{why}");
            }
        }
    }
    Ok(0)
}

fn unit(project: &Project) -> Result<()> {
    let mut command = project.cargo_local("test");
    command.arg("--workspace");
    Job::on_terminal("the unit tests", UNIT_LIMIT).succeed(command)?;
    // Optimised, so that it is over sooner than the few seeds that the unit tests run themselves.
    let seeds = Seeds { seeds: Some(simulate::TEST_SEEDS), ..Seeds::default() };
    match simulate::run(project, &seeds)? {
        0 => Ok(()),
        _ => bail!("the simulation broke an invariant, see above"),
    }
}

fn end_to_end(project: &Project) -> Result<()> {
    let mut timings = Timings::default();
    setup::prepare(project, Code::Local, &mut timings)?;
    // Compiled before anything is started, so that a stack never waits for a compiler.
    targets(project, &END_TO_END, &["--no-run"], UNIT_LIMIT, None)?;
    // The tests run the operator's command as a person does, and cargo builds no other package's binaries for them.
    let mut command = project.cargo_local("build");
    command.args(["--workspace", "--bin", "hookledger"]);
    Job::on_terminal("cargo build", UNIT_LIMIT).succeed(command)?;
    setup::with_stack(project, &mut timings, |record| play(project, record))
}

fn play(project: &Project, record: &Record) -> Result<()> {
    let mut guard = ministack::guard(project, record);
    targets(project, &END_TO_END, &[], E2E_LIMIT, Some(&mut guard))
}

/// Runs test targets by name. The whole workspace is selected all the same: with fewer packages, cargo would settle on
/// fewer features of what they share, and compile the AWS SDK once more for the difference.
fn targets(project: &Project, names: &[&str], more: &[&str], limit: Duration, watch: Option<Watch<'_>>) -> Result<()> {
    let mut command = project.cargo_local("test");
    command.arg("--workspace").args(more);
    for name in names {
        command.args(["--test", name]);
    }
    Job { watch, ..Job::on_terminal("cargo test", limit) }.succeed(command)
}
