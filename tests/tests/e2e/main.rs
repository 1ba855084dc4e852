//! The deployed stack, from outside, with IAM enforced by the emulator. It needs `cargo xtask up`; without it every
//! test fails and says so. `cargo xtask test e2e` starts the stack, runs this, and stops it.

mod canaries;
mod crashes;
mod drills;
mod each_provider;
mod finbox;
mod flood;
mod fynapse;
mod night;
mod operator;
mod people;
mod preflight;
mod runpayments;
mod rightfoot;
mod security;
mod way_back;
mod random_hour;
mod malformed;
mod routes;

use hookledger_core::model::entry::State;
use hookledger_core::model::identity::{Identity, ProviderId, Subject};
use hookledger_core::model::job::Job;
use hookledger_kit as kit;
use hookledger_tests::local::until;
use hookledger_tests::samples::event_of;
use hookledger_tests::story::{Scene, play};
use serde_json::json;
use tokio::sync::{Mutex, MutexGuard};

/// One test at a time: they break the same stack in different places.
static STACK: Mutex<()> = Mutex::const_new(());

async fn scene(name: &str) -> (MutexGuard<'static, ()>, Scene) {
    let guard = STACK.lock().await;
    let mut scene = Scene::open().await.unwrap_or_else(|error| panic!("{error}"));
    scene.run = format!("{name}{}", scene.run);
    (guard, scene)
}

#[tokio::test]
async fn the_story_is_as_expected() {
    let guard = STACK.lock().await;
    let scene = Scene::open().await.unwrap_or_else(|error| panic!("{error}"));
    let told = play(&scene, |row| println!("{}: {:?}", row.title, row.seen)).await;
    let failed: Vec<_> = told.iter().filter(|row| row.seen.is_err()).collect();
    assert!(told.len() >= 16 && failed.is_empty(), "{failed:#?}");
    drop(guard);
}

