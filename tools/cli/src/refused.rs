//! `hookledger refused <provider>` lists what was refused; `hookledger refused reverify <provider>` verifies it again
//! with today's secrets, and lets in what proves genuine. Neither shows a body, a header or a token.
//!
//! The second form also takes the ARN of the provider's secret, an output of the stack, credentials that may read that
//! secret and delete from the table, and the provider's settings under the names that the functions know them by.

use clap::{Args, Subcommand};
use hookledger_aws::AwsInbox;
use hookledger_aws::start::env::Env;
use hookledger_core::desk::reverify::{Verdict, reverify};
use hookledger_core::model::refused::Kept;
use hookledger_core::ports::{Clock as _, Quarantine as _};
use hookledger_core::providers::Providers;

/// Rows of a list, unless another number is asked for.
const LISTED: usize = 100;

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
    Reverify(Which),
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
pub(crate) async fn run(env: &Env, inbox: &AwsInbox, providers: &Providers, refused: &Refused) -> anyhow::Result<()> {
    match (&refused.order, &refused.which) {
        (Some(Order::Reverify(which)), _) => look_again(env, inbox, providers, which).await,
        (None, Some(which)) => list(inbox, providers, which).await,
        (None, None) => anyhow::bail!("`hookledger refused <provider>` needs the provider's name"),
    }
}

async fn list(inbox: &AwsInbox, providers: &Providers, which: &Which) -> anyhow::Result<()> {
    let day = which.day(inbox);
    let provider = crate::environment::named(providers, &which.provider)?;
    let refused = inbox.ledger.kept(provider.id(), &day, None, which.limit.unwrap_or(LISTED)).await?;
    for Kept { refused: row, .. } in &refused {
        let from = row.source_ip.as_deref().unwrap_or("unknown");
        crate::out::line(format!("{}  {}  {} bytes from {from}: {}", row.at, row.code, row.body_bytes, row.reason));
    }
    crate::out::line(format!("{} of {} on {day}", refused.len(), which.provider));
    Ok(())
}

async fn look_again(env: &Env, inbox: &AwsInbox, providers: &Providers, which: &Which) -> anyhow::Result<()> {
    let provider = crate::environment::named(providers, &which.provider)?;
    let secrets = crate::environment::secrets_of(env, provider)?;
    let day = which.day(inbox);
    let verdicts = reverify(inbox, &secrets, provider, &day, which.limit.unwrap_or(usize::MAX)).await?;
    for (at, verdict) in &verdicts {
        crate::out::line(format!("{at}  {verdict}"));
    }
    crate::out::line(summary(&verdicts.into_iter().map(|(_, verdict)| verdict).collect::<Vec<_>>()));
    Ok(())
}

fn summary(verdicts: &[Verdict]) -> String {
    let let_in = verdicts.iter().filter(|verdict| matches!(verdict, Verdict::LetIn { .. })).count();
    format!("{let_in} of {} let in; the others stay in quarantine until their 14 days are over", verdicts.len())
}

impl Which {
    fn day(&self, inbox: &AwsInbox) -> String {
        self.day.clone().unwrap_or_else(|| inbox.clock.now().day())
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
            Refused { order: Some(Order::Reverify(which)), .. } => Some((true, which)),
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
        let let_in = Verdict::LetIn { secret_id: "2026-11".into() };
        assert_eq!(let_in.to_string(), "genuine by 2026-11: let in");
        assert!(summary(&[cut, stays, let_in]).starts_with("1 of 3 let in"));
    }
}
