//! A night's work, with the stack's name alone: a provider's API answered 422, what it left is parked, one command mends it
//! and another proves it.

use hookledger_core::model::entry::State;
use hookledger_tests::local::{Local, Outcome};
use hookledger_tests::samples::event_of;
use serde_json::{Value, json};

use super::operator::by_name;
use super::scene;

const PROVIDER: &str = "rightfoot";
const PARKED: usize = 4;

/// The rows of the JSON form, and how it ended.
fn rows(local: &Local, arguments: &[&str]) -> Outcome<(Vec<Value>, Option<i32>)> {
    let output = by_name(local, &[arguments, &["-o", "json"]].concat())?;
    let document: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("{error}: {output:?}"))?;
    let rows = document["rows"].as_array().ok_or_else(|| format!("no rows: {document}"))?;
    Ok((rows.clone(), output.status.code()))
}

#[tokio::test]
async fn what_an_outage_parked_is_mended_by_one_command() {
    let (_guard, scene) = scene("night").await;
    let local = &scene.local;
    let mut keys = Vec::new();
    local.sandbox.faults(PROVIDER, json!({ "outage": true, "status": 422 })).await.unwrap();
    for n in 0..PARKED {
        let body = local.sandbox.event(PROVIDER, &scene.id(&format!("b{n}"))).await.unwrap();
        local.sandbox.send_expecting(PROVIDER, &body, json!({}), 200).await.unwrap();
        keys.push(event_of(PROVIDER, &body).key());
    }
    for key in &keys {
        local.until_state(key, State::Parked).await.unwrap();
    }
    // What is it? The provider lets nobody in with this key; once it does again, that is told as well.
    local.sandbox.faults(PROVIDER, json!({ "outage": true, "status": 401 })).await.unwrap();
    let api = |rows: &[Value]| rows.iter().find(|row| row["what"] == format!("{PROVIDER} API")).cloned().unwrap();
    let (found, code) = rows(local, &["doctor", "apis"]).unwrap();
    assert_eq!((code, &api(&found)["verdict"]), (Some(4), &json!("warn")), "{found:?}");
    local.sandbox.faults(PROVIDER, json!({ "outage": false })).await.unwrap();
    let (found, _) = rows(local, &["doctor", "apis"]).unwrap();
    assert_eq!(api(&found)["verdict"], "ok", "{found:?}");
    let ours = |rows: &[Value]| rows.iter().filter(|row| keys.iter().any(|key| row["subject"] == key.pk)).count();

    // Is it well? No: something waits for a person.
    let (_, code) = rows(local, &["status"]).unwrap();
    assert_eq!(code, Some(4));
    let filter = ["--provider", PROVIDER, "--reason", "422"];
    let (parked, _) = rows(local, &[&["parked", "--limit", "10000"], &filter[..]].concat()).unwrap();
    assert_eq!(ours(&parked), PARKED);
    // Mended, and waited for.
    let mended = rows(local, &[&["replay", "--yes", "--wait", "60"], &filter[..]].concat()).unwrap().0;
    let done = mended.iter().filter(|row| row["state"] == "done").cloned().collect::<Vec<_>>();
    assert_eq!(ours(&done), PARKED, "{mended:?}");
    // Proved: none waits, each was published once.
    assert_eq!(ours(&rows(local, &[&["parked", "--limit", "10000"], &filter[..]].concat()).unwrap().0), 0);
    for key in &keys {
        let id = key.pk.rsplit('#').next().unwrap();
        assert_eq!(rows(local, &["find", id]).unwrap().0[0]["subject"], key.pk);
        let (events, _) = rows(local, &["events", "--subject", &key.pk, "--limit", "10"]).unwrap();
        assert_eq!((events.len(), &events[0]["state"]), (1, &json!("done")));
        assert_eq!(local.observer.published(&key.pk).await.unwrap().len(), 1);
        let story = by_name(local, &["story", &key.pk]).unwrap();
        assert!(story.status.success() && String::from_utf8_lossy(&story.stdout).contains("balance#"), "{story:?}");
    }
    // Every other way to look ends well, too.
    for look in [&["owed"][..], &["refused", PROVIDER], &["doctor", "secrets"]] {
        let output = by_name(local, look).unwrap();
        assert!(output.status.success(), "{look:?}: {output:?}");
    }
}
