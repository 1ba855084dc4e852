//! The same table, with what is waited for in it, and a folder for files.

use std::collections::BTreeMap;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Expectations as _;
use serde_json::Value;

use crate::town::RIGHTFOOT;
pub(crate) use crate::town::text;

pub(crate) struct Town {
    town: crate::town::Town,
    pub(crate) folder: PathBuf,
}

impl Drop for Town {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

impl Deref for Town {
    type Target = crate::town::Town;

    fn deref(&self) -> &Self::Target {
        &self.town
    }
}

impl Town {
    pub(crate) async fn new(name: &str) -> Self {
        let folder = std::env::temp_dir().join(format!("hookledger-announce-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        Self { town: crate::town::Town::new().await, folder }
    }

    pub(crate) fn key(id: &str) -> ItemKey {
        Subject::new(RIGHTFOOT, "batch", id).item("expectation")
    }

    /// A batch that is waited for: its next poll is due so many seconds from now, its deadline so many.
    pub(crate) async fn waits(&self, id: &str, due_secs: i64, deadline_secs: u64) {
        let due_at = UnixMs(self.now.0.saturating_add(due_secs * 1000));
        let expectation = Expectation {
            key: Self::key(id),
            provider: "rightfoot".into(),
            reference: id.into(),
            repeats: false,
            state: ExpectationState::Waiting,
            created_at: self.now,
            due_at: Some(due_at),
            deadline: self.now.plus_secs(deadline_secs),
            polls: 3,
            found: 0,
        };
        assert!(self.ledger.expect(&expectation).await.unwrap());
    }

    pub(crate) async fn ends(&self, id: &str, state: ExpectationState) {
        let expires_at = self.now.plus_secs(9_999);
        assert!(self.ledger.end_expectation(&Self::key(id), state, self.now, expires_at).await.unwrap());
    }

    pub(crate) fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_string()
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.town.command(arguments);
        command.current_dir(&self.folder);
        command
    }

    /// What goes to standard output as JSON, and how it ended.
    pub(crate) async fn json(&self, arguments: &[&str]) -> (Value, Option<i32>) {
        let output = self.run(&[arguments, &["-o", "json"]].concat()).await;
        (serde_json::from_slice(&output.stdout).unwrap_or_default(), output.status.code())
    }

    pub(crate) async fn listed(&self, arguments: &[&str]) -> Vec<String> {
        let (document, code) = self.json(&[&["expect", "list"], arguments].concat()).await;
        assert_eq!(code, Some(0));
        let rows = document.get("rows").and_then(Value::as_array).unwrap();
        let reference = |row: &Value| row.get("reference").and_then(Value::as_str).unwrap().to_string();
        rows.iter().map(reference).collect()
    }
}

/// The rows of a result file, by what became of them.
pub(crate) fn results(path: impl AsRef<Path>) -> (Vec<Value>, BTreeMap<String, usize>) {
    let text = std::fs::read_to_string(path).unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let mut counts = BTreeMap::new();
    rows.iter().for_each(|row| {
        *counts.entry(row.get("outcome").and_then(Value::as_str).unwrap().to_string()).or_default() += 1
    });
    (rows, counts)
}
