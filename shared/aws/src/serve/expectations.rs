//! Expectations: how an application says what it waits for, over HTTP (IAM-authorised by the gateway) or by invoking
//! the function directly with `{"action": "put" | "get" | "delete", "provider": "…", "reference": "…"}`. Submissions
//! come by the same door: `{"action": "submit", "provider": "…", "document": {…}}`.
//!
//! ```text
//! PUT    /expectations/rightfoot/<batch id>       201 it waits now · 200 it waited already
//! GET    /expectations/finbox/link:<link id>      200 how it stands · 404 nobody waits for it
//! DELETE /expectations/finbox/entity:<entity id>  200 it is closed  · 404 nothing was waiting
//! POST   /submissions/rightfoot                   201 it was taken, and its batch is expected (submissions.rs)
//! ```
//!
//! 400 says which rule a reference breaks. One is that `submission:…` can be looked at and neither made nor ended here.

use std::sync::Arc;

use hookledger_core::desk::submit::Submitter;
use hookledger_core::flows::expectations::{ExpectError, announce, close, look_up};
use hookledger_core::model::debt::Expectation;
use hookledger_core::providers::{Provider, Providers};
use lambda_runtime::{Error, service_fn};
use serde::Deserialize;
use serde_json::json;
use serde_json::value::RawValue;

use super::function::{Start, isolated};
use super::problem::problem;
use super::submissions::{self, Document};
use crate::enter::gateway::{RawEvent, Request, Response};
use crate::ports::api::HttpProviderApi;
use crate::ports::inbox::AwsInbox;
use crate::ports::secrets::SecretsManager;

/// What is asked for.
#[cfg_attr(test, derive(Debug, PartialEq, Eq))]
enum Order {
    Expectation { action: Action, provider: String, reference: String },
    Submission { provider: String, document: Document },
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Action {
    Put,
    Get,
    Delete,
    Submit,
}

/// An order that comes without the gateway. It has no `Debug`, as its document may not be printed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Direct<'a> {
    action: Action,
    provider: String,
    reference: Option<String>,
    #[serde(borrow)]
    document: Option<&'a RawValue>,
}

type AwsSubmitter<'a> = Submitter<'a, AwsInbox, HttpProviderApi<SecretsManager>, SecretsManager>;

/// Runs the expectations function.
pub async fn expectations() -> Result<(), Error> {
    let Start { env, clients, inbox } = Start::now()?;
    clients.connect(&env, clients.connect_secrets(&env)).await;
    let providers = super::function::providers(&env)?;
    let secrets = Arc::new(SecretsManager::from_env(&env, clients.secrets.clone()));
    let api = HttpProviderApi::new(secrets.clone(), &env.tls()?);
    let webhook_base_url = env.webhook_base_url()?;
    let submitter =
        Submitter { inbox: &inbox, api: &api, secrets: secrets.as_ref(), webhook_base_url: &webhook_base_url };
    let (submitter, providers) = (&submitter, &providers);
    let handler = move |event: RawEvent| async move {
        let response = match Order::read(&event) {
            Ok(order) => isolated(carry_out(submitter, providers, order)).await,
            Err(response) => Ok(response),
        };
        Ok::<_, Error>(response.unwrap_or_else(|_| Response::unreadable_envelope()))
    };
    lambda_runtime::run(service_fn(handler)).await
}

impl Order {
    /// A direct invocation is the order itself; everything else is the gateway's envelope.
    fn read(event: &RawEvent) -> Result<Self, Response> {
        if let Ok(direct) = serde_json::from_str::<Direct<'_>>(event.payload.get()) {
            return Self::direct(direct);
        }
        let mut request = Request::parse(&event.payload).map_err(|_| {
            problem(400, "the event is neither an HTTP request nor {\"action\", \"provider\", \"reference\"}")
        })?;
        let action = match request.method.as_str() {
            "PUT" => Action::Put,
            "GET" => Action::Get,
            "DELETE" => Action::Delete,
            "POST" => Action::Submit,
            _ => return Err(problem(405, "the method must be PUT, GET, DELETE or POST")),
        };
        let mut part = |name: &str| request.path_parameters.remove(name).unwrap_or_default();
        let (provider, reference) = (part("provider"), part("reference"));
        Ok(match action {
            Action::Submit => Self::Submission { provider, document: Document(request.body) },
            action => Self::Expectation { action, provider, reference },
        })
    }

    fn direct(Direct { action, provider, reference, document }: Direct<'_>) -> Result<Self, Response> {
        match (action, reference, document) {
            (Action::Submit, None, Some(document)) => {
                Ok(Self::Submission { provider, document: Document(document.get().as_bytes().to_vec()) })
            }
            (Action::Submit, ..) => Err(problem(400, "submit takes a provider and a document")),
            (action, Some(reference), None) => Ok(Self::Expectation { action, provider, reference }),
            _ => Err(problem(400, "put, get and delete take a provider and a reference")),
        }
    }
}

async fn carry_out(submitter: &AwsSubmitter<'_>, providers: &Providers, order: Order) -> Response {
    let (Order::Expectation { provider, .. } | Order::Submission { provider, .. }) = &order;
    if let Some((_, error)) = providers.stopped(provider) {
        return problem(503, &format!("this provider is stopped: {error}"));
    }
    let Some(provider) = providers.get(provider) else {
        let names: Vec<&str> = providers.iter().map(|provider| provider.id().0).collect();
        return problem(404, &format!("the provider must be one of {}", names.join(", ")));
    };
    let outcome = match &order {
        Order::Submission { document, .. } => return submissions::submit(submitter, provider, document).await,
        Order::Expectation { action, reference, .. } => expect(submitter.inbox, provider, *action, reference).await,
    };
    outcome.unwrap_or_else(|error| not_done(&error))
}

