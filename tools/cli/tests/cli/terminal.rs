//! Nothing that was stored, and nothing that a provider answered, steers the terminal of whoever looks at it.
//!
//! The command runs as a person runs it, on a table in this process whose every text holds control characters.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Command, Output};

use dynoxide::Database;
use hookledger_aws::ports::clock::SystemClock;
use hookledger_aws::ports::ledger::{DynamoLedger, schema};
use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::Env;
use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::entry::{Event, NewEntry, OnDuplicate, Origin, Start};
use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::ports::{Clock as _, Entries, Expectations, Refusals, Results};
use tokio::net::TcpListener;

use crate::town::who_am_i;

const PROVIDER: ProviderId = ProviderId("finbox");
/// Clears the screen, sets the title, rings, goes back, in C0 and C1; deletes; turns the reading order round; breaks lines.
const EVIL: &str = "x\u{1b}[2J\u{1b}]0;t\u{7}\r\u{9b}31m\u{90}\u{7f}\u{8}\t\u{202e}\u{2066}\u{200f}\u{2028}\ny";

/// Whether a terminal may act on it, wherever it stands in a line.
fn steers(shown: char) -> bool {
    let order =
        matches!(shown, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    shown != '\n' && (shown.is_control() || order || matches!(shown, '\u{2028}' | '\u{2029}'))
}

fn inert(what: &str, output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).expect("text");
    let shown = text(&output.stdout) + &text(&output.stderr);
    let steering: Vec<char> = shown.chars().filter(|shown| steers(*shown)).collect();
    assert!(steering.is_empty(), "{what}: {steering:?} in {shown:?}");
    assert!(!shown.lines().any(|line| line == "y" || line.starts_with("y ")), "{what}: a text broke a line: {shown:?}");
    shown
}

fn environment(url: &str) -> Vec<(String, String)> {
    let all = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", url),
        ("HOOKLEDGER_TABLE", "ledger"),
        ("HOOKLEDGER_QUEUE_URL", url),
        ("HOOKLEDGER_SECRET_FINBOX", "arn:f"),
        ("HOOKLEDGER_SECRET_FYNAPSE", "arn:y"),
        ("HOOKLEDGER_SECRET_RIGHTFOOT", "arn:r"),
        ("WEBHOOK_BASE_URL", "https://hooks.example"),
        ("FYNAPSE_API_BASE_URL", url),
        ("RIGHTFOOT_API_BASE_URL", url),
    ];
    all.map(|(name, value)| (name.to_string(), value.to_string())).to_vec()
}

async fn hookledger(url: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookledger"));
    command.env_clear().envs(environment(url)).args(arguments);
    command.env("AWS_ENDPOINT_URL_STS", who_am_i().await);
    tokio::task::spawn_blocking(move || command.output().expect("the command runs")).await.expect("it does not panic")
}

