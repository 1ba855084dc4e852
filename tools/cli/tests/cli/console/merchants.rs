//! How merchants stand: the list, and the way of one.

use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::fact::Fact;
use hookledger_core::model::identity::Subject;
use hookledger_core::ports::{Entries as _, Results as _, Settlement};

use super::Browser;
use crate::town::{RIGHTFOOT, RUNPAYMENTS, Town};

#[tokio::test]
async fn each_merchant_stands_in_the_list_and_leads_to_its_way() {
    let town = Town::new().await;
    for (id, status, ago) in [("1", "new", 500), ("1", "live", 100), ("2", "boarded", 300), ("3", "live", 9_000)] {
        town.merchant(id, status, ago).await;
    }
    // Neither another kind of the same provider, nor another provider's, has a status.
    town.came(RUNPAYMENTS, "transaction", "t1", "transaction.entered", 50).await;
    town.came(RIGHTFOOT, "batch", "b1", "BALANCE_BATCH_COMPLETED", 40).await;
    // An event about one that moved nothing yet.
    town.came(RUNPAYMENTS, "merchant", "4", "boarding.varcomplete", 30).await;
    let browser = Browser::new(&town, &[]).await;
    let page = browser.get("/merchants").await;
    let links = page.links("/subject?pk=");
    let expected = ["4", "1", "2", "3"].map(|id| format!("/subject?pk=runpayments%23merchant%23{id}"));
    assert_eq!(links, expected, "{}", page.body);
    for text in
        ["4 of 4, the one of the latest event first", "made of 6 events since", "live <strong>2</strong>", "none yet"]
    {
        assert!(page.body.contains(text), "{text}: {}", page.body);
    }
    assert!(page.body.contains("keeps no list of all merchants"), "{}", page.body);
    let live = browser.get("/merchants?status=live&since=1h").await;
    assert_eq!(live.links("/subject?pk="), [expected[1].clone()], "{}", live.body);
    let way = browser.get(&expected[1]).await;
    for text in ["Its way", "class=\"was\"", "class=\"now\"", "came 2 s later"] {
        assert!(way.body.contains(text), "{text}: {}", way.body);
    }
    let other = browser.get("/subject?pk=rightfoot%23batch%23b1").await;
    assert!(!other.body.contains("Its way"), "{}", other.body);
}

/// What came behind something that happened later, and what moved nothing, is shown as such.
#[tokio::test]
async fn the_way_shows_what_came_late_and_what_was_not_applied() {
    let town = Town::new().await;
    town.merchant("1", "live", 400).await;
    let subject = Subject::new(RUNPAYMENTS, "merchant", "1");
    let late = town.came(RUNPAYMENTS, "merchant", "1", "merchant.boarded", 100).await;
    let fact = Fact {
        status: "boarded".into(),
        n: 1,
        owner: late.clone(),
        origin: Origin::Push,
        occurred_at: town.now.minus_secs(4_000),
        matched_by: None,
    };
    assert!(town.ledger.put_fact(&subject, &fact).await.unwrap());
    let browser = Browser::new(&town, &[]).await;
    let of = "/subject?pk=runpayments%23merchant%231";
    let page = browser.get(of).await;
    assert!(page.body.contains("<li class=\"late\">") && page.body.contains("came 1 h 5 min later"), "{}", page.body);
    town.ledger.freeze(&late, r#"{"applied":false}"#).await.unwrap();
    let (at, expires_at) = (town.now, town.now.plus_secs(99_999));
    assert!(town.ledger.settle(&late, &Settlement { state: State::Done, reason: None, at, expires_at }).await.unwrap());
    let page = browser.get(of).await;
    assert!(
        page.body.contains("<li class=\"passed\">") && page.body.contains("came too late: not applied"),
        "{}",
        page.body
    );
    assert!(page.body.find("class=\"passed\"") < page.body.find("class=\"now\""), "in the order in which it happened");
}

/// More events than one page reads: it says so, and the next page goes on.
#[tokio::test]
async fn a_list_that_is_not_whole_says_so_and_goes_on() {
    let town = Town::new().await;
    town.merchant("first", "live", 5_000).await;
    for n in 0..1_005 {
        town.came(RUNPAYMENTS, "transaction", &format!("t{n}"), "transaction.entered", 100 + n).await;
    }
    let browser = Browser::new(&town, &[]).await;
    let page = browser.get("/merchants").await;
    let older = page.links("/merchants?").into_iter().find(|link| link.contains("until=")).expect("the way on");
    assert!(page.links("/subject?pk=").is_empty(), "{}", page.body);
    let page = browser.get(&older).await;
    assert!(page.body.contains("runpayments#merchant#first"), "{}", page.body);
}
