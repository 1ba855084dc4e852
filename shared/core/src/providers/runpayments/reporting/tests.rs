//! Run Payments' reports, case by case.

use super::super::build;
use crate::model::provider_call::{Auth, Trouble};
use crate::providers::contract::Provider;
use crate::providers::step::{Ask, Step};
use crate::providers::testing::{answer, asked as was_asked, build_with, entry_of, rows_of};

fn reporting(settings: &[(&str, &str)]) -> Box<dyn Provider> {
    build_with(build, &[&[("RUNPAYMENTS_REPORTING", "on")], settings].concat())
}

fn body(event_type: &str, source_id: &str) -> String {
    format!(
        r#"{{"event_type":"{event_type}","source_id":{source_id},"timestamp":"2024-01-15T10:30:00.000Z","payload":{{"merchant_id":7}},"metadata":{{"idempotency_key":"k-1"}}}}"#
    )
}

/// The URL asked, if any.
fn asked(provider: &dyn Provider, body: &str, cursor: Option<&str>) -> Option<String> {
    let (_, entry) = entry_of(provider, body);
    match provider.ask(&entry, body.as_bytes(), cursor) {
        Ask::Request(request) => Some(request.url),
        Ask::Nothing(step) => {
            assert!(matches!(*step, Step::Done { .. }), "{step:?}");
            None
        }
    }
}

fn answered(body: &str, cursor: Option<&str>, tally: u64, page: &str) -> Step {
    let provider = reporting(&[]);
    let (_, entry) = entry_of(provider.as_ref(), body);
    provider.answer(&was_asked(&entry, body.as_bytes(), cursor, tally), &answer(200, page))
}

fn summary(step: &Step) -> Vec<(&'static str, serde_json::Value)> {
    let Step::Done { outcome, .. } = step else { panic!("not done: {step:?}") };
    assert!(outcome.pulled, "a second asking may answer differently");
    outcome.summary.clone()
}

#[test]
fn every_event_that_a_report_tells_of_is_asked_for() {
    let provider = reporting(&[]);
    let base = "https://apps.runpayments.io/ords/sprint/api/3p/v1";
    let q = "%7B%22id%22%3A12345%7D";
    for (event_type, report) in [
        ("transaction.entered", Some("transactions")),
        ("transaction.processed", Some("transactions")),
        ("transaction.decline", Some("transactions")),
        ("transaction.refund", Some("transactions")),
        ("transaction.partialrefund", Some("transactions")),
        ("transaction.reject", Some("transactions")),
        ("chargeback.entered", Some("chargebacks")),
        ("funding.entered", Some("deposits")),
        ("statement.entered", None),
        ("boarding.varcomplete", None),
        ("merchant.live", None),
    ] {
        let expected = report.map(|report| format!("{base}/{report}?q={q}"));
        assert_eq!(asked(provider.as_ref(), &body(event_type, "12345"), None), expected, "{event_type}");
        let off = build_with(build, &[]);
        assert_eq!(asked(off.as_ref(), &body(event_type, "12345"), None), None, "{event_type}: off by default");
    }
}

