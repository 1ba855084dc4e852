//! `events`: what came in, the latest first.

use std::collections::BTreeMap;

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

use super::back::Back;
use super::cursor::Cursor;
use crate::out::Format;
use crate::stack::Stack;
use crate::when::Span;

/// So many entries are looked at for each that is shown, and so many at least: one page of a state that is rare must not
/// read a whole day.
const LOOKED_AT_FOR_EACH: usize = 10;
const LOOKED_AT: usize = 1_000;
/// The most keys of one shard that are read of what is parked or owed: there are 64.
const MAX_OF_SHARD: usize = 2_000;
/// The most entries that are held at a time.
const MAX_AT_ONCE: usize = 1_000;
/// How far back is looked first for them.
const STRETCH_SECS: u64 = 24 * 3600;
pub(super) const COLUMNS: [&str; 8] = ["received_at", "state", "origin", "type", "subject", "entry", "proof", "reason"];

/// Which.
#[derive(Args, Clone, Default)]
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

/// What to list, and whether to go on.
#[derive(Args)]
pub(crate) struct Order {
    #[command(flatten)]
    pub(super) wanted: Wanted,
    /// Go on behind the last one of another page, with the same filters: what such a page says of where there is more.
    #[arg(long, conflicts_with_all = ["since", "until"])]
    cursor: Option<Cursor>,
    /// Show new ones as they come, until ctrl-c; from now on, or from --since on, the oldest first.
    #[arg(long, conflicts_with_all = ["cursor", "until", "limit"])]
    pub(crate) follow: bool,
    /// How often is looked for new ones, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 2, requires = "follow",
        value_parser = clap::value_parser!(u64).range(1..=60))]
    pub(super) every: u64,
}

/// What was found.
pub(crate) struct Found {
    /// The latest first, each with how it stands; without that where its row is gone.
    pub(crate) rows: Vec<(Pointer, Option<Entry>)>,
    /// When the first of those came that are left out.
    pub(crate) more: Option<UnixMs>,
    /// Behind the last one that was looked at, where there is one.
    pub(crate) cursor: Option<Cursor>,
    /// From when on was looked.
    pub(crate) since: UnixMs,
    /// When each secret was last used, by provider and id, among what was looked at.
    pub(crate) last_uses: BTreeMap<(String, String), UnixMs>,
}

/// Finds what came in and is wanted.
pub(crate) async fn find(stack: &Stack, inbox: &AwsInbox, wanted: &Wanted) -> anyhow::Result<Found> {
    find_behind(stack, inbox, wanted, None).await
}

