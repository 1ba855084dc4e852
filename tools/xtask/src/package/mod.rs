//! `package`: a folder that a team without Rust deploys with the SAM CLI alone.
//!
//! ```text
//! ship ─ binary, panics: may it be deployed? ─ zips ─┐
//! template.yaml ─ template: takes code from the zips ─┼─ target/package/<arch>/ ─ SHA256SUMS
//! Cargo.lock ─ sbom: what each function is made of ───┘
//! ```
//!
//! Nothing in it tells when, where or by whom it was made: the same sources give the same SHA256SUMS.

mod binary;
mod files;
mod panics;
mod sbom;
mod template;
mod zips;

use crate::project::Project;
use crate::ship::{self, Arch};
use anyhow::{Context, Result, bail};
use files::copy;
use sha2::{Digest, Sha256};
use std::fs;
use std::path::{Path, PathBuf};

/// The limits of docs/performance.md: a receiver's, and that of whoever does more.
const RECEIVER_ZIP_BYTES: usize = 2_600_000;
const ZIP_BYTES: usize = 3_000_000;
/// The list of all other files with their digests, as `sha256sum -c` reads it.
const SUMS: &str = "SHA256SUMS";
/// What is packed as it is.
const COPIED: [&str; 2] = ["samconfig.toml", "LICENSE"];

/// One function, as it ships.
struct Packed {
    name: String,
    binary: Vec<u8>,
    zip: Vec<u8>,
}

/// Makes the package and says what is in it.
pub(crate) fn run(project: &Project, arch: Arch) -> Result<u8> {
    let folder = make(project, arch)?;
    println!("\n{}", fs::read_to_string(folder.join(SUMS))?);
    println!("It lies in {}; DEPLOY.md there says how to deploy it.", project.shown(&folder));
    Ok(0)
}

/// Where the package of a processor lies.
pub(crate) fn folder(project: &Project, arch: Arch) -> PathBuf {
    project.root.join("target/package").join(arch.name())
}

/// A digest of a package that was made.
pub(crate) fn digest(project: &Project, arch: Arch) -> Result<String> {
    let sums = folder(project, arch).join(SUMS);
    let text = fs::read(&sums).with_context(|| format!("{} can't be read", sums.display()))?;
    Ok(hex::encode(Sha256::digest(text)))
}

/// Makes the package, whole or not at all.
pub(crate) fn make(project: &Project, arch: Arch) -> Result<PathBuf> {
    let names = project.functions()?;
    let binaries = ship::build(project, arch, "functions", &names)?;
    let packed = checked(project, arch, &names, &binaries)?;
    let (folder, unfinished) = (folder(project, arch), project.root.join("target/package/unfinished"));
    remove(&unfinished)?;
    fs::create_dir_all(&unfinished).with_context(|| format!("{} can't be made", unfinished.display()))?;
    for one in &packed {
        put(&unfinished, &format!("{}.zip", one.name), &one.zip)?;
    }
    let text = fs::read_to_string(project.root.join("template.yaml")).context("template.yaml can't be read")?;
    put(&unfinished, "template.yaml", template::packaged(&text, &names, arch)?.as_bytes())?;
    put(&unfinished, "DEPLOY.md", include_str!("DEPLOY.md").as_bytes())?;
    for name in COPIED {
        copy(&project.root.join(name), &unfinished.join(name))?;
    }
    sbom::write(project, arch, &names, &unfinished)?;
    put(&unfinished, SUMS, sums(&unfinished)?.as_bytes())?;
    remove(&folder)?;
    fs::rename(&unfinished, &folder).with_context(|| format!("{} can't be made", folder.display()))?;
    println!("{}", sizes(&packed));
    Ok(folder)
}

/// Packs every function, and fails with all that speaks against any.
fn checked(project: &Project, arch: Arch, names: &[String], binaries: &Path) -> Result<Vec<Packed>> {
    let machine_paths = [project.root.clone(), project.target_dir.clone(), ship::cargo_home()?];
    let (mut packed, mut findings) = (Vec::new(), Vec::new());
    for name in names {
        let path = binaries.join(name).join("bootstrap");
        let binary =
            fs::read(&path).with_context(|| format!("{} is missing although the build succeeded", path.display()))?;
        let zip = zips::write(&binary)?;
        findings.extend(binary::findings(&binary, arch, &machine_paths)?.iter().map(|one| format!("{name}: {one}")));
        let limit = if hookledger_kit::find(name).is_some() { RECEIVER_ZIP_BYTES } else { ZIP_BYTES };
        findings.extend(zips::check(&zip, &binary, limit).err().map(|error| format!("{name}.zip: {error:#}")));
        // What was built for another processor can't be started here.
        if arch == Arch::of(&project.triple) && cfg!(target_os = "linux") {
            findings.extend(panics::check(project, &path).err().map(|error| format!("{name}: {error:#}")));
        }
        packed.push(Packed { name: name.clone(), binary, zip });
    }
    if findings.is_empty() { Ok(packed) } else { bail!("nothing is packed:\n  {}", findings.join("\n  ")) }
}

/// Every file of a folder with its digest.
fn sums(folder: &Path) -> Result<String> {
    let entries = fs::read_dir(folder).with_context(|| format!("{} can't be read", folder.display()))?;
    let mut names: Vec<String> = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok()).collect();
    names.sort();
    let line = |name: &String| Ok(format!("{}  {name}\n", hex::encode(Sha256::digest(fs::read(folder.join(name))?))));
    names.iter().map(line).collect()
}

fn sizes(packed: &[Packed]) -> String {
    let megabytes = |bytes: &[u8]| bytes.len() as f64 / 1e6;
    let row =
        |one: &Packed| format!("  {:<14}{:>6.2} MB{:>8.2} MB", one.name, megabytes(&one.zip), megabytes(&one.binary));
    let rows: Vec<String> = packed.iter().map(row).collect();
    format!("\n  function          zip      binary\n{}", rows.join("\n"))
}

fn put(folder: &Path, name: &str, bytes: &[u8]) -> Result<()> {
    let path = folder.join(name);
    fs::write(&path, bytes).with_context(|| format!("{} can't be written", path.display()))
}

fn remove(folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder).with_context(|| format!("{} can't be removed", folder.display()))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_what_sha256sum_reads() {
        let folder = std::env::temp_dir().join(format!("xtask-{}-sums", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        put(&folder, "b.zip", b"").unwrap();
        put(&folder, "a.yaml", b"a").unwrap();
        let expected = "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb  a.yaml\n\
                        e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855  b.zip\n";
        assert_eq!(sums(&folder).unwrap(), expected);
        fs::remove_dir_all(folder).unwrap();
    }
}
