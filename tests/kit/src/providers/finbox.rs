//! FinBox: a token in the URL, statements of entities, one attempt.

use serde_json::json;

use crate::kit::{Kit, Unreadable};
use crate::proof::Proof;
use crate::retries::Retries;
use crate::url::behind;

pub(super) static KIT: Kit = Kit {
    name: "finbox",
    event: |id| statement(id, "completed").to_string(),
    unknown: |id| statement(id, "uploaded").to_string(),
    listed: |id| json!(["NOT_AN_EVENT", id, []]),
    subject: "entity_id",
    prove: |_, secret, _| Proof::token(secret),
    beside: |_| Vec::new(),
    refused: 403,
    unreadable: Unreadable::Quarantined(200),
    retries: Retries { wait: |_| None, gives_up_at: &[], heeds_retry_after: false },
    host: "apis.bankconnect.finbox.in",
    answer: |url| match url {
        _ if url.contains("webhook_payloads") => {
            let mut statement = statement("s1", "completed");
            statement["link_id"] = behind(url, "link_id=").into();
            Some(json!({ "payloads": [statement] }))
        }
        _ if url.contains("/entity/?") => Some(json!({ "results": [] })),
        _ if url.contains("upload_status") => Some(json!({ "upload_status": "COMPLETED", "accounts": [] })),
        _ if url.contains("/session_data/") => Some(json!({ "session_progress": "completed", "accounts": [] })),
        _ => {
            let statement = json!({ "statement_id": behind(url, "/entity/"), "status": "completed" });
            Some(json!({ "progress": [statement], "accounts": [], "transactions": [] }))
        }
    },
    references: &["entity:", "link:", "session:"],
    settings: &[],
    strict_setting: "FINBOX_UTC_OFFSET_MINUTES",
    told: |id| {
        let mut told = statement(id, "completed");
        (told["kind"], told["overtaken"]) = ("statement".into(), false.into());
        told
    },
    at_sandbox: |id| {
        let entity = json!({
            "link_id": null,
            "progress": [{ "status": "completed", "statement_id": id, "source": "upload", "message": "" }],
            "accounts": [{ "account_id": "account-1", "bank": "example" }],
            "transactions": [{ "amount": 120.5, "date": "2026-11-01", "type": "credit" }],
        });
        Some(("PUT", format!("finbox/entities/{id}"), entity))
    },
};

fn statement(id: &str, progress: &str) -> serde_json::Value {
    json!({ "entity_id": id, "statement_id": id, "link_id": null, "progress": progress, "reason": "" })
}
