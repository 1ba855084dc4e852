//! Every page shows its rows, whatever stands in them. How soon is the bench's to say (`benches/night`).

use futures_util::stream::{self, StreamExt as _};
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::ports::{Entries as _, Results as _, Settlement};

use super::Browser;
use crate::town::{FYNAPSE, RIGHTFOOT, Town};

const PAGES: [&str; 9] =
    ["/", "/events", "/parked", "/refused", "/owed", "/expectations", "/merchants", "/providers", "/find?id=b1"];

#[tokio::test]
async fn each_page_has_its_rows() {
    let town = Town::new().await;
    let came = |n: u64| {
        let town = &town;
        async move { town.came(RIGHTFOOT, "batch", &format!("b{n}"), "BALANCE_BATCH_COMPLETED", 60 + n * 40).await }
    };
    let all: Vec<ItemKey> = stream::iter(0..1_900).map(came).buffered(16).collect().await;
    assert_eq!(all.len(), 1_900);
    for n in 0..100 {
        town.parked(&format!("p{n}"), "tried 8 times: answered 422", 300 + n).await;
    }
    // In an hour with fewer than a sample has, so it is one of it.
    let at = town.now.minus_secs(60 + 500 * 40 - 20);
    let done = Settlement { state: State::Done, reason: None, at, expires_at: town.now.plus_secs(99_999) };
    assert!(town.ledger.settle(&all[500], &done).await.unwrap());
    town.found("f1", 90).await;
    town.came(FYNAPSE, "event", "e1", "balance.extracted", 30).await;
    town.refused(3).await;
    town.waits("w1").await;
    let browser = Browser::new(&town, &[]).await;
    let rows: [(&str, &[&str]); 12] = [
        (
            "/",
            &[
                ">100</span> <span><span aria-hidden=\"true\">▲</span> parked",
                ">rightfoot: tried 8 times: answered 422</a>",
                "has not run yet",
                "<td><a href=\"/events?provider=rightfoot&amp;since=24h\">2001</a></td>",
                "<a href=\"/refused?provider=rightfoot\">3</a>",
                "<rect class=\"p0\"",
                "<details><summary>The numbers</summary>",
                "Arrivals in each hour, ",
                "Pushed, and found by asking, ",
                "Refused, by reason, 3 at most",
                "</svg> wrong_token</li>",
                "From receipt to settlement, 20 s at most",
                "<circle class=\"p0\"",
                "Of 1 entries that were pushed and are done",
                // No queue answers here: the other parts of the page are there all the same.
                "The dead letters can't be shown",
            ],
        ),
        ("/events", &["50 events, the latest first", "balance.extracted", "proved by", "Older events"]),
        ("/events?provider=fynapse&since=1h", &["1 events", "provider: fynapse <span", "since: 1h"]),
        ("/events?origin=poll", &["1 events", "found by asking", "rightfoot#batch#f1"]),
        ("/parked", &["100 of the 100 that wait", "answered 422", "these 100"]),
        (
            "/parked/plan?provider=rightfoot&reason=tried%208%20times%3A%20answered%20422",
            &["100 of 100 rows", "This console is read-only", "--reason &#39;tried 8 times: answered 422&#39;"],
        ),
        ("/refused", &["3 on ", "wrong_token", "no live token", "192.0.2.7"]),
        ("/owed", &["100 of 1902 owed", "The reconciler has not run yet"]),
        ("/expectations", &["1 of 1", "w1", "waiting"]),
        ("/providers", &["closed", "2026-11", "Last use of each secret"]),
        (
            "/subject?pk=rightfoot%23batch%23p1",
            &["parked: tried 8 times: answered 422", "arrived, verified by 2026-11"],
        ),
        ("/find?id=b", &["Nothing is known of"]),
    ];
    for (path, shown) in rows {
        let answer = browser.get(path).await;
        let status = if path.starts_with("/find") { 404 } else { 200 };
        assert_eq!(answer.status, status, "{path}: {}", answer.body);
        for text in shown {
            assert!(answer.body.contains(text), "{path} has no {text:?}: {}", answer.body);
        }
        assert!(answer.body.contains("table ledger") && answer.body.contains("read-only"), "{path}: no banner");
        assert!(!answer.body.contains("000-12-3456"), "{path} shows a body");
        // Neither a script nor a style of its own, which the policy would refuse, and nothing from elsewhere.
        for forbidden in [" style=", " onclick", "<style", "=\"http", "=\"//", "url("] {
            assert!(!answer.body.contains(forbidden), "{path} has {forbidden}");
        }
    }
    // An id leads to its one subject.
    let found = browser.get("/find?id=b7").await;
    assert_eq!((found.status, found.header("location")), (303, Some("/subject?pk=rightfoot%23batch%23b7")));
}

