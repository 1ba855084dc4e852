//! The table in `docs/providers.md` says what works with which provider. Whatever it says is shown: by a test that
//! exists, by a setting, or by the provider's own documents; and where the code itself says what a provider offers, the
//! two agree.

use super::findings::none_of;
use super::named_tests;
use anyhow::{Context, Result, ensure};
use hookledger_core::providers::{ALL, Offer, Provider, Providers};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

const TABLE: &str = "docs/providers.md";
/// How the table's first line begins.
const HEADER: &str = "| ability |";

/// What a provider's code says about an ability: why it is not offered, or nothing if it is.
type Asked = fn(&dyn Provider) -> Option<&'static str>;

/// The abilities of which the code knows by itself who has them.
const OFFERED: [(&str, Asked); 5] = [
    ("completion polled when the webhook is lost", |provider| reason(provider.polls())),
    ("list walked for the unannounced", |provider| reason(provider.lists())),
    ("delivery audit walked", |provider| match provider.lists() {
        Offer::Offered(lists) => reason(lists.audit()),
        Offer::Unavailable(reason) => Some(reason),
    }),
    ("submitted through us", |provider| reason(provider.submits())),
    ("set-up by command", |provider| reason(provider.setup())),
];

/// Why something is not offered; nothing if it is.
fn reason<T: ?Sized>(offer: Offer<'_, T>) -> Option<&'static str> {
    match offer {
        Offer::Offered(_) => None,
        Offer::Unavailable(reason) => Some(reason),
    }
}

pub(super) fn check(root: &Path) -> Result<()> {
    let text = fs::read_to_string(root.join(TABLE)).with_context(|| format!("{TABLE} can't be read"))?;
    let providers = Providers::read(&|_| None);
    ensure!(providers.all_stopped().next().is_none(), "the providers can't be built from their defaults");
    let offers = |ability: &str, provider: &str| {
        let (_, ask) = OFFERED.iter().find(|(name, _)| *name == ability)?;
        Some(ask(providers.get(provider)?))
    };
    let built_in: Vec<&str> = ALL.iter().map(|definition| definition.id.0).collect();
    let judge = Judge { root, built_in: &built_in, offers: &offers };
    none_of(judge.findings(&text))
}

/// What the table is held against.
struct Judge<'a> {
    root: &'a Path,
    built_in: &'a [&'a str],
    /// For an ability of [`OFFERED`] and a provider: `Some(None)` if it is offered, `Some(Some(reason))` if not.
    offers: &'a dyn Fn(&str, &str) -> Option<Option<&'static str>>,
}

