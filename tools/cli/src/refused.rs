//! `hookledger refused` lists what was refused, of one provider or of all, and counts it; `hookledger refused reverify
//! <provider>` verifies it again with today's secrets, and lets in what proves genuine. Neither shows a body, a header or a
//! token.
//!
//! The second form also takes credentials that may read the provider's secret and delete from the table.

use std::collections::BTreeMap;

use clap::{Args, Subcommand};
use hookledger_aws::AwsInbox;
use hookledger_core::desk::reverify::{Verdict, reverify};
use hookledger_core::model::refused::{Kept, MAX_QUARANTINED_PER_MINUTE, Shelf};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, Quarantine as _};
use serde_json::{Value, json};

use crate::out::{self, Ended, Format};
use crate::stack::Stack;
use crate::when;

/// Rows of a list, unless another number is asked for.
const LISTED: usize = 100;
/// The most of each provider that is looked at for the sums: beside a list, and where they alone are asked for.
const LOOKED_AT: usize = 1_000;
const SUMMED: usize = 20_000;
/// So many sums are told beside a list.
const TOLD: usize = 8;
/// The most that is kept of a provider's minute.
const A_MINUTES: usize = Shelf::ALL.len() * MAX_QUARANTINED_PER_MINUTE as usize;
/// Days that are looked at again at most: what is refused is kept for two weeks.
const MAX_DAYS: usize = 16;
const COLUMNS: [&str; 6] = ["at", "provider", "code", "bytes", "from", "reason"];
const SUMS: [&str; 6] = ["count", "provider", "code", "from", "last", "reason"];

/// What the command is told.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Refused {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    which: Which,
}

#[derive(Subcommand)]
enum Order {
    /// Verifies the refused deliveries again with today's secrets, as of when they came, and lets in what is genuine.
    #[command(
        after_help = "Example: hookledger refused reverify finbox --day 2026-11-27 --why 'the secret was mistyped'"
    )]
    Reverify(Again),
}

#[derive(Args, Debug, PartialEq, Eq)]
struct Again {
    /// The provider's name.
    provider: String,
    /// The day, 2026-11-22; today if left out.
    #[arg(long)]
    day: Option<String>,
    /// From this day on, up to today: 3d, 2026-11-20. What is refused is kept for 14 days.
    #[arg(long, value_name = "TIME", conflicts_with = "day")]
    since: Option<String>,
    /// The most rows looked at, the latest first. If left out, all of the day.
    #[arg(long)]
    limit: Option<usize>,
    /// Why, for whoever reads the entries that come of it.
    #[arg(long, value_name = "TEXT", value_parser = crate::mend::why)]
    why: Option<String>,
}

#[derive(Args, Debug, PartialEq, Eq)]
struct Which {
    /// The provider's name; all of them, if left out.
    provider: Option<String>,
    /// The day, 2026-11-22; today if left out.
    #[arg(long)]
    day: Option<String>,
    /// The most rows shown, the latest first.
    #[arg(long, default_value_t = LISTED)]
    limit: usize,
    /// The sums alone, as rows: how many of each provider, reason and source.
    #[arg(long)]
    sums: bool,
}

/// Lists, or looks again.
pub(crate) async fn run(stack: &Stack, format: Format, refused: &Refused) -> anyhow::Result<Ended> {
    match &refused.order {
        Some(Order::Reverify(again)) => look_again(stack, format, again).await,
        None => list(stack, format, &refused.which).await,
    }
}

/// What was refused of a provider on a day and is kept, the latest first; and whether there is more.
pub(crate) async fn find(
    stack: &Stack,
    inbox: &AwsInbox,
    provider: &str,
    day: &str,
    limit: usize,
) -> anyhow::Result<(Vec<Kept>, bool)> {
    let provider = stack.provider(provider)?;
    // Within a minute the rows stand by their slots, so the last one is read whole before it is cut.
    let mut refused = inbox.ledger.kept(provider.id(), day, None, limit.saturating_add(A_MINUTES)).await?;
    refused.sort_by_key(|kept| std::cmp::Reverse(kept.refused.at));
    let is_cut = refused.len() > limit;
    refused.truncate(limit);
    Ok((refused, is_cut))
}

