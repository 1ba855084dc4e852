//! FinBox BankConnect's API: where it is, what it is asked, and the words it uses.

use crate::model::identity::ProviderId;
use crate::model::provider_call::{ApiRequest, ApiResponse, Auth, encode, unreadable};
use crate::model::signature::Scheme;
use crate::model::time::Zone;
use crate::providers::json::known_name;
use crate::providers::step::Step;

pub(super) const ID: ProviderId = ProviderId("finbox");
pub(super) const COMPLETED: &str = "completed";
pub(super) const FAILED: &str = "failed";
pub(super) const PROCESSING: &str = "processing";

/// Where the walk of a completed statement goes on after the transactions confirmed it.
pub(super) const ACCOUNTS: &str = "accounts";

pub(super) struct FinBox {
    pub(super) scheme: Scheme,
    pub(super) base_url: String,
    pub(super) zone: Zone,
}

impl FinBox {
    pub(super) fn get(&self, endpoint: &'static str, path_and_query: &str) -> ApiRequest {
        let url = format!("{}/v1/{path_and_query}", self.base_url);
        ApiRequest::get(endpoint, url, Auth::Headers(&[("x-api-key", "api_key"), ("server-hash", "server_hash")]))
    }

    pub(super) fn transactions(&self, entity_id: &str) -> ApiRequest {
        self.get("transactions", &format!("entity/{}/transactions/", encode(entity_id)))
    }

    pub(super) fn payloads(&self, link_id: &str) -> ApiRequest {
        self.get("payloads", &format!("entity/webhook_payloads/?link_id={}", encode(link_id)))
    }
}

/// The progress that is meant, in any case: a known one as the documents spell it, others as they were sent.
pub(super) fn progress_named(said: String) -> String {
    known_name(&said, [COMPLETED, FAILED, PROCESSING]).map_or(said, Into::into)
}

pub(super) fn permanent(reason: &str) -> Step {
    Step::hopeless(reason)
}

pub(super) fn unreadable_answer(response: &ApiResponse) -> Step {
    Step::Trouble(unreadable(response, "FinBox's answer"))
}

pub(super) fn stored_body_unreadable() -> Step {
    permanent("the stored body cannot be read any more")
}
