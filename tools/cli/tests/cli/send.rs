//! `send`: a delivery that the command signs goes through the receiver's own flow, on a table in this process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::Output;
use std::sync::Arc;

use hookledger_aws::AwsInbox;
use hookledger_aws::ports::meter::EmfMeter;
use hookledger_aws::start::clients::Clients;
use hookledger_aws::start::env::Env;
use hookledger_core::flows::receive::receive;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::secret::{ProviderSecrets, Secret};
use hookledger_core::ports::{Clock as _, Entries as _, Secrets, SecretsError};
use hookledger_core::providers::{Providers, definition};
use serde_json::{Value, json};

use crate::town::{CALLER, Town, environment, text};

pub(crate) const KEY: &str = "k-0123456789abcdef0123456789abcdef";
pub(crate) const TOKEN: &str = "t-0123456789abcdef0123456789abcdef";

/// The secret of every provider, in the stack; `is_open`: its functions know the same.
pub(crate) struct Stack {
    table: String,
    is_open: bool,
}

struct Known(Arc<ProviderSecrets>);

impl Secrets for Known {
    async fn get(&self, _: ProviderId) -> Result<Arc<ProviderSecrets>, SecretsError> {
        Ok(self.0.clone())
    }

    async fn reread(&self, _: ProviderId) -> Result<Option<Arc<ProviderSecrets>>, SecretsError> {
        Ok(None)
    }
}

fn document(key: &str, token: &str) -> String {
    let list = |value: &str| json!([{ "id": "2026-11", "value": value }]);
    let api = json!({ "api_key": "a-key-of-the-api", "server_hash": "a-hash-of-the-server" });
    json!({ "signing_secrets": list(key), "url_tokens": list(token), "api": api }).to_string()
}

impl Stack {
    /// One address that is the table, the secret store and the stack's own URL.
    pub(crate) fn up(town: &Town, is_open: bool) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let stack = Arc::new(Self { table: town.url.clone(), is_open });
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let stack = stack.clone();
                std::thread::spawn(move || stack.answer(stream));
            }
        });
        url
    }

    fn answer(&self, stream: TcpStream) {
        let mut reader = BufReader::new(stream);
        let (mut head, mut length) = (String::new(), 0);
        while reader.read_line(&mut head).is_ok_and(|read| read > 2) {
            let line = head.lines().last().unwrap_or_default().to_ascii_lowercase();
            length = line.strip_prefix("content-length: ").and_then(|text| text.parse().ok()).unwrap_or(length);
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        let (status, answer) = match head.split(' ').nth(1).and_then(|path| path.strip_prefix("/webhooks/")) {
            Some(path) => self.receive(path, &head, body),
            None if head.to_ascii_lowercase().contains("secretsmanager.") => {
                let secret =
                    json!({ "ARN": "arn", "Name": "n", "VersionId": "v", "SecretString": document(KEY, TOKEN) });
                (200, secret.to_string())
            }
            None => forward(&self.table, &head, &body),
        };
        let head = format!("HTTP/1.1 {status} x\r\ncontent-length: {}\r\nconnection: close\r\n\r\n", answer.len());
        let _ = reader.get_mut().write_all((head + &answer).as_bytes());
    }

    fn receive(&self, path: &str, head: &str, body: Vec<u8>) -> (u16, String) {
        let env = Env::from_vars(environment(&self.table).chain([("HOOKLEDGER_STACK".into(), "s".into())])).unwrap();
        let (name, token) = path.split_once('/').unwrap_or((path, ""));
        let Some(definition) = definition(name) else { return (404, String::new()) };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let answer = runtime.block_on(async {
            let inbox = AwsInbox::new(&env, &Clients::from_env(&env).unwrap()).unwrap();
            let inbox = AwsInbox { meter: EmfMeter::silent(), ..inbox };
            let providers = Providers::read(&|_| None);
            let mut delivery = Delivery::new(definition.id, inbox.clock.now(), body);
            let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
            delivery.headers = headers.map(|(name, value)| (name.to_ascii_lowercase(), value.into())).collect();
            delivery.path_token = definition.url_has_token.then(|| Secret::new(token));
            let (key, token) =
                if self.is_open { (KEY, TOKEN) } else { ("another-key-of-this-length", "another-token-of-length") };
            let secrets = Known(Arc::new(ProviderSecrets::parse(&document(key, token)).unwrap()));
            receive(&inbox, &secrets, providers.get(name).unwrap(), delivery).await
        });
        (answer.status, answer.body)
    }
}

fn forward(table: &str, head: &str, body: &[u8]) -> (u16, String) {
    let mut table = TcpStream::connect(table.strip_prefix("http://").unwrap()).unwrap();
    let head = head.replacen("\r\n", "\r\nconnection: close\r\n", 1);
    table.write_all(head.as_bytes()).and_then(|()| table.write_all(body)).unwrap();
    let mut answer = String::new();
    table.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_string())
}

