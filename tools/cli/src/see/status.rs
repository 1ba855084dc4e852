//! `status`: is it well, and what waits for me?

use std::collections::BTreeMap;

use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::Ran;
use hookledger_core::model::debt::{DUE_SHARDS, DueKey};
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{CircuitStore as _, Clock as _, WorkQueue as _};
use serde_json::{Value, json};

use super::owed::{MAX_OF_SHARD, kind};
use super::parked::{Which, find, groups};
use crate::doctor::alarms;
use crate::mend::dead::waiting;
use crate::out::{Ended, Format};
use crate::stack::Stack;
use crate::when::words;

/// A debt this late is one that the reconciler, which runs once a minute, has not taken up.
const LATE_SECS: u64 = 300;
/// A last run this old says that the reconciler does not run.
const STALE_SECS: u64 = 300;
/// So many reasons are shown.
const SHOWN_GROUPS: usize = 5;

/// One line of it.
pub(crate) struct Line {
    pub(crate) what: String,
    pub(crate) is: String,
    /// The same for programs, where that differs: spans of time in seconds.
    pub(crate) exact: Option<String>,
    /// A person has to look.
    pub(crate) warns: bool,
    /// It was looked at.
    is_known: bool,
}

impl Line {
    fn verdict(&self) -> &'static str {
        match self {
            Self { warns: true, .. } => "warn",
            Self { is_known: false, .. } => "unknown",
            _ => "ok",
        }
    }
}

/// A provider, and how it is reached.
pub(crate) struct OfProvider {
    /// Until when its circuit is open, and how often it opened.
    pub(crate) open: Option<(UnixMs, u32)>,
    /// How many messages about wait for its work.
    pub(crate) depth: Result<u64, String>,
}

/// How a provider is reached now.
pub(crate) async fn of_provider(stack: &Stack, inbox: &AwsInbox, id: ProviderId) -> anyhow::Result<OfProvider> {
    let open = inbox.ledger.circuit(id).await?.and_then(|circuit| Some((circuit.open_until?, circuit.trips)));
    // One that nobody has asked for since is no news: nothing is owed to its provider.
    let is_recent = |until: UnixMs| inbox.clock.now() < until.plus_secs(stack.env.timing.circuit.cap_secs);
    let depth = inbox.queue.depth(id).await.map_err(|error| error.to_string());
    Ok(OfProvider { open: open.filter(|(until, _)| is_recent(*until)), depth })
}

/// Whether the reconciler runs, and what it did last.
pub(crate) async fn reconciler(inbox: &AwsInbox) -> anyhow::Result<Line> {
    Ok(runs(&inbox.ledger.list_runs().await?, inbox.clock.now()))
}

/// What is owed, and how late the oldest is.
pub(crate) async fn owed(inbox: &AwsInbox) -> anyhow::Result<Line> {
    let owed = inbox.ledger.list_owed(MAX_OF_SHARD).await?;
    let now = inbox.clock.now();
    Ok(debts(&owed, |due| now.since_ms(due.due_at) / 1000))
}

/// Looks, and ends with 4 where something needs a person.
pub(crate) async fn run(stack: &Stack, format: Format) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let mut rows = vec![reconciler(&inbox).await?, owed(&inbox).await?];
    for provider in stack.providers.iter() {
        let id = provider.id();
        let OfProvider { open, depth } = of_provider(stack, &inbox, id).await?;
        if let Some((until, trips)) = open {
            rows.push(line(&format!("circuit {id}"), format!("open until {until}, opened {trips} times"), true));
        }
        match depth {
            Ok(0) => {}
            Ok(depth) => rows.push(line(&format!("queue {id}"), format!("about {depth} messages wait"), false)),
            Err(error) => rows.push(line(&format!("queue {id}"), error, true)),
        }
    }
    for (id, error) in stack.providers.all_stopped() {
        rows.push(line(&format!("provider {id}"), format!("stopped: {error}"), true));
    }
    match waiting(stack).await {
        Ok((dead, rescue)) => {
            rows.push(line("dead letters", dead.to_string(), dead > 0));
            rows.push(line("rescue queue", rescue.to_string(), rescue > 0));
        }
        Err(error) => rows.push(line("dead letters", format!("not known: {error}"), true)),
    }
    rows.push(alarms(stack).await);
    let parked = find(stack, &inbox, &Which::default()).await?;
    let oldest = parked.oldest.map(|at| format!(", the oldest since {at}")).unwrap_or_default();
    rows.push(line("parked", format!("{}{oldest}", parked.all), parked.all > 0));
    for (group, count) in groups(&parked.rows).into_iter().take(SHOWN_GROUPS) {
        rows.push(line("", format!("{count:>7}  {group}"), false));
    }
    let needs_a_person = rows.iter().any(|row| row.warns);
    let rows: Vec<Value> = rows
        .iter()
        .map(|line| {
            let is = line.exact.as_ref().filter(|_| format != Format::Table).unwrap_or(&line.is);
            json!({ "what": line.what, "is": is, "verdict": line.verdict() })
        })
        .collect();
    format.rows(&["what", "is", "verdict"], &rows, None);
    crate::out::note("not looked at: what was refused (`refused`), and the secrets (`doctor secrets`)");
    Ok(if needs_a_person { Ended::NeedsAPerson } else { Ended::Well })
}

