//! The targets: what is read of others, and what must hold for it.

mod answers;
mod bodies;
mod envelopes;
mod items;
mod proof;
mod requests;
mod town;

use super::target::Target;

/// Every target.
pub static TARGETS: &[Target] = &[
    Target {
        name: "signature",
        about: "a header's value and a body, against every scheme",
        run: proof::signature,
        samples: proof::signature_samples,
    },
    Target {
        name: "secrets",
        about: "the secret document of a provider",
        run: proof::secrets,
        samples: proof::secret_samples,
    },
    Target {
        name: "rightfoot",
        about: "a genuine delivery of Rightfoot",
        run: |body| bodies::body("rightfoot", body),
        samples: || bodies::samples("rightfoot"),
    },
    Target {
        name: "fynapse",
        about: "a genuine delivery of Fynapse",
        run: |body| bodies::body("fynapse", body),
        samples: || bodies::samples("fynapse"),
    },
    Target {
        name: "finbox",
        about: "a genuine delivery of FinBox",
        run: |body| bodies::body("finbox", body),
        samples: || bodies::samples("finbox"),
    },
    Target {
        name: "runpayments",
        about: "a genuine delivery of Run Payments",
        run: |body| bodies::body("runpayments", body),
        samples: || bodies::samples("runpayments"),
    },
    Target {
        name: "gateway",
        about: "API Gateway's event, up to the answer",
        run: envelopes::gateway,
        samples: envelopes::gateway_samples,
    },
    Target {
        name: "sqs",
        about: "a batch of queue messages, up to the work",
        run: envelopes::sqs,
        samples: envelopes::sqs_samples,
    },
    Target {
        name: "items",
        about: "whatever the table may answer, read as every kind of row",
        run: items::items,
        samples: items::samples,
    },
    Target {
        name: "answers",
        about: "a provider's answer to work, polls and walks",
        run: answers::answers,
        samples: answers::samples,
    },
    Target {
        name: "references",
        about: "what an application says it waits for",
        run: requests::references,
        samples: requests::reference_samples,
    },
    Target {
        name: "requests",
        about: "documents to submit and inputs of set-up commands, and the answers to them",
        run: requests::requests,
        samples: requests::request_samples,
    },
];
