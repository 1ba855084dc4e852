//! `target/local/stack.json`: what `cargo xtask up` wrote down.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::outcome::Outcome;

/// Everything an outside client needs to drive the local stack.
#[derive(Clone, Debug, Deserialize)]
#[expect(
    missing_docs,
    reason = "each field is the key of the same name in stack.json, which docs/local-stack.md lists"
)]
pub struct Stack {
    pub endpoint: String,
    pub region: String,
    pub access_key_id: String,
    pub secret_access_key: String,
    pub stack_name: String,
    pub api_url: String,
    pub webhooks: BTreeMap<String, String>,
    pub signing_secrets: BTreeMap<String, String>,
    pub url_tokens: BTreeMap<String, String>,
    pub expectations_url: String,
    pub table: String,
    pub queue_urls: BTreeMap<String, String>,
    pub rescue_queue_url: String,
    pub dead_letter_queue_url: String,
    pub policies: BTreeMap<String, String>,
    pub bus: String,
    pub functions: BTreeMap<String, String>,
    pub secrets: BTreeMap<String, String>,
    pub sandbox_url: String,
    pub time_scale: u64,
    pub pids: BTreeMap<String, u32>,
    pub logs: BTreeMap<String, PathBuf>,
    pub xtask: PathBuf,
}

impl Stack {
    /// Reads the description of the running stack; its absence is an error, never a reason to skip.
    pub fn load() -> Outcome<Self> {
        Self::read(&Self::path())
    }

    /// Reads the description of the second stack, as `cargo xtask second up` left it.
    pub fn load_second() -> Outcome<Self> {
        Self::read(&Self::path().with_file_name("second.json"))
    }

    fn path() -> PathBuf {
        std::env::var_os("HOOKLEDGER_STACK_JSON")
            .map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../target/local/stack.json"), PathBuf::from)
    }

    fn read(path: &Path) -> Outcome<Self> {
        let text = std::fs::read_to_string(path).map_err(|error| {
            format!("no local stack is running ({}: {error}). Start it with `cargo xtask up`.", path.display())
        })?;
        serde_json::from_str(&text).map_err(|error| format!("{} cannot be read: {error}", path.display()))
    }

    /// The URL of its API, without a slash at the end.
    pub fn base(&self) -> &str {
        self.api_url.trim_end_matches('/')
    }

    /// What proves a provider's deliveries: its signing secret or its URL token.
    pub fn proof(&self, provider: &str) -> Outcome<&str> {
        let proof = self.signing_secrets.get(provider).or_else(|| self.url_tokens.get(provider));
        proof.map(String::as_str).ok_or_else(|| format!("stack.json has no proof of {provider}"))
    }

    /// The deployed name of a function.
    pub fn function(&self, name: &str) -> Outcome<&str> {
        self.functions.get(name).map(String::as_str).ok_or_else(|| format!("stack.json names no function {name}"))
    }

    /// A provider's webhook URL.
    pub fn webhook(&self, provider: &str) -> Outcome<&str> {
        self.webhooks.get(provider).map(String::as_str).ok_or_else(|| format!("stack.json names no URL of {provider}"))
    }
}
