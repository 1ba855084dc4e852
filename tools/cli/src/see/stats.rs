//! `stats`: how many, how fast, and how many only by asking; counted from the ledger.

use std::collections::BTreeMap;

use clap::{Args, ValueEnum};
use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::{Filter, Pointer};
use hookledger_aws::start::env::Recent;
use hookledger_core::desk::loss::Losses;
use hookledger_core::model::debt::Debt;
use hookledger_core::model::entry::{Entry, Origin, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;
use serde_json::{Value, json};

use super::back::Back;
use crate::out::{self, Format};
use crate::stack::Stack;
use crate::when::{Span, days};

/// The most entries that are counted.
const MAX_COUNTED: usize = 500_000;
/// The most refusals of a provider and a day that are counted.
const MAX_REFUSED: usize = 10_000;
/// Entries that are held at a time.
const MAX_AT_ONCE: usize = 4_000;
/// How far back is looked first for them.
const STRETCH_SECS: u64 = 3600;
/// So many reasons are told.
const TOLD_REASONS: usize = 5;
const COLUMNS: [&str; 13] = [
    "from",
    "provider",
    "seen",
    "pushed",
    "found",
    "late",
    "lost",
    "lost_percent",
    "open",
    "parked",
    "refused",
    "p50_ms",
    "p95_ms",
];

/// How the span is cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub(crate) enum By {
    /// Not at all: a row for each provider.
    #[default]
    Provider,
    /// By the UTC day.
    Day,
    /// By the hour.
    Hour,
}

/// What to count.
#[derive(Args, Default)]
pub(crate) struct Wanted {
    /// Of this provider alone.
    #[arg(long)]
    pub(crate) provider: Option<String>,
    /// A row for each provider, or for each provider and day or hour.
    #[arg(long, value_enum, default_value_t)]
    pub(crate) by: By,
    #[command(flatten)]
    pub(crate) span: Span,
}

/// What is counted of a provider in a part of the span.
#[derive(Default)]
pub(crate) struct Counts {
    pub(crate) losses: Losses,
    pub(crate) pushed: u64,
    open: u64,
    parked: u64,
    pub(crate) refused: u64,
    /// The same by the word for why.
    pub(crate) refused_for: BTreeMap<String, u64>,
    /// From receipt to settlement, of what was pushed and done.
    pub(crate) settle_ms: Vec<u64>,
}

/// A part of the span, and whose.
type Part = (String, String);

/// What was counted.
pub(crate) struct Counted {
    pub(crate) parts: BTreeMap<Part, Counts>,
    /// How often each reason stands in a row that a person may have to look at.
    reasons: BTreeMap<String, u64>,
    /// Those that are left to be looked at.
    sample: Vec<ItemKey>,
    /// How many entries there were.
    pub(crate) entries: usize,
    since: UnixMs,
    until: UnixMs,
    /// Whose refusals of which day are more than are counted.
    pub(crate) cut: Vec<String>,
}

/// How closely is looked.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    /// At each entry.
    Whole,
    /// At the index, and of the entries at those that were found by asking: what is open or parked is not counted. Of each
    /// part's pushes so many, evenly spread, are left to be looked at for how long their work took.
    Sample(usize),
}

/// Counts the latest entries, so many at most.
pub(crate) async fn count(
    stack: &Stack,
    inbox: &AwsInbox,
    wanted: &Wanted,
    look: Look,
    most: usize,
) -> anyhow::Result<Counted> {
    if let Some(name) = &wanted.provider {
        stack.provider(name)?;
    }
    let now = inbox.clock.now();
    let (since, until) = wanted.span.bounds_kept(now, stack.env.timing.retention_secs())?;
    let (parts, reasons) = (BTreeMap::new(), BTreeMap::new());
    let mut counted = Counted { parts, reasons, sample: Vec::new(), entries: 0, since, until, cut: Vec::new() };
    counted.count_entries(inbox, wanted, look, most).await?;
    counted.count_refused(stack, inbox, wanted).await?;
    Ok(counted)
}

