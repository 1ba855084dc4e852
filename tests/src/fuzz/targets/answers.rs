//! What a provider's API may answer: rows under the event's own subject, pages that go on, found events that are whole.

use std::collections::BTreeMap;

use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::entry::{Entry, State};
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::provider_call::ApiResponse;
use hookledger_core::model::row::Row;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock;
use hookledger_core::providers::{Ask, Asked, Found, Listed, ListedRow, Polled, Provider, Step};

use super::super::keys;
use super::super::target::Seen;
use super::town::full_town;
use crate::memory::answer;
use crate::samples::{self, Sample};
use crate::town::Town;

/// The kinds of result rows there are.
const ROWS: &[&str] =
    &["balance", "alert", "data", "transactions", "accounts", "failure", "progress", "upload", "unreadable"];
/// The statuses an answer is tried with.
const STATUSES: [u16; 6] = [200, 204, 400, 404, 410, 503];

pub(super) fn answers(input: &[u8]) -> Seen {
    thread_local! {
        static ENTRIES: Vec<(Sample, Entry, Vec<u8>)> = entries(&full_town());
    }
    let town = full_town();
    let mut seen = Vec::new();
    ENTRIES.with(|entries| {
        for (sample, entry, body) in entries {
            seen.push(work(town.provider(&sample.provider), entry, body, input));
            whole_flow(sample, input);
        }
    });
    seen.extend(town.providers.iter().filter_map(|provider| polls(provider, input)));
    seen.extend(town.providers.iter().filter_map(|provider| lists(provider, input)));
    seen.join("; ")
}

fn response(status: u16, body: &[u8]) -> ApiResponse {
    ApiResponse { status, retry_after_secs: None, body: body.to_vec() }
}

/// The entry of one sample of each type whose work asks the provider.
fn entries(town: &Town) -> Vec<(Sample, Entry, Vec<u8>)> {
    let mut types = BTreeMap::new();
    for sample in samples::all().into_iter().filter(|sample| sample.name != "unknown-type") {
        let event = samples::event_of(&sample.provider, &sample.body);
        types
            .entry((sample.provider.clone(), event.event_type.clone(), event.identity.as_str().len()))
            .or_insert(sample);
    }
    let mut entries = Vec::new();
    for sample in types.into_values() {
        town.deliver(&sample.provider, &sample.body);
        let key = samples::event_of(&sample.provider, &sample.body).key();
        let stored = town.inbox.ledger.stored(&key).unwrap();
        let asks = matches!(town.provider(&sample.provider).ask(&stored.entry, &stored.body, None), Ask::Request(_));
        if stored.entry.state == State::Open && asks {
            entries.push((sample, stored.entry, stored.body));
        }
    }
    entries
}

fn work(provider: &dyn Provider, entry: &Entry, body: &[u8], input: &[u8]) -> Seen {
    let mut seen = String::new();
    for (status, cursor) in STATUSES.map(|status| (status, None)).into_iter().chain([(200, Some("accounts"))]) {
        let asked = Asked { entry, body, cursor, tally: 0, at: UnixMs(2_208_988_800_000) };
        let step = provider.answer(&asked, &response(status, input));
        let again = provider.answer(&asked, &response(status, input));
        assert!(step == again, "one answer was read in two ways");
        let rows = match &step {
            Step::More { rows, cursor: next, .. } => {
                assert!(Some(next.as_str()) != cursor, "a page that leads to itself");
                if let Ask::Request(request) = provider.ask(entry, body, Some(next)) {
                    keys::assert_request(&request);
                }
                rows
            }
            Step::Done { rows, .. } => rows,
            Step::NotYet { .. } | Step::Overtaken { .. } | Step::Trouble(_) => continue,
        };
        rows.iter().for_each(|row| assert_row(row, input));
        seen.push_str(&format!(
            "{} {} ",
            if matches!(step, Step::More { .. }) { "more" } else { "done" },
            rows.len().min(3)
        ));
    }
    format!("{} {seen}", entry.event_type)
}

