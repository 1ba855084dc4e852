//! Writes the workspace in which the mutants live: a copy of the core, the simulation and what that is made of, with a switch for each.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

use crate::mutant::{Edit, SWITCH};
use crate::table::all;

/// The packages that are copied, at the same places as in the workspace, so that their paths stay true.
const PACKAGES: [&str; 4] = ["shared/core", "tests/kit", "tests/simulation", "tests/mutants"];
/// The package that is written anew: the program that turns the switches.
const RUNNER: &str = "tests/kill";

/// The switches, a module of the copied core. Each thread has its own, so that mutants run side by side.
const SWITCHES: &str = r"//! Which mutant runs on this thread.

use std::cell::Cell;

thread_local! {
    static CHOSEN: Cell<usize> = const { Cell::new(usize::MAX) };
}

/// From now on this one, or none.
pub fn choose(mutant: Option<usize>) {
    CHOSEN.set(mutant.unwrap_or(usize::MAX));
}

/// Whether it is this one.
pub fn is(mutant: usize) -> bool {
    CHOSEN.get() == mutant
}
";

const RUNNER_MANIFEST: &str = r#"[package]
name = "kill"
version = "0.1.0"
edition = "2024"

[dependencies]
hookledger-core.workspace = true
hookledger-simulation.workspace = true
hookledger-mutants = { path = "../mutants" }
"#;

const RUNNER_MAIN: &str = r"//! Turns one mutant's switch on after another.

use hookledger_mutants::{Found, World, kill};
use hookledger_simulation::simulation::guarded;

fn main() -> std::process::ExitCode {
    let run = |seed, keep_history| {
        let outcome = guarded(seed, keep_history);
        Found { violations: outcome.violations, history: outcome.history }
    };
    kill(World { choose: hookledger_core::mutant::choose, run })
}
";

/// Writes the workspace of the mutants of the workspace at `root` into `folder`. What is there already and the same is
/// left alone, so that nothing is compiled twice; a file that was moved away since is removed.
pub fn write(root: &Path, folder: &Path) -> io::Result<()> {
    let mut files = BTreeMap::new();
    for package in PACKAGES {
        read_all(root, Path::new(package), &mut files)?;
    }
    mutate(&mut files)?;
    let members = PACKAGES.iter().chain([&RUNNER]).map(|member| format!("\"{member}\"")).collect::<Vec<_>>().join(", ");
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    let of_workspace = |line: &str| match line {
        _ if line.starts_with("members = ") => format!("members = [{members}]\n"),
        // Cargo tells packages apart by name, version and place in the workspace. With a version of their own, what is
        // built here and what is built there can share a target folder and never be taken for each other.
        _ if line.starts_with("version = ") => format!("{}-mutants\"\n", line.trim_end_matches('"')),
        _ => format!("{line}\n"),
    };
    files.insert("Cargo.toml".into(), manifest.lines().map(of_workspace).collect());
    files.insert("Cargo.lock".into(), fs::read_to_string(root.join("Cargo.lock"))?);
    files.insert("shared/core/src/mutant.rs".into(), SWITCHES.into());
    files.insert(Path::new(RUNNER).join("Cargo.toml"), RUNNER_MANIFEST.into());
    files.insert(Path::new(RUNNER).join("src/main.rs"), RUNNER_MAIN.into());
    let mut there = BTreeMap::new();
    for package in PACKAGES.into_iter().filter(|package| folder.join(package).is_dir()) {
        read_all(folder, Path::new(package), &mut there)?;
    }
    for gone in there.keys().filter(|path| !files.contains_key(*path)) {
        fs::remove_file(folder.join(gone))?;
    }
    for (path, text) in files {
        let path = folder.join(path);
        if fs::read_to_string(&path).is_ok_and(|known| known == text) {
            continue;
        }
        fs::create_dir_all(path.parent().unwrap_or(folder))?;
        fs::write(path, text)?;
    }
    Ok(())
}

/// All text files of a package.
fn read_all(root: &Path, folder: &Path, files: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(root.join(folder))? {
        let entry = entry?;
        let path = folder.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            read_all(root, &path, files)?;
        } else if path.extension().is_some_and(|ending| ending == "rs" || ending == "toml") {
            files.insert(path, fs::read_to_string(entry.path())?);
        }
    }
    Ok(())
}

fn mutate(files: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    for (number, mutant) in all().iter().enumerate() {
        for edit in mutant.edits {
            let text = files.get_mut(Path::new(edit.file));
            let text = text.ok_or_else(|| io::Error::other(format!("{}: there is no {}", mutant.name, edit.file)))?;
            *text = edited(text, edit, number).map_err(|why| io::Error::other(format!("{}: {why}", mutant.name)))?;
        }
    }
    let library = files.get_mut(Path::new("shared/core/src/lib.rs"));
    library.ok_or_else(|| io::Error::other("the core has no lib.rs"))?.push_str("\npub mod mutant;\n");
    Ok(())
}

/// The file with this edit in it.
pub(crate) fn edited(text: &str, edit: &Edit, number: usize) -> Result<String, String> {
    match text.matches(edit.find).count() {
        1 => {}
        times => return Err(format!("{} holds the text {times} times, not once: {}", edit.file, edit.find)),
    }
    let home = if edit.file.starts_with("shared/core/") { "crate" } else { "hookledger_core" };
    Ok(text.replace(edit.find, &edit.replace.replace(SWITCH, &format!("{home}::mutant::is({number})"))))
}
