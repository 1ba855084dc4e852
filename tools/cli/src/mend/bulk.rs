//! One row that waits for a person, or all that a filter finds: shown first, then done one after another, each with its
//! outcome.

use std::time::Duration;

use clap::Args;
use futures_util::stream::{FuturesOrdered, StreamExt as _};
use hookledger_aws::AwsInbox;
use hookledger_core::model::identity::ItemKey;
use tokio::time::{MissedTickBehavior, interval};

use crate::out;
use crate::see::parked::{Parked, Which, find, groups};
use crate::stack::Stack;

/// Rows under way at a time.
const AT_ONCE: usize = 8;
/// So many in a second, unless another number is asked for; and the most that may be.
pub(crate) const RATE: u32 = 20;
pub(crate) const MAX_RATE: u32 = 1_000;
/// How often it is said how far it has come, in rows.
const TOLD_EVERY: usize = 500;

/// On what.
#[derive(Args)]
pub(crate) struct Chosen {
    /// The subject of one row: its partition key, such as rightfoot#batch#b1.
    #[arg(requires = "entry", conflicts_with_all = ["provider", "reason", "event_type", "since", "until"])]
    subject: Option<String>,
    /// The row's sort key, event#….
    entry: Option<String>,
    #[command(flatten)]
    which: Which,
    /// Do it. Without it a filter's finds are shown, and nothing is done.
    #[arg(long)]
    yes: bool,
    /// So many in a second at most.
    #[arg(long, default_value_t = RATE, value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_RATE)))]
    rate: u32,
}

/// What is to be done.
pub(crate) enum Plan {
    /// To these, the longest waiting first.
    Do(Vec<ItemKey>),
    /// To none: it was shown, and nobody said yes.
    Shown,
    /// To none: nothing fits.
    Nothing,
}

impl Chosen {
    /// Shows what would be done, unless it is one row, and says whether it is to be. `done`: what `--yes` does, in a word.
    pub(crate) async fn plan(
        &self,
        stack: &Stack,
        inbox: &AwsInbox,
        fits: fn(&Parked) -> bool,
        done: &str,
    ) -> anyhow::Result<Plan> {
        if let (Some(pk), Some(sk)) = (&self.subject, &self.entry) {
            return Ok(Plan::Do(vec![ItemKey { pk: pk.clone(), sk: sk.clone() }]));
        }
        let found = find(stack, inbox, &self.which).await?;
        let rows: Vec<&Parked> = found.rows.iter().filter(|row| fits(row)).collect();
        if rows.is_empty() {
            out::note(format!("nothing that waits for a person fits: {} wait at all", found.all));
            return Ok(Plan::Nothing);
        }
        let (first, last) = (rows.last(), rows.first());
        let span = first.zip(last).map(|(first, last)| format!(", parked {} to {}", first.parked_at, last.parked_at));
        out::note(format!("{} rows{}", rows.len(), span.unwrap_or_default()));
        for (group, count) in groups(rows.iter().copied()) {
            out::note(format!("{count:>7}  {group}"));
        }
        found.tell_what_is_missing();
        if !self.yes {
            out::note(format!("Nothing was done: --yes {done} them"));
            return Ok(Plan::Shown);
        }
        // The longest waiting first: who is killed goes on where it stopped, as what is done is not found again.
        Ok(Plan::Do(rows.into_iter().rev().map(|row| row.key.clone()).collect()))
    }

    /// Does it to each, so many in a second at most; what came of each, in their order.
    pub(crate) async fn each<T>(&self, keys: &[ItemKey], act: impl AsyncFn(&ItemKey) -> T) -> Vec<T> {
        let mut outcomes = Vec::with_capacity(keys.len());
        let told = |outcome| {
            outcomes.push(outcome);
            if outcomes.len() % TOLD_EVERY == 0 {
                out::note(format!("{} of {}", outcomes.len(), keys.len()));
            }
        };
        let act_on = |key| act(key);
        each(self.rate, keys, || true, act_on, told).await;
        outcomes
    }
}

/// Does it to each, so many in a second at most, and begins no other once `goes_on` says no. What came of each that was
/// begun is told in their order.
pub(crate) async fn each<K, T, F: Future<Output = T>>(
    rate: u32,
    keys: impl IntoIterator<Item = K>,
    goes_on: impl Fn() -> bool,
    act: impl Fn(K) -> F,
    mut told: impl FnMut(T),
) {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    // What was late is not made up for in a burst.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let (mut keys, mut under_way) = (keys.into_iter().peekable(), FuturesOrdered::new());
    loop {
        let has_next = under_way.len() < AT_ONCE && keys.peek().is_some() && goes_on();
        tokio::select! {
            _ = ticks.tick(), if has_next => under_way.extend(keys.next().filter(|_| goes_on()).map(&act)),
            Some(outcome) = under_way.next(), if !under_way.is_empty() => told(outcome),
            else => return,
        }
    }
}
