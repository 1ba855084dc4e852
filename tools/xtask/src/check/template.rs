//! Lints `template.yaml` with the SAM CLI, offline.

use crate::deploy;
use crate::job::Job;
use crate::project::Project;
use crate::venv::Venv;
use anyhow::Result;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5 * 60);

pub(super) fn check(project: &Project) -> Result<()> {
    Venv::Sam.ensure(project)?;
    let mut command = deploy::sam(project, "validate")?;
    command.args(["--lint", "--template-file", "template.yaml"]);
    Job::logged("sam validate --lint", LIMIT, project.log("validate")).succeed(command)
}
