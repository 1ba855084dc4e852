//! A provider's receiver: one HTTP request in, one answer out.

use hookledger_core::flows::receive::{Answer, receive, stopped};
use hookledger_core::flows::span;
use hookledger_core::ports::{Clock as _, Meter as _, Metric, Secrets as _};
use hookledger_core::providers::{self, Definition, Provider};
use lambda_runtime::{Error, service_fn};
use tracing::Instrument as _;

use super::function::{Start, isolated};
use crate::enter::gateway::{RawEvent, Request, Response, Unrouted};
use crate::ports::inbox::AwsInbox;
use crate::ports::secrets::SecretsManager;

/// Runs the receiver of the provider of this name.
pub async fn receiver(name: &'static str) -> Result<(), Error> {
    let Start { env, clients, inbox } = Start::now()?;
    let definition = providers::definition(name).ok_or("no provider of this name")?;
    env.secret_arn(definition.id)?;
    let provider = (definition.build)(&|setting| env.lookup(setting));
    let provider =
        provider.inspect_err(|error| tracing::error!(provider = name, %error, "this provider is stopped")).ok();
    let secrets = SecretsManager::from_env(&env, clients.secrets.clone());
    // The first request should not wait for the secrets. If they can't be read now, it will be told so then.
    clients.connect(&env, secrets.get(definition.id)).await;
    let door = &Door { inbox, secrets, definition, provider };
    let handler = move |event: RawEvent| async move {
        Ok::<_, Error>(door.answer(event).instrument(span::delivery(door.definition.id)).await)
    };
    lambda_runtime::run(service_fn(handler)).await
}

/// What a receiver answers with.
struct Door {
    inbox: AwsInbox,
    secrets: SecretsManager,
    definition: &'static Definition,
    /// `None`: one of its settings is wrong.
    provider: Option<Box<dyn Provider>>,
}

impl Door {
    async fn answer(&self, event: RawEvent) -> Response {
        let request = match Request::parse(&event.payload) {
            Ok(request) => request,
            Err(error) => {
                tracing::error!(%error, "the gateway's envelope cannot be read");
                return Response::unreadable_envelope();
            }
        };
        let (inbox, id) = (&self.inbox, self.definition.id);
        let delivery = match request.into_delivery(id, self.definition.url_has_token, inbox.clock.now()) {
            Ok(delivery) => delivery,
            Err(Unrouted(below)) => {
                // A provider may have been given a wrong URL: what it sends is counted, as nobody else sees it.
                inbox.meter.count(Metric::RequestsUnrouted, below, 1);
                return Response::unrouted();
            }
        };
        let answer = match &self.provider {
            Some(provider) => isolated(receive(inbox, &self.secrets, provider.as_ref(), delivery)).await,
            None => isolated(stopped(inbox, self.definition, &delivery)).await,
        };
        let Answer { status, body, retry_after_secs } = answer.unwrap_or_else(|_| Answer::unavailable());
        Response::json(status, body).retry_after(retry_after_secs)
    }
}
