//! `hookledger`: what a person asks of the ledger, what they may tell it (try again, look again at what was refused), and
//! the set-up of the providers' side.
//!
//! It works on the deployed stack with the credentials in the environment: `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and `HOOKLEDGER_TABLE`, `HOOKLEDGER_QUEUE_<PROVIDER>` from the stack's
//! outputs. Set-up commands need `HOOKLEDGER_SECRET_<PROVIDER>` instead, and the provider's settings under the names
//! that the functions know them by. Bodies and secrets are never printed.

mod doctor;
mod document;
mod environment;
mod look;
mod out;
mod refused;
mod setup;
mod submit;

use std::process::ExitCode;

use anyhow::bail;
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use hookledger_aws::AwsInbox;
use hookledger_aws::start::clients::Clients;
use hookledger_core::desk;
use hookledger_core::desk::replay::Replayed;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Clock as _;
use hookledger_core::providers::Providers;

/// Looks into the ledger, and replays what is parked.
#[derive(Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Lists what waits for a person, and why: parked entries, and expectations that expired.
    Parked {
        /// The most rows shown.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Lists what came in on a UTC day, newest first, each with the id of the secret that proved it; and when each secret
    /// was last used among those shown. `--limit` bounds that, too.
    Recent {
        /// The day, 2026-11-22; today if left out.
        #[arg(long)]
        day: Option<String>,
        /// The most rows shown.
        #[arg(long, default_value_t = 100)]
        limit: usize,
    },
    /// Lists the deliveries of a provider that were refused on a UTC day, and why; or verifies them again. Bodies and
    /// headers stay hidden.
    Refused(refused::Refused),
    /// Tells all that is known about a subject, such as `rightfoot#batch#b1`.
    Story {
        /// The subject: the partition key.
        subject: String,
    },
    /// Opens a parked entry again and sends its work.
    Replay {
        /// The subject: the partition key.
        subject: String,
        /// The entry's sort key, `event#…`.
        sort_key: String,
    },
    /// Looks whether what was set up can work.
    Doctor(doctor::Doctor),
    /// Sends a request to a provider and expects what it starts; `hookledger rightfoot submit FILE` is the same.
    Submit(submit::Submit),
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            out::error(format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run() -> anyhow::Result<()> {
    let providers = Providers::read(&|name| std::env::var(name).ok());
    if let Some((_, error)) = providers.all_stopped().next() {
        return Err(error.clone().into());
    }
    let typed = submit::reordered(std::env::args_os().collect());
    let matches = setup::add_to(Arguments::command(), &providers).get_matches_from(typed);
    if let Some(order) = setup::order(&providers, &matches) {
        return setup::run(&order).await;
    }
    let arguments = Arguments::from_arg_matches(&matches)?;
    if let Command::Doctor(order) = &arguments.command {
        return doctor::run(&providers, order).await;
    }
    let env = environment::environment()?;
    let inbox = AwsInbox::new(&env, &Clients::from_env(&env)?)?;
    let today = || inbox.clock.now().day();
    match arguments.command {
        Command::Parked { limit } => look::parked(&inbox, limit).await,
        Command::Recent { day, limit } => look::recent(&inbox, &day.unwrap_or_else(today), limit).await,
        Command::Refused(order) => refused::run(&env, &inbox, &providers, &order).await,
        Command::Story { subject } => look::story(&inbox, &subject).await,
        Command::Replay { subject, sort_key } => {
            replay(&inbox, &providers, ItemKey { pk: subject, sk: sort_key }).await
        }
        Command::Submit(order) => submit::submit(&env, &inbox, &providers, &order).await,
        Command::Doctor(order) => doctor::run(&providers, &order).await,
    }
}

async fn replay(inbox: &AwsInbox, providers: &Providers, key: ItemKey) -> anyhow::Result<()> {
    match desk::replay::replay(inbox, providers, &key).await? {
        Replayed::NotParked => bail!("{key} is not parked: `hookledger story {}` tells how it stands", key.pk),
        Replayed::OnItsWay => out::line("open again, and on its way"),
        Replayed::Owed(why) => {
            out::line(format!("open again; {why}, so the reconciler will take it up within minutes"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_sound() {
        let providers = Providers::read(&|_| None);
        setup::add_to(Arguments::command(), &providers).debug_assert();
    }
}
