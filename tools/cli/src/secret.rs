//! `secret`: the secrets that prove deliveries, listed with their last use, added and given an end. A value comes from standard
//! input, and is never shown.

use std::collections::BTreeMap;
use std::io::Read as _;

use anyhow::{Context as _, bail, ensure};
use clap::{Args, Subcommand};
use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::Filter;
use hookledger_core::model::secret::{ProviderSecrets, Secret};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;
use hookledger_core::providers::Provider;
use serde_json::json;

use crate::doctor::is_last;
use crate::document::{Document, List};
use crate::out::{self, Ended, Format};
use crate::stack::Stack;
use crate::when;

/// Days that are looked back for the last use of a secret.
const LOOKED_BACK_DAYS: u64 = 7;
/// Entries of a provider and a day that are looked at for it.
const MAX_LOOKED_AT: usize = 20_000;
/// One that was used so lately is in use.
const IN_USE_SECS: u64 = 24 * 3600;

/// What the command is told.
#[derive(Args)]
pub(crate) struct Secrets {
    #[command(subcommand)]
    order: Order,
}

#[derive(Subcommand)]
enum Order {
    /// Lists them: how long each lives, and when it last proved a delivery.
    #[command(after_help = "Example: hookledger secret list runpayments")]
    List {
        /// Of this provider alone.
        provider: Option<String>,
    },
    /// Adds one beside those that are live, so that a rotation refuses nothing. Its value is read from standard input.
    #[command(after_help = "Example: openssl rand -hex 32 | hookledger secret add finbox 2026-12 --list url_tokens")]
    Add {
        /// The provider's name.
        provider: String,
        /// What to call it: the lists and the entries that it proves show this name.
        id: String,
        /// Where it belongs.
        #[arg(long, value_enum)]
        list: List,
    },
    /// Gives one an end. Say it again with an earlier time to end it sooner.
    #[command(after_help = "Example: hookledger secret retire finbox 2026-11 --list url_tokens --in 3d")]
    Retire {
        /// The provider's name.
        provider: String,
        /// Its name.
        id: String,
        /// Where it stands.
        #[arg(long, value_enum)]
        list: List,
        /// How long it lives on: 90m, 72h, 3d. A provider that retries for days signs late attempts with the old one.
        #[arg(long = "in", value_name = "SPAN", value_parser = when::span)]
        lives_on_secs: u64,
        /// Do it although it was used within the last day.
        #[arg(long)]
        yes: bool,
    },
}

/// Lists, adds, or gives an end.
pub(crate) async fn run(stack: &Stack, format: Format, secrets: &Secrets) -> anyhow::Result<Ended> {
    match &secrets.order {
        Order::List { provider } => list(stack, format, provider.as_deref()).await,
        Order::Add { provider, id, list } => add(stack, provider, *list, id).await,
        Order::Retire { provider, id, list, lives_on_secs, yes } => {
            retire(stack, provider, *list, id, *lives_on_secs, *yes).await
        }
    }
}

async fn list(stack: &Stack, format: Format, wanted: Option<&str>) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    if let Some(name) = wanted {
        stack.provider(name)?;
    }
    let (mut rows, mut unread) = (Vec::new(), 0);
    for provider in stack.providers.iter().filter(|provider| wanted.is_none_or(|name| name == provider.id().0)) {
        let Ok(secrets) = stack.secrets_of(provider) else { continue };
        let document = match secrets.document(provider.id()).await {
            Ok(document) => document,
            Err(error) => {
                out::error(format!("{}: {error}", provider.id()));
                unread += 1;
                continue;
            }
        };
        let uses = last_uses(&inbox, provider).await?;
        let now = inbox.clock.now();
        for (list, _, all) in ProviderSecrets::parse(document.reveal())?.lists() {
            for secret in all {
                let state = match secret.not_after {
                    _ if secret.too_short => "too short",
                    Some(end) if end <= now => "over",
                    _ => "live",
                };
                rows.push(json!({
                    "provider": provider.id().0,
                    "list": list,
                    "id": secret.id,
                    "state": state,
                    "not_after": secret.not_after.map(|end| end.to_string()),
                    "last_use": uses.get(&secret.id).map(|at| at.to_string()),
                }));
            }
        }
    }
    format.rows(&["provider", "list", "id", "state", "not_after", "last_use"], &rows, None);
    out::note(format!("{} secrets; the last use is looked for in {LOOKED_BACK_DAYS} days", rows.len()));
    Ok(if unread > 0 { Ended::Failed } else { Ended::Well })
}

