//! Setting up Fynapse: the secret it signs with, and the subscription that brings its events here.
//!
//! The paths, the fields of a new secret and of a new subscription, and that subscriptions can be updated, activated
//! and deactivated are on Fynapse's "Webhook Configuration" page. Which HTTP methods the last three take is not: POST
//! and, for an update, PUT are guesses. The permission it takes is `webhook_subscription_edit`.

use serde::Deserialize;
use serde_json::{Value, json};

use super::api::Api;
use crate::model::provider_call::{ApiRequest, ApiResponse, Method, Trouble, encode, trouble};
use crate::providers::json::{Field, object as read_object, text};
use crate::providers::setup::{Inputs, MadeSecret, SecretUse, Setup, SetupError, SetupInput, SetupOutcome, SetupStep};
use crate::providers::setup::{object, optional, required, webhook_url};

/// What an old secret signed may come for 72 hours, signed then or now: nobody says which. A day to spare.
const KEEP_OLD_HOURS: u64 = 96;

const fn input(name: &'static str, about: &'static str, required: bool) -> SetupInput {
    SetupInput { name, about, required }
}

const SECRET_ID: SetupInput = input("secret-id", "the secret's id, as create-secret shows it", true);
const SUBSCRIPTION_ID: SetupInput = input("subscription-id", "the subscription's id, as subscribe shows it", true);
const NAME: SetupInput = input("name", "a name for people", true);
const ENDPOINT: SetupInput = input("endpoint-url", "the stack's output FynapseWebhookUrl", true);
const SIGNED_WITH: SetupInput = input("secret-id", "the secret it signs with, as create-secret shows it", false);
const EVENT_TYPES: SetupInput = input("event-types", "types with commas between; left out, Fynapse decides", false);
const DESCRIPTION: SetupInput = input("description", "a sentence for people", false);

static STEPS: &[SetupStep] = &[
    SetupStep {
        name: "create-secret",
        about: "Has Fynapse make a signing secret and keeps it beside those that are live",
        inputs: &[NAME],
        secret: SecretUse::Another,
    },
    SetupStep {
        name: "rotate-secret",
        about: "Has Fynapse replace a signing secret; the old one stays live for a while",
        inputs: &[SECRET_ID],
        secret: SecretUse::Replaced { keep_old_hours: KEEP_OLD_HOURS },
    },
    SetupStep {
        name: "subscribe",
        about: "Makes a subscription that delivers to this stack; activate it next",
        inputs: &[NAME, ENDPOINT, SIGNED_WITH, EVENT_TYPES, DESCRIPTION],
        secret: SecretUse::Untouched,
    },
    SetupStep {
        name: "update-subscription",
        about: "Replaces what a subscription says; what is left out is sent as absent, not as unchanged",
        inputs: &[SUBSCRIPTION_ID, NAME, ENDPOINT, SIGNED_WITH, EVENT_TYPES, DESCRIPTION],
        secret: SecretUse::Untouched,
    },
    SetupStep {
        name: "activate",
        about: "Starts a subscription's deliveries",
        inputs: &[SUBSCRIPTION_ID],
        secret: SecretUse::Untouched,
    },
    SetupStep {
        name: "deactivate",
        about: "Stops a subscription's deliveries; Fynapse cancels those that wait",
        inputs: &[SUBSCRIPTION_ID],
        secret: SecretUse::Untouched,
    },
];

/// What all answers are read as: secrets and subscriptions both have an id, a new secret has its value.
#[derive(Deserialize)]
struct Made<'a> {
    #[serde(borrow)]
    id: Field<'a>,
    #[serde(borrow)]
    value: Field<'a>,
}

fn subscription(inputs: &Inputs<'_>) -> Result<Vec<u8>, SetupError> {
    let given = |text: Option<&str>| text.map(|text| json!(text));
    let types = optional(inputs, "event-types")?
        .map(|types| -> Value { types.split(',').map(str::trim).filter(|name| !name.is_empty()).collect() });
    Ok(object(&[
        ("name", given(Some(required(inputs, "name")?))),
        ("endpointUrl", given(Some(webhook_url(inputs, "endpoint-url")?))),
        ("secretRef", given(optional(inputs, "secret-id")?)),
        ("eventTypes", types),
        ("description", given(optional(inputs, "description")?)),
    ]))
}