/// Which alarms are on. Whoever may not look at them is told so, and the rest of the answer stands.
async fn alarms(stack: &Stack) -> Line {
    match alarms::of(stack).await {
        Ok(all) => match alarms::on(&all).as_slice() {
            [] => line("alarms", format!("none on, of {}", all.len()), all.is_empty()),
            on => line("alarms", format!("{} on, of {}: {}", on.len(), all.len(), on.join(", ")), true),
        },
        Err(why) => Line { is_known: false, ..line("alarms", format!("not known: {why}"), false) },
    }
}

/// The reconciler's last runs. It runs once a minute, and takes one at most.
fn runs(runs: &[Ran], now: UnixMs) -> Line {
    let Some(last) = runs.iter().max_by_key(|run| run.at) else {
        return line("reconciler", "has not run yet, or is older than this command".to_string(), true);
    };
    // With another number of runs a minute the old ranges are no one's any more.
    let of_now = runs.iter().filter(|run| last.at.since_ms(run.at) < STALE_SECS * 1000);
    let sum = |count: fn(&Ran) -> usize| of_now.clone().map(count).sum::<usize>();
    let (due, failed) = (sum(|run| run.report.due), sum(|run| run.report.failed));
    let secs = now.since_ms(last.at) / 1000;
    let missing = (0..DUE_SHARDS).filter(|shard| !of_now.clone().any(|run| covers(run, *shard))).count();
    if missing > 0 {
        return ran(secs, &format!(", and {missing} of {DUE_SHARDS} shards have had no run for minutes"), true);
    }
    let text = format!(": {due} due, {} carried out, {failed} failed", sum(|run| run.report.carried_out));
    ran(secs, &text, secs > STALE_SECS || failed > 0)
}

fn ran(secs: u64, text: &str, warns: bool) -> Line {
    let exact = Some(format!("ran {secs} s ago{text}"));
    Line { exact, ..line("reconciler", format!("ran {} ago{text}", words(secs)), warns) }
}

/// Whether a run was for this shard.
fn covers(run: &Ran, shard: u8) -> bool {
    let bounds =
        run.shards.split_once('-').and_then(|(first, last)| Some(first.parse::<u8>().ok()?..=last.parse().ok()?));
    bounds.is_some_and(|range| range.contains(&shard))
}

/// What is owed. One debt that nobody takes up for minutes says that the reconciler does not run, or does not keep up.
fn debts(owed: &[DueKey], late_secs: impl Fn(&DueKey) -> u64) -> Line {
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for due in owed {
        *kinds.entry(kind(&due.key.sk)).or_default() += 1;
    }
    let of_kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{count} × {kind}")).collect();
    let oldest = owed.first().map_or(0, &late_secs);
    let late = owed.iter().filter(|due| late_secs(due) > 0).count();
    let text = match owed.len() {
        0 => "nothing".to_string(),
        all => format!("{all}: {}; {late} late, the oldest by ", of_kinds.join(", ")),
    };
    let with = |by: String| if owed.is_empty() { text.clone() } else { text.clone() + &by };
    let exact = Some(with(format!("{oldest} s")));
    Line { exact, ..line("owed", with(words(oldest)), oldest > LATE_SECS) }
}

fn line(what: &str, is: String, warns: bool) -> Line {
    Line { what: what.to_string(), is, exact: None, warns, is_known: true }
}
