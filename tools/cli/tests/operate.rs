//! The command as a person uses it at night, on a table in this process: what each form shows, how each command ends, and
//! forty parked entries mended by one.

#![expect(clippy::unwrap_used, reason = "all of this is test code")]

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use dynoxide::Database;
use hookledger_aws::ports::clock::SystemClock;
use hookledger_aws::ports::ledger::{DynamoLedger, schema};
use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::Env;
use hookledger_core::model::entry::{Event, NewEntry, OnDuplicate, Origin, Start};
use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, Entries, Settlement};
use serde_json::Value;
use tokio::net::TcpListener;

const RIGHTFOOT: ProviderId = ProviderId("rightfoot");
const FYNAPSE: ProviderId = ProviderId("fynapse");

struct Town {
    url: String,
    ledger: DynamoLedger,
    now: UnixMs,
}

impl Town {
    async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, Database::memory().unwrap()));
        let env = Env::from_vars(environment(&url).chain([("HOOKLEDGER_STACK".into(), "s".into())])).unwrap();
        let client = Clients::from_env(&env).unwrap().dynamodb;
        schema::create_table(&client, "ledger").await.unwrap();
        Self { url, ledger: DynamoLedger::new(client, "ledger", 400), now: SystemClock::new().now() }
    }

    /// An event that came in so many seconds ago.
    async fn came(&self, provider: ProviderId, kind: &str, id: &str, event_type: &str, secs_ago: u64) -> ItemKey {
        let at = self.now.minus_secs(secs_ago);
        let event = Event {
            event_type: event_type.into(),
            subject: Subject::new(provider, kind, id),
            identity: Identity::new(&[event_type, id]),
            occurred_at: None,
            known: true,
            on_duplicate: OnDuplicate::Same,
            notes: Vec::new(),
        };
        let key = event.key();
        let new = NewEntry {
            provider,
            event,
            origin: Origin::Push,
            received_at: at,
            start: Start::Open { due_at: at },
            proof: Some("2026-11".into()),
            body: br#"{"ssn":"000-12-3456"}"#.to_vec(),
        };
        self.ledger.admit(&new).await.unwrap();
        key
    }

    async fn parked(&self, id: &str, reason: &str, secs_ago: u64) -> ItemKey {
        let key = self.came(RIGHTFOOT, "batch", id, "BALANCE_BATCH_COMPLETED", secs_ago).await;
        assert!(self.ledger.park(&key, reason, self.now.minus_secs(secs_ago)).await.unwrap());
        key
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookledger"));
        command.env_clear().envs(environment(&self.url)).args(arguments);
        command
    }

    /// The rows of the JSON form, and how it ended.
    async fn rows(&self, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
        let output = self.run(&[arguments, &["-o", "json"]].concat()).await;
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (document.get("rows").and_then(Value::as_array).cloned().unwrap_or_default(), output.status.code())
    }
}

fn environment(url: &str) -> impl Iterator<Item = (String, String)> {
    let all = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", url),
        ("HOOKLEDGER_TABLE", "ledger"),
        ("HOOKLEDGER_QUEUE_RIGHTFOOT", url),
        ("HOOKLEDGER_QUEUE_FYNAPSE", url),
        ("HOOKLEDGER_QUEUE_FINBOX", url),
        ("HOOKLEDGER_QUEUE_RUNPAYMENTS", url),
    ];
    all.map(|(name, value)| (name.to_string(), value.to_string())).into_iter()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

