//! `hookledger <provider> <command>`: the provider's side, set up through its API.
//!
//! The commands and their inputs are the providers' own data; nothing here knows any of them by name. A signing secret
//! that a provider makes goes straight into its secret document, beside those that are live, and is never printed.

pub(crate) mod listen;

use std::sync::Arc;

use anyhow::{Context as _, anyhow, bail};
use clap::builder::RangedU64ValueParser;
use clap::{Arg, ArgMatches, Command};
use hookledger_aws::ports::api::HttpProviderApi;
use hookledger_aws::ports::clock::SystemClock;
use hookledger_aws::ports::secrets::SecretsManager;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::provider_call::{ApiError, Trouble};
use hookledger_core::model::secret::Secret;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, ProviderApi, SecretsError};
use hookledger_core::providers::{Inputs, MadeSecret, Offer, Provider, Providers, SecretUse, Setup, SetupStep};
use serde_json::{Value, json};

use crate::document::{Document, List};
use crate::out::{self, Format};
use crate::stack::Stack;

const KEEP_OLD_HOURS: &str = "keep-old-hours";
const REPLACES: &str = "replaces";
/// A year: beyond it a secret would rather not be rotated at all.
const MAX_KEEP_OLD_HOURS: u64 = 365 * 24;
/// How often a new secret is tried to be stored: the provider shows it only once.
const STORE_TRIES: u32 = 5;

/// What a person ordered.
pub(crate) struct Order<'a> {
    provider: &'a dyn Provider,
    step: Option<Step<'a>>,
}

struct Step<'a> {
    step: &'static SetupStep,
    inputs: Inputs<'a>,
    keep_old_hours: u64,
    replaces: Option<&'a str>,
}

/// What came of an order.
#[derive(Debug)]
struct Told {
    shown: Vec<(&'static str, String)>,
    kept: Option<Kept>,
}

/// A signing secret that was kept, and those that end for it.
#[derive(Debug)]
struct Kept {
    id: String,
    ended: Vec<String>,
    end: UnixMs,
}

impl Told {
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.shown.iter().map(|(name, value)| format!("{name}: {value}")).collect();
        if let Some(Kept { id, ended, end }) = &self.kept {
            lines.push(format!("signing secret kept as: {id}"));
            lines.extend(ended.iter().map(|id| format!("signing secret {id} stays live until {end} at most")));
        }
        lines.push("done".into());
        lines
    }

    fn document(&self) -> Value {
        let shown = self.shown.iter().map(|(name, value)| (name.replace(' ', "_"), json!(value)));
        let kept = self.kept.iter().flat_map(|Kept { id, ended, end }| {
            let live_until = end.to_string();
            let ended: Vec<Value> = ended.iter().map(|id| json!({ "id": id, "live_until": live_until })).collect();
            [("signing_secret_kept_as".to_string(), json!(id)), ("older_signing_secrets".to_string(), json!(ended))]
        });
        let done = std::iter::once(("done".to_string(), json!(true)));
        Value::Object(done.chain(shown).chain(kept).collect())
    }
}

/// Adds every provider, and its commands below it.
pub(crate) fn add_to(command: Command, providers: &Providers) -> Command {
    providers.iter().fold(command, |command, provider| {
        let of_provider = Command::new(provider.id().0);
        command.subcommand(match provider.setup() {
            Offer::Offered(setup) => of_provider
                .about(format!("Sets up the side of {}", provider.id()))
                .subcommand_required(true)
                .arg_required_else_help(true)
                .after_help(setup.steps().first().map(|step| example(provider.id(), step)).unwrap_or_default())
                .subcommands(setup.steps().iter().map(|step| step_command(provider.id(), step))),
            Offer::Unavailable(why) => of_provider.about(format!("Has no set-up commands here: {why}")),
        })
    })
}

fn example(id: ProviderId, step: &SetupStep) -> String {
    let inputs = step.inputs.iter().filter(|input| input.required);
    let inputs: String = inputs.map(|input| format!(" --{} TEXT", input.name)).collect();
    format!("Example: hookledger {id} {}{inputs}", step.name)
}

