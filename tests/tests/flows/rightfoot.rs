//! Rightfoot: what is submitted through us, what is watched, and what its pages bring.

mod canary;
mod doors;

use std::cell::Cell;
use std::rc::Rc;

use hookledger_core::desk::submit::{Receipt, SubmitError, Submitter};
use hookledger_core::flows::expectations;
use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::entry::{Origin, State};
use hookledger_core::model::provider_call::{ApiError, ApiResponse, Method};
use hookledger_core::ports::{Clock, Metric, Secrets};
use hookledger_tests::memory::{MemoryInbox, MemorySecrets, ScriptedApi, Side, answer, killed_after, run};
use hookledger_tests::town::{SECRET, Town, id};

use super::{BALANCES, BATCH};

const DOCUMENT: &str =
    r#"{"authorizers":[{"authorizer_unique_id":"a1","ssn":"000-12-3456","account_number":"000123456789"}]}"#;
const TAKEN: &str = r#"{"batch_id":"b1","submitted_at":"2040-01-01T00:00:00Z","message":"pending"}"#;

type Answer = Result<ApiResponse, ApiError>;

/// A town whose Rightfoot answers submissions so, and has balances to show once `complete` is set.
fn rightfoot(submitted: impl Fn() -> Answer + 'static) -> (Town, Rc<Cell<bool>>) {
    let town = Town::new();
    let complete = Rc::new(Cell::new(false));
    let seen = complete.clone();
    town.inbox.api.answer_with(move |url| match url {
        url if url.ends_with("/v1/balance_requests") => submitted(),
        url if url.contains("/v1/balances?") && seen.get() => answer(200, BALANCES),
        _ => answer(404, ""),
    });
    (town, complete)
}

fn submitter(town: &Town) -> Submitter<'_, MemoryInbox, ScriptedApi, MemorySecrets> {
    let (inbox, api, secrets) = (&town.inbox, &town.inbox.api, &town.inbox.secrets);
    Submitter { inbox, api, secrets, webhook_base_url: "https://us.example" }
}

fn submit(town: &Town, document: &str) -> Result<Receipt, SubmitError> {
    run(submitter(town).submit(town.provider("rightfoot"), document.as_bytes()))
}

/// What was posted to Rightfoot, as text.
fn posted(town: &Town) -> Vec<String> {
    let posted = town.inbox.api.requests().into_iter().filter(|(_, request)| request.method == Method::Post);
    posted.map(|(_, request)| String::from_utf8(request.json.unwrap().bytes().to_vec()).unwrap()).collect()
}

/// The expectations there are, those of submissions apart.
fn expectations(town: &Town) -> (Vec<Expectation>, Vec<Expectation>) {
    let all = town.inbox.ledger.expectations().into_iter();
    all.partition(|expectation| expectation.reference.starts_with("submission:"))
}

fn announce(town: &Town, reference: &str) -> Expectation {
    run(expectations::announce(&town.inbox, town.provider("rightfoot"), reference)).unwrap().0
}