/// A row's key is one of ours, and its document is the provider's own bytes.
fn assert_row(row: &Row, input: &[u8]) {
    keys::assert_sort_key(&row.sk, ROWS);
    let theirs = row.document.is_empty() || input.windows(row.document.len()).any(|bytes| bytes == row.document);
    // A failure's document is made of the delivery, and an alert is the delivery's own.
    let made = row.sk.starts_with("failure#") || row.sk.starts_with("alert#");
    assert!(theirs || made, "a document that the provider did not send");
    let mut names: Vec<&str> = row.columns.iter().map(|(name, _)| *name).collect();
    names.dedup();
    assert!(names.len() == row.columns.len(), "a column that comes twice");
}

/// The work as it ships, with every request answered so: it ends, and in the event's own collection.
fn whole_flow(sample: &Sample, input: &[u8]) {
    let town = full_town();
    let bytes = input.to_vec();
    town.inbox.api.answer_with(move |_| answer(200, bytes.clone()));
    town.deliver(&sample.provider, &sample.body);
    town.work();
    // What the answer has overtaken is settled, and what it says instead has an entry of its own.
    let key = samples::event_of(&sample.provider, &sample.body).key();
    let entry = town.inbox.ledger.stored(&key).unwrap().entry;
    let overtaken = entry.reason.as_ref().is_some_and(|reason| reason.starts_with("overtaken"));
    assert!(overtaken || town.inbox.ledger.entries().len() == 1, "more entries than events");
    assert!(entry.state != State::Ignored, "work made an entry be ignored");
    assert!(entry.state != State::Open || entry.due_at.is_some(), "an open entry that owes nothing");
    let told = town.inbox.publisher.published().iter().any(|told| told.detail_type == entry.event_type);
    assert!(told == (entry.state == State::Done && !overtaken), "settled and published are not the same");
    for (key, _) in town.inbox.ledger.all_rows() {
        assert!(key.pk == entry.key.pk, "a row under another subject");
    }
}

pub(super) fn expectation(key: ItemKey, provider: &dyn Provider, reference: &str, repeats: bool) -> Expectation {
    Expectation {
        key,
        provider: provider.id().0.into(),
        reference: reference.into(),
        repeats,
        state: ExpectationState::Waiting,
        created_at: UnixMs(0),
        due_at: Some(UnixMs(0)),
        deadline: UnixMs(1),
        polls: 0,
        found: 0,
    }
}

fn polls(provider: &dyn Provider, input: &[u8]) -> Option<Seen> {
    let polls = provider.polls().offered()?;
    let mut seen = provider.id().0.to_string();
    for reference in ["batch-2001", "link:link-73", "entity:entity-501", "session:session-302"] {
        let Ok(expected) = polls.expectation(reference) else { continue };
        let waiting = expectation(expected.key.clone(), provider, reference, expected.repeats);
        for status in STATUSES {
            let polled = polls.polled(&waiting, None, &response(status, input));
            assert!(
                polled == polls.polled(&waiting, None, &response(status, input)),
                "one answer was read in two ways"
            );
            let Polled::Found { found, complete, .. } = polled else { continue };
            assert!(!(complete && expected.repeats), "a watch that ends by itself");
            for Found { event, body } in &found {
                keys::assert_event(&event.key(), provider.id());
                assert!(std::str::from_utf8(body).is_ok(), "a body that is no text");
                // A link tells of many entities; everything else tells of itself alone.
                assert!(expected.repeats || event.subject.as_str() == expected.key.pk, "an event of another subject");
            }
            // Listed twice, a statement is one event; attempts that nothing but their number tells apart are two.
            let all = found.len();
            let keys = found.iter().map(|found| found.event.key());
            let mut attempts: Vec<ItemKey> = keys.filter(|key| key.sk.starts_with("event#attempt#")).collect();
            let numbered = attempts.len();
            attempts.sort();
            attempts.dedup();
            assert!(attempts.len() == numbered, "two attempts under one key");
            seen.push_str(&format!(" {status} found {}{}", all.min(3), if complete { " complete" } else { "" }));
        }
    }
    Some(seen)
}

