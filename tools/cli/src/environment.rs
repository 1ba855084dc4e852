//! What a command works with: the environment, a provider by its name, its secrets.

use anyhow::Context as _;
use hookledger_aws::ports::secrets::SecretsManager;
use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::{Env, EnvError};
use hookledger_core::providers::{Provider, Providers};

/// The functions' own environment, less the stack's name: no metric is written from here.
pub(crate) fn environment() -> anyhow::Result<Env> {
    env_with(&[("HOOKLEDGER_STACK", "operator")])
        .context("HOOKLEDGER_TABLE and the HOOKLEDGER_QUEUE_<PROVIDER>s are the stack's outputs")
}

/// The environment, with these values where it has none.
pub(crate) fn env_with(defaults: &[(&str, &str)]) -> Result<Env, EnvError> {
    let defaults = defaults.iter().map(|(name, value)| ((*name).to_string(), (*value).to_string()));
    let vars =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    Env::from_vars(defaults.chain(vars))
}

/// The provider of this name.
pub(crate) fn named<'a>(providers: &'a Providers, name: &str) -> anyhow::Result<&'a dyn Provider> {
    let names = || providers.iter().map(|provider| provider.id().0).collect::<Vec<_>>().join(", ");
    providers.get(name).with_context(|| format!("there is no provider {name}; there are {}", names()))
}

/// The secrets of a provider, whose ARN the person has to give.
pub(crate) fn secrets_of(env: &Env, provider: &dyn Provider) -> anyhow::Result<SecretsManager> {
    env.secret_arn(provider.id()).context("the ARN of the provider's secret is one of the stack's outputs")?;
    Ok(SecretsManager::from_env(env, Clients::from_env(env)?.secrets))
}
