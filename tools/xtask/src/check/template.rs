//! Lints the SAM templates, ours and the example's, with the SAM CLI, offline.

use crate::deploy;
use crate::job::Job;
use crate::project::Project;
use crate::venv::Venv;
use anyhow::Result;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(5 * 60);
const TEMPLATES: [&str; 2] = ["template.yaml", "docs/examples/consumer.yaml"];

pub(super) fn check(project: &Project) -> Result<()> {
    Venv::Sam.ensure(project)?;
    for template in TEMPLATES {
        let mut command = deploy::sam(project, "validate")?;
        command.args(["--lint", "--template-file", template]);
        Job::logged("sam validate --lint", LIMIT, project.log("validate")).succeed(command)?;
    }
    Ok(())
}
