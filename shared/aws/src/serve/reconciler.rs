//! The reconciler: once a minute, everything that is due.
//!
//! Each schedule sends the range of shards that its run is for, `{"shard_first": 0, "shard_last": 31}`. Any other event,
//! such as that of somebody who invokes the function by hand, means all shards.

use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::Duration;

use hookledger_core::flows::call::Asker;
use hookledger_core::flows::circuits::Circuits;
use hookledger_core::flows::reconcile::{Report, Run};
use hookledger_core::model::debt::DUE_SHARDS;
use hookledger_core::ports::Clock as _;
use lambda_runtime::{Error, service_fn};
use serde_json::value::RawValue;
use serde_json::{Value, json};

use super::function::{Start, in_words, isolated, time_left};
use crate::enter::gateway::RawEvent;
use crate::ports::api::HttpProviderApi;
use crate::ports::inbox::AwsInbox;
use crate::ports::secrets::SecretsManager;

/// No new debt is taken up when this much of the invocation is left: a call to a provider may take 10 s, a token before
/// it as long again.
const DEADLINE_MARGIN: Duration = Duration::from_secs(22);

/// Runs the reconciler.
pub async fn reconciler() -> Result<(), Error> {
    let Start { env, clients, inbox } = Start::now()?;
    clients.connect(&env, clients.connect_secrets(&env)).await;
    let providers = super::function::providers(&env)?;
    let secrets = Arc::new(SecretsManager::from_env(&env, clients.secrets.clone()));
    let api = HttpProviderApi::new(secrets, &env.tls()?);
    let circuits = Circuits::default();
    let asker = Asker { inbox: &inbox, providers: &providers, api: &api, circuits: &circuits };
    let asker = &asker;
    let handler = move |event: RawEvent| async move {
        let left = time_left(&event.context, &asker.inbox.clock, DEADLINE_MARGIN);
        let left_ms = u64::try_from(left.as_millis()).unwrap_or(u64::MAX);
        let shards = shards(&event.payload).map_err(|error| {
            tracing::error!(%error, "the event asks for no such run");
            in_words(error)
        })?;
        let run = Run { shards, deadline: asker.inbox.clock.now().plus_ms(left_ms) };
        tick(asker, run).await
    };
    lambda_runtime::run(service_fn(handler)).await
}

/// The run asked for does not exist.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("shard_first and shard_last must be whole numbers with 0 <= shard_first <= shard_last <= 63")]
struct NoSuchShards;

/// The shards that an event asks for. Whoever names some and names them wrongly is told so: to do all of them instead,
/// or none, would go unnoticed.
fn shards(payload: &RawValue) -> Result<RangeInclusive<u8>, NoSuchShards> {
    let event: Value = serde_json::from_str(payload.get()).unwrap_or_default();
    let shard = |name: &str, default: u8| match event.get(name) {
        Some(value) => value.as_u64().and_then(|shard| u8::try_from(shard).ok()).ok_or(NoSuchShards),
        None => Ok(default),
    };
    let (first, last) = (shard("shard_first", 0)?, shard("shard_last", DUE_SHARDS - 1)?);
    if first > last || last >= DUE_SHARDS { Err(NoSuchShards) } else { Ok(first..=last) }
}

async fn tick(asker: &Asker<'_, AwsInbox, HttpProviderApi<SecretsManager>>, run: Run) -> Result<Value, Error> {
    // A panic becomes an error of the function, which the alarm on its errors sees.
    let report = isolated(asker.reconcile(&run)).await.map_err(|_| "the run panicked")?;
    let report = report.map_err(|error| {
        tracing::error!(%error, "the run failed");
        in_words(error)
    })?;
    // For people; the debts are paid all the same.
    if let Err(error) = asker.inbox.ledger.record_run(&run.shards, asker.inbox.clock.now(), &report).await {
        tracing::warn!(%error, "the run left no word of itself");
    }
    let Report { due, carried_out, left, failed, oldest_secs } = report;
    tracing::info!(due, carried_out, left, failed, oldest_secs, "run over");
    Ok(json!({ "due": due, "carried_out": carried_out, "left": left, "failed": failed, "oldest_secs": oldest_secs }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_event_names_its_shards_or_means_all() {
        let schedule = include_str!("../../../../events/lambda/schedule.json");
        let rows = [
            (schedule, Ok(0..=63)),
            ("{}", Ok(0..=63)),
            ("null", Ok(0..=63)),
            (r#""by hand""#, Ok(0..=63)),
            (r#"{"shard_first":0,"shard_last":31}"#, Ok(0..=31)),
            (r#"{"shard_first":56,"shard_last":63}"#, Ok(56..=63)),
            (r#"{"shard_first":40}"#, Ok(40..=63)),
            (r#"{"shard_last":0}"#, Ok(0..=0)),
            (r#"{"shard_last":64}"#, Err(NoSuchShards)),
            (r#"{"shard_first":9,"shard_last":8}"#, Err(NoSuchShards)),
            (r#"{"shard_first":"0"}"#, Err(NoSuchShards)),
            (r#"{"shard_first":-1}"#, Err(NoSuchShards)),
            (r#"{"shard_last":256}"#, Err(NoSuchShards)),
        ];
        for (event, expected) in rows {
            assert_eq!(shards(&RawValue::from_string(event.into()).unwrap()), expected, "{event}");
        }
    }
}
