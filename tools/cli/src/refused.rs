//! `hookledger refused <provider>` lists what was refused; `hookledger refused reverify <provider>` verifies it again
//! with today's secrets, and lets in what proves genuine. Neither shows a body, a header or a token.
//!
//! The second form also takes credentials that may read the provider's secret and delete from the table.

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
/// The most that is kept of a provider's minute.
const A_MINUTES: usize = Shelf::ALL.len() * MAX_QUARANTINED_PER_MINUTE as usize;
/// Days that are looked at again at most: what is refused is kept for two weeks.
const MAX_DAYS: usize = 16;

/// What the command is told.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true, subcommand_negates_reqs = true)]
pub(crate) struct Refused {
    #[command(subcommand)]
    order: Option<Order>,
    #[command(flatten)]
    which: Option<Which>,
}

#[derive(Subcommand)]
enum Order {
    /// Verifies the refused deliveries again with today's secrets, as of when they came, and lets in what is genuine.
    #[command(after_help = "Example: hookledger refused reverify finbox --day 2026-11-27")]
    Reverify(Again),
}

#[derive(Args, Debug, PartialEq, Eq)]
struct Again {
    #[command(flatten)]
    which: Which,
    /// From this day on, up to today: 3d, 2026-11-20. What is refused is kept for 14 days.
    #[arg(long, value_name = "TIME", conflicts_with = "day")]
    since: Option<String>,
}

#[derive(Args, Debug, PartialEq, Eq)]
struct Which {
    /// The provider's name.
    provider: String,
    /// The day, 2026-11-22; today if left out.
    #[arg(long)]
    day: Option<String>,
    /// The most rows looked at, the latest first. If left out, a list has 100, and all of the day is verified again.
    #[arg(long)]
    limit: Option<usize>,
}

/// Lists, or looks again.
pub(crate) async fn run(stack: &Stack, format: Format, refused: &Refused) -> anyhow::Result<Ended> {
    match (&refused.order, &refused.which) {
        (Some(Order::Reverify(again)), _) => look_again(stack, format, again).await,
        (None, Some(which)) => list(stack, format, which).await,
        (None, None) => anyhow::bail!("`hookledger refused <provider>` needs the provider's name"),
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
    let day = which.day(&inbox)?;
    let limit = which.limit.unwrap_or(LISTED);
    let (refused, is_cut) = find(stack, &inbox, &which.provider, &day, limit).await?;
    let more = is_cut.then(|| format!("{limit} shown, there are more: --limit"));
    let rows: Vec<Value> = refused.iter().map(row).collect();
    format.rows(&["at", "code", "bytes", "from", "reason"], &rows, more.as_deref());
    out::note(format!("{} of {} on {day}; a full minute keeps some and counts none", rows.len(), which.provider));
    Ok(Ended::Well)
}

fn row(Kept { refused, .. }: &Kept) -> Value {
    json!({
        "at": refused.at.to_string(),
        "code": refused.code,
        "bytes": refused.body_bytes,
        "from": refused.source_ip.as_deref().unwrap_or("unknown"),
        "reason": refused.reason,
    })
}

async fn look_again(stack: &Stack, format: Format, again: &Again) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let which = &again.which;
    let provider = stack.provider(&which.provider)?;
    let secrets = stack.secrets_of(provider)?;
    let mut verdicts = Vec::new();
    for day in again.days(&inbox)? {
        let left = which.limit.map_or(usize::MAX, |limit| limit.saturating_sub(verdicts.len()));
        verdicts.extend(reverify(&inbox, &secrets, provider, &day, left).await?);
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
        let Some(since) = &self.since else { return Ok(vec![self.which.day(inbox)?]) };
        let now = inbox.clock.now();
        let first = when::read(since, now)?.day();
        let days = (0_u64..).take(MAX_DAYS).map(|n| now.minus_secs(n * 24 * 3600).day());
        Ok(days.take_while(|day| *day >= first).collect())
    }
}

impl Which {
    /// The day, which has to be one.
    fn day(&self, inbox: &AwsInbox) -> anyhow::Result<String> {
        let now = inbox.clock.now();
        Ok(self.day.as_deref().map_or(Ok(now), |text| when::read(text, now))?.day())
    }
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

    fn typed(words: &str) -> Option<(bool, Which)> {
        let words = std::iter::once("refused").chain(words.split(' ').filter(|word| !word.is_empty()));
        match Typed::try_parse_from(words).ok()?.refused {
            Refused { order: Some(Order::Reverify(again)), .. } => Some((true, again.which)),
            Refused { which, .. } => Some((false, which?)),
        }
    }

    #[test]
    fn both_forms_take_a_day_and_a_limit() {
        let which = |day: Option<&str>, limit: Option<usize>| Which {
            provider: "finbox".into(),
            day: day.map(Into::into),
            limit,
        };
        let rows = [
            ("finbox", Some((false, which(None, None)))),
            ("finbox --day 2026-11-22 --limit 3", Some((false, which(Some("2026-11-22"), Some(3))))),
            ("reverify finbox", Some((true, which(None, None)))),
            ("reverify finbox --day 2026-11-22 --limit 3", Some((true, which(Some("2026-11-22"), Some(3))))),
            ("reverify", None),
            ("", None),
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
