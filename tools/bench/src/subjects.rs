//! What is measured: the functions as they ship, the floor, and what a team would otherwise write.

use std::path::{Path, PathBuf};

use hookledger_kit::{self as kit, Kit};

use crate::aws::{Aws, IDEMPOTENCY_TABLE, TABLE};
use crate::events;
use crate::process::Start;
use crate::tls::Tls;

/// What a subject is handed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Work {
    /// Deliveries of this provider, one by one.
    Deliveries(&'static Kit),
    /// Messages of Run Payments' events, ten at a time.
    Batches,
    /// The schedule's tick, with nothing due.
    Ticks,
    /// Announcements of completions; counted only, not timed.
    Orders,
}

/// One thing to measure.
#[derive(Clone, Debug)]
pub(crate) struct Subject {
    /// As the tables show it.
    pub(crate) name: &'static str,
    /// What it is handed.
    pub(crate) work: Work,
    /// Whether it does the whole job of a receiver: verifies, stores, enqueues.
    pub(crate) whole: bool,
    /// What deploying it carries: the files of its zip.
    pub(crate) parcel: Vec<PathBuf>,
    /// Whether it brings its root certificates along, and has only ours to read.
    brings_roots: bool,
    program: PathBuf,
    arguments: Vec<String>,
    env: Vec<(String, String)>,
}

/// Where everything that was built and installed lies.
pub(crate) struct Places {
    /// What cargo-lambda built: `<function>/bootstrap`.
    pub(crate) release: PathBuf,
    /// The bench's own folder, with the peers' environments and the logs.
    pub(crate) bench: PathBuf,
}

impl Subject {
    /// The same, told one thing more by its environment.
    pub(crate) fn told(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.into(), value.into()));
        self
    }
}

impl Places {
    /// Every subject.
    pub(crate) fn subjects(&self) -> Vec<Subject> {
        let native = |name: &'static str, work, whole| {
            let program = self.release.join(name).join("bootstrap");
            Subject {
                name,
                work,
                whole,
                parcel: vec![program.clone()],
                brings_roots: true,
                program,
                arguments: Vec::new(),
                env: Vec::new(),
            }
        };
        let deliveries = Work::Deliveries(events::reference());
        let mut subjects: Vec<Subject> = kit::ALL
            .iter()
            .map(|provider| native(provider.name, Work::Deliveries(provider), true))
            .chain([
                native("worker", Work::Batches, false),
                native("reconciler", Work::Ticks, false),
                native("expectations", Work::Orders, false),
                native("floor-bare", deliveries, false),
                native("floor-sdk", deliveries, false),
            ])
            .collect();
        subjects.push(self.python("python", "lean"));
        subjects.push(self.python("python-powertools", "powertools"));
        subjects.push(self.node());
        subjects
    }

    fn python(&self, name: &'static str, module: &str) -> Subject {
        let venv = self.bench.join("python");
        let sources = venv.join("app");
        Subject {
            name,
            work: Work::Deliveries(events::reference()),
            whole: true,
            parcel: vec![venv.join("lib"), sources.clone()],
            brings_roots: false,
            program: venv.join("bin/python"),
            arguments: vec!["-m".into(), "awslambdaric".into(), format!("{module}.handler")],
            env: vec![("PYTHONPATH".into(), text(&sources)), ("HOME".into(), text(&self.bench))],
        }
    }

    fn node(&self) -> Subject {
        let bundle = self.bench.join("node/bundle.mjs");
        Subject {
            name: "node",
            work: Work::Deliveries(events::reference()),
            whole: true,
            parcel: vec![bundle.clone()],
            brings_roots: true,
            program: std::env::var_os("BENCH_NODE").map_or_else(|| "/usr/bin/node".into(), PathBuf::from),
            arguments: vec![text(&bundle)],
            env: vec![("HOME".into(), text(&self.bench))],
        }
    }

    /// How a subject is started against this endpoint.
    pub(crate) fn start(&self, subject: &Subject, aws: &Aws, tls: &Tls, secure: bool) -> Start {
        let mut env: Vec<(String, String)> = [
            ("AWS_REGION", "us-east-1"),
            ("AWS_DEFAULT_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "bench"),
            ("AWS_SECRET_ACCESS_KEY", "bench"),
            ("AWS_LAMBDA_FUNCTION_NAME", subject.name),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST"),
            ("AWS_LAMBDA_LOG_GROUP_NAME", "bench"),
            ("AWS_LAMBDA_LOG_STREAM_NAME", "bench"),
            ("AWS_EC2_METADATA_DISABLED", "true"),
            ("RUST_LOG", "info"),
            ("PATH", "/usr/bin:/bin"),
            ("HOOKLEDGER_TABLE", TABLE),
            ("HOOKLEDGER_STACK", "bench"),
            ("IDEMPOTENCY_TABLE", IDEMPOTENCY_TABLE),
            ("POWERTOOLS_SERVICE_NAME", "bench"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .into();
        let receiver = match subject.work {
            Work::Deliveries(provider) => Some(provider),
            Work::Batches | Work::Ticks | Work::Orders => None,
        };
        let endpoint = if secure { &aws.tls_url } else { &aws.plain_url };
        for provider in kit::ALL {
            if receiver.is_none_or(|receiver| receiver == *provider) {
                let name = provider.name.to_uppercase();
                env.push((format!("HOOKLEDGER_SECRET_{name}"), secret_arn(provider)));
                // Node.js takes the queue's URL for the endpoint.
                env.push((format!("HOOKLEDGER_QUEUE_{name}"), format!("{endpoint}/000000000000/{}", provider.name)));
            }
        }
        if subject.work == Work::Batches {
            env.push(("HOOKLEDGER_BUS".into(), "bench".into()));
        }
        env.push(("AWS_ENDPOINT_URL".into(), endpoint.clone()));
        // Under the name each runtime reads. Who brings roots along is given ours on top, the others one file with all of
        // them, as Lambda's image has it: Debian's folder of links would be read link by link. The floor with the SDK
        // reads the first name alone.
        let bundle = if subject.brings_roots { &tls.authority } else { &tls.roots };
        for (name, file) in
            [("SSL_CERT_FILE", &tls.roots), ("AWS_CA_BUNDLE", bundle), ("NODE_EXTRA_CA_CERTS", &tls.authority)]
        {
            env.push((name.into(), text(file)));
        }
        for name in ["RIGHTFOOT_API_BASE_URL", "FINBOX_API_BASE_URL", "RUNPAYMENTS_API_BASE_URL"] {
            env.push((name.into(), format!("{}/provider", aws.plain_url)));
        }
        env.push(("RUNPAYMENTS_TOKEN_URL".into(), format!("{}/provider/token", aws.plain_url)));
        env.extend(subject.env.iter().cloned());
        let log = self.bench.join(format!("{}.log", subject.name));
        Start { program: subject.program.clone(), arguments: subject.arguments.clone(), env, log }
    }
}

/// The ARN of a provider's secret.
pub(crate) fn secret_arn(provider: &Kit) -> String {
    format!("arn:aws:secretsmanager:us-east-1:000000000000:secret:bench/{}", provider.name)
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
