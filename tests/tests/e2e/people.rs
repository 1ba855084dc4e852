//! People at the deployed stack: what each of the stack's policies lets the command do, what becomes of dead letters, and
//! that nothing brings back what was erased.

use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::{ItemKey, ProviderId};
use hookledger_core::model::job::{Job, RescuedDelivery};
use hookledger_core::model::secret::Secret;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;
use hookledger_kit as kit;
use hookledger_tests::local::{Local, Outcome};
use hookledger_tests::samples::event_of;
use serde_json::{Value, json};

use super::operator::{by_name, by_name_as};
use super::scene;

/// What a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Needs {
    /// The policy to look alone.
    Read,
    /// And the one to mend: without it, this action is refused.
    Mend(&'static str),
    /// And the one to set up.
    SetUp(&'static str),
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Every command under every policy: what it needs is enough, and without it nothing is done and the right is named.
#[tokio::test]
async fn each_policy_lets_people_do_what_it_is_for() {
    let (_guard, scene) = scene("people").await;
    let local = &scene.local;
    let body = local.sandbox.event("rightfoot", &scene.id("b1")).await.unwrap();
    local.sandbox.send_expecting("rightfoot", &body, json!({}), 200).await.unwrap();
    let key = event_of("rightfoot", &body).key();
    local.until_state(&key, State::Done).await.unwrap();
    let (pk, sk, batch) = (key.pk.as_str(), key.sk.as_str(), scene.id("b2"));
    let (read, update) = (Needs::Read, Needs::Mend("dynamodb:UpdateItem"));
    let rows: [(&[&str], Needs, &[i32]); 21] = [
        (&["status"], read, &[0, 4]),
        (&["events"], read, &[0]),
        (&["find", pk.rsplit('#').next().unwrap_or_default()], read, &[0]),
        (&["story", pk], read, &[0]),
        (&["show", pk, sk], read, &[0]),
        (&["owed"], read, &[0]),
        (&["parked"], read, &[0]),
        (&["stats"], read, &[0]),
        (&["refused", "rightfoot"], read, &[0]),
        (&["expect", "list"], read, &[0]),
        // A plan is a look.
        (&["replay", "--reason", "no such reason"], read, &[3]),
        (&["show", pk, sk, "--body"], update, &[0]),
        (&["export", pk], update, &[0]),
        (&["replay", pk, sk], update, &[1]),
        (&["close", pk, sk, "--why", "a test"], update, &[1]),
        (&["expect", "put", "rightfoot", &batch], Needs::Mend("dynamodb:PutItem"), &[0]),
        (&["dead", "list"], Needs::Mend("sqs:ReceiveMessage"), &[0]),
        (&["erase", pk, "--why", "a test", "--yes"], update, &[0]),
        // Nobody hears of this stack's alarms.
        (&["doctor", "alarms"], read, &[4]),
        (&["doctor"], Needs::SetUp("secretsmanager:GetSecretValue"), &[4]),
        (&["secret", "list"], Needs::SetUp("secretsmanager:GetSecretValue"), &[0]),
    ];
    for (n, policies) in [&["read"][..], &["read", "mend"], &["read", "set_up"]].into_iter().enumerate() {
        let person = local.person(&scene.id(&format!("person-{n}")), policies).await.unwrap();
        for (arguments, needs, ends) in rows {
            let output = by_name_as(local, &person, arguments).unwrap();
            let said = text(&output.stderr);
            let (wanted, may) = match needs {
                Needs::Read => ("", true),
                Needs::Mend(right) => (right, policies.contains(&"mend")),
                Needs::SetUp(right) => (right, policies.contains(&"set_up")),
            };
            let what = format!("{policies:?} {arguments:?}: {:?} {said}", output.status.code());
            if may {
                assert!(ends.contains(&output.status.code().unwrap_or(-1)) && !said.contains("AccessDenied"), "{what}");
            } else {
                assert!([Some(1), Some(4)].contains(&output.status.code()), "{what}");
                let shows = ["show", "export"].contains(&arguments[0]);
                assert!(!shows || output.stdout.is_empty(), "{what}");
                assert!(said.contains(wanted) && said.contains("AccessDenied"), "{what}");
            }
        }
    }
    // Whose it was stands in the row.
    let acts = text(&by_name(local, &["story", pk]).unwrap().stdout);
    assert!(acts.contains(&format!("assumed-role/{}", scene.id("person-1"))), "{acts}");
}

/// A pointer is deleted, a delivery is sent again and gets in, what is no job waits for a person; no token is shown.
#[tokio::test]
async fn dead_letters_are_listed_sent_again_and_deleted() {
    let (_guard, scene) = scene("dead").await;
    let local = &scene.local;
    let token = local.stack.url_tokens["finbox"].clone();
    let body = local.sandbox.event("finbox", &scene.id("e1")).await.unwrap();
    let now = hookledger_aws::ports::clock::SystemClock::new().now();
    let mut delivery = Delivery::new(ProviderId("finbox"), UnixMs(now.0), body.clone().into_bytes());
    delivery.path_token = Some(Secret::new(token.clone()));
    local.dead_letter(&RescuedDelivery::pack(&delivery, &[]).to_message()).await.unwrap();
    let pk = format!("rightfoot#batch#{}", scene.id("none"));
    local.dead_letter(&Job::entry(ItemKey { pk: pk.clone(), sk: "event#x".into() }).to_json()).await.unwrap();
    local.dead_letter(&format!("{} is no job", scene.id("this"))).await.unwrap();

    let list = || -> Vec<Value> {
        let output = by_name(local, &["dead", "list", "-o", "json"]).unwrap();
        let all = text(&output.stdout) + &text(&output.stderr);
        assert!(output.status.success() && !all.contains(&token) && !all.contains(&scene.id("e1")), "{all}");
        let document: Value = serde_json::from_slice(&output.stdout).unwrap();
        document["rows"].as_array().unwrap().clone()
    };
    let jobs = |rows: &[Value]| {
        let mut jobs: Vec<String> = rows.iter().map(|row| row["job"].as_str().unwrap().to_string()).collect();
        jobs.sort();
        jobs
    };
    let before = list();
    let id_of =
        |job: &str| before.iter().find(|row| row["job"] == job).map(|row| row["id"].as_str().unwrap().to_string());
    for job in ["delivery", "entry", "no job"] {
        assert!(jobs(&before).iter().any(|known| known == job), "{before:?}");
    }
    // Without a yes nothing is done, and what would be lost is said.
    let plan = by_name(local, &["dead", "drop", &id_of("delivery").unwrap()]).unwrap();
    assert!(text(&plan.stderr).contains("1 of them are deliveries that are kept nowhere else"), "{plan:?}");
    assert_eq!(list().len(), before.len());
    // What the table knows anyway goes; the delivery and what is no job stay.
    assert!(by_name(local, &["dead", "drop", "--yes"]).unwrap().status.success());
    assert_eq!(jobs(&list()), ["delivery", "no job"]);
    // The delivery is verified and worked on like any other; what is no job can't be sent.
    let again = by_name(local, &["dead", "redrive", "--yes"]).unwrap();
    assert_eq!(again.status.code(), Some(5), "{again:?}");
    local.until_state(&event_of("finbox", &body).key(), State::Done).await.unwrap();
    assert_eq!(jobs(&list()), ["no job"]);
    let id = id_of("no job").unwrap();
    assert!(by_name(local, &["dead", "drop", &id, "--yes"]).unwrap().status.success());
    assert_eq!(list(), Vec::<Value>::new());
}

/// For each provider: an event is worked on, erased, and delivered once more. It stays what it is: a name without content.
#[tokio::test]
async fn no_redelivery_brings_back_what_was_erased() {
    let (_guard, scene) = scene("erase").await;
    let local = &scene.local;
    for kit in kit::ALL {
        erased(local, kit.name, &scene.id(kit.name)).await.unwrap_or_else(|error| panic!("{}: {error}", kit.name));
    }
}

async fn erased(local: &Local, provider: &str, id: &str) -> Outcome<()> {
    let body = local.sandbox.event(provider, id).await?;
    local.sandbox.send_expecting(provider, &body, json!({}), 200).await?;
    let key = event_of(provider, &body).key();
    local.until_state(&key, State::Done).await?;
    let told = local.observer.published(&key.pk).await?.len();
    let erased = by_name(local, &["erase", &key.pk, "--why", "asked to be forgotten", "--yes"])?;
    assert!(erased.status.success(), "{provider}: {erased:?}");
    local.deliver(provider, &body).await?.expect(200)?;
    // A duplicate's message comes within three seconds here; nothing may come of it.
    tokio::time::sleep(std::time::Duration::from_secs(4)).await;
    let export = by_name(local, &["export", &key.pk])?;
    let export: Value = serde_json::from_slice(&export.stdout).map_err(|error| error.to_string())?;
    for row in export["rows"].as_array().ok_or("no rows")? {
        let name = row["key"].as_str().unwrap_or_default();
        let is_known = ["event#", "fact#", "state", "history"].iter().any(|known| name.starts_with(known));
        assert!(is_known, "{provider}: {row}");
        if name.starts_with("event#") {
            assert_eq!((&row["state"], &row["bytes"]), (&json!("ignored"), &json!(0)), "{provider}: {row}");
        }
    }
    assert_eq!(local.observer.published(&key.pk).await?.len(), told, "{provider} told it again");
    Ok(())
}
