//! Every provider has all of its parts: what one folder names, all the others must have.

use super::findings::none_of;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Functions that belong to no provider.
const SHARED_FUNCTIONS: [&str; 3] = ["worker", "reconciler", "expectations"];
/// Sample events that belong to no provider.
const SHARED_EVENTS: [&str; 1] = ["lambda"];

pub(super) fn check(root: &Path) -> Result<()> {
    let providers = named_anywhere(root)?;
    if providers.is_empty() {
        return none_of(vec!["no folder names any provider".to_owned()]);
    }
    let template = read(root, "template.yaml");
    let list = read(root, "shared/core/src/providers/mod.rs");
    let local = read(root, "tools/xtask/src/providers.rs");
    let findings = providers.iter().flat_map(|provider| missing(root, provider, [&template, &list, &local]));
    none_of(findings.collect())
}

fn missing(root: &Path, provider: &str, [template, list, local]: [&String; 3]) -> Vec<String> {
    let is_file = |path: String| (root.join(&path).is_file(), path);
    let has_events = !names(&root.join("events").join(provider), ".json").is_empty();
    let parts = [
        is_file(format!("shared/core/src/providers/{provider}/mod.rs")),
        (
            list.contains(&format!("mod {provider};")) && list.contains(&format!("{provider}::")),
            "its module and its place in the list, in shared/core/src/providers/mod.rs".to_owned(),
        ),
        is_file(format!("functions/{provider}/Cargo.toml")),
        is_file(format!("functions/{provider}/src/main.rs")),
        (
            template.contains(&format!("CodeUri: target/lambda/{provider}/")),
            format!("a function in template.yaml with CodeUri: target/lambda/{provider}/"),
        ),
        (has_events, format!("sample events, events/{provider}/*.json")),
        is_file(format!("tools/sandbox/src/{provider}.rs")),
        (local.contains(&format!("\"{provider}\"")), "its row in tools/xtask/src/providers.rs".to_owned()),
    ];
    let absent = parts.into_iter().filter(|(there, _)| !there);
    absent.map(|(_, part)| format!("{provider} lacks {part}")).collect()
}

/// Every provider that at least one place names.
fn named_anywhere(root: &Path) -> Result<BTreeSet<String>> {
    let folder = root.join("shared/core/src/providers");
    fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))?;
    // What all of them use are files beside the folders.
    let mut found = names(&folder, "");
    let functions = names(&root.join("functions"), "");
    found.extend(functions.into_iter().filter(|name| !SHARED_FUNCTIONS.contains(&name.as_str())));
    let events = names(&root.join("events"), "");
    found.extend(events.into_iter().filter(|name| !SHARED_EVENTS.contains(&name.as_str())));
    Ok(found)
}

/// The names in a folder with this ending, without it; with no ending, the names of its folders.
fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    let wanted = entries.flatten().filter(|entry| entry.path().is_dir() == ending.is_empty());
    let texts = wanted.filter_map(|entry| entry.file_name().into_string().ok());
    texts
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A workspace in which all of these providers are complete.
    fn workspace(name: &str, providers: &[&str]) -> std::path::PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        let (mut list, mut template, mut local) = (String::new(), String::new(), String::new());
        for provider in providers {
            write(&root, &format!("shared/core/src/providers/{provider}/mod.rs"), "impl Provider for It {}");
            write(&root, &format!("functions/{provider}/Cargo.toml"), "");
            write(&root, &format!("functions/{provider}/src/main.rs"), "");
            write(&root, &format!("events/{provider}/thing-done.json"), "{}");
            write(&root, &format!("tools/sandbox/src/{provider}.rs"), "");
            list += &format!("mod {provider};\nstatic ALL: &[&dyn Provider] = &[&{provider}::It];\n");
            template += &format!("  CodeUri: target/lambda/{provider}/\n");
            local += &format!("name: \"{provider}\"\n");
        }
        write(&root, "shared/core/src/providers/helper.rs", "");
        write(&root, "functions/worker/Cargo.toml", "");
        write(&root, "events/lambda/sqs.json", "{}");
        write(&root, "shared/core/src/providers/mod.rs", &list);
        write(&root, "template.yaml", &template);
        write(&root, "tools/xtask/src/providers.rs", &local);
        root
    }

    #[test]
    fn the_project_itself_is_complete() {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    }

    #[test]
    fn complete_providers_pass() {
        let root = workspace("complete", &["one", "two"]);
        check(&root).unwrap();
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_fifth_provider_without_events_is_named() {
        let root = workspace("fifth", &["one", "two", "three", "four", "five"]);
        fs::remove_dir_all(root.join("events/five")).unwrap();
        let error = check(&root).unwrap_err().to_string();
        assert_eq!(error.trim(), "five lacks sample events, events/five/*.json");
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn any_part_alone_names_all_the_others() {
        let parts = ["functions/five/Cargo.toml", "events/five/a-b.json", "shared/core/src/providers/five/mod.rs"];
        for (row, part) in parts.iter().enumerate() {
            let root = workspace(&format!("lonely-{row}"), &["one"]);
            write(&root, part, "impl Provider for It {}");
            let error = check(&root).unwrap_err().to_string();
            assert_eq!(error.lines().count(), 7, "{part}: {error}");
            assert!(!error.contains(part) && error.lines().all(|line| line.contains("five lacks")), "{part}: {error}");
            fs::remove_dir_all(root).unwrap();
        }
    }
}
