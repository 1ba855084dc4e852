//! `expect import`: all references of a file are announced.
//!
//! It goes on where the table says it stopped, not where a file says so: what waits already, or was met, is left as it is.
//! So it may be killed at any time and run again, whole.

use std::collections::HashMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use futures_util::stream::{self, StreamExt as _};
use hookledger_aws::AwsInbox;
use hookledger_core::flows::expectations::{ExpectError, announce, look_up};
use hookledger_core::model::act::Order;
use hookledger_core::model::debt::ExpectationState;
use hookledger_core::providers::{Offer, Provider};
use serde_json::Value;
use tokio::time::MissedTickBehavior;

use super::expect::{Ordered, mark, rule};
use super::lines::{Flaw, Form, Line, Meant, read};
use super::results::{Judged, Outcome, Results};
use crate::out::{self, Ended, Format};
use crate::stack::Stack;

const COLUMNS: [&str; 5] = ["line", "reference", "outcome", "field", "why"];
/// The longest file: it is held in memory.
const MAX_FILE_BYTES: u64 = 256 << 20;
/// Announcements on their way at a time.
const MAX_IN_FLIGHT: usize = 16;
/// After so many failures of the store in a row it is not tried any more.
const MAX_FAILED_IN_A_ROW: usize = 20;
/// The most failures shown; the result file has all.
const MAX_SHOWN: usize = 100;
/// How often it says how far it is.
const TELL_EVERY: usize = 1_000;

/// What to announce.
#[derive(Args)]
pub(crate) struct Import {
    /// The provider's name.
    provider: String,
    /// CSV with a header that has a `reference` column, or JSON lines with a "reference"; `-` reads standard input.
    file: PathBuf,
    /// Which it is, where its name (.csv, .jsonl) and its first line do not tell.
    #[arg(long, value_enum)]
    form: Option<Form>,
    /// Announce so many in a second at most.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    rate: u32,
    /// Where to write what became of each line [default: FILE.result.jsonl].
    #[arg(long, value_name = "PATH", required_if_eq("file", "-"))]
    result: Option<PathBuf>,
    #[command(flatten)]
    ordered: Ordered,
}

/// Announces them.
pub(super) async fn run(stack: &Stack, format: Format, order: &Import) -> anyhow::Result<Ended> {
    let (inbox, provider) = (stack.inbox()?, stack.provider(&order.provider)?);
    if let Offer::Unavailable(why) = provider.polls() {
        bail!("{}", ExpectError::NotOffered(why));
    }
    let named = order.file.display();
    let all: Vec<&str> = stack.providers.iter().map(|provider| provider.id().0).collect();
    let bytes = contents(&order.file)?;
    let form = order.form.or_else(|| named_form(&order.file));
    let lines =
        read(&bytes, form, Meant { provider: provider.id().0, all: &all }).with_context(|| named.to_string())?;
    if lines.is_empty() {
        out::note(format!("{named} holds no reference"));
        return Ok(Ended::NotFound);
    }
    let total = lines.len();
    let path = order.result.clone().unwrap_or_else(|| {
        let mut path = order.file.clone().into_os_string();
        path.push(".result.jsonl");
        path.into()
    });
    let by = &order.ordered.order(stack).await?;
    let mut results = Results::begin(&path, &order.file)?;
    let mut pace = tokio::time::interval(Duration::from_secs(1) / order.rate);
    pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let pace = tokio::sync::Mutex::new(pace);
    let (inbox, pace) = (&inbox, &pace);
    let judged = stream::iter(first_ones(lines)).map(|line| async move {
        match line {
            Ok((number, reference)) => {
                pace.lock().await.tick().await;
                one(inbox, provider, by, number, reference).await
            }
            Err(judged) => judged,
        }
    });
    let mut judged = pin!(judged.buffer_unordered(MAX_IN_FLIGHT));
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let (mut failures, mut failed_in_a_row, mut done, mut odd) = (Vec::new(), 0, 0, 0);
    let stopped = loop {
        let next = tokio::select! {
            next = judged.next() => next,
            _ = &mut interrupted => break Some("stopped by you".to_string()),
        };
        let Some(judged) = next else { break None };
        done += 1;
        results.keep(&judged)?;
        failed_in_a_row = if judged.outcome == Outcome::Failed { failed_in_a_row + 1 } else { 0 };
        if failed_in_a_row >= MAX_FAILED_IN_A_ROW {
            failures.push(judged);
            break Some(format!("stopped, since {failed_in_a_row} failed in a row"));
        }
        if judged.outcome.is_failure() {
            failures.push(judged);
        } else if judged.why.is_some() && judged.outcome != Outcome::Repeated {
            odd += 1;
        }
        if done % TELL_EVERY == 0 {
            out::note(format!("{done} of {total}"));
        }
    };
    show(format, &mut failures);
    out::note(format!("{total} lines: {}", results.words()));
    if odd > 0 {
        out::note(format!("taken with blanks at their ends, most likely a slip: {odd}"));
    }
    if let Some(why) = &stopped {
        let left = total.saturating_sub(done);
        out::note(format!("{why}: {left} lines were not tried, or nobody heard the end of them; run it again"));
    }
    out::note(format!("{} has each line", results.path.display()));
    let failed = results.count(Outcome::is_failure);
    Ok(match (failed, stopped) {
        (0, None) => Ended::Well,
        _ if failed == done && done > 0 => Ended::Failed,
        _ => Ended::InPart,
    })
}

