//! What waits for a person is mended: by one command, after a plan, and each act is written down.

use std::process::Stdio;
use std::time::{Duration, Instant};

use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::entry::{Admitted, State};
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::ports::{Desk as _, Entries as _, Expectations as _, Results as _, Settlement};
use serde_json::{Value, json};

use crate::town::{CALLER, RIGHTFOOT, Town, noise, text};

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
    assert!(said.contains("40 rows") && said.contains("answered 422") && said.contains("--yes"), "{said}");
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
async fn a_close_is_the_last_word_and_says_whose_it_is() {
    let town = Town::new().await;
    let key = town.parked("b1", "answered 422", 300).await;
    let open = town.came(RIGHTFOOT, "batch", "b2", "BALANCE_BATCH_COMPLETED", 10).await;
    let expired = Expectation { key: Subject::new(RIGHTFOOT, "batch", "b3").item("expectation"), ..expectation(&town) };
    assert!(town.ledger.expect(&expired).await.unwrap());
    let (state, end) = (ExpectationState::Expired, town.now.plus_secs(60));
    assert!(town.ledger.end_expectation(&expired.key, state, town.now, end).await.unwrap());

    // Why is asked for, and nothing is done without it.
    for why in [&[][..], &["--why", " "], &["--why", &"x".repeat(501)]] {
        assert_eq!(town.run(&[&["close", &key.pk, &key.sk], why].concat()).await.status.code(), Some(2));
    }
    let close = ["--why", "asked them:\n\u{1b}[1mtold twice"];
    // What does not wait is left alone.
    for (key, code) in [(&open, 1), (&ItemKey { pk: open.pk.clone(), sk: "event#none".into() }, 3)] {
        let output = town.run(&[&["close", &key.pk, &key.sk], &close[..]].concat()).await;
        assert_eq!(output.status.code(), Some(code), "{}", text(&output.stderr));
    }
    // All that waits, expectations too: shown first.
    let plan = town.run(&[&["close"], &close[..]].concat()).await;
    assert!(text(&plan.stderr).contains("2 rows") && text(&plan.stderr).contains("--yes closes"), "{plan:?}");
    assert_eq!(town.ledger.history(&key).await.unwrap(), []);
    let (rows, code) = town.rows(&[&["close", "--yes"], &close[..]].concat()).await;
    assert_eq!((rows.len(), code), (2, Some(0)), "{rows:?}");
    assert_eq!(town.rows(&["parked"]).await.0.len(), 0);
    // Who, when, what, why: on the row, in both views, and nothing of it is obeyed by a terminal.
    for key in [&key, &expired.key] {
        let acts = town.ledger.history(key).await.unwrap();
        assert_eq!(
            acts.iter().map(|act| (act.by.as_str(), act.what.as_str())).collect::<Vec<_>>(),
            [(CALLER, "close")]
        );
        let story = text(&town.run(&["story", &key.pk]).await.stdout);
        assert!(story.contains(CALLER) && story.contains("told twice") && !story.contains('\u{1b}'), "{story}");
    }
    let shown = text(&town.run(&["show", &key.pk, &key.sk, "-o", "json"]).await.stdout);
    let shown: Value = serde_json::from_str(&shown).unwrap();
    assert_eq!((&shown["state"], &shown["history"][0]["by"]), (&json!("ignored"), &json!(CALLER)));
}

#[tokio::test]
async fn a_replay_says_whose_it_is() {
    let town = Town::new().await;
    let key = town.parked("b1", "answered 422", 300).await;
    let output = town.run(&["replay", &key.pk, &key.sk, "--why", "they are back"]).await;
    assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
    let acts = town.ledger.history(&key).await.unwrap();
    let acts: Vec<_> = acts.iter().map(|act| (act.by.as_str(), act.what.as_str(), act.why.as_deref())).collect();
    assert_eq!(acts, [(CALLER, "replay", Some("they are back"))]);
    // No queue answers here, which is said before anything is done.
    let said = text(&output.stderr);
    let warned = said.find("the queue of rightfoot does not answer").unwrap();
    assert!(warned < said.find("1 opened").unwrap(), "{said}");
}

