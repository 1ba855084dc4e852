//! `hookledger <provider> <command>`: the provider's side, set up through its API.
//!
//! The commands and their inputs are the providers' own data; nothing here knows any of them by name. A signing secret
//! that a provider makes goes straight into its secret document, beside those that are live, and is never printed.

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

use crate::document::Document;
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

/// Adds every provider, and its commands below it.
pub(crate) fn add_to(command: Command, providers: &Providers) -> Command {
    providers.iter().fold(command, |command, provider| {
        let of_provider = Command::new(provider.id().0);
        command.subcommand(match provider.setup() {
            Offer::Offered(setup) => of_provider
                .about(format!("Sets up the side of {}", provider.id()))
                .subcommand_required(true)
                .arg_required_else_help(true)
                .subcommands(setup.steps().iter().map(step_command)),
            Offer::Unavailable(why) => of_provider.about(format!("Has no set-up commands here: {why}")),
        })
    })
}

fn step_command(step: &'static SetupStep) -> Command {
    let inputs = step.inputs.iter().map(|input| {
        Arg::new(input.name).long(input.name).value_name("TEXT").required(input.required).help(input.about)
    });
    let command = Command::new(step.name).about(step.about).args(inputs);
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
pub(crate) async fn run(stack: &Stack, name: &str, matches: &ArgMatches) -> anyhow::Result<()> {
    let order = order(stack.provider_to_call(name)?, matches);
    let id = order.provider.id();
    let (setup, step) = offered(&order)?;
    let secrets = Arc::new(stack.secrets_of(order.provider)?);
    let api = HttpProviderApi::new(secrets.clone(), &stack.env.tls()?);
    let now = SystemClock::new().now();
    for line in carry_out(&api, &Stored { secrets: &secrets, id }, id, setup, step, now).await? {
        crate::out::line(line);
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
) -> anyhow::Result<Vec<String>> {
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
    let mut told: Vec<String> = outcome.shown.iter().map(|(name, value)| format!("{name}: {value}")).collect();
    if let Some(made) = &outcome.made {
        told.extend(keep(documents, order, made, now).await?);
    }
    told.push("done".into());
    Ok(told)
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
async fn keep(
    documents: &impl Documents,
    order: &Step<'_>,
    made: &MadeSecret,
    now: UnixMs,
) -> anyhow::Result<Vec<String>> {
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
    let mut told = vec![format!("signing secret kept as: {kept_as}")];
    told.extend(ended.iter().map(|id| format!("signing secret {id} stays live until {end} at most")));
    Ok(told)
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
    document.end(&ended, end)?;
    document.add(kept_as, &made.value)?;
    documents.write(&document.to_text()?).await?;
    Ok(ended)
}

#[cfg(test)]
mod tests {
    use std::cell::{Cell, RefCell};

    use hookledger_core::model::provider_call::{ApiRequest, ApiResponse};
    use hookledger_core::model::secret::ProviderSecrets;
    use serde_json::{Value, json};

    use super::*;

    struct Memory {
        document: RefCell<String>,
        writes_left: Cell<u32>,
    }

    impl Documents for Memory {
        async fn read(&self) -> Result<Secret, SecretsError> {
            Ok(Secret::new(self.document.borrow().clone()))
        }

        async fn write(&self, document: &Secret) -> Result<(), SecretsError> {
            let left = self.writes_left.get().checked_sub(1).ok_or(SecretsError("a fault of the test"))?;
            self.writes_left.set(left);
            *self.document.borrow_mut() = document.reveal().to_string();
            Ok(())
        }
    }

    struct Scripted {
        answer: Result<(u16, Value), ApiError>,
        asked: RefCell<Vec<ApiRequest>>,
    }

    impl ProviderApi for Scripted {
        async fn is_used(&self, _: ProviderId) -> bool {
            true
        }

        async fn call(&self, _: ProviderId, request: &ApiRequest) -> Result<ApiResponse, ApiError> {
            self.asked.borrow_mut().push(request.clone());
            let (status, body) = self.answer.clone()?;
            Ok(ApiResponse { status, retry_after_secs: None, body: body.to_string().into_bytes() })
        }
    }

    const LIVE: &str = r#"{"api":{"client_id":"c"},"signing_secrets":[{"id":"old","value":"v0"}]}"#;

    fn providers() -> Providers {
        Providers::read(&|name| (name == "FYNAPSE_API_BASE_URL").then(|| "https://f.example".into()))
    }

    fn parse(providers: &Providers, line: &str) -> Result<ArgMatches, clap::Error> {
        add_to(Command::new("hookledger"), providers).try_get_matches_from(line.split(' '))
    }

    fn ordered<'a>(providers: &'a Providers, matches: &'a ArgMatches) -> Order<'a> {
        let (name, matches) = of_provider(providers, matches).unwrap();
        order(providers.get(name).unwrap(), matches)
    }

    /// Types a command; returns what was told, the document afterwards, and the requests sent.
    fn typed(
        line: &str,
        document: &str,
        writes: u32,
        answer: Result<(u16, Value), ApiError>,
    ) -> (anyhow::Result<Vec<String>>, String, usize) {
        let providers = providers();
        let matches = parse(&providers, line).unwrap();
        let order = ordered(&providers, &matches);
        let documents = Memory { document: RefCell::new(document.to_string()), writes_left: Cell::new(writes) };
        let api = Scripted { answer, asked: RefCell::default() };
        let (setup, step) = (order.provider.setup().offered().unwrap(), order.step.unwrap());
        let now = UnixMs::parse_rfc3339("2026-11-22T12:00:00Z").unwrap();
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let told = runtime.block_on(carry_out(&api, &documents, order.provider.id(), setup, &step, now));
        let asked = api.asked.borrow().len();
        (told, documents.document.into_inner(), asked)
    }

    #[test]
    fn every_step_of_every_provider_can_be_typed() {
        let providers = providers();
        let mut steps = 0;
        for provider in providers.iter() {
            let Some(setup) = provider.setup().offered() else { continue };
            for step in setup.steps() {
                let inputs: String = step.inputs.iter().map(|input| format!(" --{} {}", input.name, "x")).collect();
                let line = format!("hookledger {} {}{inputs}", provider.id(), step.name);
                let matches = parse(&providers, &line).unwrap();
                let order = ordered(&providers, &matches);
                let typed = order.step.unwrap();
                assert_eq!((typed.step.name, typed.inputs.len()), (step.name, step.inputs.len()));
                steps += 1;
                if step.inputs.iter().any(|input| input.required) {
                    let bare = parse(&providers, &format!("hookledger {} {}", provider.id(), step.name));
                    assert!(bare.is_err(), "{} without its inputs", step.name);
                }
            }
        }
        assert_eq!(steps, 7, "six of Fynapse, one of FinBox");
    }

    #[test]
    fn what_is_not_offered_says_why() {
        let providers = Providers::read(&|_| None);
        let matches = parse(&providers, "hookledger fynapse").unwrap();
        let order = ordered(&providers, &matches);
        let error = offered(&order).err().unwrap().to_string();
        assert!(error.contains("FYNAPSE_API_BASE_URL"), "{error}");
        assert!(parse(&providers, "hookledger parked").is_err(), "not one of these");
    }

    #[test]
    fn a_new_secret_goes_beside_the_live_ones_and_is_never_told() {
        let made = || Ok((201, json!({"id": "s1", "name": "n", "value": "hunter2"})));
        let (told, document, _) = typed("hookledger fynapse create-secret --name n", LIVE, 9, made());
        let told = told.unwrap().join("\n");
        assert!(told.contains("secret id: s1") && !told.contains("hunter2"), "{told}");
        let value: Value = serde_json::from_str(&document).unwrap();
        assert_eq!(value["signing_secrets"][0], json!({"id": "old", "value": "v0"}), "the old one has no end");
        let kept = json!({"id": "s1@2026-11-22T12:00:00.000Z", "value": "hunter2"});
        assert_eq!((&value["signing_secrets"][1], &value["api"]), (&kept, &json!({"client_id": "c"})));
    }

    #[test]
    fn a_rotation_keeps_the_old_secret_until_its_late_retries_are_over() {
        let made = || Ok((200, json!({"id": "s1", "value": "v1"})));
        for (more, not_after) in [("", "2026-11-26T12:00:00.000Z"), (" --keep-old-hours 1", "2026-11-22T13:00:00.000Z")]
        {
            let line = format!("hookledger fynapse rotate-secret --secret-id s1{more}");
            let (told, document, _) = typed(&line, LIVE, 9, made());
            assert!(told.unwrap().iter().any(|line| line.contains("old stays live until")));
            let secrets = ProviderSecrets::parse(&document).unwrap().signing_secrets;
            assert_eq!(secrets[0].not_after, UnixMs::parse_rfc3339(not_after));
            assert_eq!((secrets[1].value.reveal(), secrets[1].not_after), ("v1", None));
        }
    }

    #[test]
    fn nothing_is_made_that_could_not_be_kept() {
        let made = || Ok((200, json!({"id": "s1", "value": "v1"})));
        let two = r#"{"signing_secrets":[{"id":"a","value":"v"},{"id":"b","value":"v"}]}"#;
        let rotate = "hookledger fynapse rotate-secret --secret-id s1";
        for (name, document, writes) in [
            ("a store that cannot be written", LIVE, 0),
            ("a document that is not usable", "{", 9),
            ("nobody knows which is the old one", two, 9),
        ] {
            let (told, after, asked) = typed(rotate, document, writes, made());
            assert!(told.is_err() && asked == 0 && after == document, "{name}");
        }
        assert!(typed(&format!("{rotate} --replaces b"), two, 9, made()).0.is_ok());
        // The store fails just then: what is lost is said, and what to do; and nothing of it is shown.
        let (told, after, asked) = typed(rotate, LIVE, 1, made());
        let error = format!("{:#}", told.unwrap_err());
        assert!(error.contains("secret s1") && error.contains("rotate it") && !error.contains("v1"), "{error}");
        assert_eq!((after.as_str(), asked), (LIVE, 1));
    }

    #[test]
    fn what_the_provider_refuses_is_said() {
        let line = "hookledger finbox set-webhook --flow entity --webhook-url https://h/t --webhook-mode 1";
        let told = |answer| typed(line, "{}", 0, answer).0.map_err(|error| error.to_string());
        assert_eq!(told(Ok((200, json!({})))).unwrap(), ["done"]);
        assert_eq!(told(Ok((400, json!({"detail": "x"})))).unwrap_err(), "the provider's API answered 400");
        assert!(told(Ok((401, json!({})))).unwrap_err().ends_with("try again later"));
        assert!(told(Err(ApiError::TimedOut)).unwrap_err().contains("not known"));
        let bad = typed(&line.replace("mode 1", "mode 4"), "{}", 0, Ok((200, json!({}))));
        assert_eq!((bad.0.unwrap_err().to_string().as_str(), bad.2), ("--webhook-mode must be 0, 1, 2 or 3", 0));
    }
}