fn step_command(id: ProviderId, step: &'static SetupStep) -> Command {
    let inputs = step.inputs.iter().map(|input| {
        Arg::new(input.name).long(input.name).value_name("TEXT").required(input.required).help(input.about)
    });
    let command = Command::new(step.name).about(step.about).after_help(example(id, step)).args(inputs);
    let SecretUse::Replaced { keep_old_hours } = step.secret else { return command };
    let keep = Arg::new(KEEP_OLD_HOURS)
        .long(KEEP_OLD_HOURS)
        .value_name("HOURS")
        .value_parser(RangedU64ValueParser::<u64>::new().range(1..=MAX_KEEP_OLD_HOURS))
        .help(format!("How long the old secret stays live [default: {keep_old_hours}]; less may refuse late retries"));
    let replaces = Arg::new(REPLACES)
        .long(REPLACES)
        .value_name("ID")
        .help("The old secret's id in the document, where it is not plain which one is meant");
    command.args([keep, replaces])
}

/// The provider whose set-up the command line asks for, and what else it says.
pub(crate) fn of_provider<'a>(built_in: &Providers, matches: &'a ArgMatches) -> Option<(&'static str, &'a ArgMatches)> {
    let (name, matches) = matches.subcommand()?;
    Some((built_in.get(name)?.id().0, matches))
}

/// What the command line orders of this provider.
fn order<'a>(provider: &'a dyn Provider, matches: &'a ArgMatches) -> Order<'a> {
    let step = matches.subcommand().and_then(|(name, matches)| {
        let step = provider.setup().offered()?.steps().iter().find(|step| step.name == name)?;
        let given = |name: &'static str| Some((name, matches.get_one::<String>(name)?.as_str()));
        let inputs = step.inputs.iter().filter_map(|input| given(input.name)).collect();
        let (keep_old_hours, replaces) = match step.secret {
            SecretUse::Replaced { keep_old_hours } => {
                let hours = matches.get_one(KEEP_OLD_HOURS).copied().unwrap_or(keep_old_hours);
                (hours, matches.get_one::<String>(REPLACES).map(String::as_str))
            }
            SecretUse::Another | SecretUse::Untouched => (0, None),
        };
        Some(Step { step, inputs, keep_old_hours, replaces })
    });
    Order { provider, step }
}

/// Carries an order out on the deployed stack.
pub(crate) async fn run(stack: &Stack, format: Format, name: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    let order = order(stack.provider_to_call(name)?, matches);
    let id = order.provider.id();
    let (setup, step) = offered(&order)?;
    let secrets = Arc::new(stack.secrets_of(order.provider)?);
    let api = HttpProviderApi::new(secrets.clone(), &stack.env.tls()?);
    let now = SystemClock::new().now();
    let told = carry_out(&api, &Stored { secrets: &secrets, id }, id, setup, step, now).await?;
    match format {
        Format::Table => told.lines().iter().for_each(out::line),
        _ => format.fields(&told.document()),
    }
    Ok(())
}

fn offered<'a>(order: &'a Order<'_>) -> anyhow::Result<(&'a dyn Setup, &'a Step<'a>)> {
    let id = order.provider.id();
    match (order.provider.setup(), &order.step) {
        (Offer::Offered(setup), Some(step)) => Ok((setup, step)),
        (Offer::Unavailable(why), _) => bail!("{id} has no set-up commands here: {why}"),
        (Offer::Offered(_), None) => bail!("`hookledger {id} --help` lists the commands"),
    }
}

/// Where a provider's secret document is.
trait Documents {
    async fn read(&self) -> Result<Secret, SecretsError>;
    async fn write(&self, document: &Secret) -> Result<(), SecretsError>;
}

struct Stored<'a> {
    secrets: &'a SecretsManager,
    id: ProviderId,
}

