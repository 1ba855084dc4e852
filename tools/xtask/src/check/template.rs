//! Looks at the SAM templates, ours and the example's, offline: the SAM CLI lints them, checkov searches them for insecure
//! settings. Ours is looked at as it comes out under many sets of parameters, too.

use crate::process::job::Job;
use crate::project::Project;
use crate::stack::deploy;
use crate::venv::Venv;
use anyhow::Result;
use std::fs;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10 * 60);
const TEMPLATES: [&str; 2] = ["template.yaml", "docs/examples/consumer.yaml"];

pub(super) fn check(project: &Project) -> Result<()> {
    Venv::Sam.ensure(project)?;
    Venv::Checkov.ensure(project)?;
    for template in TEMPLATES {
        let mut command = deploy::sam(project, "validate")?;
        command.args(["--lint", "--template-file", template]);
        Job::logged("sam validate --lint", LIMIT, project.log("validate")).succeed(command)?;
    }
    let folder = project.local().join("matrix");
    let mut command = project.command(Venv::Sam.program(project, "python"));
    command.arg("tools/xtask/python/matrix.py").arg(TEMPLATES[0]).arg(&folder);
    Job::logged("the template under many parameters", LIMIT, project.log("matrix")).succeed(command)?;
    let mut command = project.command(Venv::Checkov.program(project, "checkov"));
    command.args(["--config-file", "tools/xtask/checkov.yaml"]);
    command.args(TEMPLATES.iter().flat_map(|template| ["--file", template]));
    // From the project's root on: checkov puts a path that it is given into what it searches, and a whole one may be as long
    // as a key of AWS is.
    for made in fs::read_dir(&folder)? {
        command.arg("--file").arg(made?.path().strip_prefix(&project.root)?);
    }
    Job::logged("checkov", LIMIT, project.log("checkov")).succeed(command)
}
