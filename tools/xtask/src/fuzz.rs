//! `fuzz`: input that nobody should send, for as long as it is told to.

use crate::process::job::Job;
use crate::project::Project;
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::Duration;

/// From nothing this compiles everything, on machines of two cores.
const BUILD_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How much longer than asked for a run may take: the corpora are tried whatever the time, and a failing input is made
/// small. Beyond it an input hangs.
const MARGIN: Duration = Duration::from_secs(10 * 60);
/// What is run without `--seconds`.
const DEFAULT_SECONDS: u64 = 60;

/// What to run, and for how long.
#[derive(clap::Args)]
pub(crate) struct Fuzz {
    /// How long to run, all targets together; 0 tries the committed inputs alone
    #[arg(long, default_value_t = DEFAULT_SECONDS)]
    seconds: u64,
    /// One target alone; the folders of tests/corpora are their names
    #[arg(long)]
    target: Option<String>,
    /// Decides every input; another one each time when left out
    #[arg(long)]
    seed: Option<u64>,
}

/// Builds the fuzzer and runs it. The exit code is 1 if any input broke a promise.
pub(crate) fn run(project: &Project, fuzz: &Fuzz) -> Result<u8> {
    // The whole workspace, as everywhere: with fewer packages cargo would settle on fewer features and compile again.
    let mut build = project.cargo_local("build");
    build.args(["--workspace", "--bin", "fuzz"]);
    Job::logged("building the fuzzer", BUILD_LIMIT, project.log("build-fuzz")).succeed(build)?;
    let current = project.local().join("fuzz");
    std::fs::create_dir_all(&current).with_context(|| format!("{} cannot be made", current.display()))?;
    let mut command = project.command(project.binary("fuzz"));
    command.arg("--seconds").arg(fuzz.seconds.to_string()).arg("--current").arg(&current);
    if let Some(target) = &fuzz.target {
        command.arg("--target").arg(target);
    }
    if let Some(seed) = fuzz.seed {
        command.arg("--seed").arg(seed.to_string());
    }
    let limit = Duration::from_secs(fuzz.seconds).saturating_add(MARGIN);
    let ended = Job::on_terminal("the fuzzer", limit).run(command);
    if crate::process::job::interrupted() {
        bail!("interrupted");
    }
    match ended.as_ref().ok().and_then(std::process::ExitStatus::code) {
        Some(code) => Ok(u8::try_from(code).unwrap_or(1)),
        // No panic handler survives a full stack or a process that is killed. The input that did it is still there.
        None => {
            let why =
                ended.err().map_or_else(|| "the fuzzer was killed by a signal".to_owned(), |why| format!("{why:#}"));
            bail!("{why}{}", keep_what_ended_it(project, &current)?)
        }
    }
}

/// Moves the inputs that were being tried into the corpora, and says how to see it again.
fn keep_what_ended_it(project: &Project, current: &Path) -> Result<String> {
    let mut kept = String::new();
    for file in std::fs::read_dir(current)? {
        let path = file?.path();
        let target = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let folder = project.root.join("tests/corpora").join(&target);
        std::fs::create_dir_all(&folder)?;
        let to = folder.join(format!("killed-{}", std::process::id()));
        std::fs::copy(&path, &to)?;
        std::fs::remove_file(&path)?;
        let shown = project.shown(&to);
        kept.push_str(&format!("\n  the input: {shown}\n  again: cargo xtask fuzz --target {target} --seconds 0"));
    }
    Ok(kept)
}
