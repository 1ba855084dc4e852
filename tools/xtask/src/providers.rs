//! What the local stack has to know about each provider: where the sandbox serves it and what its secret looks like.
//!
//! A fifth provider adds one row here.

use serde_json::{Value, json};

/// How a provider's deliveries prove where they come from.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// A signature over the body.
    Signature,
    /// A token in the URL.
    UrlToken,
}

/// One provider as the local stack sees it.
pub(crate) struct Local {
    pub(crate) name: &'static str,
    pub(crate) proof: Proof,
    /// Template parameters that name a URL, with the path the sandbox serves there.
    pub(crate) urls: &'static [(&'static str, &'static str)],
    /// The credentials the sandbox accepts. They open nothing else.
    api: &'static [(&'static str, &'static str)],
}

pub(crate) const ALL: [Local; 4] = [
    Local {
        name: "rightfoot",
        proof: Proof::UrlToken,
        urls: &[("RightfootApiBaseUrl", "/rightfoot")],
        api: &[("api_key", "sandbox-rightfoot-key")],
    },
    Local {
        name: "fynapse",
        proof: Proof::Signature,
        urls: &[("FynapseApiBaseUrl", "/fynapse")],
        api: &[("client_id", "sandbox-fynapse-client"), ("client_secret", "sandbox-fynapse-secret")],
    },
    Local {
        name: "finbox",
        proof: Proof::UrlToken,
        urls: &[("FinboxApiBaseUrl", "/finbox/bank-connect")],
        api: &[("api_key", "sandbox-finbox-key"), ("server_hash", "sandbox-finbox-hash")],
    },
    Local {
        name: "runpayments",
        proof: Proof::Signature,
        urls: &[
            ("RunpaymentsApiBaseUrl", "/runpayments/ords"),
            ("RunpaymentsTokenUrl", "/runpayments/ords/relay/oauth/token"),
            ("RunpaymentsReportingTokenUrl", "/runpayments/ords/sprint/oauth/token"),
        ],
        api: &[
            ("client_id", "sandbox-run-client"),
            ("client_secret", "sandbox-run-secret"),
            ("reporting_client_id", "sandbox-run-reporting-client"),
            ("reporting_client_secret", "sandbox-run-reporting-secret"),
        ],
    },
];

impl Local {
    /// The provider's secret as the functions read it, around a proof that was made for this stack.
    pub(crate) fn secret(&self, proof: &str) -> Value {
        let list = match self.proof {
            Proof::Signature => "signing_secrets",
            Proof::UrlToken => "url_tokens",
        };
        let api: serde_json::Map<String, Value> =
            self.api.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
        json!({ list: [{ "id": "local", "value": proof }], "api": api })
    }

    /// The path of its webhook below the API's URL.
    pub(crate) fn webhook_path(&self, proof: &str) -> String {
        match self.proof {
            Proof::Signature => format!("/webhooks/{}", self.name),
            Proof::UrlToken => format!("/webhooks/{}/{proof}", self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_holds_the_proof_where_the_functions_look_for_it() {
        let [rightfoot, fynapse, ..] = &ALL;
        assert_eq!(
            rightfoot.secret("t"),
            json!({"url_tokens": [{"id": "local", "value": "t"}], "api": {"api_key": "sandbox-rightfoot-key"}})
        );
        assert_eq!(fynapse.secret("s")["signing_secrets"][0]["value"], "s");
        assert_eq!(rightfoot.webhook_path("t"), "/webhooks/rightfoot/t");
        assert_eq!(fynapse.webhook_path("s"), "/webhooks/fynapse");
    }
}
