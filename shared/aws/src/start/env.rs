//! The environment of a function, read once at start. What is missing is named; no value is repeated in an error.

use std::collections::BTreeMap;

use hookledger_core::model::entry::Start;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::secret::Secret;
use hookledger_core::model::settings::{self, SettingError, Timing};

use crate::start::tls::{self, Tls, TlsError};

/// The start of the names of variables that hold a secret's ARN; the provider's name in upper case follows.
const SECRET_PREFIX: &str = "HOOKLEDGER_SECRET_";
/// The same of the variables that hold a work queue's URL.
const QUEUE_PREFIX: &str = "HOOKLEDGER_QUEUE_";

/// Why a function can't start.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum EnvError {
    /// A variable is absent or empty.
    #[error("environment variable {0} is not set")]
    Missing(String),
    /// A variable can't be used.
    #[error(transparent)]
    Setting(#[from] SettingError),
    /// A file of root certificates can't be used.
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// Everything a function is told by its environment. What only some functions are given is asked for by a method, which
/// names the variable when it is absent.
pub struct Env {
    vars: BTreeMap<String, String>,
    /// The table's name.
    pub table: String,
    /// The stack's name, a dimension of every metric.
    pub stack: String,
    /// Waits and limits.
    pub timing: Timing,
    /// How long secrets are cached, in seconds.
    pub secrets_ttl_secs: u64,
    /// Which entries are listed in the index `recent`.
    pub recent: Recent,
}

impl Env {
    /// Reads the process' environment.
    pub fn read() -> Result<Self, EnvError> {
        // Variables that are not UTF-8 are none of ours; `std::env::vars` would panic on them.
        Self::from_vars(std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))))
    }

    /// Reads these variables.
    pub fn from_vars(vars: impl IntoIterator<Item = (String, String)>) -> Result<Self, EnvError> {
        let vars: BTreeMap<String, String> = vars.into_iter().collect();
        let lookup = |name: &str| vars.get(name).cloned();
        let timing = Timing::read(&lookup)?;
        let secrets_ttl_secs = settings::number(&lookup, "SECRETS_TTL_SECS", 300)?;
        let recent = settings::text(&lookup, "RECENT_ENTRIES", "all");
        let recent =
            Recent::from_word(&recent).ok_or_else(|| SettingError::new("RECENT_ENTRIES", "must be all or unworked"))?;
        let table = required(&vars, "HOOKLEDGER_TABLE")?;
        let stack = required(&vars, "HOOKLEDGER_STACK")?;
        Ok(Self { vars, table, stack, timing, secrets_ttl_secs, recent })
    }

    /// A variable, for settings that a provider's file reads itself.
    pub fn lookup(&self, name: &str) -> Option<String> {
        self.vars.get(name).cloned()
    }

    /// The URLs of the work queues that this function may send to, by provider name: one at least.
    pub fn queue_urls(&self) -> Result<BTreeMap<String, String>, EnvError> {
        let urls = self.by_provider(QUEUE_PREFIX);
        if urls.is_empty() { Err(EnvError::Missing(format!("{QUEUE_PREFIX}<PROVIDER>"))) } else { Ok(urls) }
    }

    /// The URL of the rescue queue, where this function may send to it.
    pub fn rescue_url(&self) -> Option<String> {
        self.given("HOOKLEDGER_RESCUE_QUEUE")
    }

    /// The event bus' name.
    pub fn bus(&self) -> Result<String, EnvError> {
        required(&self.vars, "HOOKLEDGER_BUS")
    }

    /// Where providers reach this stack; empty where that is not told. `{api}` in it stands for the API's id, which
    /// nobody knows before the stack is deployed.
    pub fn webhook_base_url(&self) -> Result<String, EnvError> {
        let url = settings::base_url(&|name| self.lookup(name), "WEBHOOK_BASE_URL", "")?;
        Ok(match url.contains("{api}") {
            true => url.replace("{api}", &required(&self.vars, "HOOKLEDGER_API_ID")?),
            false => url,
        })
    }

    /// The ARN of a provider's secret.
    pub fn secret_arn(&self, provider: ProviderId) -> Result<String, EnvError> {
        required(&self.vars, &format!("{SECRET_PREFIX}{}", provider.0.to_ascii_uppercase()))
    }

    /// The ARNs of all secrets this function may read, by provider name.
    pub fn secret_arns(&self) -> BTreeMap<String, String> {
        self.by_provider(SECRET_PREFIX)
    }

    /// The variables whose names are this prefix and a provider's name, by provider name.
    fn by_provider(&self, prefix: &str) -> BTreeMap<String, String> {
        let named = |name: &str| Some(name.strip_prefix(prefix)?.to_ascii_lowercase());
        let given = self.vars.iter().filter(|(_, value)| !value.is_empty());
        given.filter_map(|(name, value)| Some((named(name)?, value.clone()))).collect()
    }

    /// A partition that nothing is in and that this function may read, to open a connection with: it is below a provider
    /// whose secret the function is given, where the template lets it.
    pub fn empty_partition(&self) -> String {
        format!("{}#connect", self.secret_arns().into_keys().next().unwrap_or_default())
    }

    /// Where AWS is, and who asks.
    pub fn aws(&self) -> Result<AwsEnv, EnvError> {
        Ok(AwsEnv {
            region: required(&self.vars, "AWS_REGION")?,
            access_key_id: required(&self.vars, "AWS_ACCESS_KEY_ID")?,
            secret_access_key: Secret::new(required(&self.vars, "AWS_SECRET_ACCESS_KEY")?),
            session_token: self.given("AWS_SESSION_TOKEN").map(Secret::new),
            endpoint_url: self.given("AWS_ENDPOINT_URL"),
        })
    }

    /// Whom to trust, at AWS and at the providers: more than usual where `AWS_CA_BUNDLE` names a file of roots.
    pub fn tls(&self) -> Result<Tls, TlsError> {
        Tls::new(self.given(tls::BUNDLE).as_deref())
    }

    /// A variable that need not be set; an empty one is not.
    fn given(&self, name: &str) -> Option<String> {
        self.lookup(name).filter(|value| !value.is_empty())
    }
}