async fn send(town: &Town, url: &str, arguments: &[&str]) -> (Output, Value) {
    let mut command = town.command(&[&["-o", "json", "send"], arguments].concat());
    command.env("AWS_ENDPOINT_URL", url).env("WEBHOOK_BASE_URL", url);
    for provider in ["FINBOX", "FYNAPSE", "RIGHTFOOT", "RUNPAYMENTS"] {
        command.env(format!("HOOKLEDGER_SECRET_{provider}"), format!("arn:{provider}"));
    }
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let shown = text(&output.stdout) + &text(&output.stderr);
    assert!(!shown.contains(KEY) && !shown.contains(TOKEN), "{shown}");
    let answer = serde_json::from_slice(&output.stdout).unwrap_or_default();
    (output, answer)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_genuine_is_let_in_and_marked_and_what_is_not_is_refused() {
    let town = Town::new().await;
    let url = Stack::up(&town, true);
    for (provider, sample) in [
        ("fynapse", "balance-extracted"),
        ("runpayments", "merchant-boarded"),
        ("rightfoot", "balance-batch-completed"),
        ("finbox", "session-completed"),
    ] {
        let (refused, answer) = send(&town, &url, &[provider, sample, "--forged"]).await;
        assert_eq!(refused.status.code(), Some(0), "{provider}: {}", text(&refused.stderr));
        assert!(answer["meaning"].as_str().unwrap().starts_with("refused: "), "{answer}");
        assert_eq!((&answer["subject"], &answer["marked"]), (&Value::Null, &json!(false)), "{provider}");

        let (sent, answer) = send(&town, &url, &[provider, sample, "--why", "is it open?"]).await;
        assert_eq!(sent.status.code(), Some(0), "{provider}: {}", text(&sent.stderr));
        assert_eq!((&answer["signed_with"], &answer["marked"]), (&json!("2026-11"), &json!(true)), "{provider}");
        let field = |name: &str| answer[name].as_str().unwrap().to_string();
        let key = ItemKey { pk: field("subject"), sk: field("entry") };
        assert!(town.ledger.entry(&key).await.unwrap().is_some(), "{provider}");
        let shown = text(&town.run(&["show", &key.pk, &key.sk, "-o", "json"]).await.stdout);
        assert!([CALLER, "send: a test delivery", "is it open?"].iter().all(|part| shown.contains(part)), "{shown}");

        // The same once more is the same event, which may be a real one by now: nobody marks it.
        let (_, again) = send(&town, &url, &[provider, sample]).await;
        assert!(again["meaning"].as_str().unwrap().contains("was here before"), "{again}");
        assert_eq!(again["marked"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_refused_where_a_time_is_signed() {
    let town = Town::new().await;
    let url = Stack::up(&town, true);
    let (refused, answer) = send(&town, &url, &["fynapse", "balance-extracted", "--stale"]).await;
    assert_eq!(refused.status.code(), Some(0), "{}", text(&refused.stderr));
    assert_eq!(answer["meaning"], "refused: the signature is too old");
    let (has_no_time, _) = send(&town, &url, &["runpayments", "merchant-new", "--stale"]).await;
    assert_eq!(has_no_time.status.code(), Some(2));
    assert!(text(&has_no_time.stderr).contains("holds no time that is signed"), "{}", text(&has_no_time.stderr));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stack_with_other_secrets_is_found_out() {
    let town = Town::new().await;
    let url = Stack::up(&town, false);
    for (provider, sample) in [("fynapse", "balance-extracted"), ("rightfoot", "balance-batch-completed")] {
        let (refused, answer) = send(&town, &url, &[provider, sample]).await;
        assert_eq!(refused.status.code(), Some(1), "{}", text(&refused.stderr));
        assert!(answer["meaning"].as_str().unwrap().starts_with("refused: "), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_sent_is_followed_and_a_wrong_word_hears_the_right_ones() {
    let town = Town::new().await;
    let url = Stack::up(&town, true);
    // Nobody works on it here; a type that is not known is settled by the receiver.
    let (open, _) = send(&town, &url, &["fynapse", "balance-extracted", "--wait", "1"]).await;
    assert_eq!(open.status.code(), Some(5), "{}", text(&open.stderr));
    let (settled, answer) = send(&town, &url, &["fynapse", "unknown-type", "--wait"]).await;
    assert_eq!((settled.status.code(), &answer["state"]), (Some(0), &json!("ignored")), "{}", text(&settled.stderr));
    let (none, _) = send(&town, &url, &["fynapse", "balance"]).await;
    assert!(text(&none.stderr).contains("balance-extracted, "), "{}", text(&none.stderr));
    let file = std::env::temp_dir().join(format!("hookledger-send-{}.json", std::process::id()));
    std::fs::write(&file, r#"{"event_id":"mine","type":"balance.extracted","data":{"extract":"x","balances":[]}}"#)
        .unwrap();
    let (mine, answer) = send(&town, &url, &["fynapse", file.to_str().unwrap()]).await;
    assert_eq!((mine.status.code(), &answer["marked"]), (Some(0), &json!(true)), "{}", text(&mine.stderr));
    std::fs::remove_file(&file).unwrap();
}
