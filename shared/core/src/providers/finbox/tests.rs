//! FinBox, case by case.

use super::api::ACCOUNTS;
use super::attempt::mark;
use super::*;
use crate::model::entry::OnDuplicate;
use crate::model::provider_call::Trouble;
use crate::providers::contract::Polled;
use crate::providers::step::Found;
use crate::providers::testing::{answer, asked, build_with, entry_of, expectation, rows_of, verified};

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
/// SHA-256 of that login's reason, its first half: keys are published, and reasons are texts of the provider's.
const WRONG_CREDENTIALS: &str = "473f34e0f31c0b320c6d0aa312e6f632";
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
            format!("event#attempt#l1#failed#{WRONG_CREDENTIALS}#1"),
            format!("event#attempt#l1#failed#{WRONG_CREDENTIALS}#2"),
            "event#statement#s1#completed".to_string()
        ]
    );
    // The first of them is the one a push would have made.
    assert_eq!(found[0].event.key(), entry_of(finbox().as_ref(), WRONG_LOGIN).0.key());
    assert_eq!(found[0].event.occurred_at.unwrap().to_string(), "2020-03-06T12:46:33.000Z");
}

#[test]
fn empty_and_null_fields_of_a_listed_row() {
    let row = |statement: &str, link: &str, reason: &str, at: &str| {
        format!(
            r#"{{"payloads":[{{"entity_id":"e1","statement_id":{statement},"link_id":{link},"progress":"failed","reason":{reason},"date_time":{at}}}]}}"#
        )
    };
    let at = r#""2020-03-06 12:46:33""#;
    let (with_link, without) = ("event#attempt#l1#failed##1", "event#attempt##failed##1");
    let dated = Some("2020-03-06T12:46:33.000Z");
    for (name, list, identity, occurred_at) in [
        ("all there", row(r#""s1""#, r#""l1""#, r#""x""#, at), "event#statement#s1#failed", dated),
        ("a number for an id", row("17", r#""l1""#, r#""x""#, at), "event#statement#17#failed", dated),
        ("empty", row(r#""""#, r#""l1""#, r#""""#, at), with_link, dated),
        ("blank", row(r#""  ""#, r#""l1""#, r#"" ""#, at), with_link, dated),
        ("null", row("null", r#""l1""#, "null", at), with_link, dated),
        ("no link", row("null", "null", "null", at), without, dated),
        ("an empty link", row("null", r#""""#, "null", at), without, dated),
        ("no time", row("null", r#""l1""#, "null", "null"), with_link, None),
        ("an empty time", row("null", r#""l1""#, "null", r#""""#), with_link, None),
        ("a time of another shape", row("null", r#""l1""#, "null", r#""06/03/2020""#), with_link, None),
    ] {
        let found = found(polled("link:l1", &list));
        assert_eq!(found.len(), 1, "{name}");
        assert_eq!(found[0].event.identity.as_str(), identity, "{name}");
        assert_eq!(found[0].event.occurred_at.map(|at| at.to_string()).as_deref(), occurred_at, "{name}");
    }
    // Without an entity or a progress there is no event, and its neighbours are found all the same.
    let whole = row(r#""s1""#, r#""l1""#, "null", at).replace(r#"{"payloads":["#, "").replace("]}", "");
    for broken in
        [whole.replace(r#""e1""#, "null"), whole.replace(r#""e1""#, r#""""#), whole.replace(r#""failed""#, "null")]
    {
        assert_eq!(found(polled("link:l1", &format!(r#"{{"payloads":[{broken},{whole}]}}"#))).len(), 1, "{broken}");
    }
}

#[test]
fn failures_in_one_second_are_as_many_as_the_list_has() {
    let row = WRONG_LOGIN.replace('}', r#","date_time":"2020-03-06 12:46:33"}"#);
    let undated = WRONG_LOGIN.replace('}', r#","date_time":null}"#);
    let other = row.replace("wrong credentials", "timed out");
    let found = found(polled("link:l1", &format!(r#"{{"payloads":[{row},{other},{undated},{row}]}}"#)));
    let mut keys: Vec<&str> = found.iter().map(|found| found.event.identity.as_str()).collect();
    keys.sort_unstable();
    let wrong = |n: u32| format!("event#attempt#l1#failed#{WRONG_CREDENTIALS}#{n}");
    let mut expected = [wrong(1), wrong(2), wrong(3), format!("event#attempt#l1#failed#{}#1", mark(["timed out"]))];
    expected.sort();
    assert_eq!(keys, expected);
}

/// The whole way of a link's poll, with an answer to each URL; returns the URLs and the statements found.
fn link_poll(polls: u32, answer_to: impl Fn(&str) -> (u16, String)) -> (Vec<String>, Vec<String>, Option<Trouble>) {
    let provider = finbox();
    let polls_of = provider.polls().offered().unwrap();
    let mut link = expectation("finbox", "link:l1");
    link.polls = polls;
    let (mut urls, mut statements, mut cursor) = (Vec::new(), Vec::new(), None::<String>);
    for _ in 0..200 {
        let request = polls_of.poll(&link, cursor.as_deref()).unwrap();
        let (status, body) = answer_to(&request.url);
        urls.push(request.url.rsplit_once("/v1/entity/").unwrap().1.to_string());
        match polls_of.polled(&link, cursor.as_deref(), &answer(status, &body)) {
            Polled::Found { found, complete, more, .. } => {
                assert!(!complete, "a link may always bring more");
                statements.extend(found.into_iter().map(|found| String::from_utf8(found.body).unwrap()));
                cursor = more;
            }
            Polled::Trouble(trouble) => return (urls, statements, Some(trouble)),
            Polled::NotYet => panic!("a link's poll goes on"),
        }
        if cursor.is_none() {
            return (urls, statements, None);
        }
    }
    panic!("the poll of a link never ends: {urls:?}")
}

#[test]
fn a_link_is_asked_for_its_payloads_then_its_entities_then_their_statements() {
    let shown = |url: &str| {
        let page = |next: &str, rows: &str| (200, format!(r#"{{"count":3,"next":{next},"results":[{rows}]}}"#));
        let row = |entity: &str, link: &str| format!(r#"{{"entity_id":"{entity}","link_id":"{link}"}}"#);
        match url {
            url if url.contains("webhook_payloads") => (200, r#"{"payloads":[]}"#.to_string()),
            url if url.ends_with("page=1") => {
                page(r#""https://h/?page=2""#, &[row("a", "l1"), row("b/c", "l1"), row("z", "another")].join(","))
            }
            // The pages moved meanwhile: one entity comes again.
            url if url.ends_with("page=2") => page("null", &[row("a", "l1"), row("d", "l1")].join(",")),
            url if url.contains("/d/") => (404, String::new()),
            _ => (200, r#"{"progress":[{"status":"completed","statement_id":"s1","message":"m"}]}"#.to_string()),
        }
    };
    let (urls, statements, trouble) = link_poll(0, shown);
    let asked = [
        "webhook_payloads/?link_id=l1",
        "?link_id=l1&page=1",
        "?link_id=l1&page=2",
        "d/transactions/",
        "b%2Fc/transactions/",
        "a/transactions/",
    ];
    assert_eq!((urls, trouble), (asked.map(String::from).to_vec(), None));
    // As a webhook would have told it, with the link.
    let (event, _) = entry_of(finbox().as_ref(), &statements[1]);
    assert_eq!(event.key().to_string(), "finbox#entity#a event#statement#s1#completed");
    assert!(statements.iter().all(|body| body.contains(r#""link_id":"l1""#)), "{statements:?}");
    // Another poll begins with another entity.
    assert_eq!(link_poll(1, shown).0[3..].concat(), "a/transactions/d/transactions/b%2Fc/transactions/");
}

#[test]
fn what_a_mapping_may_answer() {
    let payloads = |url: &str| url.contains("webhook_payloads").then(|| (200, r#"{"payloads":[]}"#.to_string()));
    for (status, body, requests, troubled) in [
        (200, r#"{"results":[]}"#, 2, false),
        (200, r#"{"next":"https://h/","results":[]}"#, 2, false),
        (
            200,
            r#"{"next":null,"results":[{"entity_id":"e"},{"entity_id":"","link_id":"l1"},{"link_id":"l1"}]}"#,
            2,
            false,
        ),
        (404, "", 2, false),
        (200, r#"{"entities":[]}"#, 2, true),
        (200, "<html>", 2, true),
        (401, "", 2, true),
        (500, "", 2, true),
    ] {
        let (urls, _, trouble) = link_poll(0, |url| payloads(url).unwrap_or((status, body.to_string())));
        assert_eq!((urls.len(), trouble.is_some()), (requests, troubled), "{status} {body}");
    }
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
    let url = |reference| polls.poll(&expectation("finbox", reference), None).unwrap().url;
    let base = "https://apis.bankconnect.finbox.in/bank-connect/v1";
    assert_eq!(url("link:a&b"), format!("{base}/entity/webhook_payloads/?link_id=a%26b"));
    assert_eq!(url("entity:e/1"), format!("{base}/entity/e%2F1/transactions/"));
    assert_eq!(url("session:s1"), format!("{base}/session_data/s1/progress/"));
}

#[test]
fn a_completed_statement_is_confirmed_before_anything_is_kept() {
    let provider = finbox();
    let (_, entry) = entry_of(provider.as_ref(), COMPLETED_BODY);
    let step = |body: &str| provider.answer(&asked(&entry, COMPLETED_BODY.as_bytes(), None, 0), &answer(200, body));
    assert!(matches!(step(r#"{"progress":[]}"#), Step::NotYet { .. }));
    assert!(matches!(step(r#"{"progress":[{"status":"processing","statement_id":"s1"}]}"#), Step::NotYet { .. }));
    let contradiction = step(r#"{"progress":[{"status":"failed","statement_id":"s1"}]}"#);
    assert!(matches!(contradiction, Step::NotYet { .. }), "perhaps it lags behind");
    let confirmed =
        step(r#"{"progress":[{"status":"completed","statement_id":"s1"}],"transactions":[{"amount":1.10}]}"#);
    assert!(matches!(&confirmed, Step::More { cursor, .. } if cursor == ACCOUNTS));
    assert_eq!(rows_of(&confirmed)[0].sk, "transactions");
    let accounts = answer(200, r#"{"accounts":[]}"#);
    let done = provider.answer(&asked(&entry, COMPLETED_BODY.as_bytes(), Some(ACCOUNTS), 1), &accounts);
    assert!(matches!(&done, Step::Done { .. }));
    assert_eq!(rows_of(&done)[0].sk, "accounts");
}

#[test]
fn failures_are_kept_with_their_reason() {
    let provider = finbox();
    let failed = COMPLETED_BODY.replace("completed", "failed");
    let (_, entry) = entry_of(provider.as_ref(), &failed);
    let by_statement = answer(200, r#"{"progress":[{"status":"failed","statement_id":"s1","message":"no pages"}]}"#);
    let rows = rows_of(&provider.answer(&asked(&entry, failed.as_bytes(), None, 0), &by_statement));
    assert_eq!(rows[0].sk, "failure#s1");
    assert_eq!(rows[0].columns[1], ("reason", "no pages".to_string()));

    let (_, entry) = entry_of(provider.as_ref(), WRONG_LOGIN);
    let Ask::Request(request) = provider.ask(&entry, WRONG_LOGIN.as_bytes(), None) else { panic!("not asked") };
    assert!(request.url.contains("webhook_payloads"));
    let step = |list: &str| provider.answer(&asked(&entry, WRONG_LOGIN.as_bytes(), None, 0), &answer(200, list));
    assert!(matches!(step(r#"{"payloads":[]}"#), Step::NotYet { .. }));
    let rows = rows_of(&step(&format!(r#"{{"payloads":[{WRONG_LOGIN}]}}"#)));
    assert_eq!(rows[0].sk, format!("failure#none#{WRONG_CREDENTIALS}"));
    assert_eq!(rows[0].columns[1], ("reason", "wrong credentials".to_string()));
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
}

#[test]
fn what_each_event_of_a_session_may_be_confirmed_by() {
    let provider = finbox();
    let upload = |status: &str, expires: &str| {
        format!(r#"{{"upload_status":"{status}","session_expiry_timestamp":"{expires}","accounts":[]}}"#)
    };
    // The tests ask in October 2096.
    let (past, future) = ("2096-01-01 00:00:00", "2097-01-01 00:00:00");
    let (done, waits, parks) = ("done", "waits", "parks");
    let joined = "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION/SESSION_EXPIRY_NOTIFICATION";
    let (uploaded, expired) = ("session_requirement_completion_notification", "SESSION_EXPIRY_NOTIFICATION");
    let enriched = "ENRICHMENT_NOTIFICATION";
    let rows = [
        (uploaded, 200, upload("COMPLETED", future), done),
        (uploaded, 200, upload("Completed", past), done),
        (uploaded, 200, upload("PENDING", future), waits),
        (uploaded, 200, upload("", ""), waits),
        (uploaded, 200, upload("PENDING", past), parks),
        (uploaded, 200, upload("EXPIRED", future), parks),
        (uploaded, 404, String::new(), waits),
        (uploaded, 410, String::new(), parks),
        (expired, 200, upload("PENDING", past), done),
        (expired, 200, upload("EXPIRED", future), done),
        (expired, 200, upload("PENDING", future), waits),
        (expired, 200, upload("PENDING", "soon"), waits),
        (expired, 200, upload("COMPLETED", past), parks),
        (expired, 410, String::new(), done),
        (joined, 200, upload("COMPLETED", future), done),
        (joined, 200, upload("PENDING", past), done),
        (joined, 200, upload("PENDING", future), waits),
        (enriched, 200, r#"{"session_progress":"processing"}"#.into(), waits),
        (enriched, 200, r#"{"session_progress":"failed"}"#.into(), waits),
        (enriched, 200, "{}".into(), waits),
        (enriched, 400, r#"{"error":"PROCESSING_NOT_REQUESTED"}"#.into(), waits),
        (enriched, 404, String::new(), waits),
        (enriched, 410, String::new(), parks),
        (enriched, 200, r#"{"session_progress":"COMPLETED","accounts":[]}"#.into(), done),
        (enriched, 200, r#"{"session_progress":"completed"}"#.into(), "asks for its accounts"),
    ];
    for (name, status, text, expected) in rows {
        let body = format!(r#"{{"event_name":"{name}","session_id":"x"}}"#);
        let (event, entry) = entry_of(provider.as_ref(), &body);
        assert!(event.known, "{name}");
        let step = provider.answer(&asked(&entry, body.as_bytes(), None, 0), &answer(status, &text));
        let came = match &step {
            Step::Done { .. } => done,
            Step::NotYet { .. } => waits,
            Step::Trouble(Trouble::Permanent { .. }) => parks,
            Step::More { .. } => "asks for its accounts",
            Step::Overtaken { .. } | Step::Trouble(_) => "something else",
        };
        assert_eq!(came, expected, "{name}: {status} {text}");
    }
}

#[test]
fn an_enrichment_that_failed_is_told_from_one_that_succeeded() {
    let provider = finbox();
    let body =
        r#"{"event_name":"ENRICHMENT_NOTIFICATION","session_id":"x","accounts":[{"account_status":"completed"}]}"#;
    let (_, entry) = entry_of(provider.as_ref(), body);
    let failed = |cursor, text: &str| {
        let step = provider.answer(&asked(&entry, body.as_bytes(), cursor, 1), &answer(200, text));
        let Step::Done { outcome, .. } = step else { panic!("not done: {step:?}") };
        outcome.summary.into_iter().find(|(name, _)| *name == "failed_accounts").map(|(_, failed)| failed)
    };
    // As the API says it, in the progress or in the upload's accounts; what the delivery says counts for nothing.
    let progress =
        |status| format!(r#"{{"session_progress":"completed","accounts":[{{"account_status":"{status}"}}]}}"#);
    assert_eq!(failed(None, &progress("completed")), Some(0.into()));
    assert_eq!(failed(None, &progress("FAILED")), Some(1.into()));
    let upload = |status| format!(r#"{{"accounts":[{{"statements":[{{"statement_status":"{status}"}}]}},{{}}]}}"#);
    assert_eq!(failed(Some("upload"), &upload("completed")), Some(0.into()));
    assert_eq!(failed(Some("upload"), &upload("failed")), Some(1.into()));
    assert_eq!(failed(Some("upload"), "{}"), Some(serde_json::Value::Null), "nobody says");
}

#[test]
fn reading_asking_and_answering_agree_about_what_a_delivery_is() {
    let provider = finbox();
    for name in [r#""""#, r#""  ""#, "null", r#""x""#, r#""SESSION_EXPIRY_NOTIFICATION""#, "{}", "[]", "true", "7"] {
        let body = format!(
            r#"{{"event_name":{name},"session_id":"x","entity_id":"e1","statement_id":"s1","progress":"completed"}}"#
        );
        let Ok(event) = provider.parse(&verified(ID, &body)) else { continue };
        let of_session = event.subject.as_str().starts_with("finbox#session#");
        let (_, entry) = entry_of(provider.as_ref(), &body);
        let Ask::Request(request) = provider.ask(&entry, body.as_bytes(), None) else { panic!("{name}") };
        assert_eq!(request.url.contains("/session_data/"), of_session, "{name}");
        let answered = answer(200, r#"{"progress":[{"statement_id":"s1","status":"completed"}]}"#);
        let step = provider.answer(&asked(&entry, body.as_bytes(), None, 0), &answered);
        assert_eq!(matches!(step, Step::More { .. }), !of_session, "{name}: {step:?}");
    }
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

proptest::proptest! {
    /// Whatever stands in `event_name`: what the event is about, what is asked and what the answer is read as are decided
    /// by one function, so that no delivery is asked for as one thing and answered as another.
    #[test]
    fn reading_asking_and_answering_agree_on_the_flow(name in any_json(), session in any_json(), entity in any_json()) {
        let body = format!(
            r#"{{"event_name":{name},"session_id":{session},"entity_id":{entity},"statement_id":"s1","link_id":null,"progress":"completed","reason":""}}"#
        );
        let provider = finbox();
        let Ok(event) = provider.parse(&verified(ID, &body)) else { return Ok(()) };
        let entry = crate::providers::testing::entry(ID, event.key(), &event.event_type, None);
        let kind = event.subject.as_str().split('#').nth(1).unwrap_or_default().to_string();
        let Ask::Request(request) = provider.ask(&entry, body.as_bytes(), None) else { panic!("{body}: nothing is asked") };
        let path = if kind == "session" { "/session_data/" } else { "/entity/" };
        proptest::prop_assert!(request.url.contains(path), "{}: {}", body, request.url);
        // An answer that confirms the other flow confirms nothing here.
        let other = if kind == "session" {
            r#"{"progress":[{"status":"completed","statement_id":"s1"}]}"#
        } else {
            r#"{"session_progress":"completed","upload_status":"COMPLETED"}"#
        };
        let step = provider.answer(&asked(&entry, body.as_bytes(), None, 0), &answer(200, other));
        proptest::prop_assert!(!matches!(step, Step::Done { .. } | Step::More { .. }), "{}: {:?}", body, step);
    }
}

/// Any JSON that may stand where a text is expected.
fn any_json() -> impl proptest::strategy::Strategy<Value = String> {
    use proptest::strategy::{Just, Strategy as _, Union};
    let fixed = ["\"\"", "{}", "[]", "true", "false", "null", "0", "\" \"", "\"e1\"", "[\"ENRICHMENT_NOTIFICATION\"]"];
    let names = ["ENRICHMENT_NOTIFICATION", "session expiry notification", "SESSION_PROGRESS_COMPLETED"];
    let named = names.map(|name| Just(format!("\"{name}\"")).boxed());
    let fixed = fixed.map(|json| Just(json.to_string()).boxed());
    let text = "[ -~]{0,12}".prop_map(|text| serde_json::Value::from(text).to_string()).boxed();
    Union::new(fixed.into_iter().chain(named).chain([text]))
}
