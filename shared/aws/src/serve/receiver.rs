//! A provider's receiver: one HTTP request in, one answer out.

use hookledger_core::ports::{Clock as _, Secrets as _};
use hookledger_core::providers::{self, Provider};
use hookledger_core::receive::{Answer, receive};
use lambda_runtime::{Error, service_fn};

use super::{Start, isolated};
use crate::gateway::{RawEvent, Request, Response};
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
    let delivery = request.into_delivery(provider.id(), inbox.clock.now());
    let answer = isolated(receive(inbox, secrets, provider, delivery)).await;
    let Answer { status, body, retry_after_secs } = answer.unwrap_or_else(|_| Answer::unavailable());
    Response::json(status, body).retry_after(retry_after_secs)
}