/// Where AWS is, and who asks. On Lambda the runtime sets all of it but the endpoint.
#[derive(Clone, Debug)]
pub struct AwsEnv {
    /// `AWS_REGION`.
    pub region: String,
    /// `AWS_ACCESS_KEY_ID`.
    pub access_key_id: String,
    /// `AWS_SECRET_ACCESS_KEY`.
    pub secret_access_key: Secret,
    /// `AWS_SESSION_TOKEN`; a role has one, an emulator's user has not.
    pub session_token: Option<Secret>,
    /// `AWS_ENDPOINT_URL`: the local stack. Absent on AWS.
    pub endpoint_url: Option<String>,
}

fn required(vars: &BTreeMap<String, String>, name: &str) -> Result<String, EnvError> {
    vars.get(name).filter(|value| !value.is_empty()).cloned().ok_or_else(|| EnvError::Missing(name.to_string()))
}

/// Which entries the index `recent` lists. Each of them costs a write unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Recent {
    /// All that came in.
    All,
    /// Those that nobody works on: ignored or parked when they came in.
    Unworked,
}

impl Recent {
    /// Reads the word that a setting holds.
    pub fn from_word(word: &str) -> Option<Self> {
        match word {
            "all" => Some(Self::All),
            "unworked" => Some(Self::Unworked),
            _ => None,
        }
    }

    pub(crate) fn lists(self, start: &Start) -> bool {
        self == Self::All || !matches!(start, Start::Open { .. })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(more: &[(&str, &str)]) -> Result<Env, EnvError> {
        let base = [("HOOKLEDGER_TABLE", "t"), ("HOOKLEDGER_STACK", "s")];
        Env::from_vars(base.iter().chain(more).map(|(name, value)| (name.to_string(), value.to_string())))
    }

    #[test]
    fn what_is_missing_is_named() {
        let missing = |name: &str| Some(EnvError::Missing(name.into()));
        assert_eq!(Env::from_vars([]).err(), missing("HOOKLEDGER_TABLE"));
        assert_eq!(env(&[("HOOKLEDGER_STACK", "")]).err(), missing("HOOKLEDGER_STACK"));
        let env = env(&[("HOOKLEDGER_BUS", "")]).unwrap();
        assert_eq!(env.bus().err(), missing("HOOKLEDGER_BUS"));
        assert_eq!(env.queue_urls().err(), missing("HOOKLEDGER_QUEUE_<PROVIDER>"));
        // It is no provider's queue, and most functions are given none.
        assert_eq!(env.rescue_url(), None);
        assert_eq!(env.secret_arn(ProviderId("finbox")).err(), missing("HOOKLEDGER_SECRET_FINBOX"));
        assert_eq!(env.aws().err(), missing("AWS_REGION"));
    }

    #[test]
    fn secrets_are_found_by_their_provider() {
        let env = env(&[("HOOKLEDGER_SECRET_FINBOX", "arn:f"), ("HOOKLEDGER_SECRET_FYNAPSE", "")]).unwrap();
        assert_eq!(env.secret_arn(ProviderId("finbox")).unwrap(), "arn:f");
        assert_eq!(env.secret_arns().into_iter().collect::<Vec<_>>(), [("finbox".into(), "arn:f".into())]);
        assert_eq!(env.empty_partition(), "finbox#connect");
    }

    #[test]
    fn the_address_may_hold_the_apis_id() {
        let address = |more: &[(&str, &str)]| env(more).unwrap().webhook_base_url();
        assert_eq!(address(&[]).unwrap(), "");
        assert_eq!(address(&[("WEBHOOK_BASE_URL", "https://hooks.example/")]).unwrap(), "https://hooks.example");
        let local = ("WEBHOOK_BASE_URL", "http://127.0.0.1:1/{api}/$default");
        assert_eq!(address(&[local, ("HOOKLEDGER_API_ID", "a1")]).unwrap(), "http://127.0.0.1:1/a1/$default");
        assert_eq!(address(&[local]).err(), Some(EnvError::Missing("HOOKLEDGER_API_ID".into())));
        assert!(address(&[("WEBHOOK_BASE_URL", "http://hooks.example")]).is_err());
    }

    #[test]
    fn what_is_listed_is_one_of_two_words() {
        let recent = |more: &[(&str, &str)]| env(more).map(|env| env.recent);
        assert_eq!(recent(&[]), Ok(Recent::All));
        assert_eq!(recent(&[("RECENT_ENTRIES", "unworked")]), Ok(Recent::Unworked));
        let error = recent(&[("RECENT_ENTRIES", "none")]).unwrap_err();
        assert!(error.to_string().contains("RECENT_ENTRIES"), "{error}");
    }

    #[test]
    fn credentials_are_not_printed() {
        let keys = [("AWS_REGION", "r"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hunter2")];
        let aws = env(&keys).unwrap().aws().unwrap();
        assert!(!format!("{aws:?}").contains("hunter2"));
        assert_eq!((aws.session_token.is_none(), aws.endpoint_url), (true, None));
    }
}
