//! The worker: a batch of messages in, the ids of those that must come back out.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use hookledger_core::flows::call::Asker;
use hookledger_core::flows::circuits::Circuits;
use hookledger_core::flows::span;
use hookledger_core::flows::work::Worker;
use hookledger_core::model::job::Job;
use lambda_runtime::{Error, service_fn};
use tracing::Instrument as _;

use super::function::{Start, in_words, isolated, time_left};
use crate::enter::batch::{BatchError, BatchResponse, Record, parse};
use crate::enter::gateway::RawEvent;
use crate::ports::api::HttpProviderApi;
use crate::ports::bus::EventBus;
use crate::ports::inbox::AwsInbox;
use crate::ports::secrets::SecretsManager;

/// Time kept to answer for the batch: a record that is not done by then comes back, and its neighbours stay done.
const ANSWER_MARGIN: Duration = Duration::from_secs(3);

type LambdaWorker<'a> = Worker<'a, AwsInbox, HttpProviderApi<SecretsManager>, EventBus, SecretsManager>;

/// Runs the worker.
pub async fn worker() -> Result<(), Error> {
    let Start { env, clients, inbox } = Start::now()?;
    let providers = super::function::providers(&env)?;
    let secrets = Arc::new(SecretsManager::from_env(&env, clients.secrets.clone()));
    let api = HttpProviderApi::new(secrets.clone(), &env.tls()?);
    let bus = EventBus::new(clients.events(), env.bus()?);
    clients.connect(&env, async { tokio::join!(clients.connect_secrets(&env), bus.connect()) }).await;
    let circuits = Circuits::default();
    let asker = Asker { inbox: &inbox, providers: &providers, api: &api, circuits: &circuits };
    let worker = Worker { asker, publisher: &bus, secrets: secrets.as_ref() };
    let worker = &worker;
    lambda_runtime::run(service_fn(move |event: RawEvent| batch(worker, event))).await
}

/// Works on all records at the same time: one that waits for a slow provider must not keep the others waiting.
async fn batch(worker: &LambdaWorker<'_>, event: RawEvent) -> Result<BatchResponse, Error> {
    let records = parse(&event.payload).map_err(comes_back)?;
    let limit = time_left(&event.context, &worker.asker.inbox.clock, ANSWER_MARGIN);
    let meter = &worker.asker.inbox.meter;
    meter.begin_batch();
    let done = join_all(records.iter().map(|record| one(worker, record, limit))).await;
    meter.end_batch();
    BatchResponse::of(&records, done).map_err(comes_back)
}

/// Fails the whole batch, in words.
fn comes_back(error: BatchError) -> Error {
    tracing::error!(%error, "a batch can't be answered: all of it comes back");
    in_words(error)
}

/// True: this message is finished with, whatever became of its work.
async fn one(worker: &LambdaWorker<'_>, record: &Record, limit: Duration) -> bool {
    let job = match Job::parse(&record.body) {
        Ok(job) => job,
        Err(error) => {
            tracing::error!(%error, receives = record.receive_count, "a message cannot be worked on");
            return false;
        }
    };
    let span = span::job(&job);
    match tokio::time::timeout(limit, isolated(worker.work(job)).instrument(span)).await {
        Ok(Ok(Ok(()))) => true,
        Ok(Ok(Err(error))) => {
            tracing::error!(%error, "nothing about a job could be written: its message comes back");
            false
        }
        Ok(Err(_panic)) => false,
        Err(_elapsed) => {
            tracing::error!("a job took longer than its batch may: its message comes back");
            false
        }
    }
}
