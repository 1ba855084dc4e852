//! The floors of each crate: a file names what stands on its own floor or below, and no way leads in a circle.

use super::files::{Arrows, arrows, circles};
use super::modules::{Modules, read};
use crate::check::findings::none_of;
use crate::project::Project;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

/// The floors of a crate, the lowest first. What stands in none of them is on the ground, or on the roof.
const FLOORS: [(&str, &[&str]); 3] = [
    ("hookledger-core", &["model", "ports", "providers", "flows", "desk"]),
    ("hookledger-aws", &["start", "enter", "ports", "serve"]),
    ("xtask", &["project", "process", "stack", "check"]),
];

pub(super) fn check(project: &Project, metadata: &Value) -> Result<()> {
    let mut found = Vec::new();
    for (package, root) in roots(metadata).context("cargo metadata is not as expected")? {
        let floors = FLOORS.iter().find(|(name, _)| *name == package).map_or(&[][..], |(_, floors)| floors);
        found.extend(findings(&project.root, &root, floors)?);
    }
    none_of(found)
}

/// The packages of the workspace, with the root files of what is built of each.
fn roots(metadata: &Value) -> Option<BTreeSet<(String, PathBuf)>> {
    let mut roots = BTreeSet::new();
    let members: Vec<&str> = metadata.get("workspace_members")?.as_array()?.iter().filter_map(Value::as_str).collect();
    for package in metadata.get("packages")?.as_array()? {
        if !members.contains(&package.get("id")?.as_str()?) {
            continue;
        }
        for target in package.get("targets")?.as_array()? {
            let name = package.get("name")?.as_str()?.to_owned();
            roots.insert((name, PathBuf::from(target.get("src_path")?.as_str()?)));
        }
    }
    Some(roots)
}

fn findings(project: &Path, root: &Path, floors: &[&str]) -> Result<Vec<String>> {
    let modules = read(root)?;
    let arrows = arrows(&modules);
    let shown = |module: &str| show(project, &modules, module);
    let upward = upward(&arrows, floors).into_iter().map(|(from, to, name)| {
        format!(
            "{} names `{name}` of {}, a floor above it (the floors: {})",
            shown(&from),
            shown(&to),
            floors.join(" < ")
        )
    });
    let round = circles(&arrows).into_iter().map(|way| {
        let files: Vec<String> = way.iter().map(|module| shown(module)).collect();
        let why = way.windows(2).filter_map(|step| arrows.get(step.first()?)?.get(step.last()?));
        format!("a circle: {}  (by {})", files.join(" → "), why.map(String::as_str).collect::<Vec<_>>().join(", "))
    });
    Ok(upward.chain(round).collect())
}

fn show(project: &Path, modules: &Modules, module: &str) -> String {
    let file = modules.get(module).map(|module| module.file.clone()).unwrap_or_default();
    file.strip_prefix(project).unwrap_or(&file).display().to_string()
}

/// Every arrow from a lower floor to a higher one.
fn upward(arrows: &Arrows, floors: &[&str]) -> Vec<(String, String, String)> {
    let floor = |module: &str| floors.iter().position(|floor| module.split("::").next() == Some(floor));
    let mut found = Vec::new();
    for (from, named) in arrows {
        for (to, name) in named {
            if let (Some(low), Some(high)) = (floor(from), floor(to))
                && low < high
            {
                found.push((from.clone(), to.clone(), name.clone()));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn crate_of(name: &str, files: &[(&str, &str)]) -> PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-floors-{}-{name}", std::process::id()));
        for (path, text) in files {
            let file = root.join(path);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        root
    }

    #[test]
    fn circles_and_upward_arrows_are_named() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a [&'a str]);
        let rows: [Row<'_>; 8] = [
            (
                "none",
                &[("lib.rs", "mod low; mod high;"), ("low.rs", "pub fn f() {}"), ("high.rs", "use crate::low::f;")],
                &[],
            ),
            (
                "up",
                &[("lib.rs", "mod low; mod high;"), ("low.rs", "use crate::high::g;"), ("high.rs", "pub fn g() {}")],
                &["low.rs names `g` of high.rs"],
            ),
            (
                "in a circle",
                &[("lib.rs", "mod a; mod b;"), ("a.rs", "use crate::b::{X, Y as Z};"), ("b.rs", "use super::a;")],
                &["a circle: a.rs → b.rs → a.rs"],
            ),
            (
                "parent and child",
                &[
                    ("lib.rs", "mod a;"),
                    ("a/mod.rs", "mod b; pub struct A; fn f() { b::g() }"),
                    ("a/b.rs", "use super::A;"),
                ],
                &["a circle: a/mod.rs → a/b.rs → a/mod.rs"],
            ),
            (
                "in a macro, an expression, a type",
                &[
                    ("main.rs", "mod a; mod b;"),
                    ("a.rs", "fn f() { assert!(crate::b::g(1)) }"),
                    ("b.rs", "fn g(x: Option<crate::a::T>) {}"),
                ],
                &["a circle: a.rs → b.rs → a.rs"],
            ),
            (
                "only in tests",
                &[
                    ("lib.rs", "mod a; mod b;"),
                    ("a.rs", "#[cfg(test)] mod tests { use crate::b; }"),
                    ("b.rs", "use crate::a; #[cfg(test)] use crate::c;"),
                ],
                &[],
            ),
            (
                "by a path that is given",
                &[
                    ("lib.rs", "#[path = \"x/y.rs\"] mod a; mod b;"),
                    ("x/y.rs", "use super::b;"),
                    ("b.rs", "use super::a;"),
                ],
                &["a circle: x/y.rs → b.rs → x/y.rs"],
            ),
            ("of other crates", &[("lib.rs", "mod serde; mod a;"), ("serde.rs", ""), ("a.rs", "use serde::a;")], &[]),
        ];
        for (row, files, expected) in rows {
            let root = crate_of(&row.replace(' ', "-"), files);
            let found = findings(&root, &root.join(files[0].0), &["low", "high"]).unwrap();
            assert_eq!(found.len(), expected.len(), "{row}: {found:?}");
            for (found, expected) in found.iter().zip(expected) {
                assert!(found.starts_with(expected), "{row}: {found}");
            }
            fs::remove_dir_all(root).unwrap();
        }
    }
}
