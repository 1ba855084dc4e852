//! A table in this process, a stand-in for AWS's own "who am I", and the command as a person runs it.

use std::collections::HashMap;
use std::io::{BufRead as _, BufReader};
use std::process::{Command, Output, Stdio};

use aws_sdk_dynamodb::types::AttributeValue;
use dynoxide::Database;
use hookledger_aws::ports::clock::SystemClock;
use hookledger_aws::ports::ledger::{DynamoLedger, schema};
use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::Env;
use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::entry::{Admitted, Event, NewEntry, OnDuplicate, Origin, Start};
use hookledger_core::model::fact::{Fact, Status};
use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Refused;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, Entries as _, Expectations as _, Refusals as _, Results as _};
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

pub(crate) const RIGHTFOOT: ProviderId = ProviderId("rightfoot");
pub(crate) const FYNAPSE: ProviderId = ProviderId("fynapse");
pub(crate) const RUNPAYMENTS: ProviderId = ProviderId("runpayments");
/// Who runs the command here.
pub(crate) const CALLER: &str = "arn:aws:sts::000000000000:assumed-role/ops/anna";

/// The table and how to reach it.
pub(crate) struct Town {
    pub(crate) url: String,
    pub(crate) ledger: DynamoLedger,
    pub(crate) now: UnixMs,
    pub(crate) sts: String,
    client: aws_sdk_dynamodb::Client,
}

