//! Where dependencies come from and under which licences, by cargo-deny where it is installed, else by our own reading
//! of the same `deny.toml`; the advisories about them; and the actions that CI runs.

use super::findings::none_of;
use super::{advisories, workflows};
use crate::process::job::Job;
use crate::project::Project;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(10 * 60);
const SOURCES: [&str; 2] = ["registry+https://github.com/rust-lang/crates.io-index", "sparse+https://index.crates.io/"];

pub(super) fn check(project: &Project) -> Result<()> {
    none_of(workflows::findings(&project.root)?)?;
    let cargo_deny = cargo_deny_is_installed();
    advisories::check(project, cargo_deny)?;
    if cargo_deny {
        let mut command = project.cargo("deny");
        command.args(["--workspace", "check", "bans", "licenses", "sources"]);
        return Job::on_terminal("cargo deny", LIMIT).succeed(command);
    }
    println!("  cargo-deny is not installed: licences, sources and bans are checked without it");
    let text = fs::read_to_string(project.root.join("deny.toml")).context("deny.toml can't be read")?;
    let allowed = allowed_licences(&text);
    if allowed.is_empty() {
        bail!("deny.toml allows no licence");
    }
    let metadata = project.metadata()?;
    let packages = metadata.get("packages").and_then(Value::as_array).context("cargo metadata lists no packages")?;
    none_of(packages.iter().flat_map(|package| objections(package, &allowed)).collect())
}

fn cargo_deny_is_installed() -> bool {
    let mut command = Command::new("cargo-deny");
    command.arg("--version").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn objections(package: &Value, allowed: &[String]) -> Vec<String> {
    let text = |key: &str| package.get(key).and_then(Value::as_str).unwrap_or_default();
    let (name, source, licence) = (text("name"), text("source"), text("license"));
    let mut found = Vec::new();
    // A package without a source lies in this workspace.
    if !source.is_empty() && !SOURCES.contains(&source) {
        found.push(format!("{name} comes from {source}, not from crates.io"));
    }
    if !is_allowed(licence, allowed) {
        found.push(format!("{name} is under {licence:?}, which deny.toml does not allow"));
    }
    // `wildcards = "deny"`, for what we ask for ourselves; a path in the workspace needs no version.
    let asked = package.get("dependencies").and_then(Value::as_array).filter(|_| source.is_empty());
    for dependency in asked.into_iter().flatten() {
        let text = |key: &str| dependency.get(key).and_then(Value::as_str);
        if text("req") == Some("*") && text("path").is_none() {
            found.push(format!("{name} takes any version of {}", text("name").unwrap_or("?")));
        }
    }
    found
}

/// The strings of `allow = [...]` in the section `[licenses]`.
fn allowed_licences(deny: &str) -> Vec<String> {
    let section = deny.split("\n[licenses]").nth(1).unwrap_or_default();
    let section = section.split("\n[").next().unwrap_or_default();
    let list = section.split("\nallow = [").nth(1).and_then(|rest| rest.split(']').next()).unwrap_or_default();
    let lines = list.lines().map(|line| line.split('#').next().unwrap_or_default());
    lines.flat_map(|line| line.split('"').skip(1).step_by(2)).map(str::to_owned).collect()
}

/// Whether an SPDX expression can be satisfied with allowed licences alone.
fn is_allowed(expression: &str, allowed: &[String]) -> bool {
    // Older manifests write a slash for OR; since SPDX 3 operators may be in lower case.
    let spaced = expression.replace('/', " OR ").replace('(', " ( ").replace(')', " ) ");
    let operator = |word| match word {
        "and" => "AND",
        "or" => "OR",
        "with" => "WITH",
        other => other,
    };
    let words: Vec<&str> = spaced.split_whitespace().map(operator).collect();
    matches!(either(&words, allowed), Some((true, [])))
}

type Parsed<'a, 'b> = Option<(bool, &'a [&'b str])>;