async fn list(stack: &Stack, format: Format, which: &Which) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let day = day(which.day.as_deref(), &inbox)?;
    let all = || stack.providers.iter().map(|provider| provider.id().to_string()).collect();
    let names: Vec<String> = which.provider.clone().map_or_else(all, |name| vec![name]);
    let most = if which.sums { SUMMED } else { which.limit.max(LOOKED_AT) };
    let (mut kept, mut is_cut) = (Vec::new(), false);
    for name in &names {
        let (mut of_one, cut) = find(stack, &inbox, name, &day, most).await?;
        // Not shown here, and most of what is held.
        of_one.iter_mut().for_each(|kept| kept.refused.body = Vec::new());
        kept.extend(of_one);
        is_cut |= cut;
    }
    kept.sort_by_key(|kept: &Kept| std::cmp::Reverse(kept.refused.at));
    let sums = Sum::of(&kept);
    if which.sums {
        format.rows(&SUMS, &sums.iter().map(Sum::row).collect::<Vec<_>>(), None);
    } else {
        let rows: Vec<Value> = kept.iter().take(which.limit).map(row).collect();
        let more =
            (kept.len() > rows.len() || is_cut).then(|| format!("{} shown, there are more: --limit", rows.len()));
        format.rows(&COLUMNS, &rows, more.as_deref());
        for sum in sums.iter().take(TOLD) {
            out::note(format!("{:>7}  {}: {}, from {}", sum.count, sum.provider, sum.reason, sum.from));
        }
        if sums.len() > TOLD {
            out::note(format!("{} more sums: --sums", sums.len() - TOLD));
        }
    }
    let whose = which.provider.as_deref().unwrap_or("all providers");
    let cut = if is_cut { format!(" at least, the latest {most} of each provider") } else { String::new() };
    out::note(format!("{}{cut} of {whose} are kept of {day}", kept.len()));
    let beyond = kept.iter().map(|kept| kept.more).sum::<u64>();
    if beyond > 0 {
        out::note(format!(
            "{beyond} more at least were refused than are kept, twice as many at most: a minute keeps so many"
        ));
    }
    Ok(Ended::Well)
}

/// How many were refused of one provider, for one reason, from one source.
struct Sum<'a> {
    count: usize,
    provider: &'a str,
    code: &'a str,
    reason: &'a str,
    from: &'a str,
    last: UnixMs,
}

impl<'a> Sum<'a> {
    /// The largest first.
    fn of(kept: &'a [Kept]) -> Vec<Self> {
        let mut sums: BTreeMap<(&str, &str, &str, &str), Self> = BTreeMap::new();
        for Kept { refused, .. } in kept {
            let (provider, from) = (refused.provider.0, from(refused.source_ip.as_deref()));
            let (code, reason) = (refused.code.as_str(), refused.reason.as_str());
            let sum = Self { count: 0, provider, code, reason, from, last: refused.at };
            // The latest come first.
            sums.entry((provider, code, reason, from)).or_insert(sum).count += 1;
        }
        let mut sums: Vec<Self> = sums.into_values().collect();
        sums.sort_by_key(|sum| std::cmp::Reverse((sum.count, sum.last)));
        sums
    }

    fn row(&self) -> Value {
        let Self { count, provider, code, reason, from, last } = self;
        let last = last.to_string();
        json!({ "count": count, "provider": provider, "code": code, "reason": reason, "from": from, "last": last })
    }
}

fn from(source_ip: Option<&str>) -> &str {
    source_ip.unwrap_or("unknown")
}

fn row(Kept { refused, .. }: &Kept) -> Value {
    json!({
        "at": refused.at.to_string(),
        "provider": refused.provider.0,
        "code": refused.code,
        "bytes": refused.body_bytes,
        "from": from(refused.source_ip.as_deref()),
        "reason": refused.reason,
    })
}

