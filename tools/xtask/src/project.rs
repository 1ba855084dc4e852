//! Where things are, and how cargo is called.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The profile of everything that runs on this machine. One profile and one explicit target for all builds let
/// `cargo test`, `cargo clippy` and `cargo lambda build` share what they compile.
pub(crate) const PROFILE: &str = "local";

/// What cargo sets for the program it runs. Build scripts watch some of them, so handing them on would make crates
/// compile again each time a build is started from here instead of from a shell.
const SET_BY_CARGO: [&str; 5] =
    ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_NAME", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"];

/// The workspace, its target folder and the machine's target triple.
pub(crate) struct Project {
    /// The folder of the workspace's `Cargo.toml`.
    pub(crate) root: PathBuf,
    /// Cargo's target folder, wherever the environment puts it.
    pub(crate) target_dir: PathBuf,
    /// The host's target triple.
    pub(crate) triple: String,
}

impl Project {
    pub(crate) fn find() -> Result<Self> {
        let manifest = std::env::var("CARGO_MANIFEST_DIR").unwrap_or_else(|_| env!("CARGO_MANIFEST_DIR").to_owned());
        let root = Path::new(&manifest).ancestors().nth(2).context("xtask lies outside a workspace")?.to_owned();
        let target_dir = match std::env::var_os("CARGO_TARGET_DIR") {
            Some(folder) => root.join(folder),
            None => root.join("target"),
        };
        Ok(Self { root, target_dir, triple: host_triple()? })
    }

    /// The functions.
    pub(crate) fn functions(&self) -> Result<Vec<String>> {
        functions_of(&self.root)
    }

    /// The folder of the local stack's files: `target/local`, which clients know, wherever cargo writes.
    pub(crate) fn local(&self) -> PathBuf {
        self.root.join("target/local")
    }

    /// The log of one step.
    pub(crate) fn log(&self, step: &str) -> PathBuf {
        self.local().join("logs").join(format!("{step}.log"))
    }

    /// A binary of this workspace, built for this machine.
    pub(crate) fn binary(&self, name: &str) -> PathBuf {
        self.binary_of(PROFILE, name)
    }

    /// A binary of another profile.
    pub(crate) fn binary_of(&self, profile: &str, name: &str) -> PathBuf {
        self.target_dir.join(&self.triple).join(profile).join(name)
    }

    /// A path as a person at the root of the workspace would write it.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }

    /// Any program, run from the root of the workspace.
    pub(crate) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root);
        for (name, _) in std::env::vars_os() {
            if SET_BY_CARGO.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
                command.env_remove(name);
            }
        }
        command
    }

    /// `cargo <subcommand>`, nothing else.
    pub(crate) fn cargo(&self, subcommand: &str) -> Command {
        let mut command = self.command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        command.arg(subcommand);
        command
    }

    /// `cargo <subcommand>` with the target and the profile that everything shares.
    pub(crate) fn cargo_local(&self, subcommand: &str) -> Command {
        let mut command = self.cargo(subcommand);
        command.args(["--target", &self.triple, "--profile", PROFILE]);
        command
    }

    /// What `cargo metadata` says about the whole dependency graph on this machine.
    pub(crate) fn metadata(&self) -> Result<serde_json::Value> {
        let output = self
            .cargo("metadata")
            .args(["--format-version", "1", "--filter-platform", &self.triple])
            .output()
            .context("cargo metadata could not be started")?;
        if !output.status.success() {
            bail!("cargo metadata failed: {}", String::from_utf8_lossy(&output.stderr).trim());
        }
        serde_json::from_slice(&output.stdout).context("cargo metadata printed something that is not JSON")
    }
}

fn host_triple() -> Result<String> {
    let output = Command::new("rustc").arg("-vV").output().context("rustc could not be started")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    Ok(host.context("rustc -vV names no host")?.to_owned())
}
/// The functions of a workspace: the folders under `functions/`.
pub(crate) fn functions_of(root: &Path) -> Result<Vec<String>> {
    let folder = root.join("functions");
    let entries = fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))?;
    let folders = entries.flatten().filter(|entry| entry.path().join("Cargo.toml").is_file());
    let mut names: Vec<String> = folders.filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    Ok(names)
}