/// Without knowing who orders it nothing is done: an act without a name is no act of record.
#[tokio::test]
async fn nobody_mends_without_a_name() {
    let town = Town::new().await;
    let key = town.parked("b1", "answered 422", 300).await;
    for order in [&["replay"][..], &["close", "--why", "told twice"]] {
        let mut command = town.command(&[order, &[&key.pk, &key.sk]].concat());
        // The table's own address, which knows nothing of who is who.
        command.env("AWS_ENDPOINT_URL_STS", &town.url);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert!(text(&output.stderr).contains("sts:GetCallerIdentity"), "{}", text(&output.stderr));
    }
    assert_eq!(town.rows(&["parked"]).await.0.len(), 1);
}

/// Killed in the middle, and started again: each is opened once, and none is left.
#[tokio::test]
async fn a_bulk_replay_that_is_killed_goes_on_where_it_stopped() {
    const ALL: usize = 300;
    let town = Town::new().await;
    let mut keys = Vec::new();
    for n in 0..ALL {
        keys.push(town.parked(&format!("b{n}"), "answered 422", 300).await);
    }
    let order = ["replay", "--reason", "422", "--yes", "--rate", "100"];
    let mut command = town.command(&order);
    let mut killed = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let started = Instant::now();
    loop {
        let (left, _) = town.rows(&["parked", "--limit", "1000"]).await;
        if left.len() < ALL - 20 {
            break;
        }
        assert!(started.elapsed() < Duration::from_secs(60), "nothing is opened");
    }
    killed.kill().unwrap();
    killed.wait().unwrap();
    let (left, _) = town.rows(&["parked", "--limit", "1000"]).await;
    assert!(!left.is_empty(), "it was killed too late to show anything");
    let (rows, code) = town.rows(&order).await;
    assert_eq!((rows.len(), code), (left.len(), Some(0)));
    assert_eq!(town.rows(&["parked"]).await.0.len(), 0);
    for key in keys {
        assert_eq!(town.ledger.history(&key).await.unwrap().len(), 1, "{key}");
    }
}

fn expectation(town: &Town) -> Expectation {
    Expectation {
        key: Subject::new(RIGHTFOOT, "batch", "none").item("expectation"),
        provider: RIGHTFOOT.to_string(),
        reference: "none".into(),
        repeats: false,
        state: ExpectationState::Waiting,
        created_at: town.now,
        due_at: Some(town.now),
        deadline: town.now,
        polls: 0,
        found: 0,
    }
}