impl Documents for Stored<'_> {
    async fn read(&self) -> Result<Secret, SecretsError> {
        self.secrets.document(self.id).await
    }

    async fn write(&self, document: &Secret) -> Result<(), SecretsError> {
        self.secrets.put(self.id, document).await
    }
}

/// Sends a command, and keeps the secret that comes of it. Returns what to tell the person.
async fn carry_out(
    api: &impl ProviderApi,
    documents: &impl Documents,
    id: ProviderId,
    setup: &dyn Setup,
    order: &Step<'_>,
    now: UnixMs,
) -> anyhow::Result<Told> {
    let request = setup.request(order.step.name, &order.inputs)?;
    let makes_secret = order.step.secret != SecretUse::Untouched;
    if makes_secret {
        rehearse(documents, order, now).await?;
    }
    let response = api.call(id, &request).await.map_err(|error| match error {
        ApiError::Unreachable | ApiError::TimedOut | ApiError::TooLarge => {
            anyhow!("{error}; whether it was done is not known, so look at the provider's side before the next try")
        }
        _ => anyhow!(error),
    })?;
    let outcome = setup.done(order.step.name, &order.inputs, &response).map_err(|trouble| match trouble {
        Trouble::Retry { reason, .. } | Trouble::Quota { reason, .. } => anyhow!("{reason}: try again later"),
        Trouble::Permanent { reason } => anyhow!(reason),
    })?;
    let kept = match &outcome.made {
        Some(made) => Some(keep(documents, order, made, now).await?),
        None => None,
    };
    Ok(Told { shown: outcome.shown, kept })
}

/// The provider shows a new secret once. So all that could keep it from being stored is tried before it is made: the
/// document is read, it is clear what is replaced, and the document as it stands can be written.
async fn rehearse(documents: &impl Documents, order: &Step<'_>, now: UnixMs) -> anyhow::Result<()> {
    let text = documents.read().await?;
    let document = Document::parse(&text)?;
    replaced(&document, order, order.inputs.get("secret-id").copied().unwrap_or_default(), now)?;
    documents.write(&text).await.context("nothing was sent to the provider, since its answer could not be kept")
}

fn replaced(document: &Document, order: &Step<'_>, secret_id: &str, now: UnixMs) -> anyhow::Result<Vec<String>> {
    match order.step.secret {
        SecretUse::Replaced { .. } => document.replaced(secret_id, order.replaces, now),
        SecretUse::Another | SecretUse::Untouched => Ok(Vec::new()),
    }
}

/// Puts a new secret beside those that are live, and gives the old one its end.
async fn keep(documents: &impl Documents, order: &Step<'_>, made: &MadeSecret, now: UnixMs) -> anyhow::Result<Kept> {
    let kept_as = format!("{}@{now}", made.id);
    let end = now.plus_secs(order.keep_old_hours.saturating_mul(3600));
    let mut outcome = Err(anyhow!("it was not tried"));
    for _ in 0..STORE_TRIES {
        outcome = put_beside(documents, order, made, &kept_as, end, now).await;
        if outcome.is_ok() {
            break;
        }
    }
    let ended = outcome.with_context(|| {
        format!("the provider made secret {}, but it could not be stored and is lost: rotate it", made.id)
    })?;
    Ok(Kept { id: kept_as, ended, end })
}

async fn put_beside(
    documents: &impl Documents,
    order: &Step<'_>,
    made: &MadeSecret,
    kept_as: &str,
    end: UnixMs,
    now: UnixMs,
) -> anyhow::Result<Vec<String>> {
    // Read again: somebody may have changed it meanwhile.
    let mut document = Document::parse(&documents.read().await?)?;
    let ended = replaced(&document, order, &made.id, now)?;
    document.end(List::SigningSecrets, &ended, end)?;
    document.add(List::SigningSecrets, kept_as, &made.value)?;
    documents.write(&document.to_text()?).await?;
    Ok(ended)
}

#[cfg(test)]
mod tests;
