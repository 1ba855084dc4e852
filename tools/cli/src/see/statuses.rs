//! Subjects that have a status, such as merchants: those that an event was about lately, and how they stand now.
//!
//! The ledger has no list of them. So it is made of the index of what came in, back from the last event: whoever had none in
//! the time that was read is not in it.

use std::collections::{BTreeMap, BTreeSet};

use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::{Filter, Pointer};
use hookledger_core::model::fact::Status;
use hookledger_core::model::identity::{ProviderId, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, StoreError};
use hookledger_core::providers::definition;

use super::back::Back;
use crate::stack::Stack;
use crate::when::Span;

/// How far back is looked first.
const STRETCH_SECS: u64 = 24 * 3600;

/// A subject, and how it stands.
pub(crate) struct Stands {
    pub(crate) subject: Subject,
    pub(crate) provider: ProviderId,
    /// None: no event has moved it yet.
    pub(crate) status: Option<Result<Status, StoreError>>,
    /// The latest event about it that was read.
    pub(crate) last: Pointer,
}

/// What was found.
pub(crate) struct Found {
    /// Those whose latest event came last come first.
    pub(crate) rows: Vec<Stands>,
    /// From when on there was reading.
    pub(crate) since: UnixMs,
    /// How many events were read.
    pub(crate) read: usize,
    /// The time at which reading stopped, as it had read enough: what came before is not in it.
    pub(crate) more: Option<UnixMs>,
}

/// The providers whose subjects have a status, each with the kinds of these.
pub(crate) fn kinds(stack: &Stack) -> impl Iterator<Item = (ProviderId, &'static [&'static str])> {
    let kinds = |id: ProviderId| Some((id, definition(id.0)?.kinds_with_status));
    let all = stack.providers.iter().filter_map(move |provider| kinds(provider.id()));
    all.filter(|(_, kinds)| !kinds.is_empty())
}

/// Finds them among the latest events of each such provider, about so many of each.
pub(crate) async fn find(stack: &Stack, inbox: &AwsInbox, span: &Span, most: usize) -> anyhow::Result<Found> {
    let now = inbox.clock.now();
    let (since, until) = span.bounds_kept(now, stack.env.timing.retention_secs())?;
    let mut found = Found { rows: Vec::new(), since, read: 0, more: None };
    for (provider, kinds) in kinds(stack) {
        let (mut last_of, mut read): (BTreeMap<Subject, Pointer>, usize) = (BTreeMap::new(), 0);
        let filter = Filter { provider: Some(provider.0), ..Filter::default() };
        let mut back = Back::new((since, until), most, STRETCH_SECS);
        // A page that is full is cut where an instant ends, so it has a few less than `most`.
        while read < most - most / 10
            && let Some(page) = back.next(inbox, &filter).await?
        {
            read += page.len();
            // The index of a table that an earlier version made does not know the provider.
            let own = page.into_iter().filter(|pointer| pointer.key.provider() == provider.0);
            for pointer in own.filter(|pointer| kind(&pointer.key.pk).is_some_and(|kind| kinds.contains(&kind))) {
                // The latest come first.
                last_of.entry(pointer.key.subject()).or_insert(pointer);
            }
        }
        found.read += read;
        found.more = found.more.max(back.left());
        let subjects: Vec<Subject> = last_of.keys().cloned().collect();
        let mut statuses = inbox.ledger.statuses(&subjects).await?;
        found.rows.extend(last_of.into_iter().map(|(subject, last)| {
            let status = statuses.remove(&subject);
            Stands { subject, provider, status, last }
        }));
    }
    found.rows.sort_by(|a, b| (b.last.received_at, &a.subject).cmp(&(a.last.received_at, &b.subject)));
    Ok(found)
}

/// The statuses that there are, with how many have each, the most first.
pub(crate) fn counts(rows: &[Stands]) -> Vec<(String, usize)> {
    let names: BTreeSet<&str> = rows.iter().filter_map(Stands::named).collect();
    let count = |name: &str| rows.iter().filter(|row| row.named() == Some(name)).count();
    let mut counts: Vec<(String, usize)> = names.into_iter().map(|name| (name.to_string(), count(name))).collect();
    counts.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    counts
}

impl Stands {
    /// The status, where it can be read.
    pub(crate) fn named(&self) -> Option<&str> {
        self.status.as_ref()?.as_ref().ok().map(|status| status.status.as_str())
    }
}

/// What kind of subject it is.
fn kind(pk: &str) -> Option<&str> {
    pk.split('#').nth(1)
}
