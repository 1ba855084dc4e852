//! Rightfoot: how it is read, asked and submitted to.

use super::*;
use crate::model::debt::Expectation;
use crate::model::provider_call::Method;
use crate::model::provider_call::Trouble;
use crate::model::time::UnixMs;
use crate::providers::contract::Polled;
use crate::providers::step::Found;
use crate::providers::submission::{Submitted, Unsubmittable};
use crate::providers::testing::{answer, asked, build_with, entry_of, expectation, rows_of};

fn rightfoot() -> Box<dyn Provider> {
    build_with(build, &[])
}

const BODY: &str = r#"{"event_uuid":"u1","type":"BALANCE_BATCH_COMPLETED","batch_id":"b 1","alerts":null}"#;

#[test]
fn webhook_and_poll_are_one_event() {
    let provider = rightfoot();
    let (event, _) = entry_of(provider.as_ref(), BODY);
    let polls = provider.polls().offered().unwrap();
    let Polled::Found { found, complete, .. } =
        polls.polled(&expectation("rightfoot", "b 1"), None, &answer(200, r#"{"balances":[{}]}"#))
    else {
        panic!("not found");
    };
    assert!(complete);
    let polled = |status, body| polls.polled(&expectation("rightfoot", "b 1"), None, &answer(status, body));
    assert_eq!(polled(200, r#"{"balances":[],"total_processed":3}"#), Polled::NotYet, "its rows are still to come");
    assert!(matches!(polled(200, "<html>"), Polled::Trouble(Trouble::Retry { .. })));
    assert_eq!(found[0].event.key(), event.key());
    assert_eq!(polls.polled(&expectation("rightfoot", "b 1"), None, &answer(404, "")), Polled::NotYet);
}

#[test]
fn missing_fields_are_named() {
    for (body, field) in [
        (r#"{"type":"T","batch_id":"b"}"#, "event_uuid"),
        (r#"{"event_uuid":"u","batch_id":"b"}"#, "type"),
        (r#"{"event_uuid":"u","type":"T"}"#, "batch_id"),
        (r#"{"event_uuid":"u","type":"T","batch_id":""}"#, "batch_id"),
        (r#"{"event_uuid":"u","type":"T","batch_id":{}}"#, "batch_id"),
    ] {
        let error = rightfoot().parse(&super::super::testing::verified(ID, body)).unwrap_err();
        assert_eq!(error, Unreadable::Field { field, rule: "a non-empty text or number" }, "{body}");
    }
}

#[test]
fn pages_are_walked_and_amounts_kept_as_sent() {
    let provider = rightfoot();
    let (_, entry) = entry_of(provider.as_ref(), BODY);
    let Ask::Request(request) = provider.ask(&entry, BODY.as_bytes(), None) else { panic!("nothing asked") };
    assert_eq!(request.url, "https://api.rightfoot.com/v1/balances?batchId=b%201&limit=100");
    let first = answer(
        200,
        r#"{"batch_id":"b 1","balances":[{"authorizer_unique_id":"a#1","balance":-1200.50,"balance_status_code":0},
            {"authorizer_unique_id":"a2","balance":null,"balance_status_code":2560}],"has_more":true,"next_page_token":"p2"}"#,
    );
    let step = provider.answer(&asked(&entry, BODY.as_bytes(), None, 0), &first);
    let rows = rows_of(&step);
    assert_eq!(rows[0].sk, "balance#a%231");
    assert_eq!(rows[0].columns, [("balance", "-1200.50".to_string()), ("balance_status_code", "0".to_string())]);
    assert_eq!(rows[1].columns, [("balance_status_code", "2560".to_string())]);
    assert!(matches!(step, Step::More { cursor, .. } if cursor == "p2"));
    let Ask::Request(next) = provider.ask(&entry, BODY.as_bytes(), Some("p2")) else { panic!("nothing asked") };
    assert!(next.url.ends_with("&next_page_token=p2"), "{}", next.url);
    let repeated = provider.answer(&asked(&entry, BODY.as_bytes(), Some("p2"), 2), &first);
    assert!(matches!(repeated, Step::Trouble(Trouble::Permanent { .. })));
    let last = answer(200, r#"{"batch_id":"b 1","balances":[],"has_more":null,"next_page_token":null}"#);
    let Step::Done { outcome, .. } = provider.answer(&asked(&entry, BODY.as_bytes(), Some("p2"), 2), &last) else {
        panic!("not done");
    };
    assert_eq!(outcome.summary, [("balances", 2.into())]);
}

#[test]
fn statuses_and_strange_answers() {
    let provider = rightfoot();
    let (_, entry) = entry_of(provider.as_ref(), BODY);
    let step = |status, body: &str| provider.answer(&asked(&entry, BODY.as_bytes(), None, 0), &answer(status, body));
    assert!(matches!(step(404, ""), Step::NotYet { .. }));
    assert!(matches!(step(503, ""), Step::Trouble(Trouble::Retry { .. })));
    assert!(matches!(step(422, ""), Step::Trouble(Trouble::Permanent { .. })));
    for strange in ["{}", "[]", "<html>", "", r#"{"balances":{}}"#] {
        assert!(matches!(step(200, strange), Step::Trouble(Trouble::Retry { .. })), "{strange}");
    }
    for short in [r#"{"balances":[]}"#, r#"{"balances":[],"total_processed":0}"#] {
        assert!(matches!(step(200, short), Step::NotYet { .. }), "{short}");
    }
    let two = r#"{"balances":[{"authorizer_unique_id":"a"}],"total_processed":"2"}"#;
    let reason = "the batch shows 1 of the 2 balances it has processed";
    assert_eq!(step(200, two), Step::not_yet(reason));
    assert!(matches!(step(200, r#"{"batch_id":"other","balances":[]}"#), Step::Trouble(Trouble::Permanent { .. })));
    assert!(matches!(step(200, r#"{"balances":[],"has_more":true}"#), Step::Trouble(Trouble::Permanent { .. })));
}

#[test]
fn an_alert_counts_only_where_the_api_names_its_authorizer() {
    let provider = rightfoot();
    let body = r#"{"event_uuid":"u","type":"BALANCE_THRESHOLD_ALERT","schedule_id":"s","batch_id":"b","timestamp":"2026-01-01T00:00:00Z",
        "alerts":[{"authorizer_unique_id":"a1","balance":90.10,"threshold_amount":100},{"authorizer_unique_id":"forged","balance":1}]}"#;
    let (event, entry) = entry_of(provider.as_ref(), body);
    assert_eq!(event.identity.as_str(), "event#BALANCE_THRESHOLD_ALERT#s#b#u");
    let page =
        answer(200, r#"{"batch_id":"b","balances":[{"authorizer_unique_id":"a1","balance":90.10}],"has_more":false}"#);
    let step = provider.answer(&asked(&entry, body.as_bytes(), None, 0), &page);
    let rows = rows_of(&step);
    assert_eq!(rows.len(), 1);
    assert_eq!(rows[0].sk, "alert#s#u#a1");
    let columns: Vec<(&str, &str)> = rows[0].columns.iter().map(|(name, text)| (*name, text.as_str())).collect();
    assert_eq!(columns, [("claimed_balance", "90.10"), ("claimed_threshold_amount", "100"), ("balance", "90.10")]);
    let step = |page: &str| provider.answer(&asked(&entry, body.as_bytes(), None, 0), &answer(200, page));
    let others = r#"{"batch_id":"b","balances":[{"authorizer_unique_id":"a2"}],"has_more":false}"#;
    assert!(matches!(step(others), Step::Trouble(Trouble::Permanent { .. })));
    let nobody_yet = r#"{"batch_id":"b","balances":[],"has_more":false}"#;
    assert!(matches!(step(nobody_yet), Step::NotYet { .. }));
}

#[test]
fn both_spellings_of_the_cursor() {
    for (settings, expected) in [
        (&[][..], "next_page_token=p%2F2"),
        (&[("RIGHTFOOT_CURSOR_PARAMETER", "nextPageToken")][..], "nextPageToken=p%2F2"),
    ] {
        let provider = build_with(build, settings);
        let (_, entry) = entry_of(provider.as_ref(), BODY);
        let Ask::Request(request) = provider.ask(&entry, BODY.as_bytes(), Some("p/2")) else { panic!("nothing asked") };
        assert_eq!(request.url.split('&').next_back(), Some(expected));
        let polls = provider.polls().offered().unwrap();
        let history = polls.poll(&expectation("rightfoot", "authorizer:a/1"), Some("p/2")).unwrap();
        let path = "https://api.rightfoot.com/v1/monitoring/authorizers/a%2F1/history?limit=100";
        assert_eq!(history.url, format!("{path}&{expected}"));
    }
}

#[test]
fn every_status_code_and_balance_is_kept_as_sent() {
    let provider = rightfoot();
    let (_, entry) = entry_of(provider.as_ref(), BODY);
    // The documented codes, one that is not, and one in another shape; balances below zero, null, absent, and too long
    // for a float.
    let codes = ["0", "2560", "3000", "3001", "3100", "3200", "3300", "3310", "3400", "9000", "12345", "\"9000\""];
    let balances = ["-83.680", "null", "0", "-0.01", "12345678901234567890.10"];
    for code in codes {
        for balance in balances {
            let page = format!(
                r#"{{"balances":[{{"authorizer_unique_id":7,"balance":{balance},"balance_status_code":{code}}}]}}"#
            );
            let rows = rows_of(&provider.answer(&asked(&entry, BODY.as_bytes(), None, 0), &answer(200, &page)));
            let column = |name| rows[0].columns.iter().find(|(key, _)| *key == name).map(|(_, value)| value.as_str());
            assert_eq!(column("balance"), (balance != "null").then_some(balance));
            assert_eq!(column("balance_status_code"), Some(code.trim_matches('"')), "{page}");
            assert_eq!(rows[0].sk, "balance#7");
        }
    }
    let nameless = answer(200, r#"{"balances":[{"authorizer_unique_id":"a","balance":1},{"balance":2}]}"#);
    let step = provider.answer(&asked(&entry, BODY.as_bytes(), None, 0), &nameless);
    let Step::Done { rows, unreadable, outcome } = step else { panic!("not done: {step:?}") };
    assert_eq!((rows.len(), unreadable), (2, 1), "it does not hide its neighbour");
    assert_eq!(rows[1].document, br#"{"balance":2}"#, "no balance is lost in silence");
    assert_eq!(outcome.summary, [("balances", 1.into())]);
}

#[test]
fn references_name_what_is_waited_for() {
    let provider = rightfoot();
    let polls = provider.polls().offered().unwrap();
    let rows = [
        ("b 1", "rightfoot#batch#b%201", "expectation", false),
        ("odd:id", "rightfoot#batch#odd:id", "expectation", false),
        ("authorizer:a#1", "rightfoot#authorizer#a%231", "watch", true),
        ("schedule:s1", "rightfoot#schedule#s1", "watch", true),
        ("submission:0a", "rightfoot#submission#0a", "expectation", false),
    ];
    for (reference, pk, sk, repeats) in rows {
        let expected = polls.expectation(reference).unwrap();
        assert_eq!((expected.key.pk.as_str(), expected.key.sk.as_str(), expected.repeats), (pk, sk, repeats));
    }
    for nothing in ["", "authorizer:", "schedule: ", "submission:"] {
        assert!(polls.expectation(nothing).is_err(), "{nothing}");
    }
    assert_eq!(polls.poll(&expectation("rightfoot", "submission:0a"), None), None, "nothing can be asked about it");
}

/// A watch announced on 2026-02-10.
fn watch(reference: &str) -> Expectation {
    let created_at = UnixMs::parse_rfc3339("2026-02-10T00:00:00Z").unwrap();
    Expectation { created_at, ..expectation("rightfoot", reference) }
}

fn polled(reference: &str, cursor: Option<&str>, status: u16, body: &str) -> Polled {
    rightfoot().polls().offered().unwrap().polled(&watch(reference), cursor, &answer(status, body))
}

fn keys(found: &[Found]) -> Vec<String> {
    found.iter().map(|found| format!("{}", found.event.key())).collect()
}

#[test]
fn an_authorizers_history_names_the_batches_of_its_runs() {
    let body = r#"{"authorizer_unique_id":"a1","total_count":9,"has_more":true,"next_page_token":"t2","history":[
        {"run_at":"2026-02-10T02:30:00Z","batch_id":"b4","balance_amount":-1.5,"status":"success","error_message":null},
        {"run_at":"2026-02-09T02:30:00Z","batch_id":"b3","balance_amount":null,"status":"failed","error_message":"John Doe"},
        {"run_at":null,"batch_id":null,"status":"failed"},
        {"run_at":"2026-02-03T00:00:00Z","batch_id":17,"status":"unheard_of"}]}"#;
    let Polled::Found { found, complete, more, .. } = polled("authorizer:a1", None, 200, body) else {
        panic!("nothing found")
    };
    let event = |id| format!("rightfoot#batch#{id} event#BALANCE_BATCH_COMPLETED#{id}");
    assert_eq!(keys(&found), ["b4", "b3", "17"].map(event), "as each batch's webhook would be known");
    assert_eq!((complete, more.as_deref()), (false, Some("t2")), "a watch goes on");
    assert_eq!(found[0].event.occurred_at, UnixMs::parse_rfc3339("2026-02-10T02:30:00Z"));
    assert!(found.iter().all(|found| !String::from_utf8_lossy(&found.body).contains("John Doe")));

    // What lies more than a week before the announcement is the past, and the walk ends there.
    let old = body.replace("2026-02-03T00:00:00Z", "2026-02-02T23:59:59Z");
    let Polled::Found { found, more, .. } = polled("authorizer:a1", None, 200, &old) else { panic!("nothing found") };
    assert_eq!((keys(&found).len(), more), (2, None));
    let unnamed = body.replace("\"t2\"", "null");
    assert!(matches!(polled("authorizer:a1", None, 200, &unnamed), Polled::Found { more: None, .. }));

    let trouble = |polled| matches!(polled, Polled::Trouble(Trouble::Permanent { .. }));
    assert!(trouble(polled("authorizer:a1", Some("t2"), 200, body)), "a page that names itself");
    assert!(trouble(polled("authorizer:a2", None, 200, body)), "another authorizer");
    let undated = r#"{"history":[{"run_at":"soon","batch_id":"b9"}]}"#;
    assert!(trouble(polled("authorizer:a1", None, 200, undated)), "a time that can't be read is never recent");
    assert!(matches!(polled("authorizer:a1", None, 200, "{}"), Polled::Trouble(Trouble::Retry { .. })));
    assert_eq!(polled("authorizer:a1", None, 404, ""), Polled::NotYet);
    assert!(matches!(polled("authorizer:a1", None, 429, ""), Polled::Trouble(Trouble::Quota { .. })));
}

#[test]
fn a_schedule_tells_that_it_ran_and_no_more() {
    let body = r#"{"schedule_id":"s1","name":"weekly","last_run_at":"2026-02-09T02:30:00+00:00","next_run_at":"2026-02-16T02:30:00Z","total_authorizers":150}"#;
    let Polled::Found { found, complete, more, .. } = polled("schedule:s1", None, 200, body) else {
        panic!("nothing found")
    };
    assert_eq!(keys(&found), ["rightfoot#schedule#s1 event#MONITORING_SCHEDULE_RUN#2026-02-09T02:30:00.000Z"]);
    assert_eq!((complete, more), (false, None));
    let mut entry = entry_of(rightfoot().as_ref(), BODY).1;
    entry.event_type = SCHEDULE_RUN.into();
    let Ask::Nothing(step) = rightfoot().ask(&entry, &found[0].body, None) else { panic!("something is asked") };
    let Step::Done { outcome, .. } = *step else { panic!("not done") };
    let summary: std::collections::BTreeMap<_, _> = outcome.summary.into_iter().collect();
    assert_eq!((&summary["schedule_id"], &summary["total_authorizers"]), (&"s1".into(), &150.into()));
    assert_eq!(summary["next_run_at"], "2026-02-16T02:30:00.000Z");

    let never = body.replace("\"2026-02-09T02:30:00+00:00\"", "null");
    assert_eq!(polled("schedule:s1", None, 200, &never), Polled::NotYet);
    let long_ago = body.replace("2026-02-09", "2026-01-09");
    assert_eq!(polled("schedule:s1", None, 200, &long_ago), Polled::NotYet);
    for (reference, strange) in [("schedule:s2", body.to_string()), ("schedule:s1", body.replace("2026-02-09T", "on "))]
    {
        assert!(matches!(polled(reference, None, 200, &strange), Polled::Trouble(Trouble::Permanent { .. })));
    }
}

#[test]
fn how_far_a_watch_looks_back_is_limited() {
    let built =
        |secs: &'static str| build(&move |name| (name == "RIGHTFOOT_HISTORY_LOOKBACK_SECS").then(|| secs.into()));
    assert!(built("604800").is_ok() && built("0").is_ok());
    assert!(built("604801").is_err() && built("week").is_err());
}

#[test]
fn a_submission_is_the_document_with_our_url() {
    let provider = rightfoot();
    let submits = provider.submits().offered().unwrap();
    let document = br#" {"webhook_url": null,
        "authorizers":[{"authorizer_unique_id":"a1","ssn":"123-45-6789"},{"authorizer_unique_id":2}]} "#;
    let submission = submits.submission(document, "https://us/webhooks/rightfoot/t").unwrap();
    assert_eq!((submission.items, submission.request.method), (2, Method::Post));
    assert_eq!(submission.request.url, "https://api.rightfoot.com/v1/balance_requests");
    let body = submission.request.json.as_ref().unwrap().bytes();
    assert_eq!(
        String::from_utf8_lossy(body),
        r#"{"authorizers":[{"authorizer_unique_id":"a1","ssn":"123-45-6789"},{"authorizer_unique_id":2}],"webhook_url":"https://us/webhooks/rightfoot/t"}"#
    );
    assert_eq!(submits.submission(document, "https://us/webhooks/rightfoot/t").unwrap(), submission);
    assert!(!format!("{submission:?}").contains("6789"));
}

#[test]
fn a_document_that_cannot_be_submitted_is_refused_by_field_and_rule() {
    let provider = rightfoot();
    let submits = provider.submits().offered().unwrap();
    let many = |count: usize| {
        let list: Vec<String> = (0..count).map(|n| format!(r#"{{"authorizer_unique_id":"a{n}"}}"#)).collect();
        format!(r#"{{"authorizers":[{}]}}"#, list.join(","))
    };
    let rows = [
        ("[]".to_string(), "the document is not a JSON object"),
        ("{}".to_string(), "field authorizers must be a list of 1 to 1000 objects"),
        (r#"{"authorizers":{}}"#.to_string(), "field authorizers must be a list of 1 to 1000 objects"),
        (r#"{"authorizers":["000-12-3456"]}"#.to_string(), "field authorizers must be a list of 1 to 1000 objects"),
        (many(0), "field authorizers must be a list of 1 to 1000 objects"),
        (many(1001), "field authorizers must be a list of 1 to 1000 objects"),
        (
            r#"{"authorizers":[{"authorizer_unique_id":"a"},{"ssn":"000-12-3456"}]}"#.to_string(),
            "field authorizers[1].authorizer_unique_id must be a non-empty text or number",
        ),
        (
            r#"{"authorizers":[{"authorizer_unique_id":"1"},{"authorizer_unique_id":1}]}"#.to_string(),
            "field authorizers[1].authorizer_unique_id must be another one in each authorizer: balances are kept by it",
        ),
        (
            r#"{"authorizers":[{"authorizer_unique_id":"1"}],"webhook_url":"https://mine"}"#.to_string(),
            "field webhook_url must be left out: the address of this stack is put there",
        ),
    ];
    for (document, expected) in rows {
        let error: Unsubmittable = submits.submission(document.as_bytes(), "https://us").unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    assert_eq!(submits.submission(many(1000).as_bytes(), "https://us").unwrap().items, 1000);
}

#[test]
fn a_submission_is_taken_only_with_a_batch_id() {
    let provider = rightfoot();
    let submits = provider.submits().offered().unwrap();
    for status in [200, 201, 202] {
        let submitted = submits.submitted(&answer(status, r#"{"batch_id":"b1","submitted_at":"…","message":"…"}"#));
        assert_eq!(submitted, Submitted::Accepted { reference: "b1".into() });
    }
    let rows = [
        (200, "{}", false),
        (200, r#"{"batch_id":" "}"#, false),
        (200, r#"{"batch_id":"b\n1"}"#, false),
        (400, "", false),
        (409, "{}", true),
        (429, "", true),
        (503, "", true),
    ];
    for (status, body, passing) in rows {
        let Submitted::Trouble(trouble) = submits.submitted(&answer(status, body)) else { panic!("{status} {body}") };
        assert_eq!(!matches!(trouble, Trouble::Permanent { .. }), passing, "{status} {body}");
    }
}
