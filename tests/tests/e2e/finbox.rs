//! FinBox on the deployed stack: what no webhook and no payload list tells of.

use hookledger_core::model::entry::{Origin, State};
use hookledger_tests::samples::event_of;
use serde_json::json;

/// The delivery is lost, and the link's list of payloads does not hold it: the link's entities lead to it.
#[tokio::test]
async fn a_lost_delivery_is_found_through_the_links_entities() {
    let (_guard, scene) = super::scene("mapped").await;
    let local = &scene.local;
    let (entity, statement, link) = (scene.id("entity"), scene.id("statement"), scene.id("link"));
    let body = json!({
        "entity_id": entity, "statement_id": statement, "link_id": link, "progress": "completed", "reason": "",
    })
    .to_string();
    local.sandbox.statement(&entity, Some(&link), &statement, "completed").await.unwrap();
    local.sandbox.send_with("finbox", &body, json!({ "faults": { "drop": true } })).await.unwrap();
    let emptied = json!({ "payloads": [] });
    local.sandbox.control("PUT", &format!("finbox/payloads/{link}"), &emptied).await.unwrap();
    let reference = format!("link:{link}");
    local.expect("PUT", "finbox", &reference).await.unwrap().expect(201).unwrap();

    let key = event_of("finbox", &body).key();
    let entry = local.until_state(&key, State::Done).await.unwrap();
    assert_eq!(entry.origin, Origin::Poll);
    let rows = local.rows(&key.subject(), "").await.unwrap();
    assert!(rows.iter().any(|sk| sk == "accounts") && rows.iter().any(|sk| sk == "transactions"), "{rows:?}");
    // The webhook comes after all, and the link is asked again meanwhile: one event.
    local.sandbox.send_expecting("finbox", &body, json!({}), 200).await.unwrap();
    local.expect("DELETE", "finbox", &reference).await.unwrap().expect(200).unwrap();
    assert_eq!(local.rows(&key.subject(), "event#").await.unwrap().len(), 1);
    assert_eq!(local.observer.published(&key.pk).await.unwrap().len(), 1);
}
