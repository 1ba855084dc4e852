//! Expectations: how an application says what it waits for, over HTTP (IAM-authorised by the gateway) or by invoking
//! the function directly with `{"action": "put" | "get" | "delete", "provider": "…", "reference": "…"}`.
//!
//! ```text
//! PUT    /expectations/rightfoot/<batch id>       201 it waits now · 200 it waited already
//! GET    /expectations/finbox/link:<link id>      200 how it stands · 404 nobody waits for it
//! DELETE /expectations/finbox/entity:<entity id>  200 it is closed  · 404 nothing was waiting
//! ```

use hookledger_core::debt::Expectation;
use hookledger_core::expect::{ExpectError, announce, close, look_up};
use hookledger_core::providers::{Provider, Providers};
use lambda_runtime::{Error, service_fn};
use serde::Deserialize;
use serde_json::json;

use super::{Start, isolated};
use crate::gateway::{RawEvent, Request, Response};
use crate::inbox::AwsInbox;

/// What is asked for.
#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields)]
struct Order {
    action: Action,
    provider: String,
    reference: String,
}

#[derive(Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Action {
    Put,
    Get,
    Delete,
}

/// Runs the expectations function.
pub async fn expectations() -> Result<(), Error> {
    let Start { env, inbox, .. } = Start::now().await?;
    let providers = Providers::read(&|setting| env.lookup(setting))?;
    let (inbox, providers) = (&inbox, &providers);
    let handler = move |event: RawEvent| async move {
        let response = match Order::read(&event) {
            Ok(order) => isolated(carry_out(inbox, providers, order)).await,
            Err(response) => Ok(response),
        };
        Ok::<_, Error>(response.unwrap_or_else(|_| Response::unreadable_envelope()))
    };
    lambda_runtime::run(service_fn(handler)).await
}

impl Order {
    /// A direct invocation is the order itself; everything else is the gateway's envelope.
    fn read(event: &RawEvent) -> Result<Self, Response> {
        if let Ok(order) = serde_json::from_str(event.payload.get()) {
            return Ok(order);
        }
        let mut request = Request::parse(&event.payload).map_err(|_| {
            problem(400, "the event is neither an HTTP request nor {\"action\", \"provider\", \"reference\"}")
        })?;
        let action = match request.method.as_str() {
            "PUT" => Action::Put,
            "GET" => Action::Get,
            "DELETE" => Action::Delete,
            _ => return Err(problem(405, "the method must be PUT, GET or DELETE")),
        };
        let mut part = |name: &str| request.path_parameters.remove(name).unwrap_or_default();
        Ok(Self { action, provider: part("provider"), reference: part("reference") })
    }
}

async fn carry_out(inbox: &AwsInbox, providers: &Providers, order: Order) -> Response {
    let Some(provider) = providers.get(&order.provider) else {
        let names: Vec<&str> = providers.iter().map(|provider| provider.id().0).collect();
        return problem(404, &format!("the provider must be one of {}", names.join(", ")));
    };
    let outcome = match order.action {
        Action::Put => put(inbox, provider, &order.reference).await,
        Action::Get => get(inbox, provider, &order.reference).await,
        Action::Delete => delete(inbox, provider, &order.reference).await,
    };
    outcome.unwrap_or_else(|error| match error {
        ExpectError::Reference(_) => problem(400, &error.to_string()),
        ExpectError::NotOffered(_) => problem(422, &error.to_string()),
        ExpectError::Store(error) => {
            tracing::error!(%error, "an expectation could not be read or written");
            Response::unreadable_envelope()
        }
    })
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

fn problem(status: u16, what: &str) -> Response {
    Response::json(status, json!({ "error": what }).to_string())
}

#[cfg(test)]
mod tests {
    use lambda_runtime::{Context, LambdaEvent};
    use serde_json::value::RawValue;

    use super::*;

    fn read(event: serde_json::Value) -> Result<Order, u16> {
        let payload = RawValue::from_string(event.to_string()).unwrap();
        Order::read(&LambdaEvent::new(payload, Context::default())).map_err(|response| response.status())
    }

    #[test]
    fn orders_come_over_http_and_directly() {
        let expected = || Order { action: Action::Put, provider: "finbox".into(), reference: "link:l1".into() };
        assert_eq!(read(json!({ "action": "put", "provider": "finbox", "reference": "link:l1" })), Ok(expected()));
        let http = |method: &str| {
            json!({ "requestContext": { "http": { "method": method } },
                    "pathParameters": { "provider": "finbox", "reference": "link:l1" } })
        };
        assert_eq!(read(http("PUT")), Ok(expected()));
        assert_eq!(read(http("DELETE")).unwrap().action, Action::Delete);
        assert_eq!(read(http("POST")), Err(405));
        assert_eq!(read(json!({ "action": "drop", "provider": "finbox", "reference": "x" })), Err(400));
        assert_eq!(read(json!("hello")), Err(400));
    }
}
