//! Rightfoot: a token in the URL, batches of balances, five attempts.

use serde_json::json;

use crate::kit::{Kit, Unreadable};
use crate::proof::Proof;
use crate::retries::{Retries, listed};
use crate::url::behind;

pub(super) static KIT: Kit = Kit {
    name: "rightfoot",
    event: |id| json!({ "event_uuid": id, "type": "BALANCE_BATCH_COMPLETED", "batch_id": id }).to_string(),
    unknown: |id| json!({ "event_uuid": id, "type": "NOT_A_TYPE", "batch_id": id }).to_string(),
    listed: |id| json!([id, "NOT_A_TYPE", id, null, null, null]),
    subject: "batch_id",
    prove: |_, secret, _| Proof::token(secret),
    beside: |_| Vec::new(),
    refused: 403,
    unreadable: Unreadable::Quarantined(400),
    retries: Retries { wait: |made| listed(&[60, 120, 240, 480], made), gives_up_at: &[], heeds_retry_after: false },
    host: "api.rightfoot.com",
    answer: |url| match url {
        _ if url.contains("/v1/balances?") => {
            let batch = behind(url, "batchId=");
            Some(json!({ "batch_id": batch, "balances": [{ "authorizer_unique_id": "a1" }], "has_more": false }))
        }
        _ if url.contains("/history") => {
            Some(json!({ "history": [{ "run_at": "2039-12-31T12:00:00Z", "batch_id": "b9" }] }))
        }
        _ if url.contains("/schedules/") => Some(json!({ "last_run_at": "2039-12-31T12:00:00Z" })),
        _ => None,
    },
    references: &["", "authorizer:", "schedule:"],
    settings: &[],
    strict_setting: "RIGHTFOOT_ALLOWED_CIDRS",
    told: |id| json!({ "kind": "batch", "batch_id": id, "balances": [{ "authorizer": "a1", "amount": "12.5" }] }),
    at_sandbox: |id| {
        let balances = json!([{ "authorizer_unique_id": "a1", "balance": 12.5, "balance_status_code": 0 }]);
        let batch = json!({ "state": "complete", "balances": balances });
        Some(("PUT", format!("rightfoot/batches/{id}"), batch))
    },
};
