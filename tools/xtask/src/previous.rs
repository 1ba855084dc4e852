//! The functions of an earlier revision, built beside those of this one: `hour --mixed` lets both work on one stack.

use crate::build;
use crate::build::Workspace;
use crate::process::processes::Record;
use crate::project::Project;
use crate::stack::deploy;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// An earlier revision whose functions are built.
pub(crate) struct Previous {
    /// Where its functions are, each in a folder of its own.
    folder: PathBuf,
}

/// Builds the functions of a revision. None named: the latest tag before this commit, or else the commit before it.
pub(crate) fn build(project: &Project, wanted: &str) -> Result<Previous> {
    let revision = match wanted {
        "" => latest_before(project)?,
        named => named.to_owned(),
    };
    let commit = git(project, &["rev-parse", "--short", "--verify", &format!("{revision}^{{commit}}")])
        .with_context(|| format!("{revision} is no revision that git knows here"))?;
    println!("the previous version is {commit} ({revision})");
    let folder = project.root.join("target/previous");
    let (source, archive) = (folder.join("source"), folder.join("source.tar"));
    // The files alone: a worktree would stay on git's record when somebody deletes the target folder.
    let _ = fs::remove_dir_all(&source);
    fs::create_dir_all(&source)?;
    git(project, &["archive", "--format=tar", "--output", &archive.to_string_lossy(), &commit])?;
    // Unpacked anew each time, and as old as this moment (`-m`). To cargo two workspaces of the same shape are one: it tells
    // their files apart by their age alone, and would take what it compiled of one revision for the other's. For the same
    // reason this has a target folder of its own, beside the one of the present version.
    run(project.command("tar").arg("-xmf").arg(&archive).arg("-C").arg(&source))?;
    let workspace = Workspace { root: source, target_dir: folder.join("target") };
    let lambda = folder.join("lambda");
    build::functions_into(project, &workspace, &lambda, "build-previous")?;
    Ok(Previous { folder: lambda })
}

fn latest_before(project: &Project) -> Result<String> {
    // A repository may have no tag yet.
    let tag = git(project, &["describe", "--tags", "--abbrev=0", "HEAD~1"]);
    Ok(tag.unwrap_or_else(|_| "HEAD~1".to_owned()))
}

impl Previous {
    /// Hands both versions' code to the emulator, for the hour to take from there.
    pub(crate) fn stage(&self, project: &Project, record: &Record) -> Result<()> {
        let emulator = record.service("ministack").context("no emulator is running")?;
        let present = project.root.join("target/lambda");
        let same =
            |name: &String| same_file(&self.folder.join(name).join("bootstrap"), &present.join(name).join("bootstrap"));
        if project.functions()?.iter().map(same).collect::<Result<Vec<bool>>>()?.into_iter().all(|same| same) {
            bail!("the earlier functions are byte for byte the present ones; name another revision");
        }
        deploy::stage_code(project, emulator.port, "previous", &self.folder)?;
        deploy::stage_code(project, emulator.port, "present", &present)
    }
}

fn same_file(one: &Path, other: &Path) -> Result<bool> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("{} can't be read", path.display()));
    Ok(read(one)? == read(other)?)
}

fn git(project: &Project, words: &[&str]) -> Result<String> {
    run(project.command("git").args(words))
}

fn run(command: &mut Command) -> Result<String> {
    let output = command.output().with_context(|| format!("{command:?} could not be started"))?;
    if !output.status.success() {
        bail!("{command:?} failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