/// What anybody may send, beside what is in the table of malformed requests.
#[tokio::test]
async fn requests_nobody_should_send() {
    let (_guard, scene) = scene("odd").await;
    let local = &scene.local;
    let (text, json, binary) = ("text/plain", "application/json", "application/octet-stream");
    let odd = (kit::of("rightfoot").unknown)(&scene.id("odd"));
    let not_utf8 = [&[0xff, 0xfe], scene.id("x").as_bytes()].concat();
    let rows = [
        ("any content type will do", "rightfoot", text, odd.into_bytes(), 200),
        ("an empty body", "rightfoot", json, vec![], 400),
        ("a field is missing", "rightfoot", json, br#"{"type":"T","batch_id":"b"}"#.to_vec(), 400),
        ("not UTF-8", "rightfoot", binary, vec![0xff, 0xfe, 0], 400),
        ("not UTF-8, kept", "finbox", binary, not_utf8, 200),
    ];
    for (name, provider, content_type, body, expected) in rows {
        let url = local.stack.webhook(provider).unwrap();
        let answered = local.http.send("POST", url, &[("content-type", content_type)], body).await.unwrap();
        assert_eq!(answered.status, expected, "{name}: {}", answered.text());
        assert!(expected != 400 || answered.text().contains("error"), "{name}: {}", answered.text());
    }
}

/// Verified and unreadable: kept, parked, byte for byte.
#[tokio::test]
async fn what_cannot_be_read_waits_for_a_person() {
    let (_guard, scene) = scene("unreadable").await;
    let local = &scene.local;
    let body = scene.id("nonsense").into_bytes();
    for _ in 0..2 {
        local.sandbox.send_expecting("runpayments", &scene.id("nonsense"), json!({}), 200).await.unwrap();
    }
    let provider = ProviderId("runpayments");
    let now = hookledger_core::ports::Clock::now(&hookledger_aws::ports::clock::SystemClock::new());
    let digest = hookledger_core::model::identity::digest_hex(&body);
    let key = Subject::unreadable(provider, &now.day()).item(Identity::new(&["sha256", &digest]).as_str());
    let (entry, kept) = hookledger_core::ports::Entries::entry(&local.ledger, &key).await.unwrap().unwrap();
    assert_eq!((entry.state, kept), (State::Parked, body));
}

/// Bodies far beyond one item come back as they went in.
#[tokio::test]
async fn large_bodies_are_kept_whole() {
    let (_guard, scene) = scene("large").await;
    let local = &scene.local;
    let noise: String =
        (0..120_000u64).map(|n| format!("{:012x}", n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 16)).collect();
    let body = json!({ "event_id": scene.id("large"), "type": "balance.extracted", "data": noise }).to_string();
    let key = event_of("fynapse", &body).key();
    local.sandbox.send_expecting("fynapse", &body, json!({}), 200).await.unwrap();
    local.until_state(&key, State::Done).await.unwrap();
    let (_, kept) = hookledger_core::ports::Entries::entry(&local.ledger, &key).await.unwrap().unwrap();
    assert!(kept == body.as_bytes(), "{} bytes of {} came back", kept.len(), body.len());
    let rows = local.ledger.rows(&key.pk, "data").await.unwrap();
    assert_eq!(rows[0].document.len(), noise.len() + 2);
}

/// Three pages of balances, negative and null ones among them: one row for each authorizer, amounts as sent.
#[tokio::test]
async fn every_page_is_read() {
    let (_guard, scene) = scene("pages").await;
    let local = &scene.local;
    let batch = scene.id("pages");
    let balances: Vec<_> = (0..250)
        .map(|n| {
            let balance = if n % 50 == 0 { json!(null) } else { json!(-1.5 - f64::from(n)) };
            json!({ "authorizer_unique_id": format!("a{n}"), "balance": balance, "balance_status_code": 0 })
        })
        .collect();
    local.sandbox.batch(&batch, "complete", json!(balances)).await.unwrap();
    let body = kit::event("rightfoot", &batch);
    local.sandbox.send_expecting("rightfoot", &body, json!({}), 200).await.unwrap();
    let key = event_of("rightfoot", &body).key();
    local.until_state(&key, State::Done).await.unwrap();
    let rows = local.ledger.rows(&key.pk, "balance#").await.unwrap();
    assert_eq!(rows.len(), 250);
    let row = |sk: &str| rows.iter().find(|row| row.sk == sk).unwrap().columns.clone();
    assert!(row("balance#a7").contains(&("balance".into(), "-8.5".into())));
    assert!(row("balance#a50").iter().all(|(name, _)| name != "balance"), "a null balance has no amount");
    let published = local.observer.published(&key.pk).await.unwrap();
    assert_eq!(published[0]["summary"]["balances"], 250);
}

#[tokio::test]
async fn expectations_are_authorised_and_answer_by_name() {
    let (_guard, scene) = scene("expect").await;
    let local = &scene.local;
    let batch = scene.id("batch");
    let url = format!("{}/rightfoot/{batch}", local.stack.expectations_url);
    let unsigned = local.http.send("PUT", &url, &[], vec![]).await.unwrap();
    assert_eq!(unsigned.status, 403, "{}", unsigned.text());
    let rows = [
        ("nobody waits yet", "GET", "rightfoot", batch.clone(), 404),
        ("announced", "PUT", "rightfoot", batch.clone(), 201),
        ("announced again", "PUT", "rightfoot", batch.clone(), 200),
        ("it waits", "GET", "rightfoot", batch.clone(), 200),
        ("closed", "DELETE", "rightfoot", batch.clone(), 200),
        ("closed already", "DELETE", "rightfoot", batch.clone(), 404),
        ("announced anew", "PUT", "rightfoot", batch.clone(), 201),
        ("closed anew", "DELETE", "rightfoot", batch.clone(), 200),
        ("no such provider", "PUT", "nobody", batch.clone(), 404),
        ("not offered", "PUT", "fynapse", batch.clone(), 422),
        ("not a reference", "PUT", "finbox", batch, 400),
    ];
    for (name, method, provider, reference, expected) in rows {
        let answered = local.expect(method, provider, &reference).await.unwrap();
        assert_eq!(answered.status, expected, "{name}: {}", answered.text());
    }
    // The same, by invoking the function directly.
    let name = local.stack.function("expectations").unwrap();
    let path = format!("/2015-03-31/functions/{name}/invocations");
    let order = json!({ "action": "put", "provider": "finbox", "reference": format!("link:{}", scene.id("l")) });
    let answered = local.http.aws("lambda", "POST", &path, &[], order.to_string().into_bytes()).await.unwrap();
    assert_eq!(answered.json().unwrap()["statusCode"], 201, "{}", answered.text());
}

/// One bad message never fails its neighbours, and ends where a person finds it.
#[tokio::test]
async fn a_message_that_is_no_job_goes_to_the_dead_letter_queue_alone() {
    let (_guard, scene) = scene("dlq").await;
    let local = &scene.local;
    local.set_visibility(2).await.unwrap();
    let rubbish = scene.id("rubbish");
    local.send_message("fynapse", &rubbish).await.unwrap();
    let body = kit::event("fynapse", &scene.id("neighbour"));
    local.sandbox.send_expecting("fynapse", &body, json!({}), 200).await.unwrap();
    local.until_state(&event_of("fynapse", &body).key(), State::Done).await.unwrap();
    let dead = until("the message to be dead-lettered", async || {
        let dead = local.dead_letters().await?;
        Ok(if dead.contains(&rubbish) { Ok(dead) } else { Err(format!("{} are", dead.len())) })
    })
    .await;
    local.set_visibility(360).await.unwrap();
    assert_eq!(dead.unwrap(), [rubbish]);
}

/// What the functions fail with is logged in words: by them, and where the runtime prints it too.
#[tokio::test]
async fn a_refused_batch_and_a_refused_run_are_logged_in_words() {
    let (_guard, scene) = scene("words").await;
    let local = &scene.local;
    let rows = [
        ("worker", "{}", "the event is not a batch of SQS messages", "Shape"),
        ("reconciler", r#"{"shard_first":64}"#, "shard_first and shard_last must be whole numbers", "NoSuchShards"),
    ];
    for (function, event, words, debug) in rows {
        let path = format!("/2015-03-31/functions/{}/invocations", local.stack.function(function).unwrap());
        let before = local.log_of(function).await.unwrap().len();
        local.http.aws("lambda", "POST", &path, &[], event.as_bytes().to_vec()).await.unwrap();
        until("the failure to be logged", async || {
            let log = local.log_of(function).await?;
            let lines: Vec<_> = log.iter().skip(before).filter(|line| line.contains("\"ERROR\"")).collect();
            let ours = lines.iter().any(|line| line.contains(words) && line.contains("hookledger_aws::serve"));
            let all = lines.len() >= 2 && lines.iter().all(|line| line.contains(words) && !line.contains(debug));
            Ok(if ours && all { Ok(()) } else { Err(format!("{lines:#?}")) })
        })
        .await
        .unwrap_or_else(|error| panic!("{function}: {error}"));
    }
}

/// A message delivered twice, and one for an entry that is settled, change nothing.
#[tokio::test]
async fn a_doubled_message_does_nothing_twice() {
    let (_guard, scene) = scene("doubled").await;
    let local = &scene.local;
    let body = kit::event("fynapse", &scene.id("doubled"));
    let key = event_of("fynapse", &body).key();
    local.sandbox.send_expecting("fynapse", &body, json!({}), 200).await.unwrap();
    let first = local.until_state(&key, State::Done).await.unwrap();
    for _ in 0..3 {
        local.send_message("fynapse", &Job::entry(key.clone()).to_json()).await.unwrap();
    }
    until("the queue to be empty", async || {
        let depth = local.depth().await?;
        Ok(if depth == 0 { Ok(()) } else { Err(format!("{depth} messages wait")) })
    })
    .await
    .unwrap();
    assert_eq!(local.entry(&key).await.unwrap(), Some(first));
    assert_eq!(local.observer.published(&key.pk).await.unwrap().len(), 1);
}

/// Without secrets everything is refused in a way that makes every provider come again; with them back, it is let in.
#[tokio::test]
async fn without_secrets_nothing_is_let_in() {
    let (_guard, scene) = scene("closed").await;
    let local = &scene.local;
    let body = kit::event("fynapse", &scene.id("closed"));
    let document = local.secret("fynapse").await.unwrap();
    local.put_secret("fynapse", "{}").await.unwrap();
    // The secret is cached for a few seconds here, for minutes in production.
    let refused = until("the cached secret to be over", async || {
        let attempts = local.sandbox.send("fynapse", &body).await?;
        let status = attempts.first().and_then(|attempt| attempt.status);
        Ok(if status == Some(503) { Ok(()) } else { Err(format!("answered {status:?}")) })
    })
    .await;
    local.put_secret("fynapse", &document).await.unwrap();
    refused.unwrap();
    until("the secret to be read again", async || {
        let attempts = local.sandbox.send("fynapse", &body).await?;
        let status = attempts.first().and_then(|attempt| attempt.status);
        Ok(if status == Some(200) { Ok(()) } else { Err(format!("answered {status:?}")) })
    })
    .await
    .unwrap();
    local.until_state(&event_of("fynapse", &body).key(), State::Done).await.unwrap();
}
