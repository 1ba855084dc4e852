//! Rightfoot's API: where it is, and the words it uses.

use crate::model::identity::ProviderId;
use crate::model::provider_call::{ApiRequest, Auth, encode};
use crate::model::signature::Scheme;
use crate::model::time::Zone;
use crate::providers::step::Step;

pub(super) const ID: ProviderId = ProviderId("rightfoot");
pub(super) const COMPLETED: &str = "BALANCE_BATCH_COMPLETED";
pub(super) const ALERT: &str = "BALANCE_THRESHOLD_ALERT";

/// That a schedule ran. Rightfoot sends no such event: it is what a watched schedule's answer tells.
pub(super) const SCHEDULE_RUN: &str = "MONITORING_SCHEDULE_RUN";

/// The kind of subject that batches are.
pub(super) const BATCH: &str = "batch";

/// The most the API gives on one page.
pub(super) const PAGE_LIMIT: u32 = 100;
pub(super) const API_KEY: Auth = Auth::Bearer { credential: "api_key" };

pub(super) struct Rightfoot {
    pub(super) scheme: Scheme,
    pub(super) base_url: String,
    /// `next_page_token` in the newest documents, `nextPageToken` in older ones: a guess, so a setting.
    pub(super) cursor_parameter: String,
    /// How long before its announcement a watch looks back, in seconds: our decision. A week, so that watches of a week
    /// that follow each other leave no gap.
    pub(super) history_lookback_secs: u64,
    /// Of times that name none: a guess, so a setting.
    pub(super) zone: Zone,
}

impl Rightfoot {
    pub(super) fn balances(&self, batch_id: &str, limit: u32, cursor: Option<&str>) -> ApiRequest {
        self.get("balances", format!("/v1/balances?batchId={}&limit={limit}", encode(batch_id)), cursor)
    }

    /// A request that reads; with a cursor the page that it names, of a path that has a query already.
    pub(super) fn get(&self, endpoint: &'static str, path: String, cursor: Option<&str>) -> ApiRequest {
        let mut url = format!("{}{path}", self.base_url);
        if let Some(cursor) = cursor {
            url.push_str(&format!("&{}={}", self.cursor_parameter, encode(cursor)));
        }
        ApiRequest::get(endpoint, url, API_KEY)
    }
}

pub(super) fn permanent(reason: &str) -> Step {
    Step::hopeless(reason)
}

pub(super) fn stored_body_unreadable() -> Step {
    permanent("the stored body cannot be read any more")
}
