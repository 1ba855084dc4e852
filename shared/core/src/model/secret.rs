//! Secrets that can't be printed, and the document each provider's secrets are kept in.

use std::fmt;

use serde::Deserialize;

use crate::model::time::UnixMs;

/// Text that must not be seen. `Debug` prints `[REDACTED]`; there is no `Display` and no `Serialize`.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl<'de> Deserialize<'de> for Secret {
    /// Without blanks and line breaks at its ends: they come from pasting, and no provider issues any.
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(text.trim().into()))
    }
}

impl Secret {
    /// Wraps a secret text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself: for a key derivation, a comparison or a request header, and nothing else.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[REDACTED]")
    }
}

/// One of several secrets that are live at the same time, so that a rotation loses nothing.
#[derive(Clone, Debug, Deserialize)]
pub struct NamedSecret {
    /// A name an operator recognises. It is logged and stored; the value never is.
    pub id: String,
    /// The secret itself.
    pub value: Secret,
    /// RFC 3339; from then on the secret is refused. Absent: no end.
    #[serde(default, deserialize_with = "instant")]
    pub not_after: Option<UnixMs>,
    /// Whether it has fewer characters than a secret of its list needs: then it proves nothing. Set by
    /// [`ProviderSecrets::parse`], from the list that it stands in.
    #[serde(skip)]
    pub too_short: bool,
}

/// The fewest characters of a signing secret. Providers choose them, so this is a floor and no goal: with fewer, whoever
/// has seen one signed delivery could find the secret by trying, without asking us. What counts is the text as it stands
/// in the document, in whatever encoding.
pub const MIN_SIGNING_SECRET_CHARS: usize = 16;
/// The fewest characters of a URL token. It is ours to choose, and all that proves a delivery of a provider that signs
/// nothing: 128 bits in base64url.
pub const MIN_URL_TOKEN_CHARS: usize = 22;
/// The fewest characters of a static header's value. It is ours to choose, and stands beside the URL token.
pub const MIN_STATIC_HEADER_CHARS: usize = 16;

/// The members of a provider's secret document.
const MEMBERS: [&str; 4] = ["signing_secrets", "url_tokens", "static_header", "api"];

/// All secrets of one provider, as one JSON document in AWS Secrets Manager.
///
/// ```json
/// {"signing_secrets": [{"id": "2026-11", "value": "…", "not_after": "2027-01-01T00:00:00Z"}],
///  "url_tokens":      [{"id": "a", "value": "…"}],
///  "static_header":   [{"id": "a", "value": "…"}],
///  "api":             {"api_key": "…"}}
/// ```
///
/// Every list may hold several live values; one that is too short is none. The empty document `{}` is valid and means:
/// the provider is not used. Its deliveries are refused, and it is asked about nothing.
#[derive(Clone, Debug, Default, Deserialize)]
pub struct ProviderSecrets {
    /// Keys that sign deliveries.
    #[serde(default)]
    pub signing_secrets: Vec<NamedSecret>,
    /// Unguessable last segments of the webhook URL.
    #[serde(default)]
    pub url_tokens: Vec<NamedSecret>,
    /// Values of the optional static header.
    #[serde(default)]
    pub static_header: Vec<NamedSecret>,
    /// Credentials for the provider's own API, by name.
    #[serde(default)]
    pub api: std::collections::BTreeMap<String, Secret>,
    /// Whether the document has members of other names: somebody filled it in, and mistyped. Set by
    /// [`ProviderSecrets::parse`].
    #[serde(skip)]
    pub has_others: bool,
}

/// Why a secret document can't be used. Names the place, never the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the secret document is not usable (line {line}, column {column}): see ProviderSecrets for its shape")]
pub struct SecretFormatError {
    line: usize,
    column: usize,
}

impl ProviderSecrets {
    /// Reads the JSON document.
    pub fn parse(json: &str) -> Result<Self, SecretFormatError> {
        // serde_json's own message may quote the offending value, which here may be a secret.
        let read = serde_json::from_str(json);
        let mut secrets: Self =
            read.map_err(|error| SecretFormatError { line: error.line(), column: error.column() })?;
        for (list, least) in [
            (&mut secrets.signing_secrets, MIN_SIGNING_SECRET_CHARS),
            (&mut secrets.url_tokens, MIN_URL_TOKEN_CHARS),
            (&mut secrets.static_header, MIN_STATIC_HEADER_CHARS),
        ] {
            for secret in list {
                secret.too_short = secret.value.reveal().chars().count() < least;
            }
        }
        let members: std::collections::BTreeMap<String, serde::de::IgnoredAny> =
            serde_json::from_str(json).unwrap_or_default();
        secrets.has_others = members.keys().any(|name| !MEMBERS.contains(&name.as_str()));
        Ok(secrets)
    }

    /// Whether nobody has filled anything in: the provider is not used.
    pub fn is_empty(&self) -> bool {
        self.lists().iter().all(|(_, _, list)| list.is_empty()) && self.api.is_empty() && !self.has_others
    }

