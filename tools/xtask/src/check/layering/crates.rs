//! Who may depend on whom, judged over the resolved graph of `cargo metadata`.

use crate::check::findings::none_of;
use anyhow::{Context, Result};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// A package and what must not be in it, however deep.
struct Rule {
    package: &'static str,
    /// A name that ends in `-` stands for every name that begins so.
    never: &'static [&'static str],
    reason: &'static str,
}

const RULES: [Rule; 4] = [
    Rule {
        package: "hookledger-core",
        never: &[
            "aws-",
            "lambda_",
            "tokio",
            "hyper",
            "hyper-",
            "rustls",
            "axum",
            "reqwest",
            "ureq",
            "mio",
            "socket2",
            "async-std",
            "smol",
            "tracing-subscriber",
            "getrandom",
        ],
        reason: "core is pure: no network, no runtime, no clock, no randomness of its own",
    },
    Rule {
        package: "hookledger-kit",
        never: &["hookledger-"],
        reason: "the kit shares nothing with what it tests: an error of core's must not be made there too",
    },
    Rule { package: "xtask", never: &["aws-"], reason: "a tool must not cost the compilation of the AWS SDK" },
    Rule {
        package: "sandbox",
        never: &["aws-"],
        reason: "the providers know nothing of AWS, and neither do their simulations",
    },
];

pub(super) fn check(metadata: &Value) -> Result<()> {
    let graph = Graph::read(metadata).context("cargo metadata is not as expected")?;
    none_of(RULES.iter().flat_map(|rule| graph.breaches(rule)).collect())
}

/// What is linked into what: normal and build dependencies, not those of tests.
struct Graph {
    names: BTreeMap<String, String>,
    edges: BTreeMap<String, Vec<String>>,
}

impl Graph {
    fn read(metadata: &Value) -> Option<Self> {
        let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let packages = metadata.get("packages")?.as_array()?;
        let names = packages.iter().map(|one| Some((text(one, "id")?, text(one, "name")?))).collect::<Option<_>>()?;
        let mut edges = BTreeMap::new();
        for node in metadata.get("resolve")?.get("nodes")?.as_array()? {
            let linked = node.get("deps")?.as_array()?.iter().filter(|edge| is_linked(edge));
            edges.insert(text(node, "id")?, linked.map(|edge| text(edge, "pkg")).collect::<Option<_>>()?);
        }
        Some(Self { names, edges })
    }

    fn breaches(&self, rule: &Rule) -> Vec<String> {
        let Some((start, _)) = self.names.iter().find(|(_, name)| *name == rule.package) else {
            return vec![format!("there is no package {}", rule.package)];
        };
        let mut found = BTreeMap::new();
        let mut seen = BTreeSet::from([start.as_str()]);
        let mut open = vec![(start.as_str(), rule.package.to_owned())];
        while let Some((id, path)) = open.pop() {
            for next in self.edges.get(id).into_iter().flatten() {
                let name = self.names.get(next).map_or("?", String::as_str);
                let path = format!("{path} → {name}");
                if is_banned(name, rule.never) {
                    found.entry(name).or_insert(path);
                } else if seen.insert(next) {
                    open.push((next, path));
                }
            }
        }
        found.into_values().map(|path| format!("{path}   ({})", rule.reason)).collect()
    }
}

fn is_linked(edge: &Value) -> bool {
    let kinds = edge.get("dep_kinds").and_then(Value::as_array);
    kinds.is_none_or(|kinds| kinds.iter().any(|kind| kind.get("kind").and_then(Value::as_str) != Some("dev")))
}

fn is_banned(name: &str, never: &[&str]) -> bool {
    never.iter().any(|one| if one.ends_with(['-', '_']) { name.starts_with(one) } else { name == *one })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// A graph out of `a > b` lines; `a ~ b` is a dependency of tests only.
    fn metadata(lines: &[&str]) -> Value {
        let mut edges: BTreeMap<&str, Vec<Value>> = RULES.iter().map(|rule| (rule.package, Vec::new())).collect();
        for line in lines {
            let words: Vec<&str> = line.split(' ').collect();
            let kind = if words[1] == "~" { json!("dev") } else { Value::Null };
            edges.entry(words[2]).or_default();
            edges.entry(words[0]).or_default().push(json!({ "pkg": words[2], "dep_kinds": [{ "kind": kind }] }));
        }
        let packages: Vec<Value> = edges.keys().map(|name| json!({ "id": name, "name": name })).collect();
        let nodes: Vec<Value> = edges.iter().map(|(name, deps)| json!({ "id": name, "deps": deps })).collect();
        json!({ "packages": packages, "resolve": { "nodes": nodes } })
    }

    #[test]
    fn layers() {
        let rows: [(&str, &[&str], Option<&str>); 7] = [
            ("plain", &["hookledger-core > serde", "hookledger-aws > hookledger-core", "hookledger-aws > tokio"], None),
            ("only in tests", &["hookledger-core ~ tokio"], None),
            ("a name that only looks alike", &["hookledger-core > tokio-free"], None),
            ("direct", &["hookledger-core > tokio"], Some("hookledger-core → tokio ")),
            (
                "transitive",
                &["hookledger-core > a", "a > b", "b > a", "b > aws-sdk-sqs"],
                Some("hookledger-core → a → b → aws-sdk-sqs "),
            ),
            ("the kit", &["hookledger-kit > hookledger-core"], Some("hookledger-kit → hookledger-core ")),
            (
                "a tool",
                &["xtask > hookledger-aws", "hookledger-aws > aws-types"],
                Some("xtask → hookledger-aws → aws-types "),
            ),
        ];
        for (row, lines, expected) in rows {
            let outcome = check(&metadata(lines)).map_err(|error| error.to_string());
            match expected {
                None => assert_eq!(outcome, Ok(()), "{row}"),
                Some(path) => assert!(outcome.clone().is_err_and(|text| text.contains(path)), "{row}: {outcome:?}"),
            }
        }
    }
}
