//! What became of each line of an import: the file that keeps it as it goes, and the counts.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use serde_json::{Value, json};

use crate::out::on_one_line;

/// What became of a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Outcome {
    /// It is waited for from now on.
    Expected,
    /// It was waited for already.
    Waiting,
    /// It was waited for, and came: nothing was done.
    Met,
    /// A line further up has the same reference.
    Repeated,
    /// It can't be waited for as it is written.
    Malformed,
    /// The store did not take it.
    Failed,
}

impl Outcome {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Expected => "expected",
            Self::Waiting => "waiting already",
            Self::Met => "met already",
            Self::Repeated => "repeated",
            Self::Malformed => "malformed",
            Self::Failed => "failed",
        }
    }

    pub(super) fn is_failure(self) -> bool {
        matches!(self, Self::Malformed | Self::Failed)
    }
}

/// A line, and what became of it.
#[derive(Debug)]
pub(super) struct Judged {
    pub(super) line: usize,
    pub(super) reference: Option<String>,
    pub(super) outcome: Outcome,
    /// Which part is at fault.
    pub(super) field: Option<&'static str>,
    /// Which rule it breaks, or what else there is to say.
    pub(super) why: Option<String>,
}

impl Judged {
    pub(super) fn row(&self) -> Value {
        json!({
            "line": self.line,
            "reference": self.reference,
            "outcome": self.outcome.as_str(),
            "field": self.field,
            "why": self.why,
        })
    }
}

/// The counts, and the file.
pub(super) struct Results {
    file: File,
    pub(super) path: PathBuf,
    counts: BTreeMap<Outcome, usize>,
}

impl Results {
    /// Begins the file anew. What is there and was not written here is left alone.
    pub(super) fn begin(path: &Path, source: &Path) -> anyhow::Result<Self> {
        let is_source =
            std::fs::canonicalize(path).is_ok_and(|path| std::fs::canonicalize(source).is_ok_and(|of| of == path));
        if is_source || !may_be_replaced(path) {
            bail!("{} is there and is no result of an import: name another file with --result", path.display());
        }
        let file =
            File::create(path).with_context(|| format!("the result file {} can't be written", path.display()))?;
        Ok(Self { file, path: path.to_path_buf(), counts: BTreeMap::new() })
    }

    /// Writes down what became of a line: at once, so that whoever is killed leaves word of what was done.
    pub(super) fn keep(&mut self, judged: &Judged) -> anyhow::Result<()> {
        *self.counts.entry(judged.outcome).or_default() += 1;
        // A file is looked at in a terminal too.
        let line = on_one_line(&judged.row()) + "\n";
        let written = self.file.write_all(line.as_bytes());
        written.with_context(|| {
            format!("the result file {} can't be written; up to here: {}", self.path.display(), self.words())
        })
    }

    pub(super) fn count(&self, is_wanted: impl Fn(Outcome) -> bool) -> usize {
        self.counts.iter().filter(|(outcome, _)| is_wanted(**outcome)).map(|(_, count)| count).sum()
    }

    /// `3 expected, 1 waiting already`.
    pub(super) fn words(&self) -> String {
        let words: Vec<String> =
            self.counts.iter().map(|(outcome, count)| format!("{count} {}", outcome.as_str())).collect();
        if words.is_empty() { "nothing was done".into() } else { words.join(", ") }
    }
}

/// Whether there is nothing, or an earlier result.
fn may_be_replaced(path: &Path) -> bool {
    let Ok(file) = File::open(path) else { return !path.exists() };
    let mut first = String::new();
    if BufReader::new(std::io::Read::take(file, 1 << 16)).read_line(&mut first).is_err() {
        return false;
    }
    let row: Value = serde_json::from_str(&first).unwrap_or_default();
    first.is_empty() || row.get("line").is_some() && row.get("outcome").is_some() && row.get("field").is_some()
}