fn not_done(error: &ExpectError) -> Response {
    match error {
        ExpectError::Reference(_) | ExpectError::OfASubmission | ExpectError::Deadline { .. } => {
            problem(400, &error.to_string())
        }
        ExpectError::NotOffered(_) => problem(422, &error.to_string()),
        ExpectError::Store(error) => {
            tracing::error!(%error, "an expectation could not be read or written");
            Response::unreadable_envelope()
        }
    }
}

async fn expect(
    inbox: &AwsInbox,
    provider: &dyn Provider,
    action: Action,
    reference: &str,
) -> Result<Response, ExpectError> {
    match action {
        Action::Put => put(inbox, provider, reference).await,
        Action::Get => get(inbox, provider, reference).await,
        Action::Delete => delete(inbox, provider, reference).await,
        Action::Submit => Ok(problem(405, "a submission takes a document, not a reference")),
    }
}

async fn put(inbox: &AwsInbox, provider: &dyn Provider, reference: &str) -> Result<Response, ExpectError> {
    let (expectation, created) = announce(inbox, provider, reference).await?;
    Ok(shown(if created { 201 } else { 200 }, &expectation))
}

async fn get(inbox: &AwsInbox, provider: &dyn Provider, reference: &str) -> Result<Response, ExpectError> {
    let found = look_up(inbox, provider, reference).await?;
    Ok(found.map_or_else(|| problem(404, "nobody waits for this reference"), |found| shown(200, &found)))
}

async fn delete(inbox: &AwsInbox, provider: &dyn Provider, reference: &str) -> Result<Response, ExpectError> {
    if close(inbox, provider, reference).await? {
        return get(inbox, provider, reference).await;
    }
    Ok(problem(404, "nothing was waiting for this reference"))
}

fn shown(status: u16, expectation: &Expectation) -> Response {
    let body = json!({
        "provider": expectation.provider,
        "reference": expectation.reference,
        "subject": expectation.key.pk,
        "state": expectation.state.as_str(),
        "created_at": expectation.created_at.to_string(),
        "next_poll_at": expectation.due_at.map(|at| at.to_string()),
        "deadline": expectation.deadline.to_string(),
        "polls": expectation.polls,
        "found": expectation.found,
    });
    Response::json(status, body.to_string())
}

#[cfg(test)]
mod tests {
    use lambda_runtime::{Context, LambdaEvent};

    use super::*;

    fn read(event: serde_json::Value) -> Result<Order, u16> {
        let payload = RawValue::from_string(event.to_string()).unwrap();
        Order::read(&LambdaEvent::new(payload, Context::default())).map_err(|response| response.status())
    }

    fn http(method: &str, body: &str) -> serde_json::Value {
        json!({ "requestContext": { "http": { "method": method } }, "body": body,
                "pathParameters": { "provider": "finbox", "reference": "link:l1" } })
    }

    #[test]
    fn orders_come_over_http_and_directly() {
        let expected =
            |action| Ok(Order::Expectation { action, provider: "finbox".into(), reference: "link:l1".into() });
        let put = json!({ "action": "put", "provider": "finbox", "reference": "link:l1" });
        assert_eq!(read(put), expected(Action::Put));
        for (method, action) in [("PUT", Action::Put), ("GET", Action::Get), ("DELETE", Action::Delete)] {
            assert_eq!(read(http(method, "")), expected(action));
        }
        assert_eq!(read(http("PATCH", "")), Err(405));
        assert_eq!(read(json!({ "action": "drop", "provider": "finbox", "reference": "x" })), Err(400));
        assert_eq!(read(json!({ "action": "put", "provider": "finbox" })), Err(400));
        assert_eq!(read(json!("hello")), Err(400));
    }

    #[test]
    fn what_is_refused_is_told_which_rule_it_breaks() {
        let rows = [
            (ExpectError::OfASubmission, 400, "must not begin with submission:"),
            (ExpectError::NotOffered("why"), 422, "why"),
        ];
        for (error, status, rule) in rows {
            let answered = serde_json::to_value(not_done(&error)).unwrap();
            assert_eq!(answered["statusCode"], status);
            assert!(answered["body"].as_str().unwrap().contains(rule), "{answered}");
        }
    }

    #[test]
    fn a_document_comes_over_http_and_directly_as_it_was_written() {
        let text = r#"{"amount":1.10,"authorizers":[]}"#;
        let expected =
            || Ok(Order::Submission { provider: "finbox".into(), document: Document(text.as_bytes().to_vec()) });
        assert_eq!(read(http("POST", text)), expected());
        let payload = format!(r#"{{"action":"submit","provider":"finbox","document":{text}}}"#);
        let event = LambdaEvent::new(RawValue::from_string(payload).unwrap(), Context::default());
        assert_eq!(Order::read(&event).map_err(|response| response.status()), expected());
        assert_eq!(read(json!({ "action": "submit", "provider": "finbox", "reference": "x" })), Err(400));
        let both = json!({ "action": "put", "provider": "finbox", "reference": "x", "document": {} });
        assert_eq!(read(both), Err(400));
    }
}
