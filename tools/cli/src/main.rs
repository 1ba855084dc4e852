//! `hookledger`: what a person asks of the ledger, what they may tell it (try again, look again at what was refused), and
//! the set-up of the providers' side.
//!
//! It works on the deployed stack with the credentials in the environment: `AWS_REGION`, `AWS_ACCESS_KEY_ID`,
//! `AWS_SECRET_ACCESS_KEY`, `AWS_SESSION_TOKEN`, and `HOOKLEDGER_TABLE`, `HOOKLEDGER_QUEUE_<PROVIDER>` from the stack's
//! outputs. Set-up commands need `HOOKLEDGER_SECRET_<PROVIDER>` instead, and the provider's settings under the names
//! that the functions know them by. Bodies and secrets are never printed.

mod doctor;
mod document;
mod out;
mod refused;
mod setup;
mod submit;

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::{Context as _, bail};
use clap::{CommandFactory as _, FromArgMatches as _, Parser, Subcommand};
use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::StoryLine;
use hookledger_aws::ports::secrets::SecretsManager;
use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::{Env, EnvError};
use hookledger_core::model::debt::Debt;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::job::Job;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, Ledger as _, QueueError, ReopenedBy, WorkQueue as _};
use hookledger_core::providers::{Provider, Providers};

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
    let env = environment()?;
    let inbox = AwsInbox::new(&env, &Clients::from_env(&env)?)?;
    let today = || inbox.clock.now().day();
    match arguments.command {
        Command::Parked { limit } => parked(&inbox, limit).await,
        Command::Recent { day, limit } => recent(&inbox, &day.unwrap_or_else(today), limit).await,
        Command::Refused(order) => refused::run(&env, &inbox, &providers, &order).await,
        Command::Story { subject } => story(&inbox, &subject).await,
        Command::Replay { subject, sort_key } => {
            replay(&inbox, &providers, ItemKey { pk: subject, sk: sort_key }).await
        }
        Command::Submit(order) => submit::submit(&env, &inbox, &providers, &order).await,
        Command::Doctor(order) => doctor::run(&providers, &order).await,
    }
}

/// The functions' own environment, less the stack's name: no metric is written from here.
fn environment() -> anyhow::Result<Env> {
    env_with(&[("HOOKLEDGER_STACK", "operator")])
        .context("HOOKLEDGER_TABLE and the HOOKLEDGER_QUEUE_<PROVIDER>s are the stack's outputs")
}

/// The environment, with these values where it has none.
fn env_with(defaults: &[(&str, &str)]) -> Result<Env, EnvError> {
    let defaults = defaults.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string()));
    let vars =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Env::from_vars(defaults.chain(vars))
}

/// The provider of this name.
fn named<'a>(providers: &'a Providers, name: &str) -> anyhow::Result<&'a dyn Provider> {
    let names = || providers.iter().map(|provider| provider.id().0).collect::<Vec<_>>().join(", ");
    providers.get(name).with_context(|| format!("there is no provider {name}; there are {}", names()))
}

/// The secrets of a provider, whose ARN the person has to give.
fn secrets_of(env: &Env, provider: &dyn Provider) -> anyhow::Result<SecretsManager> {
    env.secret_arn(provider.id()).context("the ARN of the provider's secret is one of the stack's outputs")?;
    Ok(SecretsManager::from_env(env, Clients::from_env(env)?.secrets))
}

async fn parked(inbox: &AwsInbox, limit: usize) -> anyhow::Result<()> {
    let parked = inbox.ledger.list_parked(limit).await?;
    for due in &parked {
        let reason = match inbox.ledger.debt(&due.key).await? {
            Some(Debt::Entry(entry)) => entry.reason.unwrap_or_default(),
            Some(Debt::Expectation(expectation)) => format!("{}: never completed", expectation.state.as_str()),
            _ => continue,
        };
        out::line(format!("{}  {}  {}  {reason}", due.due_at, due.key.pk, due.key.sk));
    }
    out::line(format!("{} parked", parked.len()));
    Ok(())
}

async fn recent(inbox: &AwsInbox, day: &str, limit: usize) -> anyhow::Result<()> {
    let recent = inbox.ledger.list_recent(day, limit).await?;
    // The latest come first, so the first use of a secret that is seen is its last.
    let mut last_uses = BTreeMap::new();
    for pointer in &recent {
        let Some((entry, proof)) = inbox.ledger.proved_header(&pointer.key).await? else { continue };
        let (state, origin) = (entry.state.as_str(), entry.origin.as_str());
        let by = proof.as_ref().map(|id| format!("  by {id}")).unwrap_or_default();
        out::line(format!("{}  {state:<7}  {origin}  {}  {}{by}", pointer.received_at, pointer.key.pk, pointer.key.sk));
        if let Some(id) = proof {
            last_uses.entry((entry.provider, id)).or_insert(pointer.received_at);
        }
    }
    for ((provider, id), at) in last_uses {
        out::line(format!("last use of {provider}'s {id}: {at}"));
    }
    out::line(format!("{} on {day}", recent.len()));
    Ok(())
}

async fn story(inbox: &AwsInbox, subject: &str) -> anyhow::Result<()> {
    let lines = inbox.ledger.story(subject).await?;
    for StoryLine { key, state, columns } in &lines {
        out::line(format!("{}  {}", key.sk, state.as_deref().unwrap_or("")));
        for (name, value) in columns {
            out::line(format!("    {name}: {}", readable(name, value)));
        }
    }
    out::line(format!("{} rows", lines.len()));
    Ok(())
}

/// Instants are stored as milliseconds; people read dates.
fn readable(name: &str, value: &str) -> String {
    match value.parse() {
        Ok(ms) if name.ends_with("_at") && name != "expires_at" => UnixMs(ms).to_string(),
        Ok(secs) if name == "expires_at" => UnixMs::from_secs(secs).to_string(),
        _ => value.to_string(),
    }
}

async fn replay(inbox: &AwsInbox, providers: &Providers, key: ItemKey) -> anyhow::Result<()> {
    let due_at = inbox.clock.now().plus_secs(inbox.timing.admit_grace_secs);
    if !inbox.ledger.reopen(&key, due_at, ReopenedBy::Person).await? {
        bail!("{key} is not parked: `hookledger story {}` tells how it stands", key.pk);
    }
    let name = key.pk.split('#').next().unwrap_or_default();
    let sent = match providers.get(name) {
        Some(provider) => inbox.queue.send(provider.id(), &Job::entry(key), 0).await,
        None => Err(QueueError("its provider is not built in, or stopped by one of its settings")),
    };
    match sent {
        Ok(()) => out::line("open again, and on its way"),
        // The debt is written: the reconciler takes it up.
        Err(error) => out::line(format!("open again; {error}, so the reconciler will take it up within minutes")),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_as_dates() {
        assert_eq!(readable("received_at", "1705314600250"), "2024-01-15T10:30:00.250Z");
        assert_eq!(readable("expires_at", "1705314600"), "2024-01-15T10:30:00.000Z");
        assert_eq!(readable("attempts", "3"), "3");
        assert_eq!(readable("received_at", "unknown"), "unknown");
    }

    #[test]
    fn the_command_line_is_sound() {
        let providers = Providers::read(&|_| None);
        setup::add_to(Arguments::command(), &providers).debug_assert();
    }
}
