//! The targets: what is read of others, and what must hold for it.

mod answers;
mod bodies;
mod envelopes;
mod items;
mod proof;
mod requests;
mod town;

use std::sync::LazyLock;

use super::target::{Seen, Target};

/// Every target.
pub static TARGETS: LazyLock<Vec<Target>> = LazyLock::new(|| {
    let mut targets = vec![
        target(
            "signature",
            "a header's value and a body, against every scheme",
            proof::signature,
            proof::signature_samples,
        ),
        target("secrets", "the secret document of a provider", proof::secrets, proof::secret_samples),
    ];
    targets.extend(hookledger_kit::names().map(|name| Target {
        name,
        about: "a genuine delivery of this provider",
        run: Box::new(move |body| bodies::body(name, body)),
        samples: Box::new(move || bodies::samples(name)),
    }));
    targets.extend([
        target("gateway", "API Gateway's event, up to the answer", envelopes::gateway, envelopes::gateway_samples),
        target("sqs", "a batch of queue messages, up to the work", envelopes::sqs, envelopes::sqs_samples),
        target("items", "whatever the table may answer, read as every kind of row", items::items, items::samples),
        target("answers", "a provider's answer to work, polls and walks", answers::answers, answers::samples),
        target(
            "references",
            "what an application says it waits for",
            requests::references,
            requests::reference_samples,
        ),
        target(
            "requests",
            "documents to submit and inputs of set-up commands, and the answers to them",
            requests::requests,
            requests::request_samples,
        ),
    ]);
    targets
});

fn target(name: &'static str, about: &'static str, run: fn(&[u8]) -> Seen, samples: fn() -> Vec<Vec<u8>>) -> Target {
    Target { name, about, run: Box::new(run), samples: Box::new(samples) }
}