/// Those that failed: what a person, or a program, has to look at.
fn show(format: Format, failures: &mut [Judged]) {
    failures.sort_by_key(|judged| judged.line);
    let shown = if format == Format::Table { MAX_SHOWN } else { usize::MAX };
    let rows: Vec<Value> = failures.iter().take(shown).map(Judged::row).collect();
    let more = (failures.len() > rows.len())
        .then(|| format!("{} of the {} that failed are shown: the result file has all", rows.len(), failures.len()));
    format.rows(&COLUMNS, &rows, more.as_deref());
}

/// The lines to announce; and those that need no announcement, with what became of them.
fn first_ones(lines: Vec<Line>) -> impl Iterator<Item = Result<(usize, String), Judged>> {
    let mut known: HashMap<String, usize> = HashMap::new();
    lines.into_iter().map(move |Line { number, reference }| match reference {
        Ok(reference) => match known.get(&reference) {
            Some(first) => {
                let why = Some(format!("line {first} has it"));
                Err(Judged { line: number, reference: Some(reference), outcome: Outcome::Repeated, field: None, why })
            }
            None => {
                known.insert(reference.clone(), number);
                Ok((number, reference))
            }
        },
        Err(Flaw { field, rule }) => {
            Err(Judged { line: number, reference: None, outcome: Outcome::Malformed, field, why: Some(rule) })
        }
    })
}

async fn one(inbox: &AwsInbox, provider: &dyn Provider, by: &Order, line: usize, reference: String) -> Judged {
    let (outcome, why) = match announced(inbox, provider, by, &reference).await {
        Ok((outcome, unmarked)) => (outcome, unmarked.or_else(|| has_blank_ends(&reference))),
        Err(error @ (ExpectError::Store(_) | ExpectError::NotOffered(_))) => (Outcome::Failed, Some(error.to_string())),
        Err(error) => (Outcome::Malformed, Some(rule(provider, &reference, &error))),
    };
    let field = (outcome == Outcome::Malformed).then_some("reference");
    Judged { line, reference: Some(reference), outcome, field, why }
}

/// What came of it; and why its row does not say by whom, where it does not.
async fn announced(
    inbox: &AwsInbox,
    provider: &dyn Provider,
    by: &Order,
    reference: &str,
) -> Result<(Outcome, Option<String>), ExpectError> {
    // To announce what has come would ask the provider for it once more.
    let known = look_up(inbox, provider, reference).await?;
    if known.is_some_and(|known| known.state == ExpectationState::Met) {
        return Ok((Outcome::Met, None));
    }
    let (expectation, is_new) = announce(inbox, provider, reference).await?;
    if !is_new {
        return Ok((Outcome::Waiting, None));
    }
    Ok((Outcome::Expected, mark(inbox, &expectation.key, by, "expect import").await.err()))
}

/// The provider takes it as it is; most likely it is a slip.
fn has_blank_ends(reference: &str) -> Option<String> {
    (reference.trim() != reference).then(|| "taken as it is, with the blanks at its ends".to_string())
}

fn named_form(file: &Path) -> Option<Form> {
    match file.extension()?.to_str()?.to_ascii_lowercase().as_str() {
        "csv" | "tsv" => Some(Form::Csv),
        "jsonl" | "ndjson" => Some(Form::Jsonl),
        _ => None,
    }
}

fn contents(file: &Path) -> anyhow::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes)
    } else {
        let opened = std::fs::File::open(file);
        opened.and_then(|opened| opened.take(MAX_FILE_BYTES.saturating_add(1)).read_to_end(&mut bytes))
    };
    read.with_context(|| format!("{} can't be read", file.display()))?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        bail!("{} is longer than {} MiB: split it", file.display(), MAX_FILE_BYTES >> 20);
    }
    Ok(bytes)
}
