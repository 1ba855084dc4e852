//! Replay and close by form: really done, and written down with who and why.

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::{Desk as _, Expectations as _};

use super::Browser;
use crate::town::{CALLER, Town};

async fn acts(town: &Town, key: &ItemKey) -> Vec<(String, String, Option<String>)> {
    let acts = town.ledger.history(key).await.unwrap();
    acts.into_iter().map(|act| (act.by, act.what, act.why)).collect()
}

#[tokio::test]
async fn a_group_is_opened_as_its_page_said() {
    let town = Town::new().await;
    let mut keys = Vec::new();
    for n in 0..12 {
        keys.push(town.parked(&format!("b{n}"), "answered 422", 300 + n).await);
    }
    let other = town.parked("other", "answered 422 and more", 400).await;
    let browser = Browser::new(&town, &["--write"]).await;
    let parked = browser.get("/parked").await;
    let plans = parked.links("/parked/plan");
    let plan = browser.get(&plans[0]).await;
    // What is to be done, to how many, and what comes of it: said before.
    for text in ["12 as of ", "It opens 12 parked entries again", "answered 422", "Replay 12", "Close 12", "required"] {
        assert!(plan.body.contains(text), "{text}: {}", plan.body);
    }
    assert_eq!(plan.header("referrer-policy"), Some("same-origin"), "or a browser tells no origin");
    // One that came to wait since then is in no plan.
    let late = town.parked("late", "answered 422", 0).await;
    let form = format!("csrf={}&why=they+are+back", plan.csrf().unwrap());
    let done = browser.act(&plan.links("/parked/replay")[0], &form).await;
    assert!(done.body.contains("12 opened, 0 failed") && done.header("refresh").is_none(), "{}", done.body);
    assert_eq!(done.body.matches("open again").count(), 12);
    for key in &keys {
        assert_eq!(acts(&town, key).await, [(CALLER.into(), "replay".into(), Some("they are back".into()))]);
    }
    let (left, _) = town.rows(&["parked"]).await;
    let mut left: Vec<_> = left.iter().map(|row| row["entry"].as_str().unwrap().to_string()).collect();
    left.sort();
    let mut expected = [late.sk, other.sk];
    expected.sort();
    assert_eq!(left, expected);
    // Sent once more, as a reload does: nothing is left to do.
    let again = browser.post(&plan.links("/parked/replay")[0], &form).await;
    assert!(again.status == 502 && again.body.contains("nothing was done: nothing waits"), "{}", again.body);
}

#[tokio::test]
async fn one_is_closed_for_a_reason() {
    let town = Town::new().await;
    let key = town.parked("b1", "answered 422", 300).await;
    town.waits("w1").await;
    let expired = ItemKey { pk: "rightfoot#batch#w1".into(), sk: "expectation".into() };
    let (state, end) = (ExpectationState::Expired, town.now.plus_secs(60));
    assert!(town.ledger.end_expectation(&expired, state, town.now, end).await.unwrap());
    let browser = Browser::new(&town, &["--write"]).await;
    for key in [&key, &expired] {
        let subject = browser.get(&format!("/subject?pk={}", key.pk.replace('#', "%23"))).await;
        let plan = browser.get(&subject.links("/parked/plan")[0]).await;
        // An expectation has no work to send again.
        assert_eq!(plan.links("/parked/replay").is_empty(), key.sk == "expectation");
        let (close, csrf) = (plan.links("/parked/close")[0].clone(), plan.csrf().unwrap());
        for why in ["", "why=", "why=+", &format!("why={}", "x".repeat(501))] {
            let refused = browser.post(&close, &format!("csrf={csrf}&{why}")).await;
            assert!(refused.status == 502 && refused.body.contains("nothing was done"), "{why}: {}", refused.body);
        }
        assert_eq!(acts(&town, key).await, []);
        let done = browser.act(&close, &format!("csrf={csrf}&why=told+twice")).await;
        assert!(done.body.contains("1 closed, 0 failed"), "{}", done.body);
        assert_eq!(acts(&town, key).await, [(CALLER.into(), "close".into(), Some("told twice".into()))]);
        // Who did it, and why, stands in the subject's page.
        let subject = browser.get(&format!("/subject?pk={}", key.pk.replace('#', "%23"))).await;
        assert!(subject.body.contains(&format!("close by {CALLER}: told twice")), "{}", subject.body);
    }
    assert_eq!(town.rows(&["parked"]).await.0.len(), 0);
}

