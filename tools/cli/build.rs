//! Lists the sample events of `events/`, so that the command has them built in.
#![expect(clippy::disallowed_macros, reason = "cargo is told on standard output")]

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs};

/// What AWS sends, and no provider.
const OF_NOBODY: &str = "lambda";

fn main() -> Result<(), Box<dyn Error>> {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("../../events").canonicalize()?;
    println!("cargo::rerun-if-changed=build.rs");
    // A folder counts as changed when anything in it has.
    println!("cargo::rerun-if-changed={}", root.display());
    let mut list = String::from("&[\n");
    for folder in sorted(&root)? {
        let provider = name(&folder)?;
        if !folder.is_dir() || provider == OF_NOBODY {
            continue;
        }
        for file in sorted(&folder)? {
            let sample = name(&file)?;
            writeln!(list, "    ({provider:?}, {sample:?}, include_bytes!({:?})),", file.display().to_string())?;
        }
    }
    list.push(']');
    fs::write(Path::new(&env::var("OUT_DIR")?).join("samples.rs"), list)?;
    Ok(())
}

/// What is in a folder, in the order of the names.
fn sorted(folder: &Path) -> Result<Vec<PathBuf>, Box<dyn Error>> {
    let mut paths = fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>, std::io::Error>>()?;
    paths.sort_by(|one, other| one.file_stem().cmp(&other.file_stem()));
    Ok(paths)
}

/// A name without its ending.
fn name(path: &Path) -> Result<&str, Box<dyn Error>> {
    path.file_stem().and_then(|name| name.to_str()).ok_or_else(|| format!("{}: no name", path.display()).into())
}
