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
    let done = browser.post(&plan.links("/parked/replay")[0], &form).await;
    assert!(done.status == 200 && done.body.contains("12 opened, 0 failed"), "{}", done.body);
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
        let done = browser.post(&close, &format!("csrf={csrf}&why=told+twice")).await;
        assert!(done.body.contains("1 closed, 0 failed"), "{}", done.body);
        assert_eq!(acts(&town, key).await, [(CALLER.into(), "close".into(), Some("told twice".into()))]);
        // Who did it, and why, stands in the subject's page.
        let subject = browser.get(&format!("/subject?pk={}", key.pk.replace('#', "%23"))).await;
        assert!(subject.body.contains(&format!("close by {CALLER}: told twice")), "{}", subject.body);
    }
    assert_eq!(town.rows(&["parked"]).await.0.len(), 0);
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
