//! `check`: what can be judged without running anything.

mod abilities;
mod findings;
pub(crate) mod inventory;
mod layering;
mod links;
mod named_tests;
mod profile;
mod source;
mod supply_chain;
mod template;
mod threats;
mod workflows;

use crate::project::Project;
use anyhow::{Result, bail};
use clap::ValueEnum;
use std::time::Instant;

/// One check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// The sources are formatted
    Fmt,
    /// Nobody depends on what they must not
    Layering,
    /// Every provider has all of its parts
    Inventory,
    /// The table of what works with which provider is true
    Abilities,
    /// Every test that SECURITY.md names exists
    Threats,
    /// Every link of a document leads somewhere, and every test that one names exists
    Links,
    /// What ships unwinds when it panics, as what is tested does
    Profile,
    /// Dependencies come from where they should, under licences we accept; advisories; the actions of CI
    SupplyChain,
    /// The SAM template is valid
    Template,
    /// Clippy has nothing to say
    Clippy,
    /// The documentation builds without a warning
    Doc,
}

/// Runs one check, or all of them, quick ones first. All run even when one fails: a person wants to know everything.
pub(crate) fn run(project: &Project, part: Option<Part>) -> Result<u8> {
    let parts = part.map_or_else(|| Part::value_variants().to_vec(), |part| vec![part]);
    let mut failed = Vec::new();
    for part in parts {
        let name = part.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned());
        let started = Instant::now();
        let outcome = one(project, part);
        if crate::process::job::interrupted() {
            bail!("interrupted");
        }
        let seconds = started.elapsed().as_secs_f32();
        match outcome {
            Ok(()) => println!("check {name}: ok ({seconds:.1} s)"),
            Err(error) => {
                println!("check {name}: FAILED ({seconds:.1} s)\n{error:#}\n");
                failed.push(name);
            }
        }
    }
    if failed.is_empty() { Ok(0) } else { bail!("failed: {}", failed.join(", ")) }
}

fn one(project: &Project, part: Part) -> Result<()> {
    match part {
        Part::Fmt => source::fmt(project),
        Part::Clippy => source::clippy(project),
        Part::Doc => source::doc(project),
        Part::Layering => layering::check(project),
        Part::Inventory => inventory::check(&project.root),
        Part::Abilities => abilities::check(&project.root),
        Part::Threats => threats::check(&project.root),
        Part::Links => links::check(project),
        Part::Profile => profile::check(&project.root),
        Part::Template => template::check(project),
        Part::SupplyChain => supply_chain::check(project),
    }
}
