//! Submissions: an application's request to a provider, sent through us. The flow is `shared/core/src/desk/submit.rs`; this is
//! its door.
//!
//! ```text
//! 201  taken; its completion is expected under `reference`
//! 400  the document can't be submitted: which field, which rule
//! 422  nothing can be submitted to this provider, and why
//! 502  the provider refused it: `submission` stays owed until its deadline, and then a person is shown it
//! 503  nobody can say, or nothing was sent: submit the same document again, after the seconds in Retry-After
//! ```

use std::fmt;

use hookledger_core::desk::submit::{Receipt, SubmitError, Submitter};
use hookledger_core::model::provider_call::Trouble;
use hookledger_core::ports::{Inbox, ProviderApi, Secrets};
use hookledger_core::providers::Provider;
use serde_json::json;

use super::problem::problem;
use crate::enter::gateway::Response;

/// When to come again if nobody says otherwise, in seconds.
const RETRY_AFTER_SECS: u32 = 30;

/// What is to be submitted. It holds what no log may show, so `Debug` tells its size only.
#[derive(PartialEq, Eq)]
pub(super) struct Document(pub(super) Vec<u8>);

impl fmt::Debug for Document {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Submits a document, and answers.
pub(super) async fn submit<I: Inbox, A: ProviderApi, S: Secrets>(
    submitter: &Submitter<'_, I, A, S>,
    provider: &dyn Provider,
    document: &Document,
) -> Response {
    match submitter.submit(provider, &document.0).await {
        Ok(receipt) => taken(provider, &receipt),
        Err(error) => not_taken(&error),
    }
}

fn taken(provider: &dyn Provider, receipt: &Receipt) -> Response {
    let Receipt { reference, submission, items } = receipt;
    let body = json!({
        "provider": provider.id(),
        "reference": reference,
        "submission": submission,
        "items": items,
    });
    Response::json(201, body.to_string())
}

fn not_taken(error: &SubmitError) -> Response {
    let come_again = |response: Response| response.retry_after(Some(RETRY_AFTER_SECS));
    match error {
        SubmitError::Document(_) => problem(400, &error.to_string()),
        SubmitError::NotOffered(_) => problem(422, &error.to_string()),
        SubmitError::NoAddress | SubmitError::NoToken | SubmitError::Secrets(_) | SubmitError::NotRecorded(_) => {
            tracing::error!(%error, "a submission was not sent");
            come_again(problem(503, &error.to_string()))
        }
        SubmitError::NotAccepted { submission, trouble } => {
            let body = json!({ "error": error.to_string(), "submission": submission }).to_string();
            match trouble {
                Trouble::Permanent { .. } => Response::json(502, body),
                Trouble::Retry { after_secs, .. } | Trouble::Quota { after_secs, .. } => {
                    let secs = after_secs.and_then(|secs| u32::try_from(secs).ok()).unwrap_or(RETRY_AFTER_SECS);
                    Response::json(503, body).retry_after(Some(secs))
                }
            }
        }
        SubmitError::NotExpected { submission, reference, .. } => {
            let body = json!({ "error": error.to_string(), "submission": submission, "reference": reference });
            come_again(Response::json(503, body.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use hookledger_core::ports::SecretsError;
    use hookledger_core::providers::Unsubmittable;

    use super::*;

    #[test]
    fn answers_say_whether_to_come_again() {
        let not_accepted = |trouble| SubmitError::NotAccepted { submission: "submission:d".into(), trouble };
        let retry = |after_secs| not_accepted(Trouble::Retry { reason: "r".into(), after_secs });
        let rows = [
            (SubmitError::Document(Unsubmittable::NotAnObject), 400, None),
            (SubmitError::NotOffered("why"), 422, None),
            (SubmitError::NoAddress, 503, Some("30")),
            (SubmitError::NoToken, 503, Some("30")),
            (SubmitError::Secrets(SecretsError("out of reach")), 503, Some("30")),
            (retry(Some(7)), 503, Some("7")),
            (retry(None), 503, Some("30")),
            (not_accepted(Trouble::Permanent { reason: "r".into() }), 502, None),
        ];
        for (error, status, retry_after) in rows {
            let answered = serde_json::to_value(not_taken(&error)).unwrap();
            assert_eq!(answered["statusCode"], status, "{error}");
            assert_eq!(answered["headers"]["retry-after"].as_str(), retry_after, "{error}");
            let body: serde_json::Value = serde_json::from_str(answered["body"].as_str().unwrap()).unwrap();
            assert_eq!(body["error"], error.to_string());
            let stays_owed = matches!(error, SubmitError::NotAccepted { .. });
            assert_eq!(body["submission"].as_str(), stays_owed.then_some("submission:d"));
        }
    }
}
