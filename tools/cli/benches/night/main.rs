//! How long the commands of a night take on a ledger of 100,000 entries, and how much memory; and whether a replay of 10,000 that
//! is killed in the middle opens each once.
//!
//! `cargo bench -p hookledger-cli` fills a table in this process and runs the command beside it, as a person would. Figures
//! are wall time and peak memory of the whole process, start included; they are for comparing within one run. Then, with
//! `HOOKLEDGER_BROWSER_PYTHON` set, how soon a browser has each page of the console.

#![expect(clippy::disallowed_macros, clippy::indexing_slicing, clippy::unwrap_used, reason = "all of this measures")]

mod pages;
/// The same table and the same "who am I" as in the command's tests, of which this needs a few parts.
#[expect(dead_code, reason = "the tests use the rest")]
#[path = "../../tests/cli/town.rs"]
mod town;

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt as _};
use hookledger_aws::ports::ledger::DynamoLedger;
use hookledger_core::model::entry::{Event, NewEntry, OnDuplicate, Origin, Start, State};
use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Desk as _, Entries as _, Refusals as _, Settlement};

use town::{Town, environment};

const ENTRIES: u64 = 100_000;
const PARKED: u64 = 1_000;
const REFUSED: u32 = 2_000;
const REPLAYED: u64 = 10_000;
/// Over which they came in.
const SPAN_SECS: u64 = 23 * 3600;
const PROVIDERS: [(&str, &str, &str); 4] = [
    ("rightfoot", "batch", "BALANCE_BATCH_COMPLETED"),
    ("fynapse", "event", "balance.extracted"),
    ("finbox", "entity", "statement.completed"),
    ("runpayments", "merchant", "merchant.live"),
];

