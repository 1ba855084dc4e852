//! Whether a test that a document names exists: by file and name, or by a name that is long enough to be no other word.

use super::findings::none_of;
use anyhow::Result;
use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Where the sources are.
const SOURCES: [&str; 4] = ["functions", "shared", "tests", "tools"];
/// A word with so many underscores is the name of a test.
const UNDERSCORES: usize = 4;

/// Whether a source has a test of this name: a function with an attribute that says so, or one of the ledger's contract,
/// which a macro turns into tests.
pub(super) fn has(source: &str, name: &str) -> bool {
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    let heads = [format!("fn {name}("), format!("async fn {name}(")];
    let found = lines.iter().position(|line| heads.iter().any(|head| line.starts_with(head.as_str())));
    let above = found.and_then(|at| lines.get(..at)).unwrap_or_default();
    let mut attributes = above.iter().rev().take_while(|line| line.starts_with('#') || line.starts_with("///"));
    let marked = attributes.any(|line| line.starts_with("#[test]") || line.starts_with("#[tokio::test"));
    marked || source.contains(&format!("\npub async fn {name}<"))
}

/// Every long name in backticks, in any document, is a function of the sources.
pub(super) fn check(root: &Path, documents: &BTreeMap<PathBuf, String>) -> Result<()> {
    let mut functions = BTreeSet::new();
    for folder in SOURCES {
        read(&root.join(folder), &mut functions);
    }
    let mut missing = Vec::new();
    for (path, text) in documents {
        let shown = path.strip_prefix(root).unwrap_or(path).display();
        let unknown = long_names(text).into_iter().filter(|name| !functions.contains(*name));
        missing.extend(unknown.map(|name| format!("{shown}: there is no test {name}")));
    }
    none_of(missing)
}

fn read(folder: &Path, functions: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            read(&path, functions);
        } else if path.extension().is_some_and(|ending| ending == "rs") {
            let source = fs::read_to_string(&path).unwrap_or_default();
            let named = source.split("fn ").skip(1);
            functions
                .extend(named.map(|rest| rest.split(|c: char| !is_of_a_name(c)).next().unwrap_or_default().to_owned()));
        }
    }
}

fn is_of_a_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_'
}

/// What stands between backticks and is spelled as a test's name is.
fn long_names(text: &str) -> BTreeSet<&str> {
    let quoted = text.split('`').skip(1).step_by(2);
    let words = quoted.flat_map(|quoted| quoted.split(|c: char| !is_of_a_name(c) && !c.is_ascii_uppercase()));
    words.filter(|word| word.chars().all(is_of_a_name) && word.matches('_').count() >= UNDERSCORES).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_has_an_attribute_or_is_the_contracts() {
        let source =
            "#[test]\nfn one() {}\n#[tokio::test]\nasync fn two() {}\nfn helper() {}\n\npub async fn three<L>() {}\n";
        let found = ["one", "two", "three", "helper", "four"].map(|name| has(source, name));
        assert_eq!(found, [true, true, true, false, false]);
    }

    #[test]
    fn long_names_are_found_wherever_they_stand() {
        let text = "`flows::what_is_there_is_found_again`, `e2e: a::one_two_three_four_five` and `next_page_token`; \
                    not_in_any_quotes_at_all; `HOOKLEDGER_A_B_C_D`";
        let names: Vec<&str> = long_names(text).into_iter().collect();
        assert_eq!(names, ["one_two_three_four_five", "what_is_there_is_found_again"]);
        let root = std::env::temp_dir().join(format!("xtask-{}-named", std::process::id()));
        fs::create_dir_all(root.join("tests/a")).unwrap();
        fs::write(root.join("tests/a/b.rs"), "    fn what_is_there_is_found_again() {}\n").unwrap();
        let documents = BTreeMap::from([(root.join("X.md"), text.to_string())]);
        let error = check(&root, &documents).unwrap_err().to_string();
        assert_eq!(error.trim(), "X.md: there is no test one_two_three_four_five");
        fs::remove_dir_all(root).unwrap();
    }
}
