//! Which stack a command works on, and how it reaches it.
//!
//! ```text
//! --stack NAME           what the stack's functions were given, read from Lambda with your credentials
//! HOOKLEDGER_TABLE set   the environment, as the functions have it
//! neither                the local stack of this folder, if one is up
//! ```
//!
//! By its name a stack tells every setting. In the environment a setting that is not there has its default, as in a function;
//! but no provider is called at a default address.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use aws_config::{BehaviorVersion, Region};
use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_aws::ports::meter::EmfMeter;
use hookledger_aws::ports::secrets::SecretsManager;
use hookledger_aws::start::aws_http::http_client;
use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::Env;
use hookledger_aws::start::tls::Tls;
use hookledger_core::model::act::Order;
use hookledger_core::providers::{Provider, Providers};
use serde_json::Value;

use crate::out::typed_wrongly;
use crate::said::listened_to;

/// The functions that are asked what they were given: together they have every setting, every queue and every secret.
const ASKED: [&str; 2] = ["worker", "expectations"];
/// Where `cargo xtask up` writes down how its stack is reached.
const LOCAL: &str = "target/local/stack.json";

/// Where to look.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Where {
    /// The name of the stack.
    #[arg(long, global = true, value_name = "NAME")]
    stack: Option<String>,
    /// The region of the stack; as the AWS command line finds it, if left out.
    #[arg(long, global = true)]
    region: Option<String>,
    /// A profile of your AWS configuration.
    #[arg(long, global = true)]
    profile: Option<String>,
}

/// A stack within reach.
pub(crate) struct Stack {
    pub(crate) env: Env,
    pub(crate) clients: Clients,
    pub(crate) providers: Providers,
    /// For people: name, region and account.
    pub(crate) title: String,
    /// Its settings are those of this process, which may lack some.
    from_environment: bool,
}

impl Stack {
    /// Finds the stack.
    pub(crate) async fn find(wanted: &Where) -> anyhow::Result<Self> {
        let given: BTreeMap<String, String> =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        if wanted.stack.is_none() && (wanted.region.is_some() || wanted.profile.is_some()) {
            return Err(typed_wrongly("--region and --profile are for --stack NAME: which stack?"));
        }
        if let Some(name) = &wanted.stack {
            if given.contains_key("HOOKLEDGER_TABLE") {
                return Err(typed_wrongly(format!(
                    "--stack {name} and HOOKLEDGER_TABLE name a table each: unset one of them"
                )));
            }
            let config = of_person(wanted).await?;
            return Self::deployed(name, config).await;
        }
        if given.contains_key("HOOKLEDGER_TABLE") {
            return Self::told(given);
        }
        match local(&std::env::current_dir()?) {
            Some(file) => {
                let text =
                    std::fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
                let stack: Value =
                    serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.display()))?;
                let text = |name: &str| stack.get(name).and_then(Value::as_str).unwrap_or_default().to_string();
                let config = aws_config::defaults(BehaviorVersion::v2026_01_12())
                    .http_client(http_client(&Tls::new(None)?))
                    .region(Region::new(text("region")))
                    .endpoint_url(text("endpoint"))
                    .credentials_provider(aws_sdk_lambda::config::Credentials::from_keys(
                        text("access_key_id"),
                        text("secret_access_key"),
                        None,
                    ));
                let worker = stack.pointer("/functions/worker").and_then(Value::as_str).unwrap_or_default();
                let name = worker.strip_suffix("-worker").context("the local stack's file names no worker")?;
                Self::deployed(name, config.load().await).await.context("is the local stack up? `cargo xtask up`")
            }
            None => Err(typed_wrongly("which stack? Name it with --stack NAME (and --region, --profile)")),
        }
    }

    /// From the environment alone, as a function is told.
    fn told(given: BTreeMap<String, String>) -> anyhow::Result<Self> {
        let region = given.get("AWS_REGION").cloned().unwrap_or_default();
        let table = given.get("HOOKLEDGER_TABLE").cloned().unwrap_or_default();
        // No metric is written from here, so its dimension counts for nothing.
        let named = [("HOOKLEDGER_STACK".to_string(), "operator".to_string())];
        let settings = given.clone();
        let env = Env::from_vars(named.into_iter().chain(given))?;
        let clients = listened_to(Clients::from_env(&env)?, &region);
        let providers = Providers::read(&move |name| settings.get(name).cloned());
        Ok(Self { env, clients, providers, title: format!("table {table} · {region}"), from_environment: true })
    }

    async fn deployed(name: &str, config: aws_config::SdkConfig) -> anyhow::Result<Self> {
        let region = config.region().map(ToString::to_string).context("no region: give --region")?;
        let lambda = aws_sdk_lambda::Client::new(&config);
        let mut vars = BTreeMap::new();
        let mut account = String::new();
        for function in ASKED {
            let function = format!("{name}-{function}");
            let asked = lambda.get_function_configuration().function_name(&function).send().await;
            let asked = asked.map_err(|error| anyhow::anyhow!("{}", why_not(&error))).with_context(|| {
                format!(
                    "the settings of function {function} in {region} can't be read (lambda:GetFunctionConfiguration)"
                )
            })?;
            account = asked.function_arn().and_then(|arn| arn.split(':').nth(4)).unwrap_or_default().to_string();
            let given = asked.environment.and_then(|environment| environment.variables).unwrap_or_default();
            vars.extend(given);
        }
        let title = format!("{name} · {region} · {account}");
        let settings = vars.clone();
        let env = Env::from_vars(vars).with_context(|| format!("{name} is no stack that this version knows"))?;
        // What the stack is not told, such as what the set-up commands alone use, a person may say.
        let providers = Providers::read(&move |name| settings.get(name).cloned().or_else(|| std::env::var(name).ok()));
        let clients = listened_to(Clients::of(config), &region);
        Ok(Self { env, clients, providers, title, from_environment: false })
    }

    /// What the flows need of it.
    pub(crate) fn inbox(&self) -> anyhow::Result<AwsInbox> {
        let inbox = AwsInbox::new(&self.env, &self.clients)?;
        Ok(AwsInbox { meter: EmfMeter::silent(), ..inbox })
    }

    /// An order of the person whose credentials these are.
    pub(crate) async fn order(&self, why: Option<String>) -> anyhow::Result<Order> {
        let mut config = aws_sdk_sts::config::Builder::from(self.clients.config());
        if let Some(url) = self.env.lookup("AWS_ENDPOINT_URL_STS") {
            config = config.endpoint_url(url);
        }
        let sts = aws_sdk_sts::Client::from_conf(config.build());
        let caller = sts.get_caller_identity().send().await.map_err(|error| anyhow::anyhow!("{}", why_not(&error)));
        let caller = caller.context("nothing was done: AWS does not say who you are (sts:GetCallerIdentity)")?;
        let by = caller.arn.context("nothing was done: AWS does not say who you are")?;
        Ok(Order { by, why })
    }

    /// The stack's name, where it is known: not where the settings are those of this process.
    pub(crate) fn name(&self) -> Option<&str> {
        (!self.from_environment).then_some(self.env.stack.as_str())
    }

    /// The provider of this name.
    pub(crate) fn provider(&self, name: &str) -> anyhow::Result<&dyn Provider> {
        if let Some((id, error)) = self.providers.stopped(name) {
            bail!("{id} is stopped by one of its settings: {error}");
        }
        named(&self.providers, name)
    }

    /// The provider of this name, to call its API: at the address that the stack is told, and at no other.
    pub(crate) fn provider_to_call(&self, name: &str) -> anyhow::Result<&dyn Provider> {
        let setting = format!("{}_API_BASE_URL", name.to_ascii_uppercase());
        if self.from_environment && self.env.lookup(&setting).is_none_or(|url| url.trim().is_empty()) {
            bail!("{setting} is not set: with --stack NAME it is read from the stack");
        }
        self.provider(name)
    }

    /// The secrets of a provider.
    pub(crate) fn secrets_of(&self, provider: &dyn Provider) -> anyhow::Result<SecretsManager> {
        self.env.secret_arn(provider.id()).context("the ARN of the provider's secret is one of the stack's outputs")?;
        Ok(SecretsManager::from_env(&self.env, self.clients.secrets.clone()))
    }
}

