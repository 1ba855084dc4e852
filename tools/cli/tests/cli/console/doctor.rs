//! The doctor asks outward: only when it is told to, and by the same code as the command.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::Browser;
use crate::send::{KEY, Stack, TOKEN};
use crate::town::Town;

/// A provider's API: it answers 404, and counts who asked.
async fn api() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (url, asked) = (format!("http://{}", listener.local_addr().unwrap()), Arc::new(AtomicUsize::new(0)));
    let count = asked.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            count.fetch_add(1, Ordering::Relaxed);
            let mut buffer = [0; 4096];
            let _ = stream.read(&mut buffer).await;
            let _ = stream.write_all(b"HTTP/1.1 404 x\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").await;
        }
    });
    (url, asked)
}

/// A command that is told of two providers' secrets, and where the API of one is.
fn told(town: &Town, arguments: &[&str], url: &str, api: &str) -> Command {
    let mut command = town.command(arguments);
    command.env("AWS_ENDPOINT_URL", url).env("FINBOX_API_BASE_URL", api);
    for provider in ["FINBOX", "FYNAPSE"] {
        command.env(format!("HOOKLEDGER_SECRET_{provider}"), format!("arn:{provider}"));
    }
    command
}

#[tokio::test(flavor = "multi_thread")]
async fn the_doctor_asks_when_it_is_told_to_and_finds_what_the_command_finds() {
    let town = Town::new().await;
    let (url, (api, asked)) = (Stack::up(&town, true), api().await);
    // Read-only: it changes nothing.
    let browser = Browser::of(told(&town, &["console"], &url, &api)).await.let_in().await;
    let page = browser.get("/doctor").await;
    for text in
        ["What it asks", "Says of every secret whether it is live", "It asks fynapse, finbox", "not named: rightfoot"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(!page.body.contains("Findings"), "{}", page.body);
    assert_eq!(page.header("referrer-policy"), Some("same-origin"), "or a browser tells no origin");
    assert_eq!(asked.load(Ordering::Relaxed), 0, "it asked by itself");
    let found = browser.post("/doctor", &format!("csrf={}", page.csrf().unwrap())).await;
    assert_eq!(found.status, 200, "{}", found.body);
    let mut command = told(&town, &["doctor", "-o", "json"], &url, &api);
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let rows = document["rows"].as_array().unwrap();
    assert!(rows.len() > 4, "{document}");
    for row in rows {
        for name in ["what", "finding", "to_do"] {
            let text = row[name].as_str().unwrap_or("–").replace('\'', "&#39;");
            let text = text.replace('<', "&lt;").replace('>', "&gt;");
            // How long ago, and by how much: another second may have begun.
            let text: String = text.chars().take_while(|c| !c.is_ascii_digit()).collect();
            assert!(found.body.contains(&text), "{text}: {}", found.body);
        }
    }
    assert!(found.body.contains("lets us in: it answered 404") && asked.load(Ordering::Relaxed) == 2, "{}", found.body);
    let wrong = rows.iter().filter(|row| row["verdict"] == "warn").count();
    assert!(wrong > 0 && found.body.contains(&format!("{wrong} to mend")), "{wrong}: {}", found.body);
    assert_eq!(found.body.matches("state warn").count(), wrong, "{}", found.body);
    for hidden in [KEY, TOKEN, "a-key-of-the-api"] {
        assert!(!found.body.contains(hidden), "{}", found.body);
    }
}

/// What the console was not told is a finding, not an empty page.
#[tokio::test]
async fn a_console_without_secrets_says_so() {
    let town = Town::new().await;
    let browser = Browser::new(&town, &[]).await;
    let page = browser.get("/doctor").await;
    assert!(page.body.contains("It asks no provider"), "{}", page.body);
    let found = browser.post("/doctor", &format!("csrf={}", page.csrf().unwrap())).await;
    for text in ["no secret was named", "HOOKLEDGER_SECRET_&lt;PROVIDER&gt;", "reconciler", "has not run"] {
        assert!(found.status == 200 && found.body.contains(text), "{text}: {}", found.body);
    }
}
