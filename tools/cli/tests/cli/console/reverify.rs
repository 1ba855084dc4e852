//! To verify again what was refused, by form: as `refused reverify` does.

use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::refused::Refused;
use hookledger_core::ports::{Desk as _, Refusals as _};

use super::Browser;
use crate::send::{KEY, Stack, TOKEN};
use crate::town::{CALLER, Town};

const FINBOX: ProviderId = ProviderId("finbox");

/// A delivery that came while its token was not known; one of a token that nobody has; and one that was cut.
async fn refused(town: &Town) {
    let body = br#"{"event_name":"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION","session_id":"s-1"}"#.to_vec();
    let digest_of = |token: &str| hookledger_core::model::identity::digest_hex(token.as_bytes());
    for (n, token, cut) in [(0, TOKEN, 0), (1, "another-token-of-this-length", 0), (2, TOKEN, 90_000)] {
        let refused = Refused {
            provider: FINBOX,
            code: "wrong_token".into(),
            reason: "the URL has no live token".into(),
            at: town.now.minus_secs(n),
            digest: format!("{n:064}"),
            body_bytes: body.len() + cut,
            body: body.clone(),
            token_digest: Some(digest_of(token)),
            headers: Vec::new(),
            source_ip: Some("192.0.2.7".into()),
        };
        assert!(town.ledger.refuse(&refused).await.unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_genuine_is_let_in_by_form_and_says_who_did_it() {
    let town = Town::new().await;
    refused(&town).await;
    let url = Stack::up(&town, true);
    let mut console = town.command(&["console", "--write"]);
    console.env("AWS_ENDPOINT_URL", &url).env("HOOKLEDGER_SECRET_FINBOX", "arn:finbox");
    let browser = Browser::of(console).await.let_in().await;
    let page = browser.get("/refused").await;
    let plan = browser.get(&page.links("/refused/plan")[0]).await;
    let says = [
        "3 as of",
        "verifies 3 refused deliveries",
        "goes after 14 days",
        "Of 1 only the start was kept",
        "Verify 3 again",
    ];
    for text in says {
        assert!(plan.body.contains(text), "{text}: {}", plan.body);
    }
    let (path, csrf) = (plan.links("/refused/reverify")[0].clone(), plan.csrf().unwrap());
    let long = browser.post(&path, &format!("csrf={csrf}&why={}", "x".repeat(501))).await;
    assert!(long.status == 502 && long.body.contains("nothing was done"), "{}", long.body);
    let done = browser.act(&path, &format!("csrf={csrf}&why=the+token+was+mistyped")).await;
    for text in [
        "1 let in, 2 stay refused",
        "genuine by 2026-11: let in",
        "cannot be verified: only the first",
        "finbox#session#s-1",
        "the token was mistyped",
    ] {
        assert!(done.body.contains(text), "{text}: {}", done.body);
    }
    assert!(![KEY, TOKEN].iter().any(|hidden| done.body.contains(hidden)), "{}", done.body);
    let keys = town.ledger.entries_of("finbox#session#s-1").await.unwrap();
    let [key]: [ItemKey; 1] = keys.try_into().unwrap();
    let acts = town.ledger.history(&key).await.unwrap();
    let acts: Vec<_> = acts.into_iter().map(|act| (act.by, act.what, act.why)).collect();
    assert_eq!(acts, [(CALLER.into(), "reverify".into(), Some("the token was mistyped".into()))]);
    // What is let in is in quarantine no more; the others are, and a second go lets nothing in twice.
    let again = browser.act(&path, &format!("csrf={csrf}")).await;
    assert!(again.body.contains("0 let in, 2 stay refused"), "{}", again.body);
    assert!(browser.get("/refused").await.body.contains("Done from this console"));
}

/// Without the secret it says what it lacks, and nothing is done.
#[tokio::test]
async fn without_a_secret_nothing_is_done() {
    let town = Town::new().await;
    refused(&town).await;
    let browser = Browser::new(&town, &["--write"]).await;
    let plan = browser.get("/refused/plan?provider=finbox").await;
    let form = format!("csrf={}", plan.csrf().unwrap());
    let done = browser.post(&plan.links("/refused/reverify")[0], &form).await;
    assert!(done.status == 502 && done.body.contains("nothing was done"), "{}", done.body);
    assert_eq!(town.rows(&["refused", "finbox"]).await.0.len(), 3);
}
