//! Rightfoot: a balance request, sent through us.
//!
//! `POST /v1/balance_requests` takes up to 1,000 authorizers and a `webhook_url`. For 24 hours an identical body is
//! answered with the same batch, so a submission that nobody heard the end of is safely sent again, byte for byte.
//!
//! Source: the API reference's page "Submit Balance Check".

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::value::{RawValue, to_raw_value};

use super::api::{API_KEY, Rightfoot};
use crate::model::provider_call::{ApiRequest, ApiResponse, Method, Trouble, trouble};
use crate::providers::contract::Submits;
use crate::providers::json::reference_id;
use crate::providers::json::{Field, object, text};
use crate::providers::submission::{Submission, Submitted, Unsubmittable};

/// "Maximum batch size: 1,000 authorizers per request".
const MAX_AUTHORIZERS: usize = 1_000;
const AUTHORIZERS: &str = "authorizers";
const AUTHORIZER_ID: &str = "authorizer_unique_id";
const WEBHOOK_URL: &str = "webhook_url";

/// Of an authorizer nothing is read but what its balance will be kept under.
#[derive(Deserialize)]
struct Authorizer<'a> {
    #[serde(borrow)]
    authorizer_unique_id: Field<'a>,
}

#[derive(Deserialize)]
struct Answer<'a> {
    #[serde(borrow)]
    batch_id: Field<'a>,
}

impl Submits for Rightfoot {
    /// The document is Rightfoot's own, less `webhook_url`, which is ours to fill in. One that brings its own is
    /// refused: whoever wrote it counts on deliveries that would never reach him. So is one with a field beside the two
    /// that are documented: it might name another address to send to. What an authorizer holds passes as it is, since
    /// the pages name no complete list of its fields: it is the person's data, in Rightfoot's words.
    fn submission(&self, document: &[u8], webhook_url: &str) -> Result<Submission, Unsubmittable> {
        // Sorted, and each value as it was written: so the bytes follow from document and URL alone.
        let mut fields: BTreeMap<String, &RawValue> =
            serde_json::from_slice(document).map_err(|_| Unsubmittable::NotAnObject)?;
        if fields.get(WEBHOOK_URL).is_some_and(|own| own.get() != "null") {
            let rule = "left out: the address of this stack is put there";
            return Err(Unsubmittable::Field { field: WEBHOOK_URL, rule });
        }
        if let Some(other) = fields.keys().find(|name| !matches!(name.as_str(), AUTHORIZERS | WEBHOOK_URL)) {
            return Err(Unsubmittable::undocumented(other));
        }
        let items = authorizers(fields.get(AUTHORIZERS).copied())?;
        let webhook_url = to_raw_value(webhook_url).map_err(|_| Unsubmittable::NotAnObject)?;
        fields.insert(WEBHOOK_URL.into(), &webhook_url);
        let body = serde_json::to_vec(&fields).map_err(|_| Unsubmittable::NotAnObject)?;
        let url = format!("{}/v1/balance_requests", self.base_url);
        Ok(Submission { request: ApiRequest::send(Method::Post, url, API_KEY, body), items })
    }

    fn submitted(&self, response: &ApiResponse) -> Submitted {
        if !(200..300).contains(&response.status) {
            return Submitted::Trouble(trouble(response));
        }
        let answer = object::<Answer<'_>>(&response.body).ok();
        // What can't be waited for is no batch id: it would be logged, and expected by nobody.
        match answer.and_then(|answer| text(answer.batch_id)).filter(|id| reference_id(id, "").is_ok()) {
            Some(reference) => Submitted::Accepted { reference },
            None => {
                let reason = "the provider took the submission without naming its batch".into();
                Submitted::Trouble(Trouble::Permanent { reason })
            }
        }
    }
}

/// How many authorizers there are. Balances are kept by authorizer, so each must have an id, and one of its own.
fn authorizers(list: Option<&RawValue>) -> Result<usize, Unsubmittable> {
    let read = list.and_then(|list| serde_json::from_str::<Vec<Authorizer<'_>>>(list.get()).ok());
    let rule = "a list of 1 to 1000 objects";
    let list = read.filter(|list| (1..=MAX_AUTHORIZERS).contains(&list.len()));
    let list = list.ok_or(Unsubmittable::Field { field: AUTHORIZERS, rule })?;
    let mut seen = BTreeSet::new();
    for (index, authorizer) in list.iter().enumerate() {
        let broken = |rule| Unsubmittable::Item { list: AUTHORIZERS, index, field: AUTHORIZER_ID, rule };
        let id = text(authorizer.authorizer_unique_id).filter(|id| !id.trim().is_empty());
        let id = id.ok_or(broken("a non-empty text or number"))?;
        if !seen.insert(id) {
            return Err(broken("another one in each authorizer: balances are kept by it"));
        }
    }
    Ok(list.len())
}
