//! Log lines: JSON on standard output.

use tracing::{Level, Metadata, Subscriber};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// Sends log lines to standard output as JSON, from the level in `RUST_LOG` (default `info`). Called once, first thing.
///
/// **Rationale.** `Targets` knows levels and modules, which is all that is wanted. `EnvFilter` also looks into fields, and
/// brings a regular expression engine into every function for it.
pub fn init_logs() {
    let wanted = std::env::var("RUST_LOG").ok().and_then(|levels| levels.parse().ok());
    let wanted = wanted.unwrap_or_else(|| Targets::new().with_default(Level::INFO));
    // A second call would find a subscriber in place: it is the same one.
    let _ = subscriber(wanted, std::io::stdout).try_init();
}

pub(crate) fn subscriber<W>(wanted: Targets, writer: W) -> impl Subscriber + Send + Sync
where
    W: for<'a> MakeWriter<'a> + Send + Sync + 'static,
{
    // The list names the invocation's span and ours in it; the present one alone would leave out the invocation.
    let lines = fmt::layer().json().flatten_event(true).with_current_span(false).with_ansi(false).with_writer(writer);
    tracing_subscriber::registry().with(wanted).with(lines.with_filter(filter_fn(may_speak)))
}

/// **Rationale.** Below `info` the Lambda runtime logs whole events, and the AWS SDK whole requests: bodies, tokens and
/// secrets. No setting may turn that on, so other crates are heard from `info` upwards whatever `RUST_LOG` says. The
/// one span they open, the runtime's, carries ids of the invocation and nothing else.
fn may_speak(line: &Metadata<'_>) -> bool {
    *line.level() <= Level::INFO || line.target().starts_with("hookledger")
}

#[cfg(test)]
pub(crate) mod tests {
    use std::sync::{Arc, LazyLock, Mutex};

    use serde_json::Value;
    use tracing::Dispatch;
    use tracing::subscriber::DefaultGuard;

    use super::*;

    /// Keeps what is logged.
    #[derive(Clone, Default)]
    pub(crate) struct Lines(pub(crate) Arc<Mutex<Vec<u8>>>);

    impl Lines {
        /// Hears what this thread says from here on, at these levels.
        pub(crate) fn listen(&self, wanted: &str) -> DefaultGuard {
            // With one subscriber alone in the process, `tracing` asks the thread that comes to a line first whether anybody
            // wants it. Another test's does not, and the line is silent from then on. Of two subscribers each is asked.
            static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(tracing_subscriber::registry()));
            LazyLock::force(&SECOND);
            let writer = self.clone();
            tracing::subscriber::set_default(subscriber(wanted.parse().unwrap(), move || writer.clone()))
        }

        pub(crate) fn text(&self) -> String {
            String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
        }
    }

    impl std::io::Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn no_setting_makes_other_crates_tell_what_they_carry() {
        let lines = Lines::default();
        let _guard = lines.listen("trace,lambda_runtime=trace");
        tracing::trace!(target: "lambda_runtime::layers::api_response", body = "hunter2", "raw event");
        tracing::debug!(target: "aws_smithy_runtime::client", request = "hunter2", "transmitting");
        tracing::info!(target: "aws_smithy_runtime::client", "heard");
        tracing::debug!(target: "hookledger_core::flows::work", "ours");
        let text = lines.text();
        assert!(!text.contains("hunter2"), "{text}");
        let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let messages: Vec<&Value> = told.iter().map(|line| &line["message"]).collect();
        assert_eq!(messages, ["heard", "ours"]);
    }

    #[test]
    fn a_line_names_the_invocation_and_what_it_is_about() {
        use hookledger_core::flows::span;
        use hookledger_core::model::identity::{ItemKey, ProviderId};
        use hookledger_core::model::job::Job;

        let lines = Lines::default();
        let _guard = lines.listen("info");
        let key = ItemKey { pk: "finbox#entity#e1".into(), sk: "event#e1".into() };
        tracing::info_span!("Lambda runtime invoke", requestId = "r-1").in_scope(|| {
            span::job(&Job::entry(key.clone())).in_scope(|| tracing::error!("of a job"));
            span::delivery(ProviderId("finbox")).in_scope(|| tracing::error!("of a delivery"));
        });
        let text = lines.text();
        let told: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let [job, delivery] = &told[..] else { panic!("{text}") };
        assert_eq!(job["spans"][0]["requestId"], "r-1");
        let about = serde_json::json!({
            "name": "job", "provider": "finbox", "subject": "finbox#entity#e1", "entry": key.stable_id(),
        });
        assert_eq!(job["spans"][1], about);
        assert_eq!(delivery["spans"][1], serde_json::json!({ "name": "delivery", "provider": "finbox" }));
    }
}