#[tokio::test]
async fn forty_are_mended_by_one_command_after_a_plan() {
    let town = Town::new().await;
    for n in 0..40 {
        town.parked(&format!("b{n}"), "tried 8 times: answered 422", 300 + n).await;
    }
    let other = town.parked("other", "never confirmed", 200).await;
    let order = ["replay", "--provider", "rightfoot", "--reason", "answered 422", "--rate", "1000"];
    // The plan: how many, why, since when; and nothing is done.
    let plan = town.run(&order).await;
    let said = text(&plan.stderr);
    assert_eq!((plan.status.code(), plan.stdout.len()), (Some(0), 0), "{said}");
    assert!(said.contains("40 entries") && said.contains("answered 422") && said.contains("--yes"), "{said}");
    assert_eq!(town.rows(&["parked", "--limit", "1000"]).await.0.len(), 41);
    // Done: each with its outcome. No queue answers here, which is said of each, and the reconciler has them.
    let (rows, code) = town.rows(&[&order[..], &["--yes"]].concat()).await;
    assert_eq!((rows.len(), code), (40, Some(0)));
    assert!(rows.iter().all(|row| row["outcome"].as_str().unwrap().starts_with("open again")), "{rows:?}");
    let (left, _) = town.rows(&["parked"]).await;
    assert_eq!(left.iter().map(|row| row["entry"].as_str().unwrap()).collect::<Vec<_>>(), [other.sk]);
    // Once more: nothing fits, and a script hears of it.
    assert_eq!(town.run(&[&order[..], &["--yes"]].concat()).await.status.code(), Some(3));
}

#[tokio::test]
async fn what_is_filtered_is_filtered_before_it_is_cut() {
    let town = Town::new().await;
    for n in 0..30 {
        town.came(RIGHTFOOT, "batch", &format!("b{n}"), "BALANCE_BATCH_COMPLETED", 1_000 + n).await;
    }
    let old = town.came(FYNAPSE, "event", "e1", "balance.extracted", 90_000).await;
    let settlement = Settlement {
        state: hookledger_core::model::entry::State::Done,
        reason: None,
        at: town.now,
        expires_at: town.now,
    };
    assert!(town.ledger.settle(&old, &settlement).await.unwrap());
    let count = async |arguments: &[&str]| town.rows(&[&["events"], arguments].concat()).await.0.len();
    assert_eq!(count(&[]).await, 30, "a day, unless it is told");
    assert_eq!(count(&["--since", "3d"]).await, 31);
    assert_eq!(count(&["--since", "3d", "--provider", "fynapse", "--limit", "1"]).await, 1);
    assert_eq!(count(&["--since", "3d", "--state", "done", "--limit", "1"]).await, 1);
    assert_eq!(count(&["--type", "balance.extracted", "--since", "3d"]).await, 1);
    assert_eq!(count(&["--origin", "poll"]).await, 0);
    assert_eq!(count(&["--subject", "rightfoot#batch#b7"]).await, 1);
    // What is left out is said, and how to see it.
    let cut = town.run(&["events", "--limit", "10"]).await;
    assert!(text(&cut.stderr).contains("10 shown, more: --until "), "{}", text(&cut.stderr));
    assert_eq!(text(&cut.stdout).lines().count(), 11, "a header and ten rows: {}", text(&cut.stdout));
}

