//! Personal data and secrets are let loose on every path, and then looked for in everything the stack has written:
//! they may be in the bodies that the providers sent, and nowhere else. Before that, what is planted on purpose has to
//! be found, so that finding nothing means something.

mod paths;
mod planted;

use hookledger_kit as kit;
use hookledger_tests::canary::Canary;
use hookledger_tests::canary::state::gather;
use hookledger_tests::local::Outcome;
use hookledger_tests::story::Scene;

#[tokio::test]
async fn secrets_and_personal_data_stay_where_they_belong() {
    let (_guard, scene) = super::scene("canary").await;
    planted::is_found(&scene).await.unwrap();
    let canaries = Canary::flock();
    let (outcome, answers) = with_secrets_restored(&scene, &canaries).await;
    outcome.unwrap();
    let local = &scene.local;
    let mut evidence = gather(local).await.unwrap();
    for (place, text) in answers {
        evidence.add(place, text);
    }
    for (place, least) in [("log ", 50), ("metric in ", 20), ("table, ", 500), ("answer ", 50), ("function ", 7)] {
        assert!(evidence.count(place) >= least, "only {} pieces of {place:?}", evidence.count(place));
    }
    let (in_bodies, leaks): (Vec<_>, Vec<_>) = evidence.search(&canaries).into_iter().partition(|find| find.is_body);
    assert!(leaks.is_empty(), "{leaks:#?}");
    // They were really there: in an entry's body and in the quarantine, of each provider, and in chunks.
    for kind in ["SSN", "account number", "signing secret", "API key", "URL token"] {
        let seen = |start: &str, then: &str| {
            let found = |place: &str| place.starts_with(start) && place.contains(then);
            in_bodies.iter().any(|find| find.kind == kind && found(&find.place))
        };
        for provider in kit::names() {
            let body = format!("table, body of {provider}#");
            assert!(seen(&format!("{body}refused#"), ""), "no {kind} in {provider}'s quarantine");
            assert!(seen(&body, " event#"), "no {kind} in a body of {provider}");
        }
        let chunks = |provider| seen(&format!("table, all chunks of {provider}#body#"), "unpacked");
        assert!(kit::names().any(chunks), "no {kind} in chunks");
    }
}

/// Lets them loose; whatever happens, the stack is left as it was.
async fn with_secrets_restored(scene: &Scene, canaries: &[Canary]) -> (Outcome<()>, Vec<(String, String)>) {
    let local = &scene.local;
    let mut documents = Vec::new();
    for provider in kit::names() {
        documents.push((provider, local.secret(provider).await.unwrap()));
    }
    let mut walk = paths::Walk::new(scene, canaries, &documents);
    let outcome = walk.all().await;
    for (provider, document) in &documents {
        let faults = serde_json::json!({ "outage": false, "echo": false, "status": 503, "fail_next": 0 });
        local.sandbox.faults(provider, faults).await.unwrap();
        local.put_secret(provider, document).await.unwrap();
    }
    let settled = match outcome {
        Ok(()) => walk.settle().await,
        Err(error) => Err(error),
    };
    (settled, walk.answers)
}
