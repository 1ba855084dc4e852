//! Every test that SECURITY.md names as a proof exists, under that name, in that file.

use super::findings::none_of;
use super::named_tests;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::Path;

pub(super) fn check(root: &Path) -> Result<()> {
    let text = fs::read_to_string(root.join("SECURITY.md")).context("SECURITY.md can't be read")?;
    let named = proofs(&text);
    if named.is_empty() {
        bail!("SECURITY.md names no test: a proof is written `path/to/file.rs: name_of_the_test`");
    }
    none_of(named.into_iter().filter_map(|(file, test)| objection(root, file, test)).collect())
}

/// What is written between backticks as `path.rs: test`.
fn proofs(text: &str) -> Vec<(&str, &str)> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|quoted| quoted.split_once(": ").filter(|(file, _)| file.ends_with(".rs"))).collect()
}

fn objection(root: &Path, file: &str, test: &str) -> Option<String> {
    let Ok(source) = fs::read_to_string(root.join(file)) else {
        return Some(format!("SECURITY.md names a test in {file}, which can't be read"));
    };
    let is_there = named_tests::has(&source, test);
    (!is_there).then(|| format!("SECURITY.md names {test}, and {file} has no such test"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_projects_own_proofs_exist() {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    }

    #[test]
    fn what_does_not_exist_is_named() {
        let root = std::env::temp_dir().join(format!("xtask-{}-threats", std::process::id()));
        fs::create_dir_all(&root).unwrap();
        let source = "#[test]\nfn one() {\n}\n#[tokio::test]\nasync fn two() {\n}\nfn helper() {\n}\n\npub async fn three<L>() {}\n";
        fs::write(root.join("a.rs"), source).unwrap();
        let rows = [
            ("| x | `a.rs: one`, `a.rs: two`, `a.rs: three` and `cargo run` |", ""),
            ("`a.rs: four`", "names four, and a.rs has no such test"),
            ("`a.rs: helper`", "names helper, and a.rs has no such test"),
            ("`b.rs: one`", "names a test in b.rs, which can't be read"),
            ("no proof at all", "names no test"),
        ];
        for (text, complaint) in rows {
            fs::write(root.join("SECURITY.md"), text).unwrap();
            let found = check(&root).err().map(|error| error.to_string()).unwrap_or_default();
            assert!(found.contains(complaint) && found.is_empty() == complaint.is_empty(), "{text}: {found}");
        }
        fs::remove_dir_all(root).unwrap();
    }
}