async fn look_again(stack: &Stack, format: Format, again: &Again) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let provider = stack.provider(&again.provider)?;
    let secrets = stack.secrets_of(provider)?;
    let days = again.days(&inbox)?;
    let order = stack.order(again.why.clone()).await?;
    let mut verdicts = Vec::new();
    for day in days {
        let left = again.limit.map_or(usize::MAX, |limit| limit.saturating_sub(verdicts.len()));
        verdicts.extend(reverify(&inbox, &secrets, provider, &day, left, &order).await?);
    }
    let row = |(at, verdict): &(UnixMs, Verdict)| {
        let key = if let Verdict::LetIn { key, .. } = verdict { key.as_ref() } else { None };
        let (subject, entry) = (key.map(|key| &key.pk), key.map(|key| &key.sk));
        json!({ "at": at.to_string(), "verdict": verdict.to_string(), "subject": subject, "entry": entry })
    };
    format.rows(&["at", "verdict", "subject", "entry"], &verdicts.iter().map(row).collect::<Vec<_>>(), None);
    let verdicts: Vec<Verdict> = verdicts.into_iter().map(|(_, verdict)| verdict).collect();
    out::note(summary(&verdicts));
    let let_in = verdicts.iter().any(|verdict| matches!(verdict, Verdict::LetIn { .. }));
    Ok(if let_in { Ended::Well } else { Ended::NotFound })
}

fn summary(verdicts: &[Verdict]) -> String {
    let let_in = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::LetIn { .. })).count();
    format!("{let_in} of {} let in; the others stay in quarantine until their 14 days are over", verdicts.len())
}

impl Again {
    /// The days, the latest first.
    fn days(&self, inbox: &AwsInbox) -> anyhow::Result<Vec<String>> {
        let Some(since) = &self.since else { return Ok(vec![day(self.day.as_deref(), inbox)?]) };
        let now = inbox.clock.now();
        let first = when::read(since, now)?.day();
        let days = (0_u64..).take(MAX_DAYS).map(|n| now.minus_secs(n * 24 * 3600).day());
        Ok(days.take_while(|day| *day >= first).collect())
    }
}

/// The day, which has to be one.
fn day(typed: Option<&str>, inbox: &AwsInbox) -> anyhow::Result<String> {
    let now = inbox.clock.now();
    Ok(typed.map_or(Ok(now), |text| when::read(text, now))?.day())
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use hookledger_core::model::signature::Refusal;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        refused: Refused,
    }

    /// Whether it is to look again, the provider, the day, the limit where it was typed.
    type Read = (bool, Option<String>, Option<String>, Option<usize>);

    fn typed(words: &str) -> Option<Read> {
        let words = std::iter::once("refused").chain(words.split(' ').filter(|word| !word.is_empty()));
        match Typed::try_parse_from(words).ok()?.refused {
            Refused { order: Some(Order::Reverify(Again { provider, day, limit, .. })), .. } => {
                Some((true, Some(provider), day, limit))
            }
            Refused { which: Which { provider, day, limit, .. }, .. } => {
                Some((false, provider, day, Some(limit).filter(|limit| *limit != LISTED)))
            }
        }
    }

    #[test]
    fn both_forms_take_a_day_and_a_limit() {
        let finbox = || Some("finbox".to_string());
        let day = || Some("2026-11-22".to_string());
        let rows = [
            ("", Some((false, None, None, None))),
            ("--day 2026-11-22", Some((false, None, day(), None))),
            ("finbox", Some((false, finbox(), None, None))),
            ("finbox --day 2026-11-22 --limit 3", Some((false, finbox(), day(), Some(3)))),
            ("reverify finbox", Some((true, finbox(), None, None))),
            ("reverify finbox --day 2026-11-22 --limit 3", Some((true, finbox(), day(), Some(3)))),
            ("reverify", None),
            ("finbox reverify", None),
        ];
        for (words, expected) in rows {
            assert_eq!(typed(words), expected, "{words:?}");
        }
    }

    #[test]
    fn each_verdict_says_what_is_so() {
        let cut = Verdict::Cut { kept: 4096, body_bytes: 90_000 };
        assert_eq!(cut.to_string(), "cannot be verified: only the first 4096 of its 90000 bytes were kept");
        let stays = Verdict::Refused(Refusal::WrongSignature);
        assert_eq!(stays.to_string(), "stays refused: no live secret produces this signature");
        let let_in = Verdict::LetIn { secret_id: "2026-11".into(), key: None };
        assert_eq!(let_in.to_string(), "genuine by 2026-11: let in");
        assert!(summary(&[cut, stays, let_in]).starts_with("1 of 3 let in"));
    }
}
