//! What the local stack has to know about each provider, out of the kit: what its secret looks like, and its webhook's
//! path.

use hookledger_kit::Kit;
use serde_json::{Map, Value, json};

/// How a provider's deliveries prove where they come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A signature over the body.
    Signature,
    /// A token in the URL.
    UrlToken,
}

pub(crate) fn proof(provider: &Kit) -> Proof {
    if provider.is_signed() { Proof::Signature } else { Proof::UrlToken }
}

/// The provider's secret as the functions read it, around a proof that was made for this stack.
pub(crate) fn secret(provider: &Kit, value: &str) -> Value {
    let list = match proof(provider) {
        Proof::Signature => "signing_secrets",
        Proof::UrlToken => "url_tokens",
    };
    let credentials = provider.local.credentials.iter();
    let api: Map<String, Value> = credentials.map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({ list: [{ "id": "local", "value": value }], "api": api })
}

/// The path of its webhook below the API's URL.
pub(crate) fn webhook_path(provider: &Kit, value: &str) -> String {
    provider.path((proof(provider) == Proof::UrlToken).then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use hookledger_kit::of;

    #[test]
    fn a_secret_holds_the_proof_where_the_functions_look_for_it() {
        let (rightfoot, fynapse) = (of("rightfoot"), of("fynapse"));
        assert_eq!(
            secret(rightfoot, "t"),
            json!({"url_tokens": [{"id": "local", "value": "t"}], "api": {"api_key": "sandbox-rightfoot-key"}})
        );
        assert_eq!(secret(fynapse, "s")["signing_secrets"][0]["value"], "s");
        assert_eq!(webhook_path(rightfoot, "t"), "/webhooks/rightfoot/t");
        assert_eq!(webhook_path(fynapse, "s"), "/webhooks/fynapse");
    }
}
