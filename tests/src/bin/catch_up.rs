//! Measures how soon the reconciler catches up with many debts that fell due at once.
//!
//! `catch_up [--expectations N] [--shards 1,2,4,8] [--answer-ms 50]`: for each number of runs a minute, N expectations
//! are due, and the provider takes so long for each answer. What runs is what ships: the reconciler's flow, DynamoDB's
//! adapter on an engine in this process, HTTPS' client on loopback. Each run has a thread and clients of its own, and
//! the deadline that its schedule would give it; only the rest of the minute between two rounds of runs is left out. The
//! exit code is 1 if anything stays due.

use std::cell::Cell;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use dynoxide::Database;
use futures_util::{StreamExt, stream};
use hookledger_aws::ports::api::HttpProviderApi;
use hookledger_aws::ports::clock::SystemClock;
use hookledger_aws::ports::ledger::{DynamoLedger, schema};
use hookledger_core::flows::call::Asker;
use hookledger_core::flows::circuits::Circuits;
use hookledger_core::flows::reconcile::{Report, Run};
use hookledger_core::model::debt::{DUE_SHARDS, Expectation, ExpectationState};
use hookledger_core::model::identity::{ProviderId, Subject};
use hookledger_core::model::job::{Job, RescuedDelivery};
use hookledger_core::model::secret::ProviderSecrets;
use hookledger_core::model::settings::Timing;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{
    Clock, Debts, Expectations, Inbox, Meter, Metric, QueueError, Secrets, SecretsError, WorkQueue,
};
use hookledger_core::providers::Providers;
use hookledger_tests::dynamo::{Endpoint, RETENTION_DAYS, runtime, tls};
use tokio::net::{TcpListener, TcpStream};

/// How long the provider takes for an answer, unless another time is given.
const ANSWER_MS: u64 = 50;
/// A run's time: the function's 55 s less the 22 s in which it takes nothing up.
const RUN_SECS: u64 = 33;
/// More rounds than this are no catching up.
const MAX_ROUNDS: u32 = 30;
const PROVIDER: ProviderId = ProviderId("rightfoot");
const TABLE: &str = "ledger";

fn main() -> ExitCode {
    let wanted = match arguments() {
        Ok(wanted) => wanted,
        Err(error) => {
            eprintln!("error: {error}\nusage: catch_up [--expectations N] [--shards 1,2,4,8] [--answer-ms 50]");
            return ExitCode::from(2);
        }
    };
    println!("{} expectations due, every answer after {} ms", wanted.expectations, wanted.answer_after.as_millis());
    println!("shards  rounds  seconds  polls/s  still due  oldest debt");
    let mut behind = false;
    for runs in &wanted.shards {
        let Measured { rounds, seconds, polls, still_due, oldest_secs } = measure(&wanted, *runs);
        let rate = polls as f64 / seconds;
        println!("{runs:>6}  {rounds:>6}  {seconds:>7.1}  {rate:>7.0}  {still_due:>9}  {oldest_secs:>9} s");
        behind |= still_due > 0;
    }
    ExitCode::from(u8::from(behind))
}

struct Wanted {
    expectations: usize,
    shards: Vec<u8>,
    answer_after: Duration,
}

fn arguments() -> Result<Wanted, String> {
    let mut wanted =
        Wanted { expectations: 10_000, shards: vec![1, 2, 4, 8], answer_after: Duration::from_millis(ANSWER_MS) };
    let mut given = std::env::args().skip(1);
    while let Some(name) = given.next() {
        let value = given.next().ok_or(format!("{name} needs a value"))?;
        let whole = || value.parse().map_err(|_| format!("{name} needs a whole number"));
        match name.as_str() {
            "--expectations" => wanted.expectations = whole()?,
            "--answer-ms" => wanted.answer_after = Duration::from_millis(whole()? as u64),
            "--shards" => {
                let numbers = value.split(',').map(|number| number.trim().parse().ok());
                let known = |number: &u8| [1, 2, 4, 8].contains(number);
                wanted.shards = numbers
                    .map(|number| number.filter(known))
                    .collect::<Option<_>>()
                    .ok_or(format!("{name} needs numbers out of 1, 2, 4 and 8, with commas between them"))?;
            }
            _ => return Err(format!("{name} is not an option")),
        }
    }
    Ok(wanted)
}