#[test]
fn a_submission_is_expected_before_it_is_sent() {
    let (town, complete) = rightfoot(|| answer(200, TAKEN));
    let receipt = submit(&town, DOCUMENT).unwrap();
    assert_eq!((receipt.reference.as_str(), receipt.items), ("b1", 1));
    assert_eq!(town.inbox.ledger.faults.calls(), ["expect", "expect", "end_expectation"]);
    let sent = posted(&town);
    let url = format!("https://us.example/webhooks/rightfoot/{SECRET}");
    assert!(sent[0].ends_with(&format!(r#""webhook_url":"{url}"}}"#)));
    let (submissions, batches) = expectations(&town);
    assert_eq!(
        (submissions[0].state, submissions[0].reference.as_str()),
        (ExpectationState::Met, receipt.submission.as_str())
    );
    assert_eq!((batches[0].state, batches[0].reference.as_str()), (ExpectationState::Waiting, "b1"));
    // The webhook never comes.
    complete.set(true);
    town.pass_minutes(2);
    assert_eq!((town.only_entry().state, town.only_entry().origin), (State::Done, Origin::Poll));
    assert_eq!(expectations(&town).1[0].state, ExpectationState::Met);
    assert_eq!(town.effects().len(), 1);
}

#[test]
fn a_thousand_authorizers_over_ten_pages() {
    let town = Town::new();
    town.inbox.api.answer_with(|url| {
        if url.ends_with("/v1/balance_requests") {
            return answer(200, TAKEN);
        }
        let from: usize = url.split("next_page_token=p").nth(1).map_or(0, |token| token.parse().unwrap());
        let rows: Vec<String> = (from..from + 100)
            .map(|n| {
                let balance = if n % 10 == 0 { "null".into() } else { format!("-{n}.50") };
                let code = [0, 2560, 3000, 3001, 3100, 3200, 3300, 3310, 3400, 9000, 777][n % 11];
                format!(r#"{{"authorizer_unique_id":"a{n}","balance":{balance},"balance_status_code":{code}}}"#)
            })
            .collect();
        let next = if from < 900 { format!(r#""p{}""#, from + 100) } else { "null".into() };
        let more = from < 900;
        let rows = rows.join(",");
        answer(200, format!(r#"{{"batch_id":"b1","total_processed":1000,"balances":[{rows}],"has_more":{more},"next_page_token":{next}}}"#))
    });
    let authorizers: Vec<String> = (0..1000).map(|n| format!(r#"{{"authorizer_unique_id":"a{n}"}}"#)).collect();
    let document = format!(r#"{{"authorizers":[{}]}}"#, authorizers.join(","));
    assert_eq!(submit(&town, &document).unwrap().items, 1000);
    town.deliver("rightfoot", BATCH);
    town.work();
    assert_eq!(town.only_entry().state, State::Done);
    let rows = town.inbox.ledger.rows(&town.only_entry().key.subject());
    assert_eq!(rows.len(), 1000);
    let row = |sk: &str| rows.iter().find(|row| row.sk == sk).unwrap().columns.clone();
    assert_eq!(row("balance#a987"), [("balance", "-987.50".into()), ("balance_status_code", "3400".into())]);
    assert_eq!(row("balance#a10"), [("balance_status_code", "777".into())], "no amount, and a code nobody documented");
    let detail: serde_json::Value = serde_json::from_str(&town.inbox.publisher.published()[0].detail).unwrap();
    assert_eq!(detail["summary"]["balances"], 1000);
    assert_eq!(town.inbox.api.urls().iter().filter(|url| url.contains("/v1/balances?")).count(), 10);
}

#[test]
fn a_kill_anywhere_leaves_a_debt_that_a_retry_or_a_person_pays() {
    for turns in 0..16 {
        let (town, complete) = rightfoot(|| answer(200, TAKEN));
        let flow = submitter(&town);
        let killed = killed_after(turns, flow.submit(town.provider("rightfoot"), DOCUMENT.as_bytes())).is_none();
        let waits = town.inbox.ledger.expectations().iter().any(|one| one.state == ExpectationState::Waiting);
        assert!(waits || posted(&town).is_empty(), "killed after {turns} turns: sent, and nobody waits for it");

        // Nobody submits again: what was announced completes, and what was not is shown to a person.
        complete.set(true);
        town.pass_minutes(65);
        let (submissions, batches) = expectations(&town);
        let met = |all: &[Expectation]| all.iter().all(|one| one.state == ExpectationState::Met);
        assert!(met(&batches), "killed after {turns} turns: {batches:#?}");
        let expired = submissions.iter().filter(|one| one.state == ExpectationState::Expired).count();
        assert_eq!(town.inbox.meter.of(Metric::ExpectationsExpired, id("rightfoot")), expired as u64);
        assert!(met(&submissions) || killed, "killed after {turns} turns: {submissions:#?}");

        // Somebody does, after that: the same bytes, so the same batch.
        submit(&town, DOCUMENT).unwrap();
        town.pass_minutes(10);
        let (submissions, batches) = expectations(&town);
        assert!(submissions.len() == 1 && batches.len() == 1 && met(&submissions) && met(&batches), "{turns} turns");
        let sent = posted(&town);
        assert!(sent.iter().all(|body| *body == sent[0]), "killed after {turns} turns: {} were sent", sent.len());
        assert_eq!(town.effects().len(), 1, "killed after {turns} turns");
    }
}

#[test]
fn a_retry_continues_the_same_debt() {
    let (town, _) = rightfoot(|| answer(200, TAKEN));
    town.inbox.api.faults.next(Side::After, 1);
    let error = submit(&town, DOCUMENT).unwrap_err();
    let SubmitError::NotAccepted { submission, .. } = &error else { panic!("{error}") };
    assert!(error.to_string().contains("it may have been taken: submit the same document again"), "{error}");
    let (waiting, batches) = expectations(&town);
    assert_eq!((waiting.len(), waiting[0].state, batches.len()), (1, ExpectationState::Waiting, 0));
    town.inbox.clock.advance_secs(600);
    let receipt = submit(&town, DOCUMENT).unwrap();
    assert_eq!(receipt.submission, *submission);
    let (met, batches) = expectations(&town);
    assert_eq!(
        (met[0].state, met[0].created_at),
        (ExpectationState::Met, waiting[0].created_at),
        "the debt of the first"
    );
    assert_eq!((posted(&town).len(), batches.len()), (2, 1));
    assert_eq!(posted(&town)[0], posted(&town)[1]);
    // Another document is another submission.
    assert_ne!(submit(&town, &DOCUMENT.replace("a1", "a2")).unwrap().submission, receipt.submission);
}

#[test]
fn a_rotation_between_two_attempts_makes_no_second_batch() {
    let (town, _) = rightfoot(|| answer(200, TAKEN));
    town.inbox.api.faults.next(Side::After, 1);
    submit(&town, DOCUMENT).unwrap_err();
    let tokens = |old: &str| {
        format!(
            r#"{{"url_tokens":[{{"id":"t2","value":"the-new-token-of-the-tests"}},{{"id":"t1","value":"{SECRET}"{old}}}]}}"#
        )
    };
    town.inbox.secrets.set(id("rightfoot"), &tokens(r#","not_after":"2040-01-02T00:00:00Z""#));
    submit(&town, DOCUMENT).unwrap();
    assert_eq!(posted(&town)[0], posted(&town)[1], "the old token is live still");
    submit(&town, &DOCUMENT.replace("a1", "a2")).unwrap();
    assert!(
        posted(&town)[2].contains("the-new-token-of-the-tests"),
        "what is new goes out with the token that lives longest"
    );
}

#[test]
fn what_the_provider_does_not_take_is_told_and_stays_owed() {
    type Row = (&'static str, fn() -> Answer, &'static str);
    let rows: [Row; 5] = [
        ("refused", || answer(400, r#"{"error":{"message":"ssn 000-12-3456 is not valid"}}"#), "answered 400"),
        ("rate", || Ok(ApiResponse { status: 429, retry_after_secs: Some(7), body: Vec::new() }), "answered 429"),
        ("down", || answer(503, ""), "answered 503"),
        ("unreachable", || Err(ApiError::Unreachable), "could not be reached"),
        ("nameless", || answer(200, "{}"), "without naming its batch"),
    ];
    for (name, submitted, expected) in rows {
        let (town, _) = rightfoot(submitted);
        let error = submit(&town, DOCUMENT).unwrap_err();
        assert!(matches!(error, SubmitError::NotAccepted { .. }), "{name}: {error:?}");
        let told = format!("{error} {error:?}");
        assert!(told.contains(expected) && !told.contains("000-12-3456"), "{name}: {told}");
        town.pass_minutes(65);
        let (submissions, batches) = expectations(&town);
        assert_eq!((submissions[0].state, batches.len()), (ExpectationState::Expired, 0), "{name}");
        assert_eq!(town.inbox.meter.of(Metric::ExpectationsExpired, id("rightfoot")), 1, "{name}");
        let asked = town.inbox.api.urls();
        let of_rightfoot = asked.iter().filter(|url| url.contains("rightfoot")).count();
        assert_eq!(of_rightfoot, 1, "{name}: nothing can be asked about a submission: {asked:?}");
    }
}

#[test]
fn a_submission_that_was_refused_is_closed_by_nobody_and_shown_to_a_person() {
    let (town, _) = rightfoot(|| answer(422, ""));
    let Err(SubmitError::NotAccepted { submission, .. }) = submit(&town, DOCUMENT) else { panic!("taken") };
    let closed = run(expectations::close(&town.inbox, town.provider("rightfoot"), &submission));
    assert_eq!(closed, Err(expectations::ExpectError::OfASubmission));
    town.pass_minutes(65);
    assert_eq!(town.inbox.meter.total(Metric::ExpectationsExpired), 1);
}

#[test]
fn nothing_is_sent_that_could_not_be_accounted_for() {
    type Row = (&'static str, fn(&Town), &'static str);
    let rows: [Row; 4] = [
        ("the table is down", |town| town.inbox.ledger.faults.down(true), "could not be written down"),
        ("no token", |town| town.inbox.secrets.set(id("rightfoot"), "{}"), "no live URL token"),
        ("no secrets", |town| town.inbox.secrets.faults.down(true), "nothing was sent: the provider's secrets"),
        ("the answer of the table is lost", |town| town.inbox.ledger.faults.next(Side::After, 1), "nothing was sent"),
    ];
    for (name, break_it, expected) in rows {
        let (town, _) = rightfoot(|| answer(200, TAKEN));
        break_it(&town);
        let error = submit(&town, DOCUMENT).unwrap_err().to_string();
        assert!(error.contains(expected), "{name}: {error}");
        assert!(town.inbox.api.requests().is_empty(), "{name}");
        let unconfigured = u64::from(name.starts_with("no "));
        assert_eq!(town.inbox.meter.of(Metric::Unconfigured, id("rightfoot")), unconfigured, "{name}");
    }
    let (town, _) = rightfoot(|| answer(200, TAKEN));
    let nowhere = Submitter { webhook_base_url: "", ..submitter(&town) };
    let error = run(nowhere.submit(town.provider("rightfoot"), DOCUMENT.as_bytes())).unwrap_err();
    assert_eq!(error, SubmitError::NoAddress);
    for provider in hookledger_kit::names().filter(|name| *name != "rightfoot") {
        let error = run(submitter(&town).submit(town.provider(provider), DOCUMENT.as_bytes())).unwrap_err();
        assert!(matches!(error, SubmitError::NotOffered(_)), "{provider}: {error}");
    }
    assert!(matches!(submit(&town, "[]"), Err(SubmitError::Document(_))));
    assert!(town.inbox.api.requests().is_empty() && town.inbox.ledger.expectations().is_empty());
}

#[test]
fn a_batch_that_cannot_be_written_down_is_named_to_the_caller() {
    let (town, _) = rightfoot(|| answer(200, TAKEN));
    // The submission is written down; the second expectation is not.
    let flow = submitter(&town);
    let document = DOCUMENT.as_bytes();
    let third = Rc::new(Cell::new(0));
    let faults = &town.inbox.ledger.faults;
    let calls = third.clone();
    town.inbox.api.answer_with(move |_| {
        calls.set(1);
        answer(200, TAKEN)
    });
    let mut submitted = std::pin::pin!(flow.submit(town.provider("rightfoot"), document));
    let error = loop {
        if third.get() == 1 {
            faults.next_of("expect", Side::Before, 1);
            third.set(2);
        }
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        if let std::task::Poll::Ready(done) = submitted.as_mut().poll(&mut context) {
            break done.unwrap_err();
        }
    };
    assert!(error.to_string().starts_with("taken as b1, which could not be written down"), "{error}");
    assert_eq!(expectations(&town).0[0].state, ExpectationState::Waiting, "and the submission is owed still");
}

/// A history of two pages, newest run first; the second page reaches into the past.
fn history(url: &str) -> Answer {
    let run = |at: &str, batch: &str, status: &str| {
        format!(
            r#"{{"run_at":"{at}","batch_id":"{batch}","balance_amount":null,"status":"{status}","error_message":"Jane Doe"}}"#
        )
    };
    let page = |runs: &[String], token: &str| {
        let more = token != "null";
        let runs = runs.join(",");
        answer(
            200,
            format!(
                r#"{{"authorizer_unique_id":"a1","total_count":4,"history":[{runs}],"next_page_token":{token},"has_more":{more}}}"#
            ),
        )
    };
    match url {
        url if url.ends_with("/history?limit=100") => page(
            &[run("2040-01-01T00:00:00Z", "b1", "success"), run("2039-12-31T00:00:00Z", "b0", "failed")],
            r#""t2""#,
        ),
        url if url.ends_with("/history?limit=100&next_page_token=t2") => page(
            &[run("2039-12-30T00:00:00Z", "b-1", "success"), run("2039-01-01T00:00:00Z", "b-2", "success")],
            r#""t3""#,
        ),
        url if url.contains("/v1/balances?batchId=") => {
            let batch = url.split("batchId=").nth(1).and_then(|rest| rest.split('&').next()).unwrap();
            answer(200, BALANCES.replace(r#""b1""#, &format!(r#""{batch}""#)))
        }
        _ => answer(404, ""),
    }
}

#[test]
fn a_watched_authorizer_brings_every_run_once() {
    let mut town = Town::new();
    town.inbox.timing.watch_deadline_secs = 24 * 3600;
    town.inbox.api.answer_with(history);
    // The webhook of one of the runs came, the others were lost.
    town.deliver("rightfoot", BATCH);
    town.work();
    let watch = announce(&town, "authorizer:a1");
    assert!(watch.repeats);
    town.pass_minutes(5);
    let entries = town.inbox.ledger.entries();
    let batches: Vec<&str> = entries.iter().map(|entry| entry.key.pk.as_str()).collect();
    assert_eq!(
        batches,
        ["rightfoot#batch#b-1", "rightfoot#batch#b0", "rightfoot#batch#b1"],
        "and not the one of last year"
    );
    assert!(entries.iter().all(|entry| entry.state == State::Done));
    assert_eq!(entries[2].origin, Origin::Push);
    assert_eq!(town.effects().len(), 3);
    // It goes on until its deadline, and found something by then.
    let asked = || town.inbox.api.urls().iter().filter(|url| url.ends_with("/history?limit=100")).count();
    assert!(asked() > 1);
    town.pass_minutes(24 * 60 + 120);
    assert!((24..40).contains(&asked()), "{} times in a day", asked());
    let all = town.inbox.ledger.expectations();
    assert_eq!((all[0].state, all[0].found), (ExpectationState::Closed, 2));
    assert!(!town.inbox.api.urls().iter().any(|url| url.contains("t3")), "what is older is not walked");
    assert_eq!((town.effects().len(), town.inbox.meter.total(Metric::ExpectationsExpired)), (3, 0));
}

#[test]
fn a_history_that_names_its_own_page_ends_that_look() {
    let town = Town::new();
    town.inbox.api.answer_with(|url| match url {
        url if url.contains("/history?") => answer(200, r#"{"history":[{"run_at":"2040-01-01T00:00:00Z","batch_id":"b1"}],"has_more":true,"next_page_token":"again"}"#),
        _ => answer(200, BALANCES),
    });
    announce(&town, "authorizer:a1");
    town.pass_minutes(1);
    assert_eq!(town.inbox.api.urls().iter().filter(|url| url.contains("/history?")).count(), 2);
    assert_eq!(town.inbox.meter.of(Metric::WorkFailed, id("rightfoot")), 1);
    town.pass_minutes(1);
    assert_eq!(town.only_entry().state, State::Done, "what the page told is not lost");
}

#[test]
fn a_watched_schedule_tells_of_each_run() {
    let town = Town::new();
    let last = Rc::new(Cell::new("null"));
    let seen = last.clone();
    town.inbox.api.answer_with(move |url| match url.contains("/v1/monitoring/schedules/s1") {
        true => {
            let last = seen.get();
            answer(200, format!(r#"{{"schedule_id":"s1","last_run_at":{last},"next_run_at":"2040-01-08T00:00:00Z","total_authorizers":2}}"#))
        }
        false => answer(404, ""),
    });
    announce(&town, "schedule:s1");
    town.pass_minutes(10);
    assert!(town.inbox.ledger.entries().is_empty(), "it never ran");
    for (run, day) in [r#""2040-01-02T00:00:00Z""#, r#""2040-01-03T00:00:00Z""#].into_iter().zip(1..) {
        last.set(run);
        town.pass_minutes(3 * 60);
        assert_eq!(town.inbox.ledger.entries_in(State::Done).len(), day);
        assert_eq!(town.effects().len(), day);
    }
    let published = town.inbox.publisher.published();
    assert_eq!(published[1].detail_type, "MONITORING_SCHEDULE_RUN");
    let detail: serde_json::Value = serde_json::from_str(&published[1].detail).unwrap();
    assert_eq!(detail["summary"]["last_run_at"], "2040-01-03T00:00:00.000Z");
    assert_eq!(detail["summary"]["schedule_id"], "s1");
}

#[test]
fn a_page_that_names_itself_is_given_to_a_person() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| answer(200, r#"{"batch_id":"b1","balances":[{"authorizer_unique_id":"a1","balance":-1}],"has_more":true,"next_page_token":"again"}"#));
    town.deliver("rightfoot", BATCH);
    town.work();
    let entry = town.only_entry();
    assert_eq!(entry.reason.as_deref(), Some("a page of balances named itself as the next one"));
    assert_eq!((entry.state, town.inbox.api.requests().len()), (State::Parked, 2));
    assert!(town.effects().is_empty());
}

#[test]
fn an_alerts_effects_are_kept_by_schedule_and_authorizer() {
    let town = Town::new();
    town.inbox.api.answer_with(|_| {
        answer(200, r#"{"batch_id":"b1","balances":[{"authorizer_unique_id":"a1","balance":90.10},{"authorizer_unique_id":"a2","balance":-1}],"has_more":false}"#)
    });
    let alert = |uuid: &str, schedule: &str, authorizer: &str| {
        format!(
            r#"{{"event_uuid":"{uuid}","type":"BALANCE_THRESHOLD_ALERT","schedule_id":"{schedule}","batch_id":"b1","alerts":[{{"authorizer_unique_id":"{authorizer}","balance":90.10,"threshold_amount":100}}]}}"#
        )
    };
    // Two parts of one alert, one of them delivered twice, and another schedule's alert about the same authorizer.
    for (uuid, schedule, authorizer) in [("u1", "s1", "a1"), ("u2", "s1", "a2"), ("u1", "s1", "a1"), ("u3", "s2", "a1")]
    {
        assert_eq!(town.deliver("rightfoot", &alert(uuid, schedule, authorizer)).status, 200);
        town.work();
    }
    town.pass_minutes(3);
    let entries = town.inbox.ledger.entries();
    assert_eq!((entries.len(), town.inbox.ledger.entries_in(State::Done).len()), (3, 3));
    let rows: Vec<String> = town.inbox.ledger.rows(&entries[0].key.subject()).into_iter().map(|row| row.sk).collect();
    assert_eq!(rows, ["alert#s1#u1#a1", "alert#s1#u2#a2", "alert#s2#u3#a1"]);
    assert_eq!(town.effects().len(), 3);
}

#[test]
fn tokens_are_read_where_the_receiver_reads_them() {
    let (town, complete) = rightfoot(|| answer(200, TAKEN));
    submit(&town, DOCUMENT).unwrap();
    let body: serde_json::Value = serde_json::from_str(&posted(&town)[0]).unwrap();
    let token = body["webhook_url"].as_str().unwrap().rsplit('/').next().unwrap().to_string();
    let live = run(town.inbox.secrets.get(id("rightfoot"))).unwrap();
    assert_eq!(live.url_tokens[0].value.reveal(), token);
    complete.set(true);
    town.deliver("rightfoot", BATCH);
    town.work();
    town.pass_minutes(10);
    assert_eq!((town.only_entry().origin, town.effects().len()), (Origin::Push, 1), "webhook and poll are one");
    assert!(town.inbox.clock.now() > expectations(&town).1[0].created_at);
}