/// One entry that came in, one that is parked, an expectation that expired, a row, a refusal: each with `EVIL` wherever a
/// text of somebody else's can stand.
async fn poisoned(url: &str) -> ItemKey {
    let env = Env::from_vars(environment(url).into_iter().chain([("HOOKLEDGER_STACK".into(), "s".into())])).unwrap();
    let table = Clients::from_env(&env).unwrap().dynamodb;
    schema::create_table(&table, "ledger").await.unwrap();
    let ledger = DynamoLedger::new(table, "ledger", 400);
    let now = SystemClock::new().now();
    let subject = Subject::new(PROVIDER, "entity", "e1");
    let entry = |identity: &str| NewEntry {
        provider: PROVIDER,
        event: Event {
            event_type: format!("statement.{EVIL}"),
            subject: subject.clone(),
            identity: Identity::new(&[identity]),
            occurred_at: None,
            known: true,
            on_duplicate: OnDuplicate::Same,
            notes: vec![("reason", EVIL.into())],
        },
        origin: Origin::Push,
        received_at: now,
        start: Start::Open { due_at: now },
        proof: Some(EVIL.into()),
        body: b"{}".to_vec(),
    };
    let parked = entry(EVIL);
    for new in [&parked, &entry("open")] {
        ledger.admit(new).await.unwrap();
    }
    ledger.freeze(&parked.event.key(), EVIL).await.unwrap();
    ledger.park(&parked.event.key(), &format!("because {EVIL}"), now).await.unwrap();
    let row = Row { sk: format!("failure#{EVIL}"), columns: vec![("reason", EVIL.into())], document: EVIL.into() };
    ledger.put_rows(&subject, &[row], &Snapshot::delivered(now)).await.unwrap();
    let expectation = Expectation {
        key: Subject::from_stored(format!("finbox#link#{EVIL}")).item("watch"),
        provider: PROVIDER.to_string(),
        reference: format!("link:{EVIL}"),
        repeats: true,
        state: ExpectationState::Waiting,
        created_at: now,
        due_at: Some(now),
        deadline: now,
        polls: 0,
        found: 0,
    };
    ledger.expect(&expectation).await.unwrap();
    ledger.end_expectation(&expectation.key, ExpectationState::Expired, now, now.plus_secs(99)).await.unwrap();
    let refused = Refused {
        provider: PROVIDER,
        code: format!("code {EVIL}"),
        reason: EVIL.into(),
        at: now,
        digest: "0".repeat(64),
        body: EVIL.into(),
        body_bytes: EVIL.len(),
        token_digest: None,
        headers: vec![("x-secret-key".into(), EVIL.into())],
        source_ip: Some(EVIL.into()),
    };
    assert!(ledger.refuse(&refused).await.unwrap());
    parked.event.key()
}

#[tokio::test]
async fn what_is_stored_is_shown_and_never_obeyed() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(dynoxide::server::serve_on(listener, Database::memory().unwrap()));
    let parked = poisoned(&url).await;
    let expected = format!("finbox#link#{EVIL}");
    let rows: [(&str, &[&str], &str); 13] = [
        ("parked", &["parked"], "because x"),
        ("parked as JSON", &["parked", "-o", "json"], "because x"),
        ("status", &["status"], "because x"),
        ("events", &["events"], "statement.x"),
        ("events as JSON", &["events", "--output", "jsonl"], "statement.x"),
        ("refused", &["refused", "finbox"], "code x"),
        ("story of an entry", &["story", &parked.pk], "event_type: statement.x"),
        ("story of a watch", &["story", &expected], "reference"),
        ("an entry", &["show", &parked.pk, &parked.sk], "statement.x"),
        ("find", &["find", EVIL], "knows nothing of"),
        ("what expired", &["expect", "list", "--state", "expired"], "link:x"),
        ("what expired as JSON", &["expect", "list", "--state", "expired", "-o", "jsonl"], "link:x"),
        ("replay of nothing", &["replay", &expected, EVIL], "is no entry"),
    ];
    for (what, arguments, wanted) in rows {
        let output = hookledger(&url, arguments).await;
        let shown = inert(what, &output);
        assert!(shown.contains(wanted), "{what}: {shown}");
        let escaped = [r"\u{1b}[2J", r"\u{202e}"].iter().all(|text| shown.contains(text));
        let as_json = [r"\u001b[2J", r"\u202e"].iter().all(|text| shown.contains(text));
        assert!(escaped || as_json, "{what} hides what is there: {shown}");
    }
    // What a file says of a line, on the terminal and in the result.
    let file = std::env::temp_dir().join(format!("hookledger-terminal-{}.jsonl", std::process::id()));
    std::fs::write(&file, serde_json::json!({ "reference": EVIL }).to_string()).unwrap();
    let result = file.with_extension("result");
    let paths = [file.to_str().unwrap(), result.to_str().unwrap()];
    let imported = hookledger(&url, &["expect", "import", "finbox", paths[0], "--result", paths[1]]).await;
    inert("import", &imported);
    let kept = Output { stdout: std::fs::read(&result).unwrap(), ..imported };
    assert!(inert("what became of a line", &kept).contains("malformed"));
    paths.iter().for_each(|path| std::fs::remove_file(path).unwrap());
    // Its queue is none that answers, which is told; the entry is open all the same.
    let shown = inert("replay", &hookledger(&url, &["replay", &parked.pk, &parked.sk]).await);
    assert!(shown.contains("open again"), "{shown}");
    // Its secret can't be read here.
    inert("reverify", &hookledger(&url, &["refused", "reverify", "finbox"]).await);
}

