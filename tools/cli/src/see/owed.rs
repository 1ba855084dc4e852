//! `owed`: what is to be done, and when.

use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_core::model::debt::DueKey;
use hookledger_core::ports::Clock as _;
use serde_json::{Value, json};

use crate::out::{self, Format};
use crate::stack::Stack;

/// The most keys of one shard that are read: there are 64.
pub(super) const MAX_OF_SHARD: usize = 2_000;
const COLUMNS: [&str; 5] = ["due_at", "late_secs", "kind", "subject", "key"];

/// Which.
#[derive(Args, Default)]
pub(crate) struct Which {
    /// Of this provider alone.
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// What is late alone.
    #[arg(long)]
    pub(crate) late: bool,
    /// The most rows shown.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
}

/// Finds what is owed and is wanted, the oldest first.
pub(crate) async fn find(stack: &Stack, inbox: &AwsInbox, which: &Which) -> anyhow::Result<Vec<DueKey>> {
    if let Some(name) = &which.provider {
        stack.provider(name)?;
    }
    let now = inbox.clock.now();
    let owed = inbox.ledger.list_owed(MAX_OF_SHARD).await?;
    let wanted = owed.into_iter().filter(|due| {
        which.provider.as_deref().is_none_or(|name| provider(&due.key.pk, &due.key.sk) == name)
            && (!which.late || due.due_at < now)
    });
    Ok(wanted.collect())
}

/// Lists them.
pub(crate) async fn run(stack: &Stack, format: Format, which: &Which) -> anyhow::Result<()> {
    let inbox = stack.inbox()?;
    let wanted = find(stack, &inbox, which).await?;
    let now = inbox.clock.now();
    let rows: Vec<Value> = wanted
        .iter()
        .take(which.limit)
        .map(|due| {
            json!({
                "due_at": due.due_at.to_string(),
                "late_secs": now.since_ms(due.due_at) / 1000,
                "kind": kind(&due.key.sk),
                "provider": provider(&due.key.pk, &due.key.sk),
                "subject": due.key.pk,
                "key": due.key.sk,
            })
        })
        .collect();
    let more = (wanted.len() > rows.len()).then(|| format!("{} of {} shown, more: --limit", rows.len(), wanted.len()));
    format.rows(&COLUMNS, &rows, more.as_deref());
    let late = wanted.iter().filter(|due| due.due_at < now).count();
    out::note(format!("{} owed, {late} of them late", wanted.len()));
    Ok(())
}

/// What kind of debt it is: its sort key says so.
pub(crate) fn kind(sk: &str) -> &'static str {
    match sk.split('#').next() {
        Some("event") => "entry",
        Some("expectation" | "watch") => "expectation",
        _ => "list",
    }
}

/// Whose it is: a list's cursor names its provider second.
pub(crate) fn provider<'a>(pk: &'a str, sk: &'a str) -> &'a str {
    let parts = |key: &'a str, n| key.split('#').nth(n).unwrap_or_default();
    if sk.starts_with("cursor#") { parts(sk, 1) } else { parts(pk, 0) }
}
