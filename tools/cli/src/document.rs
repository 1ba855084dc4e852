//! A provider's secret document, changed in its lists of secrets only. Everything else in it stays as it was written, known
//! to this version or not.

use std::collections::BTreeMap;

use anyhow::{Context as _, bail};
use hookledger_core::model::secret::{ProviderSecrets, Secret};
use hookledger_core::model::time::UnixMs;
use serde_json::value::{RawValue, to_raw_value};

/// A list of secrets in the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
#[value(rename_all = "snake_case")]
pub(crate) enum List {
    /// Keys that sign deliveries.
    SigningSecrets,
    /// Last parts of the webhook URL.
    UrlTokens,
    /// Values of FinBox's static header.
    StaticHeader,
}

impl List {
    const ALL: [Self; 3] = [Self::SigningSecrets, Self::UrlTokens, Self::StaticHeader];

    /// As the document has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::SigningSecrets => "signing_secrets",
            Self::UrlTokens => "url_tokens",
            Self::StaticHeader => "static_header",
        }
    }
}

type Fields = BTreeMap<String, Box<RawValue>>;

/// The document, its values as they were written.
pub(crate) struct Document {
    fields: Fields,
    lists: BTreeMap<List, Vec<Fields>>,
}

/// What stands about one secret, without its value.
pub(crate) struct Known {
    pub(crate) id: String,
    pub(crate) not_after: Option<UnixMs>,
}

impl Document {
    /// Reads a document that the functions can read too. No error quotes it.
    pub(crate) fn parse(document: &Secret) -> anyhow::Result<Self> {
        ProviderSecrets::parse(document.reveal())?;
        let unusable = "the secret document is not usable: see docs/deploy.md for its shape";
        let mut fields: Fields = serde_json::from_str(document.reveal()).ok().context(unusable)?;
        let mut lists = BTreeMap::new();
        for list in List::ALL {
            if let Some(written) = fields.remove(list.name()) {
                lists.insert(list, serde_json::from_str(written.get()).ok().context(unusable)?);
            }
        }
        Ok(Self { fields, lists })
    }

    /// The secrets of a list.
    pub(crate) fn known(&self, list: List) -> Vec<Known> {
        self.lists.get(&list).into_iter().flatten().filter_map(known).collect()
    }

    /// Which signing secrets a rotation of the provider's `secret_id` replaces: those that were kept for it before; else
    /// the one there is; else the one that the person names.
    pub(crate) fn replaced(&self, secret_id: &str, named: Option<&str>, now: UnixMs) -> anyhow::Result<Vec<String>> {
        let known = self.known(List::SigningSecrets);
        let live: Vec<&Known> = known.iter().filter(|known| known.not_after.is_none_or(|end| now < end)).collect();
        if let Some(named) = named {
            if live.iter().all(|known| known.id != named) {
                bail!("--replaces names no live signing secret of the document");
            }
            return Ok(vec![named.to_string()]);
        }
        let kept_for_it = |known: &&&Known| {
            known.id.strip_prefix(secret_id).is_some_and(|rest| rest.is_empty() || rest.starts_with('@'))
        };
        let mut ids: Vec<String> = live.iter().filter(kept_for_it).map(|known| known.id.clone()).collect();
        if ids.is_empty() {
            match live.as_slice() {
                [] => {}
                [only] => ids.push(only.id.clone()),
                several => {
                    let ids: Vec<&str> = several.iter().map(|known| known.id.as_str()).collect();
                    bail!(
                        "several signing secrets are live ({}): say with --replaces which is the old one",
                        ids.join(", ")
                    );
                }
            }
        }
        Ok(ids)
    }

    /// Adds a secret without an end.
    pub(crate) fn add(&mut self, list: List, id: &str, value: &Secret) -> anyhow::Result<()> {
        let field = |name: &str, text: &str| anyhow::Ok((name.to_string(), to_raw_value(text)?));
        self.lists.entry(list).or_default().push(Fields::from([field("id", id)?, field("value", value.reveal())?]));
        Ok(())
    }

    /// Gives secrets an end, unless they have an earlier one.
    pub(crate) fn end(&mut self, list: List, ids: &[String], not_after: UnixMs) -> anyhow::Result<()> {
        for fields in self.lists.get_mut(&list).into_iter().flatten() {
            let ends = known(fields).is_some_and(|known| {
                ids.contains(&known.id) && known.not_after.is_none_or(|earlier| not_after < earlier)
            });
            if ends {
                fields.insert("not_after".into(), to_raw_value(&not_after.to_string())?);
            }
        }
        Ok(())
    }

