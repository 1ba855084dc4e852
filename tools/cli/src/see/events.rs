//! `events`: what came in, the latest first.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::{Filter, Pointer};
use hookledger_aws::start::env::Recent;
use hookledger_core::model::debt::{Debt, DueKey};
use hookledger_core::model::entry::{Entry, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;
use serde_json::{Value, json};

use crate::out::Format;
use crate::stack::Stack;
use crate::when::{Span, start_of_day};

/// So many entries are looked at for each that is shown, and so many at least: one page of a state that is rare must not
/// read a whole day.
const LOOKED_AT_FOR_EACH: usize = 10;
const LOOKED_AT: usize = 1_000;
/// The most keys of one shard that are read of what is parked or owed: there are 64.
const MAX_OF_SHARD: usize = 2_000;
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
    let (since, until) = wanted.span.bounds_kept(now, stack.env.timing.retention_secs())?;
    // A subject has its entries together, and what is parked or owed is listed by itself: no need to look at all.
    let listed = match (&wanted.subject, wanted.state.as_deref()) {
        (Some(subject), _) => Some(inbox.ledger.entries_of(subject).await?),
        (None, Some("parked")) => Some(entries(inbox.ledger.list_parked(MAX_OF_SHARD).await?)),
        (None, Some("open")) => Some(entries(inbox.ledger.list_owed(MAX_OF_SHARD).await?)),
        (None, _) => None,
    };
    match listed {
        Some(keys) => among(inbox, wanted, &keys, since, until).await,
        None => back_from(inbox, wanted, since, until).await,
    }
}

fn entries(keys: Vec<DueKey>) -> Vec<ItemKey> {
    keys.into_iter().filter(DueKey::is_entry).map(|due| due.key).collect()
}

/// Finds what is wanted among these entries.
async fn among(
    inbox: &AwsInbox,
    wanted: &Wanted,
    keys: &[ItemKey],
    since: UnixMs,
    until: UnixMs,
) -> anyhow::Result<Found> {
    let known = look_at(inbox, keys).await?.into_values();
    let mut found: Vec<Entry> =
        known.filter(|entry| wanted.takes(entry) && (since..=until).contains(&entry.received_at)).collect();
    found.sort_by(|a, b| (b.received_at, &a.key).cmp(&(a.received_at, &b.key)));
    let more = found.get(wanted.limit).map(|entry| entry.received_at);
    let mut last_uses = BTreeMap::new();
    let rows = found.into_iter().take(wanted.limit).map(|entry| {
        let (key, proof) = (entry.key.clone(), entry.proof.clone());
        count_use(&mut last_uses, &key, proof.as_ref(), entry.received_at);
        let (event_type, origin) = (entry.event_type.clone(), Some(entry.origin));
        (Pointer { key, received_at: entry.received_at, event_type, origin, proof }, Some(entry))
    });
    Ok(Found { rows: rows.collect(), more, since, last_uses })
}

/// Finds what is wanted, back from the last: so many at a time, and never over the end of a day, which is where the index
/// begins anew.
async fn back_from(inbox: &AwsInbox, wanted: &Wanted, since: UnixMs, mut until: UnixMs) -> anyhow::Result<Found> {
    let mut rows = Vec::new();
    let (mut looked_at, mut more) = (0, None);
    let mut last_uses = BTreeMap::new();
    let most = wanted.limit.saturating_mul(LOOKED_AT_FOR_EACH).max(LOOKED_AT);
    let few = if wanted.state.is_some() { MAX_AT_ONCE } else { wanted.limit.saturating_add(1) };
    let (mut at_once, mut seen) = (few.clamp(2, MAX_AT_ONCE), BTreeSet::new());
    let filter = Filter {
        provider: wanted.provider.as_deref(),
        event_type: wanted.event_type.as_deref(),
        origin: wanted.origin.as_deref(),
    };
    'all: while until >= since && wanted.limit > 0 {
        let begin = start_of_day(until).max(since);
        let found = inbox.ledger.list_recent(begin, until, at_once, &filter).await?;
        let news: Vec<&Pointer> = found.iter().filter(|pointer| !seen.contains(&pointer.key)).collect();
        let keys: Vec<ItemKey> = news.iter().map(|pointer| pointer.key.clone()).collect();
        let mut known = look_at(inbox, &keys).await?;
        for pointer in &news {
            if rows.len() >= wanted.limit || looked_at >= most {
                more = Some(pointer.received_at);
                break 'all;
            }
            looked_at += 1;
            count_use(&mut last_uses, &pointer.key, pointer.proof.as_ref(), pointer.received_at);
            let entry = known.remove(&pointer.key);
            if entry.as_ref().map_or(wanted.state.is_none(), |entry| wanted.takes(entry)) {
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

/// The latest come first, so the first use of a secret that is seen is its last.
fn count_use(uses: &mut BTreeMap<(String, String), UnixMs>, key: &ItemKey, proof: Option<&String>, at: UnixMs) {
    if let Some(proof) = proof {
        uses.entry((key.provider().to_string(), proof.clone())).or_insert(at);
    }
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

async fn look_at(inbox: &AwsInbox, keys: &[ItemKey]) -> anyhow::Result<BTreeMap<ItemKey, Entry>> {
    let known = inbox.ledger.look_at(keys).await?;
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
    fn takes(&self, entry: &Entry) -> bool {
        let is = |wanted: &Option<String>, value: &str| wanted.as_deref().is_none_or(|wanted| wanted == value);
        is(&self.provider, &entry.provider)
            && is(&self.event_type, &entry.event_type)
            && is(&self.subject, &entry.key.pk)
            && is(&self.origin, entry.origin.as_str())
            && is(&self.state, entry.state.as_str())
    }
}
