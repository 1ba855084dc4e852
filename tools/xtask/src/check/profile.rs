//! Holds the profile that ships to what the code needs of it: a panic in a flow is caught and answered 503, so it has to
//! unwind. `cargo lambda build --release` adds `panic = "abort"` wherever the profile is silent.

use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

pub(super) fn check(root: &Path) -> Result<()> {
    let manifest = fs::read_to_string(root.join("Cargo.toml")).context("Cargo.toml can't be read")?;
    if !unwinds(&manifest) {
        bail!("[profile.release] in Cargo.toml lacks panic = \"unwind\": cargo lambda would build what aborts");
    }
    Ok(())
}

fn unwinds(manifest: &str) -> bool {
    let section = manifest.lines().skip_while(|line| line.trim() != "[profile.release]").skip(1);
    section.take_while(|line| !line.starts_with('[')).any(|line| line.trim() == "panic = \"unwind\"")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_release_profile_itself_says_so() {
        let rows = [
            ("[profile.release]\nlto = \"fat\"\npanic = \"unwind\"\n", true),
            ("[profile.release]\nlto = \"fat\"\n", false),
            ("[profile.release]\npanic = \"abort\"\n", false),
            ("[profile.release]\n# panic = \"unwind\"\n", false),
            ("[profile.bench]\npanic = \"unwind\"\n[profile.release]\n[profile.local]\npanic = \"unwind\"\n", false),
            ("", false),
        ];
        for (manifest, expected) in rows {
            assert_eq!(unwinds(manifest), expected, "{manifest}");
        }
    }
}