/// A server that is the secret store and two providers at once, for one request on each connection.
fn answering(listener: std::net::TcpListener) {
    for stream in listener.incoming() {
        let mut reader = BufReader::new(stream.expect("a connection"));
        let (mut asked, mut length) = (String::new(), 0);
        while reader.read_line(&mut asked).is_ok_and(|read| read > 2) {
            let line = asked.lines().last().unwrap_or_default().to_ascii_lowercase();
            length = line.strip_prefix("content-length: ").and_then(|length| length.parse().ok()).unwrap_or(length);
        }
        let mut body = vec![0; length];
        let _ = reader.read_exact(&mut body);
        let asked = asked.to_ascii_lowercase();
        let document = r#"{"signing_secrets":[],"url_tokens":[{"id":"t","value":"0123456789012345678901234"}],
            "api":{"client_id":"c","client_secret":"s","api_key":"k"}}"#;
        let answer = if asked.contains("secretsmanager.") {
            serde_json::json!({ "ARN": "arn", "Name": "n", "VersionId": "v", "SecretString": document })
        } else if asked.contains("/auth/token") {
            serde_json::json!({ "access_token": "a", "token_type": "Bearer", "expires_in": 3600 })
        } else if asked.contains("balance_requests") {
            let batch_id = if String::from_utf8_lossy(&body).contains("\"plain\"") { "b-7" } else { EVIL };
            serde_json::json!({ "batch_id": batch_id, "message": EVIL })
        } else if asked.contains("dynamodb_") {
            serde_json::json!({})
        } else {
            serde_json::json!({ "id": EVIL, "name": EVIL, "value": "0123456789012345678901234", "status": EVIL })
        };
        let answer = answer.to_string();
        let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
        let _ = reader.get_mut().write_all((head + &answer).as_bytes());
    }
}

#[tokio::test]
async fn what_a_provider_answers_is_shown_and_never_obeyed() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(|| answering(listener));
    let made = inert("create-secret", &hookledger(&url, &["fynapse", "create-secret", "--name", "n"]).await);
    assert!(made.contains(r"\u{1b}[2J"), "{made}");
    let as_json = hookledger(&url, &["fynapse", "create-secret", "--name", "n", "-o", "json"]).await;
    inert("create-secret as JSON", &as_json);
    let made: serde_json::Value = serde_json::from_slice(&as_json.stdout).unwrap();
    assert_eq!((made["secret_id"].as_str(), made["done"].as_bool()), (Some(EVIL), Some(true)));
    let file = std::env::temp_dir().join(format!("hookledger-terminal-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"authorizers":[{"authorizer_unique_id":"a1"}]}"#).unwrap();
    let output = hookledger(&url, &["rightfoot", "submit", file.to_str().unwrap()]).await;
    inert("submit", &output);
    std::fs::write(&file, r#"{"authorizers":[{"authorizer_unique_id":"plain"}]}"#).unwrap();
    let output = hookledger(&url, &["rightfoot", "submit", file.to_str().unwrap(), "-o", "jsonl"]).await;
    let taken: serde_json::Value =
        serde_json::from_str(inert("submit as JSON", &output).lines().next().unwrap()).unwrap();
    assert_eq!((taken["reference"].as_str(), taken["items"].as_u64()), (Some("b-7"), Some(1)));
    std::fs::remove_file(&file).unwrap();
    // What a person typed may have been pasted from somewhere.
    inert("a file that is none", &hookledger(&url, &["rightfoot", "submit", &EVIL.replace('\n', "")]).await);
    inert("a provider that is none", &hookledger(&url, &["refused", EVIL]).await);
}
