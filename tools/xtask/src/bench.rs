//! `bench` and `cost`: what the functions take, beside the least they could take and beside what a team would otherwise
//! write; and what a million events come to.
//!
//! ```text
//! the functions, as they ship ──┐
//! the floor, in the same way ───┼─ the bench ─ target/bench/results.json ─ cost
//! Python and Node.js, pinned ───┘
//! ```

use crate::process::job::{self, Job};
use crate::project::Project;
use crate::ship::{self, Arch};
use crate::simulate;
use anyhow::{Context, Result};
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The peers' packages come from their registries.
const INSTALL_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Three times as long as a full run may take.
const RUN_LIMIT: Duration = Duration::from_secs(60 * 60);
/// Node's module loader for what the AWS SDK still asks for by `require`.
const NODE_BANNER: &str =
    "--banner:js=import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);";

/// What to measure.
#[derive(clap::Args)]
pub(crate) struct Wanted {
    /// Fewer runs: three minutes, and a wider spread
    #[arg(long)]
    quick: bool,
    /// Only these subjects, with commas between them
    #[arg(long)]
    only: Option<String>,
}

/// Builds and installs everything that is compared, and compares it. Missed targets are printed, and are no failure: a
/// busy machine misses some.
pub(crate) fn run(project: &Project, wanted: &Wanted) -> Result<u8> {
    let folder = folder(project);
    fs::create_dir_all(&folder).with_context(|| format!("{} can't be made", folder.display()))?;
    let release = release(project)?;
    python(project, &folder)?;
    node(project, &folder)?;
    let mut command = project.command(simulate::built(project, "bench", "bench")?);
    command.arg("run").arg("--release").arg(release);
    command.arg("--folder").arg(&folder);
    if wanted.quick {
        command.arg("--quick");
    }
    command.args(wanted.only.iter().flat_map(|only| ["--only", only.as_str()]));
    let status = Job::on_terminal("the bench", RUN_LIMIT).run(command)?;
    Ok(job::exit_code(status))
}

/// Prints what a million events cost, or a month of one's own, from the template and the last bench. Where none was run, from
/// what is recorded of one. The exit code is 1 above the target.
pub(crate) fn cost(project: &Project, asked: &[String]) -> Result<u8> {
    let own = folder(project).join("results.json");
    let results = if own.is_file() { own } else { project.root.join("tools/bench/counted.json") };
    println!("What an event asks of AWS was counted in {}", project.shown(&results));
    let mut command = project.command(simulate::built(project, "bench", "bench")?);
    command.arg("cost").arg("--results").arg(results).arg("--template").arg(project.root.join("template.yaml"));
    command.args(asked);
    let status = Job::on_terminal("the bill", RUN_LIMIT).run(command)?;
    Ok(job::exit_code(status))
}

fn folder(project: &Project) -> PathBuf {
    project.root.join("target/bench")
}

fn peers(project: &Project) -> PathBuf {
    project.root.join("tools/bench/peers")
}

/// The functions and the floors, built as they ship; returns the folder with their binaries.
///
/// Each floor is built alone: it asks for more of what it shares with the functions (HTTP/2, for the SDK's own client),
/// and in one build they would get it too, and not be the binaries that are deployed.
fn release(project: &Project) -> Result<PathBuf> {
    let arch = Arch::of(&project.triple);
    for floor in ["floor-sdk", "floor-bare"] {
        ship::build(project, arch, floor, &[floor.to_owned()])?;
    }
    ship::build(project, arch, "functions", &project.functions()?)
}

/// The Python peers' environment: every package pinned, with its hash.
fn python(project: &Project, folder: &Path) -> Result<()> {
    let sources = peers(project).join("python");
    let files = ["requirements.txt", "common.py", "lean.py", "powertools.py"].map(|name| sources.join(name));
    let [requirements, ..] = &files;
    let environment = folder.join("python");
    install_once(&environment, &files, || {
        let mut create = project.command("python3");
        create.args(["-m", "venv"]).arg(&environment);
        let step = "bench-venv";
        Job::logged("making the Python peers' environment", INSTALL_LIMIT, project.log(step)).succeed(create)?;
        let mut install = project.command(environment.join("bin/python"));
        install.args(["-m", "pip", "install", "--require-hashes", "--no-deps", "--no-input", "-r"]).arg(requirements);
        Job::logged("installing the Python peers", INSTALL_LIMIT, project.log("bench-pip")).succeed(install)?;
        // Copied, because Python keeps what it compiled beside the sources.
        copy(&files, &environment.join("app"))
    })
}

/// The Node.js peer as one minified file, which is how such a function is deployed.
fn node(project: &Project, folder: &Path) -> Result<()> {
    let sources = peers(project).join("node");
    let files = ["package.json", "package-lock.json", "receiver.mjs"].map(|name| sources.join(name));
    let environment = folder.join("node");
    install_once(&environment, &files, || {
        copy(&files, &environment)?;
        let mut install = project.command("npm");
        install.current_dir(&environment).args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]);
        Job::logged("installing the Node.js peer", INSTALL_LIMIT, project.log("bench-npm"))
            .succeed(install)
            .context("the Node.js peer needs Node.js 20 or newer, with npm")?;
        let mut bundle = project.command(environment.join("node_modules/.bin/esbuild"));
        bundle.current_dir(&environment).args(["receiver.mjs", "--bundle", "--minify", "--platform=node"]);
        bundle.args(["--target=node20", "--format=esm", NODE_BANNER, "--outfile=bundle.mjs"]);
        Job::logged("bundling the Node.js peer", INSTALL_LIMIT, project.log("bench-esbuild")).succeed(bundle)
    })
}

fn copy(files: &[PathBuf], folder: &Path) -> Result<()> {
    fs::create_dir_all(folder).with_context(|| format!("{} can't be made", folder.display()))?;
    for file in files {
        let name = file.file_name().context("a file without a name")?;
        fs::copy(file, folder.join(name)).with_context(|| format!("{} can't be copied", file.display()))?;
    }
    Ok(())
}

/// Installs an environment unless it was installed from exactly these files.
fn install_once(environment: &Path, files: &[PathBuf], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let mut digest = Sha256::new();
    for file in files {
        digest.update(fs::read(file).with_context(|| format!("{} can't be read", file.display()))?);
    }
    let wanted = hex::encode(digest.finalize());
    let stamp = environment.join("installed-from");
    if fs::read_to_string(&stamp).is_ok_and(|found| found == wanted) {
        return Ok(());
    }
    if environment.exists() {
        fs::remove_dir_all(environment).with_context(|| format!("{} can't be removed", environment.display()))?;
    }
    install()?;
    fs::write(&stamp, wanted).with_context(|| format!("{} can't be written", stamp.display()))
}