fn either<'a, 'b>(words: &'a [&'b str], allowed: &[String]) -> Parsed<'a, 'b> {
    let (mut verdict, mut rest) = both(words, allowed)?;
    while let [word, more @ ..] = rest
        && *word == "OR"
    {
        let (next, left) = both(more, allowed)?;
        (verdict, rest) = (verdict || next, left);
    }
    Some((verdict, rest))
}

fn both<'a, 'b>(words: &'a [&'b str], allowed: &[String]) -> Parsed<'a, 'b> {
    let (mut verdict, mut rest) = single(words, allowed)?;
    while let [word, more @ ..] = rest
        && *word == "AND"
    {
        let (next, left) = single(more, allowed)?;
        (verdict, rest) = (verdict && next, left);
    }
    Some((verdict, rest))
}

fn single<'a, 'b>(words: &'a [&'b str], allowed: &[String]) -> Parsed<'a, 'b> {
    match words {
        ["(", inner @ ..] => match either(inner, allowed)? {
            (verdict, [")", rest @ ..]) => Some((verdict, rest)),
            _ => None,
        },
        [licence, "WITH", exception, rest @ ..] => {
            Some((allowed.contains(&format!("{licence} WITH {exception}")), rest))
        }
        [licence, rest @ ..] => Some((allowed.iter().any(|one| one == licence), rest)),
        [] => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const DENY: &str = "[graph]\nallow = [\"no\"]\n\n[licenses]\nconfidence = 1\nallow = [\n  \"MIT\", # plain\n  \"ISC\",\n  \
                        \"Apache-2.0 WITH LLVM-exception\",\n]\n\n[bans]\nallow = [\"no\"]\n";

    #[test]
    fn the_list_is_read_from_its_own_section() {
        assert_eq!(allowed_licences(DENY), ["MIT", "ISC", "Apache-2.0 WITH LLVM-exception"]);
        assert!(allowed_licences("").is_empty());
    }

    #[test]
    fn expressions() {
        let rows = [
            ("MIT", true),
            ("MIT OR Apache-2.0", true),
            ("Apache-2.0/MIT", true),
            ("MIT or Apache-2.0", true),
            ("MIT and GPL-3.0", false),
            ("GPL-3.0", false),
            ("MIT AND GPL-3.0", false),
            ("GPL-3.0 OR MIT AND ISC", true),
            ("(GPL-3.0 OR MIT) AND ISC", true),
            ("(GPL-3.0 OR MIT) AND AGPL-3.0", false),
            ("Apache-2.0 WITH LLVM-exception OR GPL-3.0", true),
            ("Apache-2.0", false),
            ("", false),
            ("MIT )", false),
            ("(MIT", false),
        ];
        for (expression, expected) in rows {
            assert_eq!(is_allowed(expression, &allowed_licences(DENY)), expected, "{expression}");
        }
    }

    #[test]
    fn a_dependency_from_elsewhere_is_named() {
        let package = json!({ "name": "x", "license": "MIT", "source": "git+https://example.com/x" });
        assert_eq!(
            objections(&package, &["MIT".to_owned()]),
            ["x comes from git+https://example.com/x, not from crates.io"]
        );
        let ours = json!({ "name": "y", "license": "MIT", "source": null });
        assert!(objections(&ours, &["MIT".to_owned()]).is_empty());
    }

    #[test]
    fn any_version_is_taken_of_nothing_but_our_own() {
        let dependencies = json!([
            { "name": "a", "req": "*" }, { "name": "b", "req": "^1" }, { "name": "c", "req": "*", "path": "/here" },
        ]);
        let mut package = json!({ "name": "y", "license": "MIT", "source": null, "dependencies": dependencies });
        assert_eq!(objections(&package, &["MIT".to_owned()]), ["y takes any version of a"]);
        package["source"] = json!(SOURCES[0]);
        assert!(objections(&package, &["MIT".to_owned()]).is_empty(), "what others ask for, Cargo.lock settles");
    }
}
