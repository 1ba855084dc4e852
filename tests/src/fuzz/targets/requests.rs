//! What applications and operators say: references to wait for, documents to submit, inputs of set-up commands.

use std::collections::BTreeMap;

use hookledger_core::model::provider_call::ApiResponse;
use hookledger_core::providers::{Inputs, Provider, Submitted};
use serde_json::value::RawValue;

use super::super::keys;
use super::super::target::Seen;
use super::town::full_town;

const WEBHOOK_URL: &str = "https://example.execute-api.eu-central-1.amazonaws.com/webhooks/x/token-0123456789";

/// Any text is a reference that makes a whole key and a whole URL, or is refused.
pub(super) fn references(input: &[u8]) -> Seen {
    let text = String::from_utf8_lossy(input);
    let town = full_town();
    let mut seen = Vec::new();
    for provider in town.providers.iter() {
        let Some(polls) = provider.polls().offered() else { continue };
        let Ok(expected) = polls.expectation(&text) else {
            seen.push("refused");
            continue;
        };
        assert!(polls.expectation(&text).as_ref() == Ok(&expected), "one reference was read in two ways");
        keys::assert_subject(&expected.key.pk, provider.id());
        keys::assert_sort_key(&expected.key.sk, &["expectation", "watch"]);
        assert!(!text.chars().any(char::is_control) && text.len() <= 220, "a reference that no one should wait for");
        let waiting = super::answers::expectation(expected.key, provider, &text, expected.repeats);
        for cursor in [None, Some(text.as_ref())] {
            polls.poll(&waiting, cursor).iter().for_each(keys::assert_request);
        }
        seen.push(if expected.repeats { "watched" } else { "expected" });
    }
    seen.join(" ")
}

pub(super) fn reference_samples() -> Vec<Vec<u8>> {
    ["batch-2001", "link:l-1", "entity:e-1", "session:s-1", "link:", "other:x"].map(|text| text.into()).to_vec()
}

/// Any document is submitted as one request, always the same, or refused by field; any input of a command likewise; and
/// any answer to them is read.
pub(super) fn requests(input: &[u8]) -> Seen {
    let town = full_town();
    let each =
        town.providers.iter().map(|provider| format!("{} {}", submits(provider, input), sets_up(provider, input)));
    each.collect::<Vec<_>>().join("; ")
}

fn submits(provider: &dyn Provider, input: &[u8]) -> Seen {
    let Some(submits) = provider.submits().offered() else { return "no submissions".into() };
    let answers = [200, 201, 202, 400, 503].map(|status| {
        let response = ApiResponse { status, retry_after_secs: None, body: input.to_vec() };
        let submitted = submits.submitted(&response);
        assert!(submitted == submits.submitted(&response), "one answer was read in two ways");
        let Submitted::Accepted { reference } = submitted else { return 't' };
        let expected = provider.polls().offered().map(|polls| polls.expectation(&reference));
        assert!(expected.is_some_and(|expected| expected.is_ok()), "a reference that can't be waited for");
        'a'
    });
    let answers: String = answers.iter().collect();
    match submits.submission(input, WEBHOOK_URL) {
        Ok(submission) => {
            assert!(submits.submission(input, WEBHOOK_URL).as_ref() == Ok(&submission), "one document, two requests");
            keys::assert_request(&submission.request);
            // Values pass as they were written, half characters too: they are not read, only told apart.
            let sent = submission.request.json.as_ref();
            let fields = sent.map(|json| serde_json::from_slice::<BTreeMap<String, &RawValue>>(json.bytes()));
            assert!(matches!(fields, Some(Ok(_))), "a submission that is no JSON object");
            format!("{} items, {answers}", submission.items.min(3))
        }
        Err(why) => format!("{why}, {answers}"),
    }
}

fn sets_up(provider: &dyn Provider, input: &[u8]) -> Seen {
    let Some(setup) = provider.setup().offered() else { return "no set-up".into() };
    let text = String::from_utf8_lossy(input);
    let mut seen = String::new();
    for step in setup.steps() {
        let inputs: Inputs<'_> = step.inputs.iter().map(|wanted| (wanted.name, text.as_ref())).collect();
        if let Ok(request) = setup.request(step.name, &inputs) {
            keys::assert_request(&request);
            seen.push_str(step.name);
        }
        let response = ApiResponse { status: 200, retry_after_secs: None, body: input.to_vec() };
        let inputs: Inputs<'_> = step.inputs.iter().map(|wanted| (wanted.name, "given")).collect();
        if let Ok(outcome) = setup.done(step.name, &inputs, &response) {
            let (id, secret) = outcome.made.as_ref().map_or(("", ""), |made| (&made.id, made.value.reveal()));
            let named = secret.len() < 12 || id.contains(secret);
            let shown = outcome.shown.iter().any(|(_, value)| !named && value.contains(secret));
            assert!(!shown, "a signing secret was shown");
            seen.push_str(" done ");
        }
    }
    assert!(setup.request("no such command", &Inputs::new()).is_err(), "an unknown command was carried out");
    seen
}

pub(super) fn request_samples() -> Vec<Vec<u8>> {
    let texts = [
        r#"{"authorizers":[{"unique_id":"a-1"}],"webhook_url":"https://example.com","batch_id":"b-1"}"#,
        r#"{"batch_id":"batch-2001","status":"processing"}"#,
        r#"{"id":"sub-1","secret":"whsec-0123456789abcdef","url":"https://example.com/hook"}"#,
        "https://example.com/hook",
    ];
    texts.map(|text| text.as_bytes().to_vec()).to_vec()
}
