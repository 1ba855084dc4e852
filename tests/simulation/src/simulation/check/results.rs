//! What came of the work, when all is quiet: the rows of what is done, and what the provider itself has overtaken.

use std::collections::BTreeMap;

use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;

use super::super::plot::{Effect, key};
use super::super::world::Glass;
use super::{Check, OVERTAKEN};
use crate::memory::MemoryLedger;

/// All that the provider has must be here, the rows that share a key too.
const SHORT: &str = "nothing settled short of what the provider has";

impl<L: Glass> Check<'_, L> {
    /// The rows of what is done are what the provider knows, to the digit.
    pub(super) fn results(&mut self) {
        self.batches();
        self.extracts();
        self.statements();
        self.enrichments();
    }

    fn batches(&mut self) {
        let mut found = Vec::new();
        for batch in &self.world.truth.rightfoot.batches {
            let entry = key("rightfoot", "batch", &batch.id, &["BALANCE_BATCH_COMPLETED", &batch.id]);
            if self.state(&entry) != Some(State::Done) {
                continue;
            }
            let rows = self.world.memory().rows(&entry.subject());
            let balances = rows.iter().filter(|row| row.sk.starts_with("balance#"));
            let held: BTreeMap<String, String> = balances
                .map(|row| {
                    let amount =
                        row.columns.iter().find(|(name, _)| *name == "balance").map(|(_, amount)| amount.clone());
                    (row.sk.replacen("balance#", "", 1), amount.unwrap_or("null".into()))
                })
                .collect();
            let known = batch.rows();
            if held != known {
                found.push((SHORT, format!("{}: {held:?}, in truth {known:?}", batch.id)));
            }
        }
        self.violations.extend(found);
    }

    fn extracts(&mut self) {
        let (truth, memory) = (&self.world.truth, self.world.memory());
        let mut found = Vec::new();
        let extracts = truth.plot.events.iter().filter(|event| event.provider == "fynapse");
        for event in extracts.filter(|event| event.effect == Effect::Own) {
            // Of two contents the first stands.
            let kept = self.world.kept(event).filter(|kept| kept.entry.key == event.key);
            if kept.is_none_or(|kept| kept.entry.state != State::Done) {
                continue;
            }
            let data =
                event.body.split_once(r#""data":"#).map(|(_, data)| data.trim_end_matches('}').to_string() + "}");
            let rows = memory.rows(&event.key.subject());
            let held = rows.first().map(|row| String::from_utf8_lossy(&row.document).into_owned());
            if held != data {
                found.push(("results equal the truth", format!("{}: {held:?}, in truth {data:?}", event.key)));
            }
        }
        self.violations.extend(found);
    }

    fn statements(&mut self) {
        let memory = self.world.memory();
        let mut found = Vec::new();
        for statement in &self.world.truth.finbox.statements {
            let Some(entry) = self.entries.get(&statement.key()).filter(|entry| entry.state == State::Done) else {
                continue;
            };
            if entry.reason.as_ref().is_some_and(|reason| reason.starts_with(OVERTAKEN)) {
                // It was overtaken because the provider said so, and this is told.
                let told = statement.completed_at.is_none() || self.entries.contains_key(&statement.completion());
                if !told {
                    found.push(("what overtakes is told", format!("{} is overtaken, by what?", statement.key())));
                }
                continue;
            }
            let wanted: &[&str] = if statement.completed() { &["transactions", "accounts"] } else { &["failure#"] };
            if !has_rows(memory, &statement.key(), wanted) {
                found.push(("results equal the truth", format!("{} has no rows", statement.key())));
            }
        }
        self.violations.extend(found);
    }

    fn enrichments(&mut self) {
        let memory = self.world.memory();
        let done = |key: &&ItemKey| self.state(key) == Some(State::Done);
        let enrichments = self.world.truth.finbox.enrichments.iter().filter(done);
        let short = enrichments.filter(|key| !has_rows(memory, key, &["progress", "upload"]));
        let found: Vec<_> = short.map(|key| (SHORT, format!("{key} has not all its rows"))).collect();
        self.violations.extend(found);
    }
}

/// Whether the entry's subject has a row under each of these names.
fn has_rows(memory: &MemoryLedger, entry: &ItemKey, names: &[&str]) -> bool {
    let rows = memory.rows(&entry.subject());
    names.iter().all(|name| rows.iter().any(|row| row.sk.starts_with(name)))
}