/// When each secret or token last proved a delivery that was new.
async fn last_uses(inbox: &AwsInbox, provider: &dyn Provider) -> anyhow::Result<BTreeMap<String, UnixMs>> {
    let now = inbox.clock.now();
    let mut uses = BTreeMap::new();
    let of_provider = Filter { provider: Some(provider.id().0), ..Filter::default() };
    for (begin, until) in when::days(now.minus_secs(LOOKED_BACK_DAYS * 24 * 3600), now) {
        for pointer in inbox.ledger.list_recent(begin, until, MAX_LOOKED_AT, &of_provider).await? {
            // The latest come first.
            if let Some(proof) = pointer.proof {
                uses.entry(proof).or_insert(pointer.received_at);
            }
        }
    }
    Ok(uses)
}

async fn add(stack: &Stack, provider: &str, list: List, id: &str) -> anyhow::Result<Ended> {
    let provider = stack.provider(provider)?;
    ensure!(!id.trim().is_empty() && id.len() <= 100, "the id must be 1 to 100 bytes, such as 2026-12");
    let mut value = String::new();
    std::io::stdin().take(64 * 1024).read_to_string(&mut value).context("standard input can't be read")?;
    let value = Secret::new(value.trim_end_matches(['\n', '\r']));
    ensure!(
        !value.reveal().is_empty(),
        "no value came on standard input: `openssl rand -hex 32 | hookledger secret add …`"
    );
    let secrets = stack.secrets_of(provider)?;
    let mut document = Document::parse(&secrets.document(provider.id()).await?)?;
    ensure!(
        document.known(list).iter().all(|known| known.id != id),
        "{} of {} has a secret {id} already: take another id, or retire it first",
        list.name(),
        provider.id()
    );
    document.add(list, id, &value)?;
    let text = document.to_text()?;
    // As a function will read it: one that it would not use is no secret.
    let read = ProviderSecrets::parse(text.reveal())?;
    if let Some((_, least, _)) = read.too_short().find(|(name, _, secret)| *name == list.name() && secret.id == id) {
        bail!("nothing was written: it has fewer than {least} characters, so it would not be used");
    }
    secrets.put(provider.id(), &text).await?;
    out::note(format!("{id} is live beside the others; the functions read it within minutes"));
    Ok(Ended::Well)
}

async fn retire(
    stack: &Stack,
    provider: &str,
    list: List,
    id: &str,
    lives_on_secs: u64,
    yes: bool,
) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let provider = stack.provider(provider)?;
    let secrets = stack.secrets_of(provider)?;
    let text = secrets.document(provider.id()).await?;
    let mut document = Document::parse(&text)?;
    let now = inbox.clock.now();
    let known = document.known(list);
    if known.iter().all(|known| known.id != id) {
        out::note(format!("{} of {} has no secret {id}: `hookledger secret list`", list.name(), provider.id()));
        return Ok(Ended::NotFound);
    }
    let end = now.plus_secs(lives_on_secs);
    let read = ProviderSecrets::parse(text.reveal())?;
    let all = read.lists().into_iter().find(|(name, ..)| *name == list.name()).map_or(&[][..], |(_, _, all)| all);
    ensure!(
        !is_last(all, id, end),
        "nothing was done: no other secret of the list lives longer, so every delivery would be refused from {end} on"
    );
    let used = last_uses(&inbox, provider).await?.get(id).copied();
    if let Some(at) = used.filter(|at| now < at.plus_secs(IN_USE_SECS))
        && !yes
    {
        out::note(format!(
            "{id} is in use: it proved a delivery at {at}. Nothing was done: --yes ends it all the same"
        ));
        return Ok(Ended::NeedsAPerson);
    }
    document.end(list, &[id.to_string()], end)?;
    secrets.put(provider.id(), &document.to_text()?).await?;
    out::note(format!("{id} ends at {end}, or earlier where it had an earlier end"));
    Ok(Ended::Well)
}