/// Page after page, each event is shown once.
#[tokio::test]
async fn the_list_goes_on_to_its_end() {
    let town = Town::new().await;
    for n in 0..120 {
        town.came(RIGHTFOOT, "batch", &format!("b{n:03}"), "BALANCE_BATCH_COMPLETED", 60 + n).await;
    }
    let browser = Browser::new(&town, &[]).await;
    let (mut path, mut seen) = ("/events".to_string(), Vec::new());
    for _ in 0..5 {
        let answer = browser.get(&path).await;
        seen.extend(answer.links("/subject?pk="));
        match answer.body.split("<p class=\"pages\"><a href=\"").nth(1) {
            Some(rest) => path = rest.split('"').next().unwrap().replace("&amp;", "&"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 120);
    seen.dedup();
    assert_eq!(seen.len(), 120);
}

#[tokio::test]
async fn a_subject_tells_what_happened_and_shows_amounts_as_they_were_sent() {
    let town = Town::new().await;
    let key = town.came(RIGHTFOOT, "batch", "b1", "BALANCE_BATCH_COMPLETED", 100).await;
    let subject = Subject::new(RIGHTFOOT, "batch", "b1");
    let columns = vec![("balance", "1250.10".to_string()), ("currency", "USD".to_string())];
    let row = Row { sk: "balance#cust-1".into(), columns, document: br#"{"ssn":"000-12-3456"}"#.to_vec() };
    town.ledger.put_rows(&subject, &[row], &Snapshot::delivered(town.now)).await.unwrap();
    let settlement = Settlement {
        state: State::Done,
        reason: None,
        at: town.now.minus_secs(40),
        expires_at: town.now.plus_secs(99),
    };
    assert!(town.ledger.settle(&key, &settlement).await.unwrap());
    let browser = Browser::new(&town, &[]).await;
    let body = browser.get("/subject?pk=rightfoot%23batch%23b1").await.body;
    for text in [
        "arrived, verified by 2026-11",
        "worked on: done",
        "1 min 0 s later",
        "<td class=\"id number\">1250.10</td>",
        "USD",
        "cust-1",
    ] {
        assert!(body.contains(text), "{text}: {body}");
    }
    assert!(!body.contains("000-12-3456"), "{body}");
    let unknown = browser.get("/subject?pk=rightfoot%23batch%23none").await;
    assert!(unknown.status == 404 && unknown.body.contains("Nothing is known of this subject"), "{}", unknown.body);
}

/// A page that has nothing to show says which nothing it is.
#[tokio::test]
async fn each_empty_page_says_why_it_is_empty() {
    let town = Town::new().await;
    let browser = Browser::new(&town, &[]).await;
    let rows = [
        ("/events", 200, "<strong>Nothing came in</strong>"),
        ("/events?since=90d", 200, "<strong>Nothing has come in yet.</strong>"),
        ("/events?provider=finbox", 200, "<strong>Nothing fits these filters</strong>"),
        ("/events?since=yesterday", 502, "2026-11-27T10:00Z"),
        ("/events?provider=nobody", 502, "there is no provider nobody"),
        ("/events?state=melted", 502, "there is no state"),
        ("/parked", 200, "Nothing waits for a person"),
        ("/refused?day=2026-13-01", 200, "is no time"),
        ("/owed?late=yes", 200, "Nothing is late"),
        ("/expectations?state=expired", 200, "None has expired"),
        ("/merchants", 200, "No event about one came in"),
        ("/merchants?since=yesterday", 502, "2026-11-27T10:00Z"),
        ("/refused/plan?provider=rightfoot", 200, "Nothing is to be done here"),
        ("/refused/plan", 502, "Name a provider"),
        ("/nowhere", 404, "no such page"),
    ];
    for (path, status, text) in rows {
        let answer = browser.get(path).await;
        assert!(answer.status == status && answer.body.contains(text), "{path}: {} {}", answer.status, answer.body);
    }
}

/// The table is gone: each page says so, names the call, and has its frame.
#[tokio::test]
async fn a_query_that_fails_says_what_to_do() {
    let town = Town::new().await;
    let browser = Browser::new(&town, &[]).await;
    town.drop_table().await;
    for path in PAGES {
        let answer = browser.get(path).await;
        for text in ["can't be shown", "dynamodb:", "of ledger in us-east-1", "right stack", "<nav"] {
            assert!(answer.body.contains(text), "{path} has no {text:?}: {}", answer.body);
        }
    }
}