/// An act of more rows than a moment takes: how far it is, and its stop, which loses no outcome. What is left is taken up by
/// the same form.
#[tokio::test]
async fn an_act_tells_how_far_it_is_and_can_be_stopped_and_begun_again() {
    let town = Town::new().await;
    let mut keys = Vec::new();
    for n in 0..40 {
        keys.push(town.parked(&format!("b{n:02}"), "answered 422", 300 + n).await);
    }
    // One of them is opened by somebody else once the act has begun; it is the last in turn.
    let gone = keys[0].clone();
    let browser = Browser::new(&town, &["--write"]).await;
    let parked = browser.get("/parked").await;
    let plan = browser.get(&parked.links("/parked/plan")[0]).await;
    let (replay, csrf) = (plan.links("/parked/replay")[0].clone(), plan.csrf().unwrap());
    for rate in ["0", "1001", "fast", ""] {
        let refused = browser.post(&replay, &format!("csrf={csrf}&rate={rate}")).await;
        assert!(refused.status == 502 && refused.body.contains("1 to 1000"), "{rate}: {}", refused.body);
    }
    let begun = browser.post(&replay, &format!("csrf={csrf}&why=back&rate=2")).await;
    assert_eq!(begun.status, 303, "{}", begun.body);
    let page = begun.header("location").unwrap().to_string();
    let act = hookledger_core::model::act::Act { at: town.now, by: "else".into(), what: "replay".into(), why: None };
    assert!(town.ledger.replay(&gone, town.now, &act).await.unwrap());
    let far = browser.get(&page).await;
    for text in [" so far", "of 40</p>", "<progress max=\"40\"", "Stop it", "every 2 seconds", "Hold it still"] {
        assert!(far.body.contains(text), "{text}: {}", far.body);
    }
    assert_eq!(far.header("refresh"), Some("2"));
    let still = browser.get(&format!("{page}&still=yes")).await;
    assert!(still.header("refresh").is_none() && still.body.contains("Let it come again"), "{}", still.head);
    let listed = browser.get("/parked").await;
    assert!(listed.body.contains("Done from this console") && listed.links("/act?n=") == [&*page], "{}", listed.body);
    let stopped = browser.act(&far.links("/act/stop")[0], &format!("csrf={csrf}")).await;
    for text in ["It was stopped", " left", "begin it again", "back"] {
        assert!(stopped.body.contains(text), "{text}: {}", stopped.body);
    }
    // Each outcome that there is stands in a row, and the other way about.
    let left = town.rows(&["parked"]).await.0.len();
    let file = browser.get(&stopped.links("/act/outcomes")[0]).await;
    let lines: Vec<serde_json::Value> = file.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(!lines.is_empty() && lines.len() == 39 - left, "{left} left: {}", file.body);
    for line in &lines {
        let text = |name: &str| line[name].as_str().unwrap().to_string();
        let key = ItemKey { pk: text("subject"), sk: text("entry") };
        assert_eq!(acts(&town, &key).await, [(CALLER.into(), "replay".into(), Some("back".into()))]);
    }
    // Nothing is done twice, and one that is not as it was says so with its key.
    let again = browser.get(&stopped.links("/parked/plan")[0]).await;
    assert!(again.body.contains(&format!("{left} as of ")), "{}", again.body);
    let all = browser.act(&again.links("/parked/replay")[0], &format!("csrf={csrf}&rate=1000")).await;
    assert!(all.body.contains(&format!("{left} opened, 0 failed")), "{}", all.body);
    for key in keys.iter().filter(|key| **key != gone) {
        assert_eq!(acts(&town, key).await.len(), 1, "{key}");
    }
    let unknown = browser.get("/act?n=99").await;
    assert_eq!(unknown.status, 404);
}

