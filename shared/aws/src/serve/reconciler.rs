//! The reconciler: once a minute, everything that is due.

use std::sync::Arc;
use std::time::Duration;

use hookledger_core::expect::Asker;
use hookledger_core::ports::Clock as _;
use hookledger_core::providers::Providers;
use hookledger_core::reconcile::{Report, Run};
use lambda_runtime::{Error, service_fn};
use serde_json::{Value, json};

use super::{Start, isolated, time_left};
use crate::gateway::RawEvent;
use crate::https::HttpProviderApi;
use crate::inbox::AwsInbox;
use crate::secrets::SecretsManager;

/// No new debt is taken up when this much of the invocation is left: a call to a provider may take 10 s, a token before
/// it as long again.
const DEADLINE_MARGIN: Duration = Duration::from_secs(22);

/// Runs the reconciler.
pub async fn reconciler() -> Result<(), Error> {
    let Start { env, clients, inbox } = Start::now().await?;
    let providers = Providers::read(&|setting| env.lookup(setting))?;
    let secrets = Arc::new(SecretsManager::from_env(&env, clients.secrets.clone()));
    let api = HttpProviderApi::new(secrets)?;
    let shards = env.shards()?;
    let asker = Asker { inbox: &inbox, providers: &providers, api: &api };
    let (asker, shards) = (&asker, &shards);
    // The event is the schedule's, or anybody's who invokes the function by hand: nothing in it is looked at.
    let handler = move |event: RawEvent| async move {
        let left = time_left(&event.context, &asker.inbox.clock, DEADLINE_MARGIN);
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let run = Run { shards: shards.clone(), deadline: asker.inbox.clock.now().plus_ms(left_ms) };
        tick(asker, run).await
    };
    lambda_runtime::run(service_fn(handler)).await
}

async fn tick(asker: &Asker<'_, AwsInbox, HttpProviderApi<SecretsManager>>, run: Run) -> Result<Value, Error> {
    // A panic becomes an error of the function, which the alarm on its errors sees.
    let report = isolated(asker.reconcile(&run)).await.map_err(|_| "the run panicked")?;
    let Report { due, carried_out, left, failed, oldest_secs } =
        report.inspect_err(|error| tracing::error!(%error, "the run failed"))?;
    tracing::info!(due, carried_out, left, failed, oldest_secs, "run over");
    Ok(json!({ "due": due, "carried_out": carried_out, "left": left, "failed": failed, "oldest_secs": oldest_secs }))
}
