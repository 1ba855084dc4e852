//! `preflight`: looks at an AWS account before the first deployment. It only reads.

use crate::process::job::{self, Job};
use crate::project::Project;
use crate::venv::Venv;
use anyhow::Result;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5 * 60);

/// Where to look.
#[derive(clap::Args)]
pub(crate) struct Account {
    /// The profile with the deployer's credentials; those of the environment when left out
    #[arg(long)]
    profile: Option<String>,
    /// The region to deploy to
    #[arg(long)]
    region: Option<String>,
    /// The stack's name
    #[arg(long, default_value = "hookledger")]
    stack: String,
    /// `Parameter=value`, as for `sam deploy`
    parameters: Vec<String>,
}

/// The exit code is 1 if anything has to be mended first, 2 if nobody could be asked.
pub(crate) fn run(project: &Project, account: &Account) -> Result<u8> {
    Venv::Sam.ensure(project)?;
    let mut command = project.command(Venv::Sam.program(project, "python"));
    command
        .args(["tools/xtask/python/preflight.py", "template.yaml", account.stack.as_str()])
        .args(&account.parameters);
    command.envs(account.profile.iter().map(|profile| ("AWS_PROFILE", profile)));
    command.envs(account.region.iter().flat_map(|region| [("AWS_REGION", region), ("AWS_DEFAULT_REGION", region)]));
    Ok(job::exit_code(Job::on_terminal("the look at the account", LIMIT).run(command)?))
}