/// Shows the counts.
pub(crate) async fn run(stack: &Stack, format: Format, wanted: &Wanted) -> anyhow::Result<()> {
    let counted = count(stack, &stack.inbox()?, wanted, Look::Whole, MAX_COUNTED).await?;
    let Counted { mut parts, reasons, entries, since, until, cut, .. } = counted;
    cut.iter().for_each(out::note);
    let rows: Vec<Value> = parts.iter_mut().map(|(part, counts)| row(part, counts)).collect();
    format.rows(&COLUMNS, &rows, None);
    let mut reasons: Vec<_> = reasons.into_iter().collect();
    reasons.sort_by(|a, b| (b.1, &a.0).cmp(&(a.1, &b.0)));
    for (reason, count) in reasons.into_iter().take(TOLD_REASONS) {
        out::note(format!("{count:>7}  {reason}"));
    }
    out::note(format!("{entries} entries from {since} to {until}; a duplicate leaves no row: see DeliveriesDuplicate"));
    if entries >= MAX_COUNTED {
        out::note(format!("the latest {MAX_COUNTED} are counted, and no more: ask for a shorter time"));
    }
    if stack.env.recent == Recent::Unworked {
        out::note("this stack lists only what nobody works on (RecentEntries=unworked): the rest is not counted");
    }
    Ok(())
}

impl Counted {
    /// Counts the entries, back from the last.
    async fn count_entries(
        &mut self,
        inbox: &AwsInbox,
        wanted: &Wanted,
        look: Look,
        most: usize,
    ) -> anyhow::Result<()> {
        let mut pushed: BTreeMap<String, Vec<ItemKey>> = BTreeMap::new();
        let filter = Filter { provider: wanted.provider.as_deref(), ..Filter::default() };
        let mut back = Back::new((self.since, self.until), MAX_AT_ONCE, STRETCH_SECS);
        while self.entries < most
            && let Some(mut found) = back.next(inbox, &filter).await?
        {
            found.truncate(most - self.entries);
            self.entries += found.len();
            let needs_a_look = |pointer: &Pointer| look == Look::Whole || pointer.origin != Some(Origin::Push);
            let (found, known): (Vec<Pointer>, Vec<Pointer>) = found.into_iter().partition(needs_a_look);
            for pointer in known {
                let (part, provider) = (wanted.by.part(pointer.received_at), pointer.key.provider());
                let counts = self.parts.entry((part.clone(), provider.to_string())).or_default();
                counts.losses.count(provider, &pointer.event_type, &pointer.key, Origin::Push, None);
                counts.pushed += 1;
                if let Look::Sample(_) = look {
                    pushed.entry(part).or_default().push(pointer.key);
                }
            }
            let keys: Vec<ItemKey> = found.into_iter().map(|pointer| pointer.key).collect();
            for row in inbox.ledger.look_at(&keys).await?.into_values() {
                if let Ok(Debt::Entry(entry)) = row
                    && wanted.provider.as_ref().is_none_or(|name| *name == entry.provider)
                {
                    let part = (wanted.by.part(entry.received_at), entry.provider.clone());
                    self.parts.entry(part).or_default().count(&entry);
                    if let Some(reason) = reason(&entry) {
                        *self.reasons.entry(reason).or_default() += 1;
                    }
                }
            }
        }
        if let Look::Sample(of_part) = look {
            self.sample = pushed.into_values().flat_map(|keys| spread(keys, of_part)).collect();
        }
        Ok(())
    }

    /// Looks at the sample, for how long its work took.
    pub(crate) async fn look_at_sample(&mut self, inbox: &AwsInbox, by: By) -> anyhow::Result<()> {
        for row in inbox.ledger.look_at(&std::mem::take(&mut self.sample)).await?.into_values() {
            if let Ok(Debt::Entry(entry)) = row {
                let part = (by.part(entry.received_at), entry.provider.clone());
                self.parts.entry(part).or_default().settled(&entry);
            }
        }
        Ok(())
    }