impl Town {
    pub(crate) async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(dynoxide::server::serve_on(listener, Database::memory().unwrap()));
        let env = Env::from_vars(environment(&url).chain([("HOOKLEDGER_STACK".into(), "s".into())])).unwrap();
        let client = Clients::from_env(&env).unwrap().dynamodb;
        schema::create_table(&client, "ledger").await.unwrap();
        let sts = who_am_i().await;
        Self {
            url,
            sts,
            ledger: DynamoLedger::new(client.clone(), "ledger", 400),
            client,
            now: SystemClock::new().now(),
        }
    }

    /// An event that came in so many seconds ago.
    pub(crate) async fn came(
        &self,
        provider: ProviderId,
        kind: &str,
        id: &str,
        event_type: &str,
        secs_ago: u64,
    ) -> ItemKey {
        self.admitted(Origin::Push, provider, kind, id, event_type, secs_ago).await
    }

    /// A batch that was found by asking so many seconds ago.
    pub(crate) async fn found(&self, id: &str, secs_ago: u64) -> ItemKey {
        self.admitted(Origin::Poll, RIGHTFOOT, "batch", id, "BALANCE_BATCH_COMPLETED", secs_ago).await
    }

    /// So many deliveries that were refused a minute ago.
    pub(crate) async fn refused(&self, count: usize) {
        for n in 0..count {
            let refused = Refused {
                provider: RIGHTFOOT,
                code: "wrong_token".into(),
                reason: "no live token".into(),
                at: self.now.minus_secs(60),
                digest: format!("{n:064}"),
                body: br#"{"ssn":"000-12-3456"}"#.to_vec(),
                body_bytes: 21,
                token_digest: None,
                headers: Vec::new(),
                source_ip: Some("192.0.2.7".into()),
            };
            assert!(self.ledger.refuse(&refused).await.unwrap());
        }
    }

    /// So many deliveries of a provider that were refused a minute ago, from one address; as many are kept as there is room for.
    pub(crate) async fn refused_by(&self, provider: ProviderId, code: &str, from: Option<&str>, count: usize) {
        for n in 0..count {
            let refused = Refused {
                provider,
                code: code.into(),
                reason: code.into(),
                at: self.now.minus_secs(60),
                digest: format!("{n:064}"),
                body: b"{}".to_vec(),
                body_bytes: 2,
                token_digest: None,
                headers: Vec::new(),
                source_ip: from.map(Into::into),
            };
            self.ledger.refuse(&refused).await.unwrap();
        }
    }

    /// A delivery that was refused a minute ago, with this text wherever others write it.
    pub(crate) async fn refused_with(&self, text: &str) {
        let refused = Refused {
            provider: RIGHTFOOT,
            code: text.into(),
            reason: text.into(),
            at: self.now.minus_secs(60),
            digest: text.into(),
            body: text.into(),
            body_bytes: text.len(),
            token_digest: None,
            headers: vec![(text.into(), text.into())],
            source_ip: Some(text.into()),
        };
        assert!(self.ledger.refuse(&refused).await.unwrap());
    }

    /// A batch that is waited for.
    pub(crate) async fn waits(&self, reference: &str) {
        let expectation = Expectation {
            key: Subject::new(RIGHTFOOT, "batch", reference).item("expectation"),
            provider: RIGHTFOOT.0.into(),
            reference: reference.into(),
            repeats: false,
            state: ExpectationState::Waiting,
            created_at: self.now.minus_secs(600),
            due_at: Some(self.now.plus_secs(60)),
            deadline: self.now.plus_secs(3_600),
            polls: 2,
            found: 0,
        };
        assert!(self.ledger.expect(&expectation).await.unwrap());
    }

    /// A merchant that got a status so many seconds ago, which was pushed and is done.
    pub(crate) async fn merchant(&self, id: &str, status: &str, secs_ago: u64) -> Subject {
        let subject = Subject::new(RUNPAYMENTS, "merchant", id);
        let owner = self.came(RUNPAYMENTS, "merchant", id, &format!("merchant.{status}"), secs_ago).await;
        let (status, occurred_at) = (status.to_string(), self.now.minus_secs(secs_ago + 2));
        let fact = Fact { status: status.clone(), n: 1, owner, origin: Origin::Push, occurred_at, matched_by: None };
        assert!(self.ledger.put_fact(&subject, &fact).await.unwrap());
        let seen = self.ledger.status(&subject).await.unwrap().map(|status| status.version);
        let (version, moved_at) = (seen.unwrap_or_default() + 1, self.now);
        let moved = Status { status, rank: 1, occurred_at, moved_at, version, held_back: None };
        assert!(self.ledger.move_status(&subject, seen, &moved).await.unwrap());
        subject
    }

    /// The table goes.
    pub(crate) async fn drop_table(&self) {
        self.client.delete_table().table_name("ledger").send().await.unwrap();
    }

    /// An open entry of a batch whose body lies in pieces.
    pub(crate) async fn large(&self, id: &str) -> ItemKey {
        let new = new_entry(Origin::Push, RIGHTFOOT, "batch", id, "LARGE", self.now, noise(900_000));
        self.ledger.admit(&new).await.unwrap();
        new.event.key()
    }

    /// The same event once more.
    pub(crate) async fn again(&self, key: &ItemKey) -> Admitted {
        let mut new =
            new_entry(Origin::Push, RIGHTFOOT, "batch", "b1", "BALANCE_BATCH_COMPLETED", self.now, BODY.into());
        if key.sk.contains("LARGE") {
            new = new_entry(Origin::Push, RIGHTFOOT, "batch", "b1", "LARGE", self.now, BODY.into());
        }
        assert_eq!(new.event.key(), *key);
        self.ledger.admit(&new).await.unwrap()
    }

    /// The table's partition keys.
    pub(crate) async fn partitions(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.scan().await.iter().map(|item| item["pk"].as_s().unwrap().clone()).collect();
        keys.sort();
        keys.dedup();
        keys
    }

    /// All that is in the table, as text.
    pub(crate) async fn everything(&self) -> String {
        format!("{:?}", self.scan().await)
    }

    async fn scan(&self) -> Vec<HashMap<String, AttributeValue>> {
        self.client.scan().table_name("ledger").send().await.unwrap().items.unwrap()
    }

    async fn admitted(
        &self,
        origin: Origin,
        provider: ProviderId,
        kind: &str,
        id: &str,
        event_type: &str,
        secs_ago: u64,
    ) -> ItemKey {
        let at = self.now.minus_secs(secs_ago);
        let new = new_entry(origin, provider, kind, id, event_type, at, BODY.into());
        self.ledger.admit(&new).await.unwrap();
        new.event.key()
    }

    pub(crate) async fn parked(&self, id: &str, reason: &str, secs_ago: u64) -> ItemKey {
        let key = self.came(RIGHTFOOT, "batch", id, "BALANCE_BATCH_COMPLETED", secs_ago).await;
        assert!(self.ledger.park(&key, reason, self.now.minus_secs(secs_ago)).await.unwrap());
        key
    }

    pub(crate) async fn run(&self, arguments: &[&str]) -> Output {
        let mut command = self.command(arguments);
        tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_hookledger"));
        command.env_clear().envs(environment(&self.url)).args(arguments);
        command.env("AWS_ENDPOINT_URL_STS", &self.sts);
        command
    }

    /// The rows of the JSON form, and how it ended.
    pub(crate) async fn rows(&self, arguments: &[&str]) -> (Vec<Value>, Option<i32>) {
        let output = self.run(&[arguments, &["-o", "json"]].concat()).await;
        let document: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        (document.get("rows").and_then(Value::as_array).cloned().unwrap_or_default(), output.status.code())
    }
}

