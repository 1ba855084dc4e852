//! What each function is made of, as CycloneDX says it, by cargo-cyclonedx.
//!
//! It writes beside the manifests and tells of every package of a workspace, with the features that all of them ask for
//! together. So it is shown a copy with the functions and what they are made of, and nothing else.

use super::files::copy;
use crate::process::job::Job;
use crate::project::Project;
use crate::ship::{self, Arch};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The first version that writes nothing random where it is told to be reproducible.
const VERSION: &str = "0.5.9";
/// From nothing this compiles a few hundred small crates.
const INSTALL_LIMIT: Duration = Duration::from_secs(30 * 60);
const RUN_LIMIT: Duration = Duration::from_secs(10 * 60);
/// The folders that a function is made of.
const PARTS: [&str; 2] = ["functions", "shared"];

/// Writes `<function>.cdx.json` for each function into a folder.
pub(super) fn write(project: &Project, arch: Arch, functions: &[String], folder: &Path) -> Result<()> {
    let program = installed(project)?;
    let workspace = project.root.join("target/sbom");
    copy_workspace(&project.root, &workspace)?;
    let mut command = project.command(program.join("bin/cargo-cyclonedx"));
    command.current_dir(&workspace).args(["cyclonedx", "--format", "json", "--spec-version", "1.5"]);
    command.args(["--target", arch.triple(), "--override-filename", "sbom", "--quiet"]);
    // With a time that is given, it writes neither the present one nor a random number. So a package that is built again has
    // the same digests.
    command.env("SOURCE_DATE_EPOCH", "0").env("CARGO_NET_OFFLINE", "true");
    let log = project.log("sbom");
    Job::logged("listing what the functions are made of", RUN_LIMIT, log).succeed(command)?;
    let home = ship::cargo_home()?;
    for function in functions {
        let written = workspace.join("functions").join(function).join("sbom.json");
        let text = fs::read_to_string(&written).with_context(|| format!("{} was not written", written.display()))?;
        let text = without_paths(&text, &workspace);
        let told = [&project.root, &home].into_iter().find(|path| text.contains(&*path.to_string_lossy()));
        ensure!(told.is_none(), "the list of {function} names {told:?}, a folder of this machine");
        let path = folder.join(format!("{function}.cdx.json"));
        fs::write(&path, text).with_context(|| format!("{} can't be written", path.display()))?;
    }
    Ok(())
}

fn installed(project: &Project) -> Result<PathBuf> {
    let folder = project.local().join(format!("cargo-cyclonedx-{VERSION}"));
    if !folder.join("bin/cargo-cyclonedx").is_file() {
        let mut install = project.cargo("install");
        install.args(["cargo-cyclonedx", "--locked", "--version", &format!("={VERSION}"), "--root"]).arg(&folder);
        let log = project.log("install-cargo-cyclonedx");
        Job::logged("installing cargo-cyclonedx", INSTALL_LIMIT, log).succeed(install)?;
    }
    Ok(folder)
}

fn copy_workspace(root: &Path, workspace: &Path) -> Result<()> {
    if workspace.exists() {
        fs::remove_dir_all(workspace).with_context(|| format!("{} can't be removed", workspace.display()))?;
    }
    for part in PARTS {
        copy(&root.join(part), &workspace.join(part))?;
    }
    copy(&root.join("Cargo.lock"), &workspace.join("Cargo.lock"))?;
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("Cargo.toml can't be read")?;
    fs::write(workspace.join("Cargo.toml"), with_members(&manifest)?).context("a manifest can't be written")
}

/// The workspace's manifest with these members only.
fn with_members(manifest: &str) -> Result<String> {
    let line = manifest.lines().find(|line| line.starts_with("members = ["));
    let line = line.context("Cargo.toml has no line `members = […]`")?;
    let members = PARTS.map(|part| format!("\"{part}/*\"")).join(", ");
    Ok(manifest.replacen(line, &format!("members = [{members}]"), 1))
}

/// A list in which our own packages lie in no folder of this machine.
fn without_paths(text: &str, workspace: &Path) -> String {
    text.replace(&format!("{}", workspace.display()), "/hookledger")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_ships_is_told_of() {
        let manifest = "[workspace]\nmembers = [\"functions/*\", \"tools/*\"]\n[profile.release]\n";
        let expected = "[workspace]\nmembers = [\"functions/*\", \"shared/*\"]\n[profile.release]\n";
        assert_eq!(with_members(manifest).unwrap(), expected);
        assert!(with_members("[package]\n").is_err());
    }

    #[test]
    fn our_own_packages_lie_nowhere() {
        let text = r#""bom-ref": "path+file:///a/target/sbom/shared/core#0.1.0""#;
        let expected = r#""bom-ref": "path+file:///hookledger/shared/core#0.1.0""#;
        assert_eq!(without_paths(text, Path::new("/a/target/sbom")), expected);
    }
}