    /// As it is stored.
    pub(crate) fn to_text(&self) -> anyhow::Result<Secret> {
        let mut fields = self.fields.clone();
        for (list, secrets) in &self.lists {
            fields.insert(list.name().into(), to_raw_value(secrets)?);
        }
        Ok(Secret::new(serde_json::to_string(&fields)?))
    }
}

fn known(fields: &Fields) -> Option<Known> {
    let text = |name: &str| -> Option<String> { serde_json::from_str(fields.get(name)?.get()).ok() };
    Some(Known { id: text("id")?, not_after: text("not_after").and_then(|at| UnixMs::parse_rfc3339(&at)) })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const DOCUMENT: &str = r#"{"later":{"n":1.10,"big":12345678901234567890123},"api":{"client_id":"c"},
        "signing_secrets":[{"id":"first","value":"the first secret","note":[1.0]},{"id":"over","value":"a secret that is over","not_after":"2020-01-01T00:00:00Z"}]}"#;

    fn at(text: &str) -> UnixMs {
        UnixMs::parse_rfc3339(text).unwrap()
    }

    fn now() -> UnixMs {
        at("2026-11-22T12:00:00Z")
    }

    fn document(text: &str) -> Document {
        Document::parse(&Secret::new(text)).unwrap()
    }

    #[test]
    fn what_is_not_changed_stays_as_it_was_written() {
        let mut changed = document(DOCUMENT);
        changed.add(List::SigningSecrets, "s1@now", &Secret::new("the \"2nd\" secret")).unwrap();
        changed.end(List::SigningSecrets, &["first".into(), "over".into()], at("2026-11-26T12:00:00Z")).unwrap();
        let text = changed.to_text().unwrap();
        for kept in [r#""n":1.10"#, "12345678901234567890123", r#""note":[1.0]"#] {
            assert!(text.reveal().contains(kept), "{kept}");
        }
        let value: Value = serde_json::from_str(text.reveal()).unwrap();
        assert_eq!(value["api"], json!({"client_id": "c"}));
        assert_eq!(value["signing_secrets"][0]["not_after"], "2026-11-26T12:00:00.000Z");
        assert_eq!(value["signing_secrets"][1]["not_after"], "2020-01-01T00:00:00Z", "an earlier end stays");
        assert_eq!(value["signing_secrets"][2], json!({"id": "s1@now", "value": "the \"2nd\" secret"}));
        let read = ProviderSecrets::parse(text.reveal()).unwrap();
        let live: Vec<_> =
            hookledger_core::model::secret::live(&read.signing_secrets, now()).map(|s| s.id.as_str()).collect();
        assert_eq!(live, ["first", "s1@now"], "both are live until the old one's end");
    }

    #[test]
    fn an_empty_document_takes_its_first_secret() {
        let mut first = document("{}");
        assert!(first.replaced("s1", None, now()).unwrap().is_empty());
        first.add(List::SigningSecrets, "s1@now", &Secret::new("v")).unwrap();
        let expected = r#"{"signing_secrets":[{"id":"s1@now","value":"v"}]}"#;
        assert_eq!(first.to_text().unwrap().reveal(), expected);
    }

    #[test]
    fn the_old_secret_is_found_or_has_to_be_named() {
        let list = |ids: &[&str]| {
            let secrets: Vec<Value> = ids.iter().map(|id| json!({"id": id, "value": "v"})).collect();
            document(&json!({"signing_secrets": secrets}).to_string())
        };
        let replaced = |ids: &[&str], named| list(ids).replaced("s1", named, now());
        assert_eq!(replaced(&["by-hand"], None).unwrap(), ["by-hand"], "the only one there is");
        assert_eq!(replaced(&["s1@a", "other", "s1@b"], None).unwrap(), ["s1@a", "s1@b"]);
        assert_eq!(replaced(&["s1", "s10", "other"], None).unwrap(), ["s1"]);
        assert_eq!(replaced(&["x", "y"], Some("y")).unwrap(), ["y"]);
        assert!(replaced(&["x", "y"], None).unwrap_err().to_string().contains("--replaces"));
        assert!(replaced(&["x", "y"], Some("z")).is_err());
        assert_eq!(
            document(DOCUMENT).replaced("s1", None, now()).unwrap(),
            ["first"],
            "one that is over is no candidate"
        );
    }

    #[test]
    fn a_broken_document_is_not_quoted() {
        for broken in [r#"{"signing_secrets":"hunter2"}"#, "hunter2", r#"{"signing_secrets":[{"id":"hunter2"}]}"#] {
            let Err(error) = Document::parse(&Secret::new(broken)) else { panic!("{broken}") };
            assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
        }
    }
}