/// The nth entry: every hundredth is parked, all others are done.
async fn fill(ledger: &DynamoLedger, now: UnixMs, n: u64) {
    let (provider, kind, event_type) = PROVIDERS[usize::try_from(n % 4).unwrap()];
    let at = now.minus_secs(SPAN_SECS * n / ENTRIES);
    let (provider, id) = (ProviderId(provider), format!("id-{n}"));
    let event = Event {
        event_type: event_type.into(),
        subject: Subject::new(provider, kind, &id),
        identity: Identity::new(&[event_type, &id]),
        occurred_at: Some(at),
        known: true,
        on_duplicate: OnDuplicate::Same,
        notes: Vec::new(),
    };
    let key = event.key();
    let (start, proof) = (Start::Open { due_at: at }, Some("2026-11".into()));
    let body = format!(r#"{{"id":"{id}","amount":"12.50","padding":"{}"}}"#, "x".repeat(600)).into_bytes();
    ledger
        .admit(&NewEntry { provider, event, origin: Origin::Push, received_at: at, start, proof, body })
        .await
        .unwrap();
    if n % (ENTRIES / PARKED) == 7 {
        ledger.park(&key, "answered 422", at).await.unwrap();
    } else {
        let settlement =
            Settlement { state: State::Done, reason: None, at: at.plus_secs(2), expires_at: now.plus_secs(9_999) };
        ledger.settle(&key, &settlement).await.unwrap();
    }
}

/// The nth refusal of the day, twenty of each minute.
async fn refuse(ledger: &DynamoLedger, now: UnixMs, n: u32) {
    let refused = Refused {
        provider: ProviderId("finbox"),
        code: "wrong_token".into(),
        reason: "the URL's token is missing or not a live one".into(),
        at: now.minus_secs(u64::from(n / 20) * 60),
        digest: format!("{n:064}"),
        body: vec![b'x'; 600],
        body_bytes: 600,
        token_digest: None,
        headers: Vec::new(),
        source_ip: Some("192.0.2.7".into()),
    };
    ledger.refuse(&refused).await.unwrap();
}

/// Parks so many, replays them by one command, kills it when half are open, and runs it again.
async fn replay_killed_in_the_middle(town: &Town) {
    let (ledger, now) = (&town.ledger, town.now);
    let keys: Vec<ItemKey> = stream::iter(0..REPLAYED)
        .map(|n| async move {
            let id = format!("again-{n}");
            let event = Event {
                event_type: "again".into(),
                subject: Subject::new(ProviderId("fynapse"), "event", &id),
                identity: Identity::new(&["again", &id]),
                occurred_at: None,
                known: true,
                on_duplicate: OnDuplicate::Same,
                notes: Vec::new(),
            };
            let (key, start) = (event.key(), Start::Parked { reason: "killed in the middle".into() });
            let (provider, origin, body) = (ProviderId("fynapse"), Origin::Push, b"{}".to_vec());
            let new = NewEntry { provider, event, origin, received_at: now, start, proof: None, body };
            ledger.admit(&new).await.unwrap();
            key
        })
        .buffered(16)
        .collect()
        .await;
    let run = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookledger"));
        command.env_clear().envs(environment(&town.url)).env("AWS_ENDPOINT_URL_STS", &town.sts);
        command.args(["replay", "--reason", "killed in the middle", "--yes", "--rate", "1000", "-o", "jsonl"]);
        command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let left = async || {
        ledger.list_parked(usize::MAX / 64).await.unwrap().iter().filter(|due| due.key.sk.contains("again")).count()
    };
    let (started, half) = (Instant::now(), keys.len() / 2);
    let mut child = run();
    while left().await > half {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (first, after_kill) = (started.elapsed(), left().await);
    let started = Instant::now();
    let child = run();
    let ended = tokio::task::spawn_blocking(move || run_to_end(child)).await.unwrap();
    let acts = stream::iter(&keys).map(async |key| ledger.history(key).await.unwrap().len()).buffered(16);
    let acts: Vec<usize> = acts.collect().await;
    let once = acts.iter().filter(|acts| **acts == 1).count();
    println!(
        "replay of {REPLAYED}: killed after {} s with {after_kill} left; run again for {} s, exit {}; {} left, {once} opened once, {} more than once",
        first.as_secs(),
        started.elapsed().as_secs(),
        ended.unwrap_or(-1),
        left().await,
        acts.iter().filter(|acts| **acts > 1).count()
    );
}

fn run_to_end(mut child: std::process::Child) -> Option<i32> {
    child.wait().unwrap().code()
}

/// Runs it, and says how long it took and the most memory it had, in MB.
fn measure(url: &str, arguments: &[&str]) -> (Duration, u64, Option<i32>) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookledger"));
    command.env_clear().envs(environment(url)).args(arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let started = Instant::now();
    let mut child = command.spawn().unwrap();
    let (status, mut peak) = (format!("/proc/{}/status", child.id()), 0);
    let code = loop {
        let text = std::fs::read_to_string(&status).unwrap_or_default();
        let kb = text.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB")?.parse().ok());
        peak = peak.max(kb.unwrap_or(0_u64));
        if let Some(ended) = child.try_wait().unwrap() {
            break ended.code();
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    (started.elapsed(), peak / 1024, code)
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let town = Town::new().await;
    let (url, ledger, now) = (&town.url, &town.ledger, town.now);
    let started = Instant::now();
    stream::iter(0..ENTRIES).for_each_concurrent(16, |n| fill(ledger, now, n)).await;
    println!("{ENTRIES} entries, {PARKED} of them parked, written in {} s", started.elapsed().as_secs());
    stream::iter(0..REFUSED).for_each_concurrent(16, |n| refuse(ledger, now, n)).await;
    let commands: [&[&str]; 18] = [
        &["status"],
        &["find", "id-50000"],
        &["find", "no such id"],
        &["story", "rightfoot#batch#id-50000"],
        &["parked"],
        &["parked", "--provider", "finbox", "--reason", "422"],
        &["owed"],
        &["events"],
        &["events", "--limit", "1000"],
        &["events", "--provider", "finbox"],
        &["events", "--type", "merchant.live"],
        &["events", "--state", "parked"],
        &["events", "--state", "ignored"],
        &["events", "--origin", "poll"],
        &["events", "--subject", "rightfoot#batch#id-50000"],
        &["refused"],
        &["refused", "--sums"],
        &["stats"],
    ];
    println!("{:<56} {:>8} {:>6} {:>5}", "command", "ms", "MB", "exit");
    for arguments in commands {
        let url = url.clone();
        let (took, mb, code) = tokio::task::spawn_blocking(move || measure(&url, arguments)).await.unwrap();
        println!("{:<56} {:>8} {mb:>6} {:>5}", arguments.join(" "), took.as_millis(), code.unwrap_or(-1));
    }
    pages::measure(ledger, now, environment(url).collect()).await;
    replay_killed_in_the_middle(&town).await;
}
