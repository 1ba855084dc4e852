//! `events`: what came in, the latest first.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::Pointer;
use hookledger_aws::start::env::Recent;
use hookledger_core::model::debt::Debt;
use hookledger_core::model::entry::{Entry, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;
use serde_json::{Value, json};

use crate::out::Format;
use crate::stack::Stack;
use crate::when::Span;

/// The most entries that are looked at for their state.
const MAX_LOOKED_AT: usize = 20_000;
/// The most entries that are held at a time.
const MAX_AT_ONCE: usize = 1_000;
const COLUMNS: [&str; 8] = ["received_at", "state", "origin", "type", "subject", "entry", "proof", "reason"];

/// Which.
#[derive(Args, Default)]
pub(crate) struct Wanted {
    /// Of this provider alone.
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// Of this type alone, as the provider names it.
    #[arg(long = "type", value_name = "TYPE")]
    pub(crate) event_type: Option<String>,
    /// In this state alone.
    #[arg(long, value_parser = ["open", "done", "ignored", "parked"])]
    pub(crate) state: Option<String>,
    /// Sent by the provider (push), or found by asking (poll).
    #[arg(long, value_parser = ["push", "poll"])]
    pub(crate) origin: Option<String>,
    /// Of this subject alone, such as rightfoot#batch#b1.
    #[arg(long)]
    pub(crate) subject: Option<String>,
    #[command(flatten)]
    pub(crate) span: Span,
    /// The most entries shown.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: usize,
}

/// What was found.
pub(crate) struct Found {
    /// The latest first, each with how it stands; without that where its row is gone.
    pub(crate) rows: Vec<(Pointer, Option<Entry>)>,
    /// When the first of those came that are left out.
    pub(crate) more: Option<UnixMs>,
    /// From when on was looked.
    pub(crate) since: UnixMs,
    /// When each secret was last used, by provider and id, among what was looked at.
    pub(crate) last_uses: BTreeMap<(String, String), UnixMs>,
}

/// Finds what came in and is wanted.
pub(crate) async fn find(stack: &Stack, inbox: &AwsInbox, wanted: &Wanted) -> anyhow::Result<Found> {
    if let Some(name) = &wanted.provider {
        stack.provider(name)?;
    }
    let now = inbox.clock.now();
    let (since, until) = wanted.span.bounds(now)?;
    // Before what is kept, and after the present, there is nothing to look for.
    let since = since.max(now.minus_secs(stack.env.timing.retention_secs()));
    let mut until = until.min(now);
    let mut rows = Vec::new();
    let (mut looked_at, mut more) = (0, None);
    let mut last_uses = BTreeMap::new();
    // Back from the last, so many at a time; never over the end of a day, which is where the index begins anew.
    let few = if wanted.state.is_some() { MAX_AT_ONCE } else { wanted.limit.saturating_add(1) };
    let (mut at_once, mut seen) = (few.clamp(2, MAX_AT_ONCE), BTreeSet::new());
    'all: while until >= since && wanted.limit > 0 {
        let begin = UnixMs::parse_rfc3339(&format!("{}T00:00:00Z", until.day())).unwrap_or(since).max(since);
        let found = inbox.ledger.list_recent(begin, until, at_once, |pointer| wanted.takes(pointer)).await?;
        let news: Vec<&Pointer> = found.iter().filter(|pointer| !seen.contains(&pointer.key)).collect();
        let mut known = look_at(inbox, &news).await?;
        looked_at += news.len();
        for pointer in &news {
            if rows.len() >= wanted.limit || looked_at > MAX_LOOKED_AT {
                more = Some(pointer.received_at);
                break 'all;
            }
            // The latest come first, so the first use of a secret that is seen is its last.
            if let Some(proof) = &pointer.proof {
                last_uses.entry((pointer.key.provider().to_string(), proof.clone())).or_insert(pointer.received_at);
            }
            let entry = known.remove(&pointer.key);
            let state = entry.as_ref().map(|entry| entry.state.as_str());
            if wanted.state.as_deref().is_none_or(|wanted| state == Some(wanted)) {
                rows.push(((*pointer).clone(), entry));
            }
        }
        match found.last() {
            Some(last) if found.len() >= at_once => {
                // The same instant once more, as others may have it too; if it is all there was, more at once.
                at_once = if last.received_at == until { at_once.saturating_mul(2) } else { at_once };
                until = last.received_at;
                seen = found.iter().filter(|of| of.received_at == until).map(|of| of.key.clone()).collect();
            }
            _ => until = UnixMs(begin.0.saturating_sub(1)),
        }
    }
    Ok(Found { rows, more, since, last_uses })
}

/// Lists them.
pub(crate) async fn run(stack: &Stack, format: Format, wanted: &Wanted) -> anyhow::Result<()> {
    let Found { rows, more, since, last_uses } = find(stack, &stack.inbox()?, wanted).await?;
    let rows: Vec<Value> = rows.iter().map(|(pointer, entry)| row(pointer, entry.as_ref())).collect();
    let more = more.map(|at| format!("{} shown, more: --until {at}", rows.len()));
    format.rows(&COLUMNS, &rows, more.as_deref());
    for ((provider, id), at) in last_uses {
        crate::out::note(format!("last use of {provider}'s {id}: {at}"));
    }
    if stack.env.recent == Recent::Unworked {
        crate::out::note("this stack lists only what nobody works on (RecentEntries=unworked): the rest is not here");
    }
    if more.is_none() {
        crate::out::note(format!("{} from {since} on; what came within the last seconds may be missing", rows.len()));
    }
    Ok(())
}

async fn look_at(inbox: &AwsInbox, pointers: &[&Pointer]) -> anyhow::Result<BTreeMap<ItemKey, Entry>> {
    let keys: Vec<ItemKey> = pointers.iter().map(|pointer| pointer.key.clone()).collect();
    let known = inbox.ledger.look_at(&keys).await?;
    Ok(known
        .into_iter()
        .filter_map(|(key, debt)| if let Ok(Debt::Entry(entry)) = debt { Some((key, entry)) } else { None })
        .collect())
}

fn row(pointer: &Pointer, entry: Option<&Entry>) -> Value {
    let reason = entry.and_then(|entry| entry.reason.clone()).filter(|_| entry.is_some_and(|e| e.state != State::Done));
    json!({
        "received_at": pointer.received_at.to_string(),
        "provider": pointer.key.provider(),
        "state": entry.map(|entry| entry.state.as_str()),
        "origin": pointer.origin.map(|origin| origin.as_str()),
        "type": pointer.event_type,
        "subject": pointer.key.pk,
        "entry": pointer.key.sk,
        "proof": pointer.proof,
        "reason": reason,
    })
}

impl Wanted {
    fn takes(&self, pointer: &Pointer) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(&self.provider, pointer.key.provider())
            && is(&self.event_type, &pointer.event_type)
            && is(&self.subject, &pointer.key.pk)
            && is(&self.origin, pointer.origin.map_or("", |origin| origin.as_str()))
    }
}
