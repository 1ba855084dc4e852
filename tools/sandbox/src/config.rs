//! What the sandbox is told about the other side: where webhooks go, what signs them, how fast time runs.

use std::collections::BTreeMap;
use std::net::IpAddr;

use http::Uri;
use serde::{Deserialize, Serialize};

use crate::sign::Encoding;

/// From a thousand times slower than life to where every wait vanishes; outside it, a wait could overflow.
const TIME_SCALE_RANGE: std::ops::RangeInclusive<f64> = 0.001..=1e9;

/// The configuration in force.
pub(crate) struct Config {
    pub(crate) targets: BTreeMap<String, Uri>,
    pub(crate) signing_secrets: BTreeMap<String, Vec<String>>,
    pub(crate) secret_encoding: BTreeMap<String, Encoding>,
    pub(crate) signature_encoding: BTreeMap<String, Encoding>,
    /// A provider's waits are divided by this.
    pub(crate) time_scale: f64,
}

/// A change to it, or the file it starts from. What is left out stays as it was.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct Patch {
    targets: BTreeMap<String, String>,
    signing_secrets: BTreeMap<String, Secrets>,
    secret_encoding: BTreeMap<String, Encoding>,
    signature_encoding: BTreeMap<String, Encoding>,
    time_scale: Option<f64>,
    /// Only read at start: ids given out before a change would come again.
    pub(crate) seed: Option<u64>,
}

/// Several secrets are live at once while a provider rotates.
#[derive(Deserialize)]
#[serde(untagged)]
enum Secrets {
    One(String),
    Many(Vec<String>),
}

/// What may be shown of the configuration: which settings exist, never a secret or a token.
#[derive(Serialize)]
pub(crate) struct View {
    targets: Vec<String>,
    signing_secrets: Vec<String>,
    time_scale: f64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            targets: BTreeMap::new(),
            signing_secrets: BTreeMap::new(),
            secret_encoding: BTreeMap::new(),
            signature_encoding: BTreeMap::new(),
            time_scale: 1.0,
        }
    }
}

impl Config {
    /// Takes a change in, whole or not at all.
    pub(crate) fn merge(&mut self, patch: Patch, providers: &[&str]) -> Result<(), String> {
        let named = patch.targets.keys().chain(patch.signing_secrets.keys());
        let named = named.chain(patch.secret_encoding.keys()).chain(patch.signature_encoding.keys());
        for name in named {
            if !providers.contains(&name.as_str()) {
                return Err(format!("no provider is called {name:?}"));
            }
        }
        if let Some(scale) = patch.time_scale
            && !TIME_SCALE_RANGE.contains(&scale)
        {
            return Err(format!("time_scale must be from {} to {}", TIME_SCALE_RANGE.start(), TIME_SCALE_RANGE.end()));
        }
        let mut targets = Vec::new();
        for (name, url) in patch.targets {
            targets.push((name, loopback(&url)?));
        }
        self.targets.extend(targets);
        self.signing_secrets.extend(patch.signing_secrets.into_iter().map(|(name, secrets)| match secrets {
            Secrets::One(secret) => (name, vec![secret]),
            Secrets::Many(secrets) => (name, secrets),
        }));
        self.secret_encoding.extend(patch.secret_encoding);
        self.signature_encoding.extend(patch.signature_encoding);
        self.time_scale = patch.time_scale.unwrap_or(self.time_scale);
        Ok(())
    }

    /// The keys that sign for a provider, newest first; empty if none are set.
    pub(crate) fn keys(&self, provider: &str) -> Result<Vec<Vec<u8>>, String> {
        let encoding = self.secret_encoding.get(provider).copied().unwrap_or(Encoding::Utf8);
        self.signing_secrets.get(provider).into_iter().flatten().map(|secret| encoding.decode(secret)).collect()
    }

    pub(crate) fn view(&self) -> View {
        View {
            targets: self.targets.keys().cloned().collect(),
            signing_secrets: self.signing_secrets.keys().cloned().collect(),
            time_scale: self.time_scale,
        }
    }
}

/// A URL the sandbox may send to. Its webhooks look genuine, so they never leave this machine.
pub(crate) fn loopback(url: &str) -> Result<Uri, String> {
    let uri: Uri = url.parse().map_err(|_| "the target is not a URL".to_owned())?;
    let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']');
    let local = host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if uri.scheme_str() != Some("http") || !local {
        return Err("a target must be plain http on a loopback host".to_owned());
    }
    Ok(uri)
}

#[cfg(test)]
mod tests {
    use super::{Config, loopback};

    #[test]
    fn only_loopback_is_a_target() {
        let rows = [
            ("http://127.0.0.1:4566/webhooks/fynapse", true),
            ("http://127.1.2.3/", true),
            ("http://localhost:1/a", true),
            ("http://[::1]:1/a", true),
            ("https://127.0.0.1/", false),
            ("http://192.0.2.1/", false),
            ("http://localhost.example.com/", false),
            ("http://127.0.0.1@example.com/", false),
            ("/webhooks", false),
            ("", false),
        ];
        for (url, allowed) in rows {
            assert_eq!(loopback(url).is_ok(), allowed, "{url}");
        }
    }

    #[test]
    fn a_bad_change_changes_nothing() {
        let mut config = Config::default();
        let good = r#"{"targets": {"finbox": "http://localhost:1/a"}, "signing_secrets": {"fynapse": ["new", "old"]}, "time_scale": 30}"#;
        config.merge(serde_json::from_str(good).unwrap(), &["finbox", "fynapse"]).unwrap();
        assert_eq!(config.keys("fynapse").unwrap(), [b"new", b"old"]);
        for bad in [
            r#"{"time_scale": 0}"#,
            r#"{"targets": {"other": "http://localhost:1"}}"#,
            r#"{"targets": {"finbox": "http://192.0.2.1/"}, "time_scale": 2}"#,
        ] {
            assert!(config.merge(serde_json::from_str(bad).unwrap(), &["finbox", "fynapse"]).is_err(), "{bad}");
        }
        assert_eq!((config.time_scale, config.targets.len()), (30.0, 1));
    }
}