struct Measured {
    rounds: u32,
    seconds: f64,
    polls: usize,
    still_due: usize,
    oldest_secs: u64,
}

/// Announces, runs the reconcilers round by round until nothing is due, and says how long it took.
fn measure(wanted: &Wanted, runs: u8) -> Measured {
    let &Wanted { expectations, answer_after, .. } = wanted;
    let (table, provider) = (served(engine), served(move |listener| answers(listener, answer_after)));
    let endpoint = Endpoint::open(table);
    let look = runtime();
    let ledger = DynamoLedger::new(endpoint.client(), TABLE, RETENTION_DAYS);
    look.block_on(async {
        schema::create_table(&endpoint.client(), TABLE).await.expect("a table");
        let due_at = SystemClock::new().now();
        let announced = stream::iter(0..expectations).map(|n| expectation(n, due_at));
        let written = announced
            .map(|it| async {
                let it = it;
                ledger.expect(&it).await
            })
            .buffer_unordered(32);
        written.for_each(async |written| assert_eq!(written, Ok(true))).await;
    });
    let started = Instant::now();
    let (mut rounds, mut left) = (0, due(&look, &ledger));
    while !left.is_empty() && rounds < MAX_ROUNDS {
        rounds += 1;
        let width = DUE_SHARDS / runs;
        let ranges = (0..runs).map(|n| n * width..=n * width + width - 1);
        let threads: Vec<_> = ranges
            .map(|shards| {
                let (endpoint, provider) = (endpoint.clone(), provider.clone());
                std::thread::spawn(move || one_run(&endpoint, &provider, shards))
            })
            .collect();
        for thread in threads {
            let report = thread.join().expect("no run panics");
            assert_eq!(report.failed, 0, "{report:?}");
        }
        left = due(&look, &ledger);
    }
    let now = SystemClock::new().now();
    Measured {
        rounds,
        seconds: started.elapsed().as_secs_f64(),
        polls: expectations - left.len(),
        still_due: left.len(),
        oldest_secs: left.iter().map(|due_at| now.since_ms(*due_at) / 1000).max().unwrap_or(0),
    }
}

/// What one invocation of the function does.
fn one_run(endpoint: &Endpoint, provider: &str, shards: std::ops::RangeInclusive<u8>) -> Report {
    let inbox = Scale::new(DynamoLedger::new(endpoint.client(), TABLE, RETENTION_DAYS));
    // All providers are here: none is asked anything beyond this machine.
    let lookup = |name: &str| name.ends_with("_URL").then(|| provider.to_string());
    let providers = Providers::read(&lookup);
    let runtime = runtime();
    runtime.block_on(async {
        let api = HttpProviderApi::new(Arc::new(OneKey), &tls());
        let asker = Asker { inbox: &inbox, providers: &providers, api: &api, circuits: &Circuits::default() };
        let deadline = inbox.clock.now().plus_secs(RUN_SECS);
        asker.reconcile(&Run { shards, deadline }).await.expect("a run")
    })
}

/// When each expectation that is still due was due.
fn due(runtime: &tokio::runtime::Runtime, ledger: &DynamoLedger) -> Vec<UnixMs> {
    let now = SystemClock::new().now();
    let shards =
        stream::iter(0..DUE_SHARDS).then(|shard| ledger.due(shard, now, &hookledger_core::model::debt::Wanted::ALL));
    let found: Vec<_> = runtime.block_on(shards.collect());
    let keys = found.into_iter().flat_map(|due| due.expect("the index is read").keys);
    keys.filter(|due| due.key.sk == "expectation").map(|due| due.due_at).collect()
}

fn expectation(n: usize, due_at: UnixMs) -> Expectation {
    Expectation {
        key: Subject::new(PROVIDER, "batch", &format!("b{n}")).item("expectation"),
        provider: PROVIDER.to_string(),
        reference: format!("b{n}"),
        repeats: false,
        state: ExpectationState::Waiting,
        created_at: due_at,
        due_at: Some(due_at),
        deadline: due_at.plus_secs(3600),
        polls: 0,
        found: 0,
    }
}

