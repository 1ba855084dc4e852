//! What all functions have in common: a start, and a guard around each flow.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt as _;
use hookledger_core::model::settings::SettingError;
use hookledger_core::ports::Clock as _;
use hookledger_core::providers::Providers;
use lambda_runtime::{Context, Error};
use tokio::runtime::{Builder, LocalOptions};

use crate::ports::clock::SystemClock;
use crate::ports::inbox::AwsInbox;
use crate::start::clients::Clients;
use crate::start::env::{Env, EnvError};

/// Runs a function until Lambda ends its process.
///
/// **Rationale.** On one thread, since a process has one event at a time and a fraction of a core. And as a task: to wake
/// what a runtime was entered with takes a system call, to wake a task from the same thread takes none.
pub fn run(function: impl Future<Output = Result<(), Error>> + 'static) -> Result<(), Error> {
    let runtime = Builder::new_current_thread().enable_all().build_local(LocalOptions::default())?;
    runtime.block_on(runtime.spawn_local(function))?.map_err(|error| {
        tracing::error!(%error, "this function cannot run");
        in_words(error)
    })
}

/// An error of which the runtime, and whoever runs `main`, print the words. Both print its `Debug`, which is made for us:
/// `Shape` says nothing to an operator. It is logged in words already, where it is known what it was that failed.
pub(super) fn in_words(error: impl std::fmt::Display) -> Error {
    error.to_string().into()
}

/// What every function starts from.
pub(super) struct Start {
    pub(super) env: Env,
    pub(super) clients: Clients,
    pub(super) inbox: AwsInbox,
}

impl Start {
    /// Reads the environment and builds the clients. A function whose environment is incomplete stops here and says what
    /// is missing: nothing is accepted by half a configuration.
    pub(super) fn now() -> Result<Self, EnvError> {
        crate::start::logs::init_logs();
        let env = Env::read()?;
        let clients = Clients::from_env(&env)?;
        let inbox = AwsInbox::new(&env, &clients)?;
        Ok(Self { env, clients, inbox })
    }
}

/// The providers, for a function that works for all of them. One whose settings are wrong is stopped and named; settings
/// that contradict each other stop the function.
pub(super) fn providers(env: &Env) -> Result<Providers, SettingError> {
    env.timing.check().inspect_err(|error| tracing::error!(%error, "this function cannot start"))?;
    let providers = Providers::read(&|setting| env.lookup(setting));
    for (provider, error) in providers.all_stopped() {
        tracing::error!(provider = provider.0, %error, "this provider is stopped until the setting is mended");
    }
    Ok(providers)
}

/// Runs a flow so that a panic in it stays in it.
pub(super) async fn isolated<T>(flow: impl Future<Output = T>) -> Result<T, Box<dyn Any + Send>> {
    // The flows hold no state of their own between calls; what they share (caches, clients) is safe to go on using.
    let outcome = AssertUnwindSafe(flow).catch_unwind().await;
    if outcome.is_err() {
        tracing::error!("a flow panicked: this is a defect, and the work it was doing stays owed");
    }
    outcome
}

/// What is left of this invocation, less `margin`.
pub(super) fn time_left(context: &Context, clock: &SystemClock, margin: Duration) -> Duration {
    let now = u64::try_from(clock.now().0).unwrap_or(0);
    Duration::from_millis(context.deadline.saturating_sub(now)).saturating_sub(margin)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_stays_in_its_flow() {
        let flows = (0..3).map(|n| isolated(async move { if n == 1 { panic!("a defect") } else { n } }));
        let ended: Vec<Option<i32>> = futures_util::future::join_all(flows).await.into_iter().map(Result::ok).collect();
        assert_eq!(ended, [Some(0), None, Some(2)]);
    }

    #[test]
    fn a_failure_is_printed_in_words() {
        use crate::enter::batch::BatchError;
        use hookledger_core::model::settings::SettingError;
        let rows = [
            (in_words(BatchError::Shape), "\"the event is not a batch of SQS messages\""),
            (
                in_words(EnvError::Missing("HOOKLEDGER_TABLE".into())),
                "\"environment variable HOOKLEDGER_TABLE is not set\"",
            ),
            (in_words(SettingError::new("X", "must be y")), "\"setting X must be y\""),
        ];
        for (error, printed) in rows {
            assert_eq!(format!("{error:?}"), printed);
        }
    }

    #[test]
    fn time_left_is_never_negative() {
        let clock = SystemClock::new();
        let now = u64::try_from(clock.now().0).unwrap();
        let left = |deadline, margin| {
            let mut context = Context::default();
            context.deadline = deadline;
            time_left(&context, &clock, Duration::from_secs(margin))
        };
        assert!(left(now + 60_000, 10) <= Duration::from_secs(50));
        assert!(left(now + 60_000, 10) > Duration::from_secs(40));
        assert_eq!(left(now + 5_000, 10), Duration::ZERO);
        assert_eq!(left(0, 0), Duration::ZERO);
    }
}