/// The provider of this name.
pub(crate) fn named<'a>(providers: &'a Providers, name: &str) -> anyhow::Result<&'a dyn Provider> {
    let names = || providers.iter().map(|provider| provider.id().0).collect::<Vec<_>>().join(", ");
    providers.get(name).ok_or_else(|| typed_wrongly(format!("there is no provider {name}; there are {}", names())))
}

/// The person's own credentials: the environment, a profile, SSO, a role.
async fn of_person(wanted: &Where) -> anyhow::Result<aws_config::SdkConfig> {
    use aws_sdk_lambda::config::ProvideCredentials as _;

    let bundle = std::env::var("AWS_CA_BUNDLE").ok().filter(|path| !path.is_empty());
    let mut loader =
        aws_config::defaults(BehaviorVersion::v2026_01_12()).http_client(http_client(&Tls::new(bundle.as_deref())?));
    if let Some(region) = &wanted.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(profile) = &wanted.profile {
        loader = loader.profile_name(profile);
    }
    let config = loader.load().await;
    let provider = config.credentials_provider().context("no AWS credentials: log in, or give --profile")?;
    // Asked for now: later each service would say so in words of its own.
    provider.provide_credentials().await.map_err(|error| {
        let why = std::error::Error::source(&error).map(|why| format!(": {why}")).unwrap_or_default();
        anyhow::anyhow!("no AWS credentials: log in (`aws sso login`), or give --profile{why}")
    })?;
    Ok(config)
}

/// An AWS error in a few words: its code, or why there was no answer.
pub(crate) fn why_not<E: aws_sdk_lambda::error::ProvideErrorMetadata, R>(
    error: &aws_sdk_lambda::error::SdkError<E, R>,
) -> String {
    use aws_sdk_lambda::error::SdkError;
    match error {
        SdkError::ServiceError(context) => context.err().code().unwrap_or("the service failed").to_string(),
        SdkError::TimeoutError(_) => "timed out".into(),
        SdkError::DispatchFailure(_) => "not reachable".into(),
        _ => "no readable answer".into(),
    }
}

/// The file of a local stack, in this folder or one above it.
fn local(from: &Path) -> Option<PathBuf> {
    from.ancestors().map(|folder| folder.join(LOCAL)).find(|file| file.is_file())
}
