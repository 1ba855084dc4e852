//! Setting up FinBox: where it sends its webhooks.
//!
//! **Rationale.** `webhook_mode` is always sent. FinBox's page says that an update without it falls back to net banking
//! only, and from then on the webhooks of manual uploads would be missing without a word. So the command asks for it,
//! and reads nothing as "unchanged".

use serde_json::json;

use super::api::FinBox;
use crate::model::provider_call::{ApiRequest, ApiResponse, Method, Trouble, trouble};
use crate::providers::setup::{Inputs, SecretUse, Setup, SetupError, SetupInput, SetupOutcome, SetupStep};
use crate::providers::setup::{object, required, webhook_url};

static STEPS: &[SetupStep] = &[SetupStep {
    name: "set-webhook",
    about: "Tells FinBox where to send webhooks, and for which kinds of upload",
    inputs: &[
        SetupInput { name: "flow", about: "entity or session: each has an address of its own", required: true },
        SetupInput {
            name: "webhook-url",
            about: "the stack's output FinboxWebhookUrl with a live token of the secret in its place",
            required: true,
        },
        SetupInput {
            name: "webhook-mode",
            about: "0 for net banking only, 1 for manual uploads as well; sessions also know 2 and 3 (all modes)",
            required: true,
        },
    ],
    secret: SecretUse::Untouched,
}];

impl Setup for FinBox {
    fn steps(&self) -> &'static [SetupStep] {
        STEPS
    }

    fn request(&self, step: &str, inputs: &Inputs<'_>) -> Result<ApiRequest, SetupError> {
        if step != "set-webhook" {
            return Err(SetupError::Unknown);
        }
        let resource = match required(inputs, "flow")? {
            "entity" => "entity",
            "session" => "session_data",
            _ => return Err(SetupError::Input { name: "flow", rule: "entity or session" }),
        };
        // What each number means stands in FinBox's pages; the pages of the session flow show a 3, "enable for all modes".
        let mode: Option<u8> = required(inputs, "webhook-mode")?.parse().ok().filter(|mode| (0..=3).contains(mode));
        let mode = mode.ok_or(SetupError::Input { name: "webhook-mode", rule: "0, 1, 2 or 3" })?;
        let body = object(&[
            ("webhook_url", Some(json!(webhook_url(inputs, "webhook-url")?))),
            ("webhook_mode", Some(json!(mode))),
        ]);
        let ApiRequest { url, auth, .. } = self.get("", &format!("{resource}/update_webhook/"));
        Ok(ApiRequest::send(Method::Post, url, auth, body))
    }

    fn done(&self, _step: &str, _inputs: &Inputs<'_>, response: &ApiResponse) -> Result<SetupOutcome, Trouble> {
        if response.status == 200 { Ok(SetupOutcome::default()) } else { Err(trouble(response)) }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::*;
    use crate::model::provider_call::Auth;
    use crate::providers::testing::{answer, build_with};

    const URL: &str = "https://h/webhooks/finbox/token";

    fn given<'a>(flow: &'a str, url: &'a str, mode: &'a str) -> Inputs<'a> {
        Inputs::from([("flow", flow), ("webhook-url", url), ("webhook-mode", mode)])
    }

    #[test]
    fn the_mode_is_always_sent() {
        let provider = build_with(build, &[("FINBOX_API_BASE_URL", "https://b.example/bank-connect")]);
        let setup = provider.setup().offered().unwrap();
        for (flow, resource, mode) in [
            ("entity", "entity", "0"),
            ("entity", "entity", "1"),
            ("session", "session_data", "1"),
            ("session", "session_data", "3"),
        ] {
            let request = setup.request("set-webhook", &given(flow, URL, mode)).unwrap();
            assert_eq!(request.url, format!("https://b.example/bank-connect/v1/{resource}/update_webhook/"));
            let body: serde_json::Value = serde_json::from_slice(request.json.unwrap().bytes()).unwrap();
            assert_eq!(body, json!({"webhook_url": URL, "webhook_mode": mode.parse::<u8>().unwrap()}));
            assert_eq!(request.method, Method::Post);
            assert!(matches!(request.auth, Auth::Headers(&[("x-api-key", _), ("server-hash", _)])));
        }
    }

    #[test]
    fn nothing_is_read_as_unchanged() {
        let provider = build_with(build, &[]);
        let setup = provider.setup().offered().unwrap();
        for name in ["flow", "webhook-url", "webhook-mode"] {
            let mut inputs = given("entity", URL, "1");
            inputs.remove(name);
            let error = setup.request("set-webhook", &inputs).unwrap_err();
            assert_eq!(error.to_string(), format!("--{name} must be given"));
        }
        for inputs in [given("both", URL, "1"), given("entity", "http://h/x", "1"), given("entity", URL, "4")] {
            assert!(setup.request("set-webhook", &inputs).is_err());
        }
        assert_eq!(setup.request("subscribe", &given("entity", URL, "1")), Err(SetupError::Unknown));
        assert!(setup.done("set-webhook", &Inputs::new(), &answer(200, "{}")).is_ok());
        assert!(setup.done("set-webhook", &Inputs::new(), &answer(401, "{}")).is_err());
    }
}