impl Judge<'_> {
    fn findings(&self, text: &str) -> Vec<String> {
        let mut lines = text.lines().skip_while(|line| !line.starts_with(HEADER));
        let Some(header) = lines.next() else { return vec![format!("{TABLE} has no table that starts with {HEADER}")] };
        let columns: Vec<String> = cells(header).into_iter().skip(1).map(id_of).collect();
        let mut findings = self.columns(&columns);
        let mut abilities = BTreeMap::new();
        // The line under the header only draws the table.
        for line in lines.skip(1).take_while(|line| line.starts_with('|')) {
            let row = cells(line);
            let Some((ability, row)) = row.split_first() else { continue };
            if row.len() != columns.len() {
                findings.push(format!("{ability}: {} cells for {} providers", row.len(), columns.len()));
            }
            if abilities.insert(*ability, ()).is_some() {
                findings.push(format!("{ability}: two rows of this name"));
            }
            for (provider, cell) in columns.iter().zip(row) {
                let wrong = self.cell(ability, provider, cell);
                findings.extend(wrong.into_iter().map(|wrong| format!("{ability}, {provider}: {wrong}")));
            }
        }
        let absent = OFFERED.iter().filter(|(ability, _)| !abilities.contains_key(ability));
        findings.extend(absent.map(|(ability, _)| format!("there is no row {ability:?}")));
        findings
    }

    fn columns(&self, columns: &[String]) -> Vec<String> {
        let count = |provider: &str| columns.iter().filter(|column| *column == provider).count();
        let lacking = self.built_in.iter().filter(|provider| count(provider) != 1);
        let strange = columns.iter().filter(|column| !self.built_in.contains(&column.as_str()));
        lacking
            .map(|provider| format!("{provider} has {} columns instead of one", count(provider)))
            .chain(strange.map(|column| format!("there is a column for {column}, and no such provider")))
            .collect()
    }

    /// What is wrong with a cell.
    fn cell(&self, ability: &str, provider: &str, cell: &str) -> Vec<String> {
        let (kind, rest) = cell.split_once(": ").unwrap_or((cell, ""));
        let mut wrong = match kind {
            "works" => self.tests(rest),
            "off by default" => self.setting(rest),
            "not offered" => source(rest),
            _ => return vec![format!("{kind:?} is none of: works, off by default, not offered")],
        };
        let Some(offered) = (self.offers)(ability, provider) else { return wrong };
        match (kind, offered) {
            ("works", Some(reason)) => wrong.push(format!("the code says that it is not offered: {reason}")),
            ("not offered", None) => wrong.push("the code offers it".to_owned()),
            ("off by default", None) => wrong.push("the code offers it by default".to_owned()),
            // What is off says itself what turns it on.
            ("off by default", Some(reason)) if !names(reason, setting_of(rest)) => {
                wrong.push(format!("the code gives another reason than that setting: {reason}"));
            }
            _ => {}
        }
        wrong
    }

    /// `[`name`](../file.rs)`, one or more: each a test of that file.
    fn tests(&self, rest: &str) -> Vec<String> {
        let links = links(rest);
        if links.is_empty() {
            return vec!["it names no test".to_owned()];
        }
        let missing = links.into_iter().filter(|(name, path)| !self.is_test(name, path));
        missing.map(|(name, path)| format!("there is no test {name} in {path}")).collect()
    }

    fn is_test(&self, name: &str, path: &str) -> bool {
        // Links lead from the folder of the table.
        let file = Path::new(TABLE).parent().map(|folder| self.root.join(folder).join(path));
        let source = file.and_then(|file| fs::read_to_string(file).ok()).unwrap_or_default();
        named_tests::has(&source, name)
    }

    /// `` `Parameter` ``: a parameter of the template turns it on. A test shows that it then works.
    fn setting(&self, rest: &str) -> Vec<String> {
        let name = setting_of(rest);
        let template = fs::read_to_string(self.root.join("template.yaml")).unwrap_or_default();
        let parameters = template.split("\nGlobals:").next().unwrap_or_default();
        if name.is_empty() || !parameters.lines().any(|line| line == format!("  {name}:")) {
            return vec![format!("{name:?} is no parameter of template.yaml")];
        }
        self.tests(rest)
    }
}

/// The parameter that a cell begins with, in backticks.
fn setting_of(rest: &str) -> &str {
    rest.strip_prefix('`').and_then(|rest| rest.split('`').next()).unwrap_or_default()
}

/// Whether a reason names a template's parameter by its environment variable: `FooBarUrl` as `FOO_BAR_URL`.
fn names(reason: &str, parameter: &str) -> bool {
    reason.replace('_', "").contains(&parameter.to_uppercase())
}

/// A reason has to be followed by where it comes from: a page's link, or a document's title in quotes.
fn source(rest: &str) -> Vec<String> {
    let source = rest.rsplit_once('(').map_or("", |(_, source)| source);
    let named = source.contains("http") || source.matches('"').count() == 2;
    if named { Vec::new() } else { vec!["it names no source, as a link or as a title in quotes".to_owned()] }
}

fn cells(line: &str) -> Vec<&str> {
    line.trim().trim_matches('|').split(" |").map(str::trim).collect()
}

/// A provider's id, from its name as people write it.
fn id_of(name: &str) -> String {
    name.to_lowercase().replace(' ', "")
}

/// The links with a name in backticks: name and target.
fn links(text: &str) -> Vec<(&str, &str)> {
    let rests = text.split("[`").skip(1);
    rests
        .filter_map(|rest| rest.split_once("`](").and_then(|(name, rest)| Some((name, rest.split_once(')')?.0))))
        .collect()
}

#[cfg(test)]
mod tests;