/// More at one instant than are read at a time, and one that is wanted behind them.
#[tokio::test]
async fn none_is_left_out_or_shown_twice_where_many_came_at_once() {
    let town = Town::new().await;
    for n in 0..40 {
        town.came(RIGHTFOOT, "batch", &format!("b{n}"), "BALANCE_BATCH_COMPLETED", 100).await;
    }
    let wanted = town.parked("wanted", "answered 422", 200).await;
    let subjects = async |arguments: &[&str]| {
        let (rows, _) = town.rows(&[&["events"], arguments].concat()).await;
        rows.iter().map(|row| row["subject"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&["--state", "parked", "--limit", "1"]).await, [wanted.pk]);
    let all = subjects(&["--limit", "100"]).await;
    assert_eq!((all.len(), all.iter().collect::<std::collections::BTreeSet<_>>().len()), (41, 41));
    assert_eq!(subjects(&["--limit", "40"]).await.len(), 40);
}

#[tokio::test]
async fn each_way_to_end_has_its_code() {
    let town = Town::new().await;
    let key = town.came(RIGHTFOOT, "batch", "it's #1 / ü", "BALANCE_BATCH_COMPLETED", 10).await;
    let long = "x".repeat(300);
    town.came(FYNAPSE, "event", &long, "balance.extracted", 10).await;
    let rows: [(&[&str], i32, &str); 17] = [
        // No queue answers here, which is a person's to mend.
        (&["status"], 4, "table ledger"),
        (&["find", "it's #1 / ü"], 0, "story"),
        (&["find", &long], 0, "story"),
        (&["find", "nothing"], 3, "knows nothing of"),
        (&["story", "rightfoot#batch#none"], 3, "knows nothing of"),
        (&["show", &key.pk, "event#none"], 3, "has no entry"),
        (&["replay", &key.pk, &key.sk], 1, "1 failed"),
        (&["replay", &key.pk, "event#none"], 3, "1 failed"),
        (&["show", &key.pk, "expectation"], 1, "begins with event#"),
        (&["--region", "eu-west-1", "parked"], 1, "which stack?"),
        (&["parked", "--until", "1h"], 0, "0 of the 0"),
        (&["events", "--since", "2026-02-30"], 1, "2026-11-27T10:00Z"),
        (&["events", "--since", "1h", "--until", "2h"], 1, "later than"),
        (&["refused", "fynapse", "--day", "2026-13-01"], 1, "is no time"),
        (&["events", "--provider", "nobody"], 1, "there is no provider"),
        (&["rightfoot", "submit", "-"], 1, "RIGHTFOOT_API_BASE_URL is not set"),
        (&["events", "-o", "yaml"], 2, "possible values"),
    ];
    for (arguments, code, said) in rows {
        let output = town.run(arguments).await;
        let all = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {all}");
        assert!(!all.contains("000-12-3456"), "{arguments:?} shows a body: {all}");
    }
    // The reconciler left word of its last run; long ago, that is a person's to look into.
    let report = hookledger_core::flows::reconcile::Report { due: 7, carried_out: 7, ..Default::default() };
    town.ledger.record_run(&(0..=63), town.now, &report).await.unwrap();
    let run = |rows: &[Value]| rows.iter().find(|row| row["what"] == "reconciler").cloned().unwrap();
    let (rows, _) = town.rows(&["status"]).await;
    assert!(run(&rows)["is"].as_str().unwrap().contains("7 due, 7 carried out"), "{rows:?}");
    assert_eq!(run(&rows)["verdict"], "ok");
    // What waits for a person is a status of its own.
    town.parked("b9", "answered 422", 60).await;
    let output = town.run(&["status"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("answered 422"));
    // A body is shown to whoever asks for it, and whole.
    let body = town.run(&["show", &key.pk, &key.sk, "--body"]).await;
    assert_eq!(text(&body.stdout), r#"{"ssn":"000-12-3456"}"#);
}

#[tokio::test]
async fn nobody_who_stops_reading_is_answered_with_an_error() {
    let town = Town::new().await;
    for n in 0..200 {
        town.came(RIGHTFOOT, "batch", &format!("b{n}"), "BALANCE_BATCH_COMPLETED", 60).await;
    }
    for form in ["table", "jsonl"] {
        let mut command = town.command(&["events", "--limit", "200", "-o", form]);
        let ended = tokio::task::spawn_blocking(move || {
            let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
            let mut line = String::new();
            BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            child.wait_with_output().unwrap()
        });
        let ended = ended.await.unwrap();
        assert_eq!((ended.status.code(), text(&ended.stderr).contains("panic")), (Some(0), false), "{form}");
    }
}

#[tokio::test]
async fn without_a_stack_it_says_how_to_name_one() {
    let town = Town::new().await;
    let mut command = town.command(&["status"]);
    command.env_remove("HOOKLEDGER_TABLE").current_dir("/");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output.stderr).contains("--stack NAME"), "{}", text(&output.stderr));
    // One that is not there: what was asked, where, and which right it takes.
    let both = town.run(&["--stack", "none", "status"]).await;
    assert!(text(&both.stderr).contains("name a table each"), "{}", text(&both.stderr));
    let mut command = town.command(&["--stack", "none", "status"]);
    command.env_remove("HOOKLEDGER_TABLE");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    let named = ["none-worker", "us-east-1", "lambda:GetFunctionConfiguration"];
    assert!(named.iter().all(|name| said.contains(name)), "{said}");
}