    /// The lists whose secrets prove deliveries, each with its name and the fewest characters of a secret in it.
    pub fn lists(&self) -> [(&'static str, usize, &[NamedSecret]); 3] {
        [
            ("signing_secrets", MIN_SIGNING_SECRET_CHARS, &self.signing_secrets),
            ("url_tokens", MIN_URL_TOKEN_CHARS, &self.url_tokens),
            ("static_header", MIN_STATIC_HEADER_CHARS, &self.static_header),
        ]
    }

    /// The secrets that are too short to be used, each with its list's name and the fewest characters there.
    pub fn too_short(&self) -> impl Iterator<Item = (&'static str, usize, &NamedSecret)> {
        let short = |secret: &&NamedSecret| secret.too_short;
        let lists = self.lists().into_iter();
        lists.flat_map(move |(list, least, all)| all.iter().filter(short).map(move |secret| (list, least, secret)))
    }
}

/// The secrets of a list that may still be used at `now`: not over, and neither blank nor so short that they can be
/// guessed.
pub fn live(secrets: &[NamedSecret], now: UnixMs) -> impl Iterator<Item = &NamedSecret> {
    let usable = |secret: &NamedSecret| !secret.too_short && !secret.value.reveal().is_empty();
    secrets.iter().filter(move |secret| usable(secret) && secret.not_after.is_none_or(|end| now < end))
}

fn instant<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<UnixMs>, D::Error> {
    let Some(text) = Option::<String>::deserialize(deserializer)? else { return Ok(None) };
    UnixMs::parse_rfc3339(&text).map(Some).ok_or_else(|| serde::de::Error::custom("not_after is not RFC 3339"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_prints_a_secret() {
        let secrets =
            ProviderSecrets::parse(r#"{"signing_secrets":[{"id":"a","value":"hunter2"}],"api":{"api_key":"hunter2"}}"#)
                .unwrap();
        let printed = format!("{secrets:?}");
        assert!(printed.contains("[REDACTED]") && !printed.contains("hunter2"), "{printed}");
    }

    #[test]
    fn a_broken_document_is_named_without_being_quoted() {
        for broken in [r#"{"signing_secrets":"hunter2"}"#, r#"{"api":{"api_key":["hunter2"]}}"#, "hunter2"] {
            let error = ProviderSecrets::parse(broken).unwrap_err().to_string();
            assert!(!error.contains("hunter2"), "{error}");
        }
    }

    #[test]
    fn empty_means_that_nobody_has_filled_anything_in() {
        let rows = [
            ("{}", true),
            (" {\n} ", true),
            (r#"{"signing_secrets":[],"url_tokens":[],"static_header":[],"api":{}}"#, true),
            (r#"{"api":{"api_key":""}}"#, false),
            (r#"{"signing_secrets":[{"id":"a","value":""}]}"#, false),
            (r#"{"url_token":[{"id":"a","value":"mistyped"}]}"#, false),
        ];
        for (json, empty) in rows {
            assert_eq!(ProviderSecrets::parse(json).unwrap().is_empty(), empty, "{json}");
        }
        assert!(ProviderSecrets::default().is_empty());
    }

    #[test]
    fn live_means_not_yet_over_and_not_empty() {
        let json = r#"{"url_tokens":[{"id":"old","value":"0123456789012345678901","not_after":"2026-01-01T00:00:00Z"},
                       {"id":"new","value":"0123456789012345678902\n"},{"id":"blank","value":" \t"}]}"#;
        let secrets = ProviderSecrets::parse(json).unwrap();
        let end = UnixMs::parse_rfc3339("2026-01-01T00:00:00Z").unwrap();
        let ids = |now| live(&secrets.url_tokens, now).map(|s| s.id.as_str()).collect::<Vec<_>>();
        assert_eq!(ids(UnixMs(end.0 - 1)), ["old", "new"]);
        assert_eq!(ids(end), ["new"]);
        assert_eq!(secrets.url_tokens[1].value.reveal(), "0123456789012345678902", "a line break comes from pasting");
    }

    #[test]
    fn what_could_be_guessed_is_not_live() {
        for (list, least) in [("signing_secrets", 16), ("url_tokens", 22), ("static_header", 16)] {
            for (length, alive) in [(1, false), (least - 1, false), (least, true), (64, true)] {
                let value = "k".repeat(length);
                // Blanks at the ends make no secret longer; nor do bytes, where a character takes several.
                let (padded, wide) = (format!("  {value} "), "\u{e9}".repeat(length));
                for value in [value, padded, wide] {
                    let json = serde_json::json!({ list: [{ "id": "a", "value": value }] }).to_string();
                    let secrets = ProviderSecrets::parse(&json).unwrap();
                    let all = [&secrets.signing_secrets, &secrets.url_tokens, &secrets.static_header];
                    let count: usize = all.iter().map(|list| live(list, UnixMs(0)).count()).sum();
                    assert_eq!(count == 1, alive, "{list} of {length}");
                }
            }
        }
    }
}
