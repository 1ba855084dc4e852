//! Compiles what the local stack runs: the seven functions, the sandbox, the story, the hour and the crashes.

use crate::package;
use crate::process::job::Job;
use crate::project::{PROFILE, Project, functions_of};
use crate::ship::Arch;
use crate::venv::Venv;
use anyhow::{Result, bail, ensure};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// From nothing, the AWS SDK takes minutes on two cores, and other builds may hold cargo's lock.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// The functions that a local stack runs, and the template that it is deployed from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    /// Built for this machine, quickly, in the profile of the tests.
    Local,
    /// What `cargo xtask package` makes for this machine's processor.
    Packaged,
}

impl Code {
    pub(crate) fn of(packaged: bool) -> Self {
        if packaged { Self::Packaged } else { Self::Local }
    }

    pub(crate) fn template(self, project: &Project) -> PathBuf {
        match self {
            Self::Local => project.root.join("template.yaml"),
            Self::Packaged => package::folder(project, Arch::of(&project.triple)).join("template.yaml"),
        }
    }

    /// A digest of what a deploy would carry: the functions and the template.
    pub(crate) fn digest(self, project: &Project) -> Result<String> {
        match self {
            Self::Local => digest(project),
            Self::Packaged => package::digest(project, Arch::of(&project.triple)),
        }
    }
}

/// Builds every function, and the binaries that drive the stack.
///
/// Both builds select the whole workspace and then only some of its binaries: with fewer packages selected, cargo would
/// settle on fewer features of what they share, and `cargo test` would compile the AWS SDK once more for the
/// difference.
pub(crate) fn everything(project: &Project, code: Code) -> Result<()> {
    match code {
        Code::Local => {
            let here = Workspace { root: project.root.clone(), target_dir: project.target_dir.clone() };
            functions_into(project, &here, &project.root.join("target/lambda"), "build-functions")?;
        }
        Code::Packaged => {
            ensure!(cfg!(target_os = "linux"), "a package holds programs for Linux, and this machine runs none");
            package::make(project, Arch::of(&project.triple))?;
        }
    }
    let mut command = project.cargo_local("build");
    command.args(["--workspace", "--bin", "sandbox", "--bin", "story", "--bin", "hour", "--bin", "crash"]);
    command.args(["--bin", "hookledger"]);
    Job::logged("building the sandbox and what drives the stack", LIMIT, project.log("build-tools")).succeed(command)
}

/// A revision's files, and where cargo puts what it makes of them.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) target_dir: PathBuf,
}

/// Builds a workspace's functions into a folder.
pub(crate) fn functions_into(project: &Project, workspace: &Workspace, into: &Path, step: &str) -> Result<()> {
    let mut command = project.command(Venv::Sam.program(project, "cargo-lambda"));
    command.current_dir(&workspace.root).env("CARGO_TARGET_DIR", &workspace.target_dir);
    // The plain cargo as compiler builds for this machine and needs no cross toolchain; the check it skips would ask
    // rustup for one.
    command.args(["lambda", "build", "--compiler", "cargo", "--skip-target-check", "--output-format", "binary"]);
    command.args(["--profile", PROFILE, "--target", &project.triple]);
    command.arg("--lambda-dir").arg(into);
    command.arg("--workspace");
    for function in functions_of(&workspace.root)? {
        command.args(["--bin", &function]);
    }
    Job::logged("building the functions", LIMIT, project.log(step)).succeed(command)
}

fn digest(project: &Project) -> Result<String> {
    let mut files = vec![project.root.join("template.yaml")];
    files.extend(
        project.functions()?.iter().map(|name| project.root.join("target/lambda").join(name).join("bootstrap")),
    );
    let mut digest = Sha256::new();
    for file in files {
        let Ok(bytes) = fs::read(&file) else {
            bail!("{} is missing although the build succeeded", file.display());
        };
        digest.update(Sha256::digest(&bytes));
    }
    Ok(hex::encode(digest.finalize()))
}