fn lists(provider: &dyn Provider, input: &[u8]) -> Option<Seen> {
    let lists = provider.lists().offered()?;
    let mut seen = provider.id().0.to_string();
    let now = full_town().inbox.clock.now();
    for name in lists.names() {
        for position in [None, Some("200"), Some("18446744073709551615"), Some("x")] {
            keys::assert_request(&lists.list(name, position, now));
            let listed = lists.listed(name, position, now, &response(200, input));
            let again = lists.listed(name, position, now, &response(200, input));
            assert!(listed == again, "one page was read in two ways");
            let Listed::Page { rows, next, .. } = listed else { continue };
            assert!(next.is_none() || next.as_deref() != position, "a page that leads to itself");
            for row in &rows {
                let document = listed_row(provider, row, now);
                let theirs = input.windows(document.len()).any(|bytes| bytes == document);
                assert!(theirs, "a document that the provider did not send");
            }
            seen.push_str(&format!(" {name} {} rows{}", rows.len().min(3), if next.is_some() { " more" } else { "" }));
        }
    }
    Some(seen)
}

/// A listed row's keys are whole, and apart from each other. Its document.
fn listed_row<'a>(provider: &dyn Provider, row: &'a ListedRow, now: UnixMs) -> &'a [u8] {
    match row {
        ListedRow::Status(row) => {
            let [first, second] = [1, 2].map(|n| row.event(n, now).key());
            keys::assert_event(&first, provider.id());
            assert!(first != second, "two times under one key");
            &row.document
        }
        ListedRow::Delivery(row) => {
            keys::assert_subject(row.subject.as_str(), provider.id());
            row.entry.iter().for_each(|key| keys::assert_event(key, provider.id()));
            &row.document
        }
        ListedRow::Event(found) => {
            keys::assert_event(&found.event.key(), provider.id());
            &found.body
        }
    }
}

/// Answers that the samples of `events/` ask for.
pub(super) fn samples() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"batch_id":"batch-2001","balances":[{"authorizer_unique_id":"a1","balance":10.50,"balance_status_code":0,"timestamp":"2026-01-01T00:00:00Z"},{"authorizer_unique_id":"a#2","balance":null}],"has_more":true,"next_page_token":"p2"}"#,
        r#"{"batch_id":"batch-2002","balances":[{"authorizer_unique_id":"authorizer-1","balance":-1.10},{"authorizer_unique_id":"authorizer-2","balance":0}],"has_more":false,"next_page_token":null}"#,
        r#"{"entity_id":"entity-501","progress":[{"status":"completed","statement_id":"statement-901","message":null}],"transactions":[{"amount":120.50}]}"#,
        r#"{"entity_id":"entity-502","progress":[{"status":"failed","statement_id":"statement-902","message":"password"},{"status":"processing","statement_id":"s2"}]}"#,
        r#"{"payloads":[{"entity_id":"entity-503","statement_id":"","link_id":"link-73","progress":"failed","reason":"wrong login","date_time":"2026-11-20 10:00:00"},{"entity_id":"entity-503","statement_id":"","link_id":"link-73","progress":"failed","reason":"wrong login","date_time":"2026-11-20 09:00:00"},{"entity_id":"entity-501","statement_id":"statement-901","link_id":"link-73","progress":"completed","reason":""}]}"#,
        r#"{"session_id":"session-302","session_progress":"completed","accounts":[]}"#,
        r#"{"items":[{"merchant_id":7,"merchant_status":"In Underwriting"},{"merchant_id":"8","merchant_status":"merchant.live"}],"hasMore":true,"limit":200,"offset":0}"#,
        r#"{"accounts":[{"account_id":"account-1","bank":"example"}]}"#,
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}
