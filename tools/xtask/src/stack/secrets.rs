//! The proofs that this stack's deliveries carry. Made anew for every stack, so that none is worth anything elsewhere.

use crate::providers::{self, Proof};
use anyhow::{Context, Result, anyhow};
use hookledger_kit::{ALL, Kit};
use serde_json::Value;
use std::collections::BTreeMap;

/// 256 bits, as the URL tokens of a real deployment have. Written in hex, which every scheme can read: as text, as hex, as
/// base64, and in a URL.
const RANDOM_BYTES: usize = 32;

/// By provider: the signing secret or the URL token, whichever it uses.
pub(crate) type Proofs = BTreeMap<&'static str, String>;

pub(crate) fn make() -> Result<Proofs> {
    let mut proofs = Proofs::new();
    for provider in ALL {
        let mut bytes = [0; RANDOM_BYTES];
        getrandom::fill(&mut bytes).map_err(|error| anyhow!("the system gives no randomness: {error}"))?;
        proofs.insert(provider.name, hex::encode(bytes));
    }
    Ok(proofs)
}

/// The proofs of one kind only.
pub(crate) fn of_kind(proofs: &Proofs, kind: Proof) -> BTreeMap<&'static str, &str> {
    let matching = ALL.iter().filter(|provider| providers::proof(provider) == kind);
    matching.filter_map(|provider| Some((provider.name, proofs.get(provider.name)?.as_str()))).collect()
}

/// The proofs that the stack in this `stack.json` goes by.
pub(crate) fn of_stack(stack: &Value) -> Result<Proofs> {
    let of = |provider: &&Kit| {
        let lists = ["signing_secrets", "url_tokens"].iter().filter_map(|list| stack.get(list)?.get(provider.name));
        let proof = lists.filter_map(Value::as_str).next();
        let proof = proof.with_context(|| format!("stack.json has no proof of {}", provider.name))?;
        Ok((provider.name, proof.to_owned()))
    };
    ALL.iter().map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_provider_gets_a_proof_of_its_own_that_fits_a_url() {
        let (first, second) = (make().unwrap(), make().unwrap());
        for (provider, proof) in &first {
            assert!(proof.len() == 64 && proof.chars().all(|c| c.is_ascii_hexdigit()));
            assert_ne!(Some(proof), second.get(provider));
        }
        let stack = json!({
            "signing_secrets": of_kind(&first, Proof::Signature),
            "url_tokens": of_kind(&first, Proof::UrlToken),
        });
        assert_eq!(of_stack(&stack).unwrap(), first);
        assert!(of_stack(&json!({})).is_err());
        let (signatures, tokens) = (of_kind(&first, Proof::Signature), of_kind(&first, Proof::UrlToken));
        assert!(signatures.contains_key("fynapse") && tokens.contains_key("rightfoot"));
        assert_eq!(signatures.len() + tokens.len(), first.len());
    }
}
