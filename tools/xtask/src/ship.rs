//! Builds what ships: functions for Lambda's processors, with the command that README gives. The same sources give the
//! same bytes in any folder.

use crate::process::job::Job;
use crate::project::Project;
use crate::venv::Venv;
use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// Link-time optimisation over the AWS SDK takes minutes for each of seven binaries.
const LIMIT: Duration = Duration::from_secs(3 * 60 * 60);
const FETCH_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Nothing listens here: cargo-lambda would otherwise fetch a compiler that it does not find.
const NOWHERE: &str = "http://127.0.0.1:9";
const PROXIES: [&str; 6] = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"];

/// A processor of Lambda's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Arch {
    /// The template's default
    #[value(name = "arm64")]
    Arm64,
    /// For x86-64 from Haswell on
    #[value(name = "x86_64")]
    X86_64,
}

impl Arch {
    /// The processor of a target.
    pub(crate) fn of(triple: &str) -> Self {
        if triple.starts_with("aarch64") { Self::Arm64 } else { Self::X86_64 }
    }

    /// As the template's parameter `Architecture` says it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Arm64 => "arm64",
            Self::X86_64 => "x86_64",
        }
    }

    pub(crate) fn triple(self) -> &'static str {
        match self {
            Self::Arm64 => "aarch64-unknown-linux-gnu",
            Self::X86_64 => "x86_64-unknown-linux-gnu",
        }
    }

    fn flag(self) -> &'static str {
        match self {
            Self::Arm64 => "--arm64",
            Self::X86_64 => "--x86-64",
        }
    }
}

/// Builds these packages, and returns the folder with `<package>/bootstrap` for each.
pub(crate) fn build(project: &Project, arch: Arch, what: &str, packages: &[String]) -> Result<PathBuf> {
    require_target(project, arch)?;
    Venv::Sam.ensure(project)?;
    Venv::Zig.ensure(project)?;
    let mut fetch = project.cargo("fetch");
    fetch.args(["--locked", "--target", arch.triple()]);
    Job::logged("fetching the crates", FETCH_LIMIT, project.log("fetch")).succeed(fetch)?;
    let mut command = project.command(Venv::Sam.program(project, "cargo-lambda"));
    command.args(["lambda", "build", "--release", arch.flag(), "--locked"]);
    // What it checks is checked above: it would install a target that is missing, by rustup.
    command.arg("--skip-target-check");
    let folder = project.root.join("target/ship").join(arch.name());
    command.arg("--lambda-dir").arg(&folder);
    command.args(packages.iter().flat_map(|package| ["-p", package.as_str()]));
    enclose(project, &mut command)?;
    let log = project.log(&format!("build-release-{what}"));
    Job::logged(&format!("building {what} as it ships to {}", arch.name()), LIMIT, log).succeed(command)?;
    Ok(folder)
}

/// Fails, before anything is built, where the compiler lacks the standard library of a target.
pub(crate) fn require_target(project: &Project, arch: Arch) -> Result<()> {
    let triple = arch.triple();
    let output = project.command("rustc").args(["--print", "target-libdir", "--target", triple]).output();
    let output = output.context("rustc could not be started")?;
    let folder = PathBuf::from(String::from_utf8_lossy(&output.stdout).trim());
    let names = fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    let mut libraries = names.filter_map(|name| name.into_string().ok());
    if !libraries.any(|name| name.starts_with("libstd-")) {
        bail!(
            "Rust's standard library for {triple} is not installed; nothing can be compiled for {} without it; \
             install it with: rustup target add {triple}",
            arch.name()
        );
    }
    Ok(())
}

/// Gives a build its compiler, and keeps it from the network and from whatever else this machine's environment says.
fn enclose(project: &Project, command: &mut Command) -> Result<()> {
    let cache = project.local().join("zig");
    command.env("CARGO_ZIGBUILD_PYTHON_PATH", Venv::Zig.program(project, "python"));
    command.env("CARGO_ZIGBUILD_CACHE_DIR", &cache);
    command.env("ZIG_GLOBAL_CACHE_DIR", cache.join("global")).env("ZIG_LOCAL_CACHE_DIR", cache.join("local"));
    command.env("CARGO_NET_OFFLINE", "true").env_remove("NO_PROXY").env_remove("no_proxy");
    for proxy in PROXIES {
        command.env(proxy, NOWHERE);
    }
    let flags = remapped(&project.root, &project.target_dir, &unpacked_crates(&cargo_home()?))?;
    // cargo-lambda adds the processor's flag to these.
    command.env("RUSTFLAGS", flags).env_remove("CARGO_ENCODED_RUSTFLAGS");
    Ok(())
}

/// Where cargo keeps what it downloads.
pub(crate) fn cargo_home() -> Result<PathBuf> {
    let found = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    found.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("there is no home folder, and no CARGO_HOME")
}

/// The folders of unpacked crates, one for each registry: their names tell where a machine's crates come from.
fn unpacked_crates(cargo_home: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cargo_home.join("registry/src")).into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    folders.sort();
    folders
}

/// The flags that put names of ours in the place of this machine's folders. Of two that fit, the compiler takes the later.
fn remapped(root: &Path, target_dir: &Path, crates: &[PathBuf]) -> Result<String> {
    let ours = [(root, "/hookledger"), (target_dir, "/hookledger/target")];
    let all = ours.into_iter().chain(crates.iter().map(|folder| (folder.as_path(), "/crates")));
    let flags = all.map(|(from, to)| {
        let from = from.to_str().filter(|path| !path.contains(char::is_whitespace)).with_context(|| {
            format!("{} has a space in its name, which RUSTFLAGS can't carry; build in another folder", from.display())
        })?;
        Ok(format!("--remap-path-prefix={from}={to}"))
    });
    Ok(flags.collect::<Result<Vec<_>>>()?.join(" "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_more_particular_folder_comes_later() {
        let crates = [PathBuf::from("/a/cargo/one"), PathBuf::from("/a/cargo/two")];
        assert_eq!(
            remapped(Path::new("/a"), Path::new("/a/target"), &crates).unwrap(),
            "--remap-path-prefix=/a=/hookledger --remap-path-prefix=/a/target=/hookledger/target \
             --remap-path-prefix=/a/cargo/one=/crates --remap-path-prefix=/a/cargo/two=/crates"
        );
    }

    #[test]
    fn a_folder_that_a_flag_cannot_carry_is_named() {
        let error = remapped(Path::new("/a b"), Path::new("/target"), &[]).unwrap_err().to_string();
        assert!(error.starts_with("/a b has a space"), "{error}");
    }
}