#[tokio::test]
async fn what_is_erased_leaves_its_identity_and_a_certificate() {
    let town = Town::new().await;
    let key = town.parked("b1", "answered 422", 300).await;
    let large = town.large("b1").await;
    let subject = key.subject();
    let rows = [("balance#a", 20), ("balance#b", 400_000)].map(|(sk, bytes)| Row {
        sk: sk.into(),
        columns: vec![("authorizer", "cust-17".into())],
        // It can't be compressed, so it lies in pieces.
        document: noise(bytes),
    });
    town.ledger.put_rows(&subject, &rows, &Snapshot::delivered(town.now)).await.unwrap();
    let erase = ["erase", &key.pk, "--why", "asked to be forgotten, case 12"];

    // What is owed is not erased.
    let owed = town.run(&[&erase[..], &["--yes"]].concat()).await;
    assert_eq!(owed.status.code(), Some(1));
    assert!(text(&owed.stderr).contains("1 of them are still owed"), "{}", text(&owed.stderr));
    let settlement =
        Settlement { state: State::Done, reason: None, at: town.now, expires_at: town.now.plus_secs(9_000) };
    assert!(town.ledger.settle(&large, &settlement).await.unwrap());
    // Shown first.
    let plan = town.run(&erase).await;
    assert!(text(&plan.stderr).contains("2 entries, 2 rows, 0 expectations"), "{}", text(&plan.stderr));
    assert_eq!(town.partitions().await.len(), 3, "the subject, and two that hold pieces");
    assert_eq!(town.ledger.rows(&key.pk, "balance#").await.unwrap().len(), 2, "nothing was done");

    for _ in 0..2 {
        // The second time as after a kill: what is gone is gone, and the rest is said again.
        let output = town.run(&[&erase[..], &["--yes", "-o", "json"]].concat()).await;
        assert_eq!(output.status.code(), Some(0), "{}", text(&output.stderr));
        let certificate: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!((&certificate["by"], &certificate["entries"]), (&json!(CALLER), &json!(2)));
        assert!(
            certificate["remains"].as_array().unwrap().iter().any(|what| what.as_str().unwrap().contains("backups"))
        );
    }
    assert_eq!(town.partitions().await, std::slice::from_ref(&key.pk), "every piece is gone");
    let everything = town.everything().await;
    for word in ["000-12-3456", "cust-17", "balance#"] {
        assert!(!everything.contains(word), "{word}: {everything}");
    }
    for key in [&key, &large] {
        let (entry, body) = town.ledger.entry(key).await.unwrap().unwrap();
        assert_eq!((entry.state, body), (State::Ignored, Vec::new()), "{key}");
        // The same event again: known, and nothing comes back.
        let again = town.again(key).await;
        assert!(matches!(again, Admitted::Duplicate(known) if known.state == State::Ignored), "{key}");
    }
    let acts = town.ledger.history(&key).await.unwrap();
    assert_eq!(acts.last().unwrap().why.as_deref(), Some("asked to be forgotten, case 12"));
    let unknown = town.run(&["erase", "finbox#entity#none", "--why", "w", "--yes"]).await;
    assert_eq!(unknown.status.code(), Some(3));
}

#[tokio::test]
async fn who_reads_a_body_is_written_down_first() {
    let town = Town::new().await;
    let key = town.parked("b1", "answered 422", 300).await;
    let row = Row { sk: "balance#a".into(), columns: Vec::new(), document: br#"{"balance":10.50}"#.to_vec() };
    town.ledger.put_rows(&key.subject(), &[row], &Snapshot::delivered(town.now)).await.unwrap();
    let body = town.run(&["show", &key.pk, &key.sk, "--body", "--why", "case 12"]).await;
    assert_eq!(text(&body.stdout), r#"{"ssn":"000-12-3456"}"#, "{}", text(&body.stderr));
    let document = town.run(&["show", &key.pk, "balance#a", "--document"]).await;
    assert_eq!(text(&document.stdout), r#"{"balance":10.50}"#, "{}", text(&document.stderr));
    assert_eq!(town.run(&["show", &key.pk, "balance#none", "--document"]).await.status.code(), Some(3));
    let export = town.run(&["export", &key.pk]).await;
    let export: Value = serde_json::from_slice(&export.stdout).unwrap();
    let texts: Vec<&str> = export["rows"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|row| row["body"]["text"].as_str().or(row["document"]["text"].as_str()))
        .collect();
    assert_eq!(texts, [r#"{"balance":10.50}"#, r#"{"ssn":"000-12-3456"}"#]);
    assert!(export["rows"][0]["sha256"].as_str().unwrap().len() == 64, "{export}");
    let acts = town.ledger.history(&key.subject().item("history")).await.unwrap();
    let told: Vec<_> = acts.iter().map(|act| (act.by.as_str(), act.what.as_str())).collect();
    let read = format!("read body {}", key.sk);
    assert_eq!(told, [(CALLER, read.as_str()), (CALLER, "read document balance#a"), (CALLER, "export")]);

    // Whose name is not known, reads nothing.
    for look in [&["show", &key.pk, &key.sk, "--body"][..], &["export", &key.pk]] {
        let mut command = town.command(look);
        command.env("AWS_ENDPOINT_URL_STS", &town.url);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{look:?}");
    }
}