/// What is in the bodies here.
const BODY: &[u8] = br#"{"ssn":"000-12-3456"}"#;

fn new_entry(
    origin: Origin,
    provider: ProviderId,
    kind: &str,
    id: &str,
    event_type: &str,
    at: UnixMs,
    body: Vec<u8>,
) -> NewEntry {
    let event = Event {
        event_type: event_type.into(),
        subject: Subject::new(provider, kind, id),
        identity: Identity::new(&[event_type, id]),
        occurred_at: None,
        known: true,
        on_duplicate: OnDuplicate::Same,
        notes: Vec::new(),
    };
    let (start, proof) = (Start::Open { due_at: at }, Some("2026-11".into()));
    NewEntry { provider, event, origin, received_at: at, start, proof, body }
}

/// Answers `sts:GetCallerIdentity`, and nothing else.
pub(crate) async fn who_am_i() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let (mut asked, mut buffer) = (Vec::new(), [0; 4096]);
            while !String::from_utf8_lossy(&asked).contains("Action=GetCallerIdentity") {
                match stream.read(&mut buffer).await {
                    Ok(read) if read > 0 => asked.extend(buffer.iter().take(read)),
                    _ => break,
                }
            }
            let body = format!(
                "<GetCallerIdentityResponse xmlns=\"https://sts.amazonaws.com/doc/2011-06-15/\"><GetCallerIdentityResult>\
                 <Arn>{CALLER}</Arn><UserId>A:anna</UserId><Account>000000000000</Account></GetCallerIdentityResult>\
                 </GetCallerIdentityResponse>"
            );
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: text/xml\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                body.len()
            );
            stream.write_all((head + &body).as_bytes()).await.unwrap();
        }
    });
    url
}

pub(crate) fn environment(url: &str) -> impl Iterator<Item = (String, String)> + use<> {
    let all = [
        ("AWS_REGION", "us-east-1"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_ENDPOINT_URL", url),
        ("HOOKLEDGER_TABLE", "ledger"),
    ];
    let url = url.to_string();
    let queues = hookledger_core::providers::ALL
        .iter()
        .map(move |of| (format!("HOOKLEDGER_QUEUE_{}", of.id.0.to_uppercase()), url.clone()));
    all.map(|(name, value)| (name.to_string(), value.to_string())).into_iter().chain(queues)
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Bytes that no compression makes smaller.
pub(crate) fn noise(count: usize) -> Vec<u8> {
    let mut state = 7_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..count).map(|_| next()).collect()
}

/// Runs a command for somebody who reads its first line and no more.
pub(crate) async fn read_one_line(mut command: Command) -> Output {
    let ended = tokio::task::spawn_blocking(move || {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::with_capacity(16, child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        child.wait_with_output().unwrap()
    });
    ended.await.unwrap()
}