/// The same, behind the last one of a page before.
async fn find_behind(
    stack: &Stack,
    inbox: &AwsInbox,
    wanted: &Wanted,
    cursor: Option<&Cursor>,
) -> anyhow::Result<Found> {
    if let Some(name) = &wanted.provider {
        stack.provider(name)?;
    }
    let now = inbox.clock.now();
    let (since, until) = match cursor {
        Some(cursor) => (cursor.since, cursor.at.min(now)),
        None => wanted.span.bounds_kept(now, stack.env.timing.retention_secs())?,
    };
    // A subject has its entries together, and what is parked or owed is listed by itself: no need to look at all.
    let listed = match (&wanted.subject, wanted.state.as_deref()) {
        (Some(subject), _) => Some(inbox.ledger.entries_of(subject).await?),
        (None, Some("parked")) => Some(entries(inbox.ledger.list_parked(MAX_OF_SHARD).await?)),
        (None, Some("open")) => Some(entries(inbox.ledger.list_owed(MAX_OF_SHARD).await?)),
        (None, _) => None,
    };
    match listed {
        Some(keys) => among(inbox, wanted, &keys, (since, until), cursor).await,
        None => back_from(inbox, wanted, (since, until), cursor).await,
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
    (since, until): (UnixMs, UnixMs),
    behind: Option<&Cursor>,
) -> anyhow::Result<Found> {
    let known = look_at(inbox, keys).await?.into_values();
    let mut found: Vec<Entry> =
        known.filter(|entry| wanted.takes(entry) && (since..=until).contains(&entry.received_at)).collect();
    found.sort_by(|a, b| (b.received_at, &a.key).cmp(&(a.received_at, &b.key)));
    let pointer = |entry: &Entry| Pointer {
        key: entry.key.clone(),
        received_at: entry.received_at,
        event_type: entry.event_type.clone(),
        origin: Some(entry.origin),
        proof: entry.proof.clone(),
    };
    found.retain(|entry| behind.is_none_or(|cursor| cursor.is_before(&pointer(entry))));
    let more = found.get(wanted.limit).map(|entry| entry.received_at);
    let mut last_uses = BTreeMap::new();
    let rows = found.into_iter().take(wanted.limit).map(|entry| {
        count_use(&mut last_uses, &entry.key, entry.proof.as_ref(), entry.received_at);
        (pointer(&entry), Some(entry))
    });
    let rows: Vec<_> = rows.collect();
    let cursor = rows.last().map(|(pointer, _)| Cursor::behind(pointer, since));
    Ok(Found { rows, more, cursor, since, last_uses })
}

/// Finds what is wanted, back from the last.
async fn back_from(
    inbox: &AwsInbox,
    wanted: &Wanted,
    (since, until): (UnixMs, UnixMs),
    behind: Option<&Cursor>,
) -> anyhow::Result<Found> {
    let mut found_so_far = Found { rows: Vec::new(), more: None, cursor: None, since, last_uses: BTreeMap::new() };
    let mut looked_at = 0;
    let most = wanted.limit.saturating_mul(LOOKED_AT_FOR_EACH).max(LOOKED_AT);
    // Two more: the last instant of a page is left for the next one, and one behind the limit says that there is more.
    let few = if wanted.state.is_some() { MAX_AT_ONCE } else { wanted.limit.saturating_add(2) };
    let filter = Filter {
        provider: wanted.provider.as_deref(),
        event_type: wanted.event_type.as_deref(),
        origin: wanted.origin.as_deref(),
    };
    let mut back = Back::new((since, until), few.clamp(3, MAX_AT_ONCE), STRETCH_SECS);
    while wanted.limit > 0
        && let Some(mut page) = back.next(inbox, &filter).await?
    {
        page.retain(|pointer| behind.is_none_or(|cursor| cursor.is_before(pointer)));
        let keys: Vec<ItemKey> = page.iter().map(|pointer| pointer.key.clone()).collect();
        let mut known = look_at(inbox, &keys).await?;
        for pointer in page {
            if found_so_far.rows.len() >= wanted.limit || looked_at >= most {
                found_so_far.more = Some(pointer.received_at);
                return Ok(found_so_far);
            }
            looked_at += 1;
            found_so_far.cursor = Some(Cursor::behind(&pointer, since));
            count_use(&mut found_so_far.last_uses, &pointer.key, pointer.proof.as_ref(), pointer.received_at);
            let entry = known.remove(&pointer.key);
            if entry.as_ref().map_or(wanted.state.is_none(), |entry| wanted.takes(entry)) {
                found_so_far.rows.push((pointer, entry));
            }
        }
    }
    Ok(found_so_far)
}

/// The latest come first, so the first use of a secret that is seen is its last.
fn count_use(uses: &mut BTreeMap<(String, String), UnixMs>, key: &ItemKey, proof: Option<&String>, at: UnixMs) {
    if let Some(proof) = proof {
        uses.entry((key.provider().to_string(), proof.clone())).or_insert(at);
    }
}

/// Lists them.
pub(crate) async fn run(stack: &Stack, format: Format, order: &Order) -> anyhow::Result<()> {
    let wanted = &order.wanted;
    let Found { rows, more, cursor, since, last_uses } =
        find_behind(stack, &stack.inbox()?, wanted, order.cursor.as_ref()).await?;
    let rows: Vec<Value> = rows.iter().map(|(pointer, entry)| row(pointer, entry.as_ref())).collect();
    let more = more.and(cursor).map(|cursor| format!("{} shown, more: --cursor {cursor}", rows.len()));
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

pub(super) fn row(pointer: &Pointer, entry: Option<&Entry>) -> Value {
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