/// Serves something on loopback from a thread of its own, to the end of the process. Returns its URL.
fn served<F: Future<Output = ()>>(serve: impl FnOnce(TcpListener) -> F + Send + 'static) -> String {
    let (told, url) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        runtime().block_on(async {
            let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
            let _ = told.send(format!("http://{}", listener.local_addr().expect("the port's number")));
            serve(listener).await;
        });
    });
    url.recv().expect("it listens")
}

async fn engine(listener: TcpListener) {
    let _ = dynoxide::server::serve_on(listener, Database::memory().expect("an empty database")).await;
}

/// Rightfoot, as far as a poll goes: every batch is complete.
async fn answers(listener: TcpListener, after: Duration) {
    while let Ok((stream, _)) = listener.accept().await {
        tokio::spawn(async move { while answered(&stream, after).await.is_some() {} });
    }
}

/// One exchange of a connection that is kept open. `None`: it was closed.
async fn answered(stream: &TcpStream, after: Duration) -> Option<()> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        stream.readable().await.ok()?;
        let mut bytes = [0; 2048];
        match stream.try_read(&mut bytes) {
            Ok(0) => return None,
            Ok(read) => request.extend_from_slice(&bytes[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(_) => return None,
        }
    }
    tokio::time::sleep(after).await;
    let body = r#"{"balances":[{"authorizer_unique_id":"a1","balance":1}],"has_more":false}"#;
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
    // Fits into any socket's buffer: it is written whole or not at all.
    stream.writable().await.ok()?;
    (stream.try_write(answer.as_bytes()).ok()? == answer.len()).then_some(())
}

/// Rightfoot's key; the others have none, so none of them is called.
struct OneKey;

impl Secrets for OneKey {
    async fn get(&self, provider: ProviderId) -> Result<Arc<ProviderSecrets>, SecretsError> {
        let document = if provider == PROVIDER { r#"{"api":{"api_key":"k"}}"# } else { "{}" };
        ProviderSecrets::parse(document).map(Arc::new).map_err(|_| SecretsError("not a secret"))
    }

    async fn reread(&self, _provider: ProviderId) -> Result<Option<Arc<ProviderSecrets>>, SecretsError> {
        Ok(None)
    }
}

/// The inbox with a queue that nobody works on: what the polls found is the worker's.
struct Scale {
    ledger: DynamoLedger,
    queue: Counted,
    clock: SystemClock,
    timing: Timing,
}

impl Scale {
    fn new(ledger: DynamoLedger) -> Self {
        let timing = Timing::read(&|_| None).expect("the defaults");
        Self { ledger, queue: Counted::default(), clock: SystemClock::new(), timing }
    }
}

impl Inbox for Scale {
    type Ledger = DynamoLedger;
    type Queue = Counted;
    type Clock = SystemClock;
    type Meter = Silent;

    fn ledger(&self) -> &DynamoLedger {
        &self.ledger
    }

    fn queue(&self) -> &Counted {
        &self.queue
    }

    fn clock(&self) -> &SystemClock {
        &self.clock
    }

    fn meter(&self) -> &Silent {
        &Silent
    }

    fn timing(&self) -> &Timing {
        &self.timing
    }
}

#[derive(Default)]
struct Counted(Cell<u64>);

impl WorkQueue for Counted {
    async fn send(&self, _provider: ProviderId, _job: &Job, _delay_secs: u32) -> Result<(), QueueError> {
        self.0.set(self.0.get() + 1);
        Ok(())
    }

    async fn rescue(&self, _delivery: &RescuedDelivery) -> Result<(), QueueError> {
        Ok(())
    }

    async fn depth(&self, _provider: ProviderId) -> Result<u64, QueueError> {
        Ok(0)
    }
}

struct Silent;

impl Meter for Silent {
    fn count(&self, _metric: Metric, _provider: Option<ProviderId>, _value: u64) {}
}