#[test]
fn an_id_is_asked_for_as_it_was_sent() {
    for (source_id, field, q) in [
        ("12345678901234567890", "id", "%7B%22id%22%3A12345678901234567890%7D"),
        (r#""F16 \"45\"""#, "funding_id", "%7B%22funding_id%22%3A%22F16%20%5C%2245%5C%22%22%7D"),
    ] {
        let provider = reporting(&[("RUNPAYMENTS_REPORTING_ID_FIELD", field)]);
        let url = asked(provider.as_ref(), &body("transaction.entered", source_id), None).unwrap();
        assert!(url.ends_with(&format!("/transactions?q={q}")), "{url}");
    }
}

#[test]
fn reports_have_credentials_and_a_token_url_of_their_own() {
    let client_of = |provider: Box<dyn Provider>| {
        let body = body("transaction.entered", "1");
        let (_, entry) = entry_of(provider.as_ref(), &body);
        let Ask::Request(request) = provider.ask(&entry, body.as_bytes(), None) else { panic!("not asked") };
        let Auth::ClientCredentials { token_url, client, .. } = request.auth else { panic!("{:?}", request.auth) };
        (token_url, client.id, client.secret)
    };
    let default = "https://apps.runpayments.io/ords/sprint/oauth/token".to_string();
    assert_eq!(client_of(reporting(&[])), (default, "reporting_client_id", "reporting_client_secret"));
    let other = reporting(&[("RUNPAYMENTS_REPORTING_TOKEN_URL", "https://example.com/token")]);
    assert_eq!(client_of(other).0, "https://example.com/token");
    let refused = |name: &'static str, value: &'static str| {
        build(&move |setting| (setting == name).then(|| value.to_string())).err().map(|error| error.name)
    };
    assert_eq!(refused("RUNPAYMENTS_REPORTING", "yes").as_deref(), Some("RUNPAYMENTS_REPORTING"));
    let insecure = refused("RUNPAYMENTS_REPORTING_TOKEN_URL", "http://example.com/token");
    assert_eq!(insecure.as_deref(), Some("RUNPAYMENTS_REPORTING_TOKEN_URL"));
}

#[test]
fn a_row_keeps_its_amount_as_sent() {
    let transaction = body("transaction.entered", "12345");
    for (sent, kept) in [
        ("25.990", Some("25.990")),
        ("12345678901234567.10", Some("12345678901234567.10")),
        (r#""1.10""#, Some("1.10")),
        ("null", None),
    ] {
        let page = format!(r#"{{"items":[{{"id":12345,"amount":{sent},"mid":"m"}}],"hasMore":false}}"#);
        let step = answered(&transaction, None, 0, &page);
        let rows = rows_of(&step);
        assert_eq!((rows.len(), rows[0].sk.as_str()), (1, "transactions#0000"));
        let columns: Vec<_> = kept.map(|kept| ("amount", kept.to_string())).into_iter().collect();
        assert_eq!(rows[0].columns, columns, "{sent}");
        assert!(String::from_utf8(rows[0].document.clone()).unwrap().contains(&format!(r#""amount":{sent},"#)));
        assert_eq!(summary(&step), [("looked_up", true.into()), ("rows", 1.into())]);
    }
    // A number here, a text there: the same id.
    let page = r#"{"items":[{"id":"12345"}]}"#;
    assert_eq!(rows_of(&answered(&transaction, None, 0, page)).len(), 1);
}

#[test]
fn a_funding_brings_its_deposit_and_then_its_adjustments() {
    let funding = body("funding.entered", "5");
    let page = r#"{"items":[{"id":5,"amount":100.10,"funding_master_id":"F1"}]}"#;
    let Step::More { rows, cursor, .. } = answered(&funding, None, 0, page) else { panic!("not more") };
    assert_eq!(rows[0].sk, "deposits#0000");
    let url = asked(reporting(&[]).as_ref(), &funding, Some(&cursor)).unwrap();
    assert!(url.ends_with("/adjustments?q=%7B%22funding_master_id%22%3A%22F1%22%7D"), "{url}");
    let adjustments =
        r#"{"items":[{"id":1,"funding_master_id":"F1","amount":-1.10},{"id":2,"funding_master_id":"F1"}]}"#;
    let step = answered(&funding, Some(&cursor), 1, adjustments);
    let keys: Vec<String> = rows_of(&step).into_iter().map(|row| row.sk).collect();
    assert_eq!(keys, ["adjustments#0000", "adjustments#0001"]);
    assert_eq!(summary(&step)[1], ("rows", 3.into()));
    // Most fundings have none, and a deposit may name no funding.
    for page in [r#"{"items":[]}"#, r#"{"items":null}"#] {
        assert_eq!(summary(&answered(&funding, Some(&cursor), 1, page))[1], ("rows", 1.into()), "{page}");
    }
    assert_eq!(summary(&answered(&funding, None, 0, r#"{"items":[{"id":5}]}"#))[1], ("rows", 1.into()));
    // A chargeback names a funding too, but adjusts nothing.
    let chargeback = body("chargeback.entered", "5");
    assert_eq!(summary(&answered(&chargeback, None, 0, page))[1], ("rows", 1.into()));
}

#[test]
fn pages_are_walked_by_offset_up_to_a_limit() {
    let transaction = body("transaction.entered", "9");
    let page = r#"{"items":[{"id":9},{"id":9}],"hasMore":true}"#;
    let mut cursor: Option<String> = None;
    let mut keys = Vec::new();
    for n in 0..19 {
        let Step::More { rows, cursor: next, .. } = answered(&transaction, cursor.as_deref(), n * 2, page) else {
            panic!("page {n} ends the walk")
        };
        keys.extend(rows.into_iter().map(|row| row.sk));
        let url = asked(reporting(&[]).as_ref(), &transaction, Some(&next)).unwrap();
        assert!(url.ends_with(&format!("&offset={}", (n + 1) * 2)), "{url}");
        cursor = Some(next);
    }
    assert_eq!((keys.len(), keys[37].as_str()), (38, "transactions#0037"));
    keys.dedup();
    assert_eq!(keys.len(), 38, "no row replaces another");
    let endless = answered(&transaction, cursor.as_deref(), 38, page);
    assert!(matches!(endless, Step::Trouble(Trouble::Permanent { .. })), "{endless:?}");
    // A page that promises another and is empty is the last.
    let last = answered(&transaction, cursor.as_deref(), 38, r#"{"items":[],"hasMore":true}"#);
    assert_eq!(summary(&last)[1], ("rows", 38.into()));
}

#[test]
fn what_is_not_there_yet_is_waited_for_and_what_is_not_ours_is_not_kept() {
    let transaction = body("transaction.entered", "9");
    for page in [r#"{"items":[]}"#, r#"{"items":null}"#, "{}"] {
        assert!(matches!(answered(&transaction, None, 0, page), Step::NotYet { .. }), "{page}");
    }
    for page in [
        r#"{"items":[{"id":8,"amount":1}]}"#,
        r#"{"items":[{"id":9},{"id":8}]}"#,
        r#"{"items":[{"mid":"m"}]}"#,
        r#"{"items":["odd"]}"#,
    ] {
        let step = answered(&transaction, None, 0, page);
        assert!(matches!(step, Step::Trouble(Trouble::Permanent { .. })), "{page}: {step:?}");
    }
    for page in [r#"{"items":{}}"#, "[]", "<html>"] {
        let step = answered(&transaction, None, 0, page);
        assert!(matches!(step, Step::Trouble(Trouble::Retry { .. })), "{page}: {step:?}");
    }
    let provider = reporting(&[]);
    let (_, entry) = entry_of(provider.as_ref(), &transaction);
    for (status, retry) in [(429, true), (500, true), (400, false), (404, false)] {
        let step = provider.answer(&was_asked(&entry, transaction.as_bytes(), None, 0), &answer(status, ""));
        assert_eq!(!matches!(step, Step::Trouble(Trouble::Permanent { .. })), retry, "{status}");
    }
}

#[test]
fn an_event_is_complete_without_its_report() {
    let of = |provider: Box<dyn Provider>, event_type: &str| {
        let (_, entry) = entry_of(provider.as_ref(), &body(event_type, "9"));
        provider.without_answer(&entry, "no answer").map(|outcome| (outcome.summary, outcome.pulled))
    };
    let expected = Some((vec![("looked_up", false.into()), ("why", "no answer".into())], true));
    assert_eq!(of(reporting(&[]), "transaction.entered"), expected);
    assert_eq!(of(reporting(&[]), "statement.entered"), None);
    assert_eq!(of(build_with(build, &[]), "transaction.entered"), None);
}
