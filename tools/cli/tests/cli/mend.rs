//! What waits for a person is mended: by one command, after a plan, and each act is written down.

use std::process::Stdio;
use std::time::{Duration, Instant};

use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::ports::{Desk as _, Expectations as _};
use serde_json::{Value, json};

use crate::town::{CALLER, RIGHTFOOT, Town, text};

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
