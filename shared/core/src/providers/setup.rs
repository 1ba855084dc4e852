//! Setting up a provider's side through its API: a person's commands, each with a name and inputs. What is said here
//! is all that the command line is built from.

use crate::model::provider_call::{ApiRequest, ApiResponse, Trouble};
use crate::model::secret::Secret;
use crate::model::settings::is_plain_url;

/// The commands that set up a provider's side.
pub trait Setup {
    /// The commands there are.
    fn steps(&self) -> &'static [SetupStep];
    /// What to send for a command.
    fn request(&self, step: &str, inputs: &Inputs<'_>) -> Result<ApiRequest, SetupError>;
    /// What the answer to it means.
    fn done(&self, step: &str, inputs: &Inputs<'_>, response: &ApiResponse) -> Result<SetupOutcome, Trouble>;
}

/// A command of a provider's set-up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupStep {
    /// As it is typed: `set-webhook`.
    pub name: &'static str,
    /// What it does, in a sentence.
    pub about: &'static str,
    /// What it has to be told.
    pub inputs: &'static [SetupInput],
    /// Whether the provider makes a signing secret.
    pub secret: SecretUse,
}

/// What a command does about signing secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SecretUse {
    /// Nothing.
    Untouched,
    /// The provider makes another one: it is kept beside those that are live.
    Another,
    /// The provider makes a new one in place of an old one, which stays live for so long, since what it signed may
    /// still be on its way.
    Replaced {
        /// The default, in hours. It must outlive the provider's retries.
        keep_old_hours: u64,
    },
}

/// Something a command has to be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SetupInput {
    /// As it is typed: `--name`.
    pub name: &'static str,
    /// What it means.
    pub about: &'static str,
    /// Whether the command can't do without.
    pub required: bool,
}

/// What a command was told, by name.
pub type Inputs<'a> = std::collections::BTreeMap<&'a str, &'a str>;

/// Why a command can't be carried out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetupError {
    /// There is no such command.
    #[error("this provider has no such set-up command")]
    Unknown,
    /// An input breaks its rule.
    #[error("--{name} must be {rule}")]
    Input {
        /// The input's name.
        name: &'static str,
        /// What it must be.
        rule: &'static str,
    },
}

/// What came of a command.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SetupOutcome {
    /// For the person: names and values. No secret among them.
    pub shown: Vec<(&'static str, String)>,
    /// The signing secret that the provider made.
    pub made: Option<MadeSecret>,
}

/// A signing secret that a provider made, and shows only this once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MadeSecret {
    /// What the provider calls it. The same after a rotation.
    pub id: String,
    /// The secret itself.
    pub value: Secret,
}

/// The longest input, in bytes.
const MAX_INPUT_BYTES: usize = 2000;

/// An input that the command can't do without.
pub(super) fn required<'a>(inputs: &Inputs<'a>, name: &'static str) -> Result<&'a str, SetupError> {
    optional(inputs, name)?.ok_or(SetupError::Input { name, rule: "given" })
}

/// An input that may be left out. What is given must be a text.
pub(super) fn optional<'a>(inputs: &Inputs<'a>, name: &'static str) -> Result<Option<&'a str>, SetupError> {
    let Some(text) = inputs.get(name).copied() else { return Ok(None) };
    if text.trim().is_empty() || text.len() > MAX_INPUT_BYTES || text.chars().any(char::is_control) {
        return Err(SetupError::Input { name, rule: "a text of at most 2,000 bytes, in one line" });
    }
    Ok(Some(text))
}

/// The URL that a provider is to call.
pub(super) fn webhook_url<'a>(inputs: &Inputs<'a>, name: &'static str) -> Result<&'a str, SetupError> {
    let url = required(inputs, name)?;
    if !is_plain_url(url) {
        let rule = "the whole https:// URL that the stack's outputs name, without user, query or fragment";
        return Err(SetupError::Input { name, rule });
    }
    Ok(url)
}

/// The object made of the fields that are there, as JSON.
pub(super) fn object(fields: &[(&str, Option<serde_json::Value>)]) -> Vec<u8> {
    let fields = fields.iter().filter_map(|(name, value)| Some(((*name).to_string(), value.clone()?)));
    serde_json::Value::Object(fields.collect()).to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_have_rules_that_are_named() {
        let long = "x".repeat(2001);
        let given = Inputs::from([("name", "n"), ("blank", " "), ("lines", "a\nb"), ("long", long.as_str())]);
        assert_eq!(required(&given, "name"), Ok("n"));
        assert_eq!(required(&given, "absent").unwrap_err().to_string(), "--absent must be given");
        assert_eq!(optional(&given, "absent"), Ok(None));
        for name in ["blank", "lines", "long"] {
            assert!(optional(&given, name).is_err(), "{name}");
        }
    }

    #[test]
    fn webhooks_go_over_https() {
        let check = |url| webhook_url(&Inputs::from([("webhook-url", url)]), "webhook-url").is_ok();
        for url in ["https://h/webhooks/fynapse", "http://127.0.0.1:4566/x", "http://localhost/x"] {
            assert!(check(url), "{url}");
        }
        for url in
            ["http://h/x", "https://", "https:///x", "ftp://h", "h/x", "https://u@h/x", "https://h/x?y", "http://"]
        {
            assert!(!check(url), "{url}");
        }
    }
}