impl Setup for Api {
    fn steps(&self) -> &'static [SetupStep] {
        STEPS
    }

    fn request(&self, step: &str, inputs: &Inputs<'_>) -> Result<ApiRequest, SetupError> {
        let secret = || required(inputs, "secret-id").map(encode);
        let of_subscription = || required(inputs, "subscription-id").map(|id| format!("subscriptions/{}", encode(id)));
        let (method, path, body) = match step {
            "create-secret" => {
                let body = object(&[("name", Some(json!(required(inputs, "name")?)))]);
                (Method::Post, "secrets".to_string(), body)
            }
            "rotate-secret" => (Method::Post, format!("secrets/{}/rotate", secret()?), object(&[])),
            "subscribe" => (Method::Post, "subscriptions".to_string(), subscription(inputs)?),
            "update-subscription" => (self.update, of_subscription()?, subscription(inputs)?),
            "activate" => (Method::Post, format!("{}/activate", of_subscription()?), object(&[])),
            "deactivate" => (Method::Post, format!("{}/deactivate", of_subscription()?), object(&[])),
            _ => return Err(SetupError::Unknown),
        };
        Ok(ApiRequest::send(method, self.url(&path), self.auth(), body))
    }

    fn done(&self, step: &str, inputs: &Inputs<'_>, response: &ApiResponse) -> Result<SetupOutcome, Trouble> {
        if !(200..300).contains(&response.status) {
            return Err(trouble(response));
        }
        let made: Option<Made<'_>> = read_object(&response.body).ok();
        let id = made.as_ref().and_then(|made| text(made.id)).filter(|id| !id.is_empty());
        let value = made.as_ref().and_then(|made| text(made.value)).filter(|value| !value.is_empty());
        let permanent = |reason: &str| Trouble::Permanent { reason: reason.into() };
        match step {
            "create-secret" | "rotate-secret" => {
                let asked = inputs.get("secret-id").map(|id| (*id).to_string());
                let id = asked.or(id).ok_or_else(|| permanent("Fynapse's answer holds no id of the secret"))?;
                let value = value.ok_or_else(|| {
                    permanent("Fynapse's answer holds no value of the secret: copy it into the document by hand")
                })?;
                let made = MadeSecret { id: id.clone(), value: crate::model::secret::Secret::new(value) };
                Ok(SetupOutcome { shown: vec![("secret id", id)], made: Some(made) })
            }
            "subscribe" => {
                let id = id.ok_or_else(|| permanent("Fynapse's answer holds no id of the subscription"))?;
                Ok(SetupOutcome { shown: vec![("subscription id", id)], made: None })
            }
            _ => Ok(SetupOutcome::default()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::*;
    use crate::providers::contract::Provider;
    use crate::providers::offer::Offer;
    use crate::providers::testing::{answer, build_with};

    const URL: &str = "https://h/webhooks/fynapse";

    fn fynapse(settings: &[(&str, &str)]) -> Box<dyn Provider> {
        build_with(build, &[&[("FYNAPSE_API_BASE_URL", "https://f.example")], settings].concat())
    }

    /// Method, path and body of a command's request.
    fn sent(step: &str, inputs: &[(&str, &str)]) -> (Method, String, Value) {
        let provider = fynapse(&[]);
        let request = provider.setup().offered().unwrap().request(step, &inputs.iter().copied().collect()).unwrap();
        let path = request.url.strip_prefix("https://f.example/api/v1/event-deliveries/").unwrap().to_string();
        (request.method, path, serde_json::from_slice(request.json.unwrap().bytes()).unwrap())
    }

    #[test]
    fn every_command_is_a_request() {
        type Row<'a> = (&'a str, &'a [(&'a str, &'a str)], Method, &'a str, Value);
        let rows: [Row<'_>; 6] = [
            ("create-secret", &[("name", "n")], Method::Post, "secrets", json!({"name": "n"})),
            ("rotate-secret", &[("secret-id", "a/b")], Method::Post, "secrets/a%2Fb/rotate", json!({})),
            (
                "subscribe",
                &[("name", "n"), ("endpoint-url", URL), ("secret-id", "s"), ("event-types", "balance.extracted, b")],
                Method::Post,
                "subscriptions",
                json!({"name": "n", "endpointUrl": URL, "secretRef": "s", "eventTypes": ["balance.extracted", "b"]}),
            ),
            (
                "update-subscription",
                &[("subscription-id", "x"), ("name", "n"), ("endpoint-url", URL), ("description", "d")],
                Method::Put,
                "subscriptions/x",
                json!({"name": "n", "endpointUrl": URL, "description": "d"}),
            ),
            ("activate", &[("subscription-id", "x")], Method::Post, "subscriptions/x/activate", json!({})),
            ("deactivate", &[("subscription-id", "x")], Method::Post, "subscriptions/x/deactivate", json!({})),
        ];
        assert_eq!(rows.len(), STEPS.len());
        for (step, inputs, method, path, body) in rows {
            assert_eq!(sent(step, inputs), (method, path.to_string(), body), "{step}");
        }
    }

    #[test]
    fn what_is_required_is_what_cannot_be_left_out() {
        let provider = fynapse(&[("FYNAPSE_UPDATE_METHOD", "patch")]);
        let setup = provider.setup().offered().unwrap();
        for step in setup.steps() {
            let value = |input: &SetupInput| if input.name == "endpoint-url" { URL } else { "v" };
            let all: Inputs<'_> = step.inputs.iter().map(|input| (input.name, value(input))).collect();
            assert!(setup.request(step.name, &all).is_ok(), "{}", step.name);
            for input in step.inputs {
                let mut without = all.clone();
                without.remove(input.name);
                let request = setup.request(step.name, &without);
                assert_eq!(request.is_err(), input.required, "{} without {}", step.name, input.name);
            }
        }
        assert_eq!(setup.request("delete", &Inputs::new()), Err(SetupError::Unknown));
        assert!(super::super::api::update_method(&|_| Some("post".into())).is_err());
    }

    #[test]
    fn a_secret_is_taken_and_never_shown() {
        let provider = fynapse(&[]);
        let setup = provider.setup().offered().unwrap();
        let made = answer(201, r#"{"id":"s1","name":"n","value":"hunter2"}"#);
        for (step, inputs, id) in [
            ("create-secret", Inputs::from([("name", "n")]), "s1"),
            ("rotate-secret", Inputs::from([("secret-id", "s0")]), "s0"),
        ] {
            let outcome = setup.done(step, &inputs, &made).unwrap();
            assert_eq!(outcome.shown, [("secret id", id.to_string())]);
            assert!(!format!("{outcome:?}").contains("hunter2"));
            let secret = outcome.made.unwrap();
            assert_eq!((secret.id.as_str(), secret.value.reveal()), (id, "hunter2"));
            assert!(setup.done(step, &inputs, &answer(200, r#"{"id":"s1"}"#)).is_err(), "{step}: no value");
        }
        let shown = setup.done("subscribe", &Inputs::new(), &answer(201, r#"{"id":7}"#)).unwrap().shown;
        assert_eq!(shown, [("subscription id", "7".to_string())]);
        assert!(setup.done("activate", &Inputs::new(), &answer(204, "")).is_ok());
        assert!(matches!(setup.done("activate", &Inputs::new(), &answer(404, "")), Err(Trouble::Permanent { .. })));
        assert!(matches!(setup.done("activate", &Inputs::new(), &answer(503, "")), Err(Trouble::Retry { .. })));
    }

    #[test]
    fn without_a_base_url_the_reason_names_the_setting() {
        let provider = build_with(build, &[]);
        let Offer::Unavailable(why) = provider.setup() else { panic!("offered") };
        assert!(why.contains("FYNAPSE_API_BASE_URL"));
    }
}
