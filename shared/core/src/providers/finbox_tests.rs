//! FinBox, case by case.

use super::super::testing::{answer, build_with, entry_of, expectation, rows_of, verified};
use super::super::{Found, Polled};
use super::*;

fn finbox() -> Box<dyn Provider> {
    build_with(build, &[])
}

fn polled(reference: &str, body: &str) -> Polled {
    let provider = finbox();
    provider.polls().offered().unwrap().polled(&expectation("finbox", reference), None, &answer(200, body))
}

fn found(polled: Polled) -> Vec<Found> {
    let Polled::Found { found, .. } = polled else { panic!("nothing found: {polled:?}") };
    found
}

const COMPLETED_BODY: &str =
    r#"{"entity_id":"e1","statement_id":"s1","link_id":"l1","progress":"completed","reason":""}"#;
const WRONG_LOGIN: &str =
    r#"{"entity_id":"e1","statement_id":"","link_id":"l1","progress":"failed","reason":"wrong credentials"}"#;

#[test]
fn identities() {
    let key = |body: &str| entry_of(finbox().as_ref(), body).0.key();
    assert_eq!(key(COMPLETED_BODY).to_string(), "finbox#entity#e1 event#statement#s1#completed");
    assert_ne!(key(COMPLETED_BODY), key(&COMPLETED_BODY.replace("completed", "failed")));
    // A blank, an empty and a null statement are the same absence.
    assert_eq!(key(WRONG_LOGIN), key(&WRONG_LOGIN.replace(r#""statement_id":"""#, r#""statement_id":null"#)));
    assert_eq!(key(WRONG_LOGIN), key(&WRONG_LOGIN.replace(r#""statement_id":"""#, r#""statement_id":" ""#)));
    assert_ne!(key(WRONG_LOGIN), key(&WRONG_LOGIN.replace("wrong", "expired")));
}

#[test]
fn a_duplicate_that_may_be_another_failure_makes_the_link_due() {
    let (event, _) = entry_of(finbox().as_ref(), WRONG_LOGIN);
    assert_eq!(event.on_duplicate, OnDuplicate::Recount { reference: "link:l1".into() });
    let (event, _) = entry_of(finbox().as_ref(), &WRONG_LOGIN.replace(r#""l1""#, "null"));
    assert_eq!(event.on_duplicate, OnDuplicate::Same);
    let (event, _) = entry_of(finbox().as_ref(), COMPLETED_BODY);
    assert_eq!(event.on_duplicate, OnDuplicate::Same);
}

#[test]
fn the_payload_list_counts_what_looks_the_same() {
    let row = |at: &str| {
        format!(
            r#"{{"statement_id":"","entity_id":"e1","link_id":"l1","progress":"failed","reason":"wrong credentials","date_time":"{at}"}}"#
        )
    };
    let completed = COMPLETED_BODY.replace('}', r#","date_time":"2020-03-06 12:50:00"}"#);
    let list = format!(
        r#"{{"payloads":[{completed},{},{},{{"no":"entity"}}]}}"#,
        row("2020-03-06 12:46:34"),
        row("2020-03-06 12:46:33")
    )
    .replace(r#"{"payloads":["#, r#"{"payloads":["odd",7,null,"#);
    let found = found(polled("link:l1", &list));
    let keys: Vec<String> = found.iter().map(|found| found.event.identity.as_str().to_string()).collect();
    assert_eq!(
        keys,
        [
            "event#attempt#l1#failed#wrong%20credentials#1",
            "event#attempt#l1#failed#wrong%20credentials#2",
            "event#statement#s1#completed"
        ]
    );
    // The first of them is the one a push would have made.
    assert_eq!(found[0].event.key(), entry_of(finbox().as_ref(), WRONG_LOGIN).0.key());
    assert_eq!(found[0].event.occurred_at.unwrap().to_string(), "2020-03-06T12:46:33.000Z");
}

#[test]
fn an_entity_poll_finds_the_same_events_as_pushes() {
    let body = r#"{"progress":[{"status":"completed","statement_id":"s1","message":"ok"},
        {"status":"failed","statement_id":"s2","message":"no pages"},{"status":null,"statement_id":"s3"}]}"#;
    let Polled::Found { found, complete, .. } = polled("entity:e1", body) else { panic!("nothing") };
    assert!(!complete);
    assert_eq!(found.len(), 2);
    assert_eq!(found[0].event.key(), entry_of(finbox().as_ref(), COMPLETED_BODY).0.key());
    let rebuilt = String::from_utf8(found[1].body.clone()).unwrap();
    assert_eq!(entry_of(finbox().as_ref(), &rebuilt).0.key(), found[1].event.key());
    let Polled::Found { complete, .. } = polled("entity:e1", r#"{"progress":null}"#) else { panic!("nothing") };
    assert!(!complete);
    let Polled::Found { complete, .. } = polled("entity:e1", r#"{"progress":[]}"#) else { panic!("nothing") };
    assert!(!complete, "an entity without statements is not complete");
}

#[test]
fn references() {
    let provider = finbox();
    let polls = provider.polls().offered().unwrap();
    let expected = polls.expectation("link:l1").unwrap();
    assert!(expected.repeats);
    assert_eq!(expected.key.to_string(), "finbox#link#l1 watch");
    assert!(!polls.expectation("entity:e1").unwrap().repeats);
    for wrong in ["l1", "link:", "batch:b", ":", "entity: "] {
        assert!(polls.expectation(wrong).is_err(), "{wrong}");
    }
    let url = |reference| polls.poll(&expectation("finbox", reference), None).url;
    let base = "https://apis.bankconnect.finbox.in/bank-connect/v1";
    assert_eq!(url("link:a&b"), format!("{base}/entity/webhook_payloads/?link_id=a%26b"));
    assert_eq!(url("entity:e/1"), format!("{base}/entity/e%2F1/transactions/"));
    assert_eq!(url("session:s1"), format!("{base}/session_data/s1/progress/"));
}

#[test]
fn a_completed_statement_is_confirmed_before_anything_is_kept() {
    let provider = finbox();
    let (_, entry) = entry_of(provider.as_ref(), COMPLETED_BODY);
    let step = |body: &str| provider.answer(&entry, COMPLETED_BODY.as_bytes(), None, 0, &answer(200, body));
    assert!(matches!(step(r#"{"progress":[]}"#), Step::NotYet { .. }));
    assert!(matches!(step(r#"{"progress":[{"status":"processing","statement_id":"s1"}]}"#), Step::NotYet { .. }));
    let contradiction = step(r#"{"progress":[{"status":"failed","statement_id":"s1"}]}"#);
    assert!(matches!(contradiction, Step::Trouble(Trouble::Permanent { .. })));
    let confirmed =
        step(r#"{"progress":[{"status":"completed","statement_id":"s1"}],"transactions":[{"amount":1.10}]}"#);
    assert!(matches!(&confirmed, Step::More { cursor, .. } if cursor == ACCOUNTS));
    assert_eq!(rows_of(&confirmed)[0].sk, "transactions");
    let accounts = answer(200, r#"{"accounts":[]}"#);
    let done = provider.answer(&entry, COMPLETED_BODY.as_bytes(), Some(ACCOUNTS), 1, &accounts);
    assert!(matches!(&done, Step::Done { .. }));
    assert_eq!(rows_of(&done)[0].sk, "accounts");
}

#[test]
fn failures_are_kept_with_their_reason() {
    let provider = finbox();
    let failed = COMPLETED_BODY.replace("completed", "failed");
    let (_, entry) = entry_of(provider.as_ref(), &failed);
    let by_statement = answer(200, r#"{"progress":[{"status":"failed","statement_id":"s1","message":"no pages"}]}"#);
    let rows = rows_of(&provider.answer(&entry, failed.as_bytes(), None, 0, &by_statement));
    assert_eq!(rows[0].sk, "failure#s1");
    assert_eq!(rows[0].columns[1], ("reason", "no pages".to_string()));

    let (_, entry) = entry_of(provider.as_ref(), WRONG_LOGIN);
    let Ask::Request(request) = provider.ask(&entry, WRONG_LOGIN.as_bytes(), None) else { panic!("not asked") };
    assert!(request.url.contains("webhook_payloads"));
    let step = |list: &str| provider.answer(&entry, WRONG_LOGIN.as_bytes(), None, 0, &answer(200, list));
    assert!(matches!(step(r#"{"payloads":[]}"#), Step::NotYet { .. }));
    let rows = rows_of(&step(&format!(r#"{{"payloads":[{WRONG_LOGIN}]}}"#)));
    assert_eq!(rows[0].sk, "failure#none#wrong%20credentials");
}

#[test]
fn sessions() {
    let provider = finbox();
    let body = |accounts: &str| {
        format!(
            r#"{{"event_name":"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION","session_id":"x","accounts":{accounts}}}"#
        )
    };
    let key = |accounts: &str| entry_of(provider.as_ref(), &body(accounts)).0.key();
    assert_eq!(key(r#"[{"id":1,"s":"a"},{"id":2}]"#), key(r#"[{"id":2},{"s":"a","id":1}]"#));
    assert_ne!(key(r#"[{"id":1,"s":"a"}]"#), key(r#"[{"id":1,"s":"b"}]"#));
    let (_, entry) = entry_of(provider.as_ref(), &body("[]"));
    let step = |status, text: &str| provider.answer(&entry, body("[]").as_bytes(), None, 0, &answer(status, text));
    assert!(matches!(step(200, r#"{"session_progress":"processing"}"#), Step::NotYet { .. }));
    assert!(matches!(step(200, r#"{"session_progress":"completed"}"#), Step::Done { .. }));
    assert!(matches!(step(404, ""), Step::NotYet { .. }));
    assert!(matches!(step(410, ""), Step::Trouble(Trouble::Permanent { .. })));
    let expiry = r#"{"event_name":"SESSION_EXPIRY_NOTIFICATION","session_id":"x"}"#;
    let (_, entry) = entry_of(provider.as_ref(), expiry);
    assert!(matches!(provider.answer(&entry, expiry.as_bytes(), None, 0, &answer(410, "")), Step::Done { .. }));
}

#[test]
fn missing_fields_are_named() {
    for (body, field) in [
        (r#"{"progress":"failed"}"#, "entity_id"),
        (r#"{"entity_id":"e"}"#, "progress"),
        (r#"{"event_name":"ENRICHMENT_NOTIFICATION"}"#, "session_id"),
    ] {
        let error = finbox().parse(&verified(ID, body)).unwrap_err();
        assert!(matches!(error, Unreadable::Field { field: f, .. } if f == field), "{body}");
    }
}
