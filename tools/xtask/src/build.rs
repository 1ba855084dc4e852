//! Compiles what the local stack runs: the seven functions, the sandbox, the story, the hour and the crashes.

use crate::job::Job;
use crate::project::{PROFILE, Project};
use crate::venv::Venv;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::time::Duration;

/// From nothing, the AWS SDK takes minutes on two cores, and other builds may hold cargo's lock.
const LIMIT: Duration = Duration::from_secs(60 * 60);

/// The functions are the folders under `functions/`.
pub(crate) fn functions(project: &Project) -> Result<Vec<String>> {
    let folder = project.root.join("functions");
    let entries = fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))?;
    let folders = entries.flatten().filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut names: Vec<String> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}

/// Builds every function into `target/lambda/<function>/bootstrap`, and the binaries that drive the stack.
///
/// Both builds select the whole workspace and then only some of its binaries: with fewer packages selected, cargo would
/// settle on fewer features of what they share, and `cargo test` would compile the AWS SDK once more for the
/// difference.
pub(crate) fn everything(project: &Project) -> Result<()> {
    functions_into_lambda(project)?;
    let mut command = project.cargo_local("build");
    command.args(["--workspace", "--bin", "sandbox", "--bin", "story", "--bin", "hour", "--bin", "crash"]);
    Job::logged("building the sandbox and what drives the stack", LIMIT, project.log("build-tools")).succeed(command)
}

fn functions_into_lambda(project: &Project) -> Result<()> {
    let mut command = project.command(Venv::Sam.program(project, "cargo-lambda"));
    // The plain cargo as compiler builds for this machine and needs no cross toolchain; the check it skips would ask
    // rustup for one.
    command.args(["lambda", "build", "--compiler", "cargo", "--skip-target-check", "--output-format", "binary"]);
    command.args(["--profile", PROFILE, "--target", &project.triple]);
    command.arg("--lambda-dir").arg(project.root.join("target/lambda"));
    command.arg("--workspace");
    for function in functions(project)? {
        command.args(["--bin", &function]);
    }
    Job::logged("building the functions", LIMIT, project.log("build-functions")).succeed(command)
}

/// A digest of what a deploy would carry: the functions and the template.
pub(crate) fn digest(project: &Project) -> Result<String> {
    let mut files = vec![project.root.join("template.yaml")];
    files
        .extend(functions(project)?.iter().map(|name| project.root.join("target/lambda").join(name).join("bootstrap")));
    let mut digest = Sha256::new();
    for file in files {
        let Ok(bytes) = fs::read(&file) else {
            bail!("{} is missing although the build succeeded", file.display());
        };
        digest.update(Sha256::digest(&bytes));
    }
    Ok(hex::encode(digest.finalize()))
}
