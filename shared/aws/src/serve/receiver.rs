//! A provider's receiver: one HTTP request in, one answer out.

use hookledger_core::ports::{Clock as _, Meter as _, Metric, Secrets as _};
use hookledger_core::providers::{self, Provider};
use hookledger_core::receive::{Answer, receive};
use hookledger_core::signature::Scheme;
use lambda_runtime::{Error, service_fn};

use super::{Start, isolated};
use crate::gateway::{RawEvent, Request, Response, Unrouted};
use crate::inbox::AwsInbox;
use crate::secrets::SecretsManager;

/// Runs the receiver of the provider of this name.
pub async fn receiver(name: &'static str) -> Result<(), Error> {
    let Start { env, clients, inbox } = Start::now()?;
    let provider = providers::build(name, &|setting| env.lookup(setting))?.ok_or("no provider of this name")?;
    env.secret_arn(provider.id())?;
    let secrets = SecretsManager::from_env(&env, clients.secrets.clone());
    // The first request should not wait for the secrets. If they can't be read now, it will be told so then.
    clients.connect(&env, secrets.get(provider.id())).await;
    let (inbox, secrets, provider) = (&inbox, &secrets, provider.as_ref());
    let handler = move |event: RawEvent| async move { Ok::<_, Error>(answer(inbox, secrets, provider, event).await) };
    lambda_runtime::run(service_fn(handler)).await
}

async fn answer(inbox: &AwsInbox, secrets: &SecretsManager, provider: &dyn Provider, event: RawEvent) -> Response {
    let request = match Request::parse(&event.payload) {
        Ok(request) => request,
        Err(error) => {
            tracing::error!(%error, "the gateway's envelope cannot be read");
            return Response::unreadable_envelope();
        }
    };
    let url_has_token = matches!(provider.scheme(), Scheme::Unsigned { .. });
    let delivery = match request.into_delivery(provider.id(), url_has_token, inbox.clock.now()) {
        Ok(delivery) => delivery,
        Err(Unrouted(below)) => {
            // A provider may have been given a wrong URL: what it sends is counted, as nobody else sees it.
            inbox.meter.count(Metric::RequestsUnrouted, below, 1);
            return Response::unrouted();
        }
    };
    let answer = isolated(receive(inbox, secrets, provider, delivery)).await;
    let Answer { status, body, retry_after_secs } = answer.unwrap_or_else(|_| Answer::unavailable());
    Response::json(status, body).retry_after(retry_after_secs)
}