/// What fails stands on the page with its key, and what is over stays there.
#[tokio::test]
async fn what_failed_is_named() {
    let town = Town::new().await;
    for n in 0..20 {
        town.parked(&format!("b{n:02}"), "answered 422", 300 + n).await;
    }
    let browser = Browser::new(&town, &["--write"]).await;
    let parked = browser.get("/parked").await;
    let plan = browser.get(&parked.links("/parked/plan")[0]).await;
    let form = format!("csrf={}&why=known&rate=5", plan.csrf().unwrap());
    let begun = browser.post(&plan.links("/parked/close")[0], &form).await;
    let page = begun.header("location").unwrap().to_string();
    // Somebody else was faster with the last in turn.
    let other = town.run(&["close", "rightfoot#batch#b00", "event#BALANCE_BATCH_COMPLETED#b00", "--why", "mine"]).await;
    assert_eq!(other.status.code(), Some(0));
    let over = loop {
        let answer = browser.get(&page).await;
        if answer.body.contains("data-ended") {
            break answer;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    for text in
        ["19 closed, 1 failed", "1 of 1 failed", "not parked: nothing was done", "rightfoot#batch#b00", "It is over"]
    {
        assert!(over.body.contains(text), "{text}: {}", over.body);
    }
}

/// Ctrl-c in the middle of an act: what is begun is done, and the terminal says how far it came.
#[tokio::test]
async fn the_end_of_the_console_stops_an_act_and_tells_of_it() {
    let town = Town::new().await;
    for n in 0..20 {
        town.parked(&format!("b{n:02}"), "answered 422", 300 + n).await;
    }
    let file = std::env::temp_dir().join(format!("hookledger-told-{}", std::process::id()));
    let terminal = std::fs::File::create(&file).unwrap();
    let mut browser = Browser::telling(town.command(&["console", "--write"]), terminal.into()).await.let_in().await;
    let parked = browser.get("/parked").await;
    let plan = browser.get(&parked.links("/parked/plan")[0]).await;
    let form = format!("csrf={}&why=known&rate=5", plan.csrf().unwrap());
    assert_eq!(browser.post(&plan.links("/parked/close")[0], &form).await.status, 303);
    assert_eq!(browser.interrupt().await, Some(0));
    let told = std::fs::read_to_string(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    let left = town.rows(&["parked"]).await.0.len();
    let last = told.lines().last().unwrap();
    assert!(
        0 < left && left < 20 && last.starts_with("Close 1: ") && last.ends_with(&format!(", {left} left")),
        "{told}"
    );
}

/// Whoever closes the page while it works finds all of it done.
#[tokio::test]
async fn what_has_begun_is_carried_out() {
    let town = Town::new().await;
    for n in 0..12 {
        town.parked(&format!("b{n}"), "answered 422", 300 + n).await;
    }
    let browser = Browser::new(&town, &["--write"]).await;
    let parked = browser.get("/parked").await;
    let plan = browser.get(&parked.links("/parked/plan")[0]).await;
    let (replay, form) = (plan.links("/parked/replay")[0].clone(), format!("csrf={}", plan.csrf().unwrap()));
    let origin = format!("http://{}", browser.host());
    let request = browser.form(&replay, &[("origin", &origin), ("cookie", &browser.cookie)], &form);
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", browser.port)).unwrap();
    std::io::Write::write_all(&mut stream, request.as_bytes()).unwrap();
    let waiting = async || town.rows(&["parked"]).await.0.len();
    while waiting().await == 12 {}
    drop(stream);
    // Each look takes longer than a row does; so many are enough for all.
    for _ in 0..100 {
        if waiting().await == 0 {
            return;
        }
    }
    assert_eq!(waiting().await, 0);
}