    /// Counts what was refused and kept: of a minute with more than it keeps, what it keeps.
    async fn count_refused(&mut self, stack: &Stack, inbox: &AwsInbox, wanted: &Wanted) -> anyhow::Result<()> {
        for provider in stack.providers.iter().map(|provider| provider.id()) {
            if wanted.provider.as_deref().is_some_and(|name| name != provider.0) {
                continue;
            }
            for (begin, until) in days(self.since, self.until) {
                let refused = inbox.ledger.refused_between(provider, begin, until, MAX_REFUSED).await?;
                if refused.len() >= MAX_REFUSED {
                    let day = until.day();
                    self.cut.push(format!("{provider} refused more on {day} than the {MAX_REFUSED} counted"));
                }
                for line in refused {
                    let part = (wanted.by.part(line.at), provider.to_string());
                    let counts = self.parts.entry(part).or_default();
                    counts.refused += 1;
                    *counts.refused_for.entry(line.code).or_default() += 1;
                }
            }
        }
        Ok(())
    }
}

/// Why a person may have to look at it.
fn reason(entry: &Entry) -> Option<String> {
    let reason = entry.reason.as_ref().filter(|_| matches!(entry.state, State::Parked | State::Open))?;
    Some(format!("{}  {}  {reason}", entry.provider, entry.state.as_str()))
}

impl By {
    pub(crate) fn part(self, at: UnixMs) -> String {
        match self {
            Self::Provider => String::new(),
            Self::Day => at.day(),
            Self::Hour => format!("{}:00Z", at.to_string().chars().take(13).collect::<String>()),
        }
    }
}

impl Counts {
    fn count(&mut self, entry: &Entry) {
        self.losses.count(&entry.provider, &entry.event_type, &entry.key, entry.origin, entry.pushed_at);
        self.pushed += u64::from(entry.origin == Origin::Push);
        self.open += u64::from(entry.state == State::Open);
        self.parked += u64::from(entry.state == State::Parked);
        self.settled(entry);
    }

    fn settled(&mut self, entry: &Entry) {
        if let (State::Done, Origin::Push, Some(settled_at)) = (entry.state, entry.origin, entry.settled_at) {
            self.settle_ms.push(settled_at.since_ms(entry.received_at));
        }
    }
}

/// So many of them, evenly spread over all.
fn spread<T>(all: Vec<T>, most: usize) -> impl Iterator<Item = T> {
    let step = all.len().div_ceil(most.max(1)).max(1);
    all.into_iter().step_by(step)
}

/// The smallest that so many of a hundred are not above. They are sorted.
pub(crate) fn percentile(sorted: &[u64], percent: usize) -> Option<u64> {
    let rank = (sorted.len() * percent).div_ceil(100);
    rank.checked_sub(1).and_then(|index| sorted.get(index)).copied()
}

fn row((from, provider): &Part, counts: &mut Counts) -> Value {
    counts.settle_ms.sort_unstable();
    let Counts { losses, pushed, open, parked, refused, settle_ms, .. } = counts;
    json!({
        "from": from,
        "provider": provider,
        "seen": losses.seen,
        "pushed": pushed,
        "found": losses.found,
        "late": losses.late,
        "lost": losses.lost(),
        "lost_percent": losses.lost_percent().map(|percent| (percent * 100.0).round() / 100.0),
        "open": open,
        "parked": parked,
        "refused": refused,
        "p50_ms": percentile(settle_ms, 50),
        "p95_ms": percentile(settle_ms, 95),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_spread_over_all_of_it() {
        assert_eq!(spread((0..10).collect(), 3).collect::<Vec<_>>(), [0, 4, 8]);
        assert_eq!(spread(vec![1, 2], 5).collect::<Vec<_>>(), [1, 2]);
        assert_eq!(spread(Vec::<u8>::new(), 5).count(), 0);
        assert_eq!(
            (percentile(&[1, 2, 3, 4], 50), percentile(&[1, 2, 3, 4], 95), percentile(&[], 50)),
            (Some(2), Some(4), None)
        );
    }
}
