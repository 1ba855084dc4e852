//! Actions of CI, each pinned by the digest of its commit: a tag can be moved to other code overnight.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// What is wrong in the workflows below `.github/workflows`.
pub(super) fn findings(root: &Path) -> Result<Vec<String>> {
    let folder = root.join(".github/workflows");
    let mut found = Vec::new();
    for file in fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))? {
        let path = file?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("{} can't be read", path.display()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        found.extend(unpinned(&text).into_iter().map(|action| {
            format!("{name} uses {action}: name the 40 digits of a commit, and its version behind them as a comment")
        }));
    }
    Ok(found)
}

/// The actions of a workflow that are named by anything but a commit with its version behind it.
fn unpinned(workflow: &str) -> Vec<&str> {
    let lines = workflow.lines().map(|line| line.trim().trim_start_matches("- "));
    let used = lines.filter_map(|line| line.strip_prefix("uses:")).map(str::trim);
    // An action of this repository's own is the commit that is checked out.
    used.filter(|action| !action.starts_with("./") && !is_pinned(action)).collect()
}

fn is_pinned(action: &str) -> bool {
    let Some((action, version)) = action.split_once(" # v") else { return false };
    let Some((name, commit)) = action.trim_matches(['"', '\'']).split_once('@') else { return false };
    let hex = |c: char| c.is_ascii_digit() || ('a'..='f').contains(&c);
    name.contains('/')
        && commit.len() == 40
        && commit.chars().all(hex)
        && version.starts_with(|c: char| c.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_action_that_is_named_by_its_tag_is_refused() {
        let commit = "0123456789abcdef0123456789abcdef01234567";
        let rows = [
            (format!("      - uses: a/b@{commit} # v4.2.2"), true),
            (format!("        uses: a/b/c@{commit} # v4"), true),
            ("      - uses: ./.github/actions/own".to_string(), true),
            ("      - run: echo uses: a/b@v4".to_string(), true),
            (format!("      - uses: a/b@{commit}"), false),
            (format!("      - uses: a/b@{} # v4", &commit[..39]), false),
            ("      - uses: a/b@v4".to_string(), false),
            ("      - uses: a/b@main # v4".to_string(), false),
            ("      - uses: a/b".to_string(), false),
            ("      - uses: docker://alpine:3".to_string(), false),
        ];
        for (line, pinned) in rows {
            assert_eq!(unpinned(&line).is_empty(), pinned, "{line}");
        }
    }

    #[test]
    fn the_workflows_here_name_commits() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        assert_eq!(findings(&root).unwrap(), Vec::<String>::new());
    }
}
