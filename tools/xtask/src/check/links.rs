//! Every link of a document leads somewhere: the file is there, and so is the heading that it names.

use super::findings::none_of;
use super::named_tests;
use crate::project::Project;
use anyhow::{Context, Result};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::{fs, io};

/// What is not the project's own.
const PASSED_OVER: [&str; 3] = ["target", ".git", "node_modules"];

pub(super) fn check(project: &Project) -> Result<()> {
    let mut documents = BTreeMap::new();
    read(&project.root, &mut documents).context("the documents can't be read")?;
    let mut findings = Vec::new();
    for (path, text) in &documents {
        let folder = path.parent().unwrap_or(&project.root);
        for link in links(text) {
            if let Some(fault) = fault(&documents, path, folder, link) {
                findings.push(format!("{}: {link}: {fault}", project.shown(path)));
            }
        }
    }
    none_of(findings)?;
    named_tests::check(&project.root, &documents)
}

fn read(folder: &Path, documents: &mut BTreeMap<PathBuf, String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if path.is_dir() && !PASSED_OVER.contains(&name) {
            read(&path, documents)?;
        } else if name.ends_with(".md") {
            documents.insert(path.clone(), fs::read_to_string(&path)?);
        }
    }
    Ok(())
}

/// The lines of a document that are no code.
fn prose(text: &str) -> impl Iterator<Item = &str> {
    let mut is_code = false;
    text.lines().filter(move |line| {
        let is_fence = line.trim_start().starts_with("```");
        is_code ^= is_fence;
        !is_code && !is_fence
    })
}

/// Where a document's links lead, but for those that leave the project.
fn links(text: &str) -> Vec<&str> {
    let targets = prose(text).flat_map(|line| line.split("](").skip(1).filter_map(|rest| rest.split(')').next()));
    targets.filter(|target| !target.contains("://") && !target.starts_with("mailto:")).collect()
}

fn fault(documents: &BTreeMap<PathBuf, String>, from: &Path, folder: &Path, link: &str) -> Option<String> {
    let (file, heading) = link.split_once('#').map_or((link, None), |(file, heading)| (file, Some(heading)));
    let path = if file.is_empty() { from.to_path_buf() } else { plain(&folder.join(file)) };
    if !documents.contains_key(&path) && !path.exists() {
        return Some("there is no such file".into());
    }
    let (heading, text) = (heading?, documents.get(&path)?);
    let headings = prose(text).filter_map(|line| line.strip_prefix('#'));
    let known = headings.map(|line| anchor(line.trim_start_matches('#'))).any(|known| known == heading);
    (!known).then(|| "there is no such heading".into())
}

/// Without `..`.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        if part.as_os_str() == ".." { _ = plain.pop() } else { plain.push(part) }
    }
    plain
}

/// How a heading is named in a link.
fn anchor(heading: &str) -> String {
    let kept = |c: &char| c.is_alphanumeric() || [' ', '-', '_'].contains(c);
    heading.trim().to_lowercase().chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_leads_to_a_file_and_to_a_heading_of_it() {
        let (readme, page) = (PathBuf::from("/p/README.md"), PathBuf::from("/p/docs/page.md"));
        let documents = BTreeMap::from([
            (readme.clone(), "# A\n```\n# no heading\n```\n## Look, and `replay`\n".to_string()),
            (page.clone(), String::new()),
        ]);
        let fault = |link: &str| fault(&documents, &readme, Path::new("/p"), link);
        assert_eq!(fault("#look-and-replay"), None);
        assert!(fault("#no-heading").is_some() && fault("docs/none.md").is_some());
        assert_eq!(plain(Path::new("/p/docs/../README.md")), readme);
    }

    #[test]
    fn links_are_found_outside_of_code() {
        let text = "a [b](c.md#d), [e](https://f)\n```\n[g](h)\n```\n| [i](../j) |\n";
        assert_eq!(links(text), ["c.md#d", "../j"]);
    }
}
