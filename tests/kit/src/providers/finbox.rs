//! FinBox: a token in the URL, statements of entities, one attempt.

use serde_json::json;

use crate::kit::{Kit, Local, Order, Unreadable, Way};
use crate::proof::Proof;
use crate::retries::Retries;
use crate::url::behind;

pub(super) static KIT: Kit = Kit {
    name: "finbox",
    title: "FinBox",
    event: |id| statement(id, "completed").to_string(),
    unknown: |id| statement(id, "uploaded").to_string(),
    listed: |id| json!(["NOT_AN_EVENT", id, []]),
    subject: "entity_id",
    time: None,
    prove: |_, secret, _| Proof::token(secret),
    beside: |_| Vec::new(),
    refused: 403,
    unreadable: Unreadable::Quarantined(200),
    retries: Retries { wait: |_| None, gives_up_at: &[], heeds_retry_after: false, signs_anew: false },
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
    ways: &[
        Way::Work(r#"{"entity_id":"e1","statement_id":"s1","link_id":"l1","progress":"completed","reason":""}"#),
        Way::Work(r#"{"entity_id":"e1","statement_id":"","link_id":"l1","progress":"failed","reason":"wrong login"}"#),
        Way::Work(r#"{"event_name":"ENRICHMENT_NOTIFICATION","session_id":"x1","accounts":[]}"#),
        Way::Work(r#"{"event_name":"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION","session_id":"x1","accounts":[]}"#),
        Way::Poll("entity:e1"),
        Way::Poll("session:x1"),
        Way::Poll("link:l1"),
    ],
    finds: r#"{
        "progress":[{"statement_id":"s1","status":"completed"}],"session_progress":"completed","accounts":[],
        "payloads":[{"entity_id":"e1","statement_id":"","link_id":"l1","progress":"failed","reason":"wrong login","date_time":"2040-01-01 00:00:00"}],
        "results":[{"entity_id":"e1","link_id":"l1"}],"next":null,
        "upload_status":"COMPLETED","session_expiry_timestamp":"2050-01-02 00:00:00"}"#,
    pushes: || {
        let account =
            json!({ "account_id": "a1", "account_status": "completed", "error_code": "E1", "error_message": "m" });
        let session = |name: &str| json!({ "event_name": name, "session_id": "x1", "accounts": [account] });
        let entity = |statement: &str, progress: &str| {
            json!({
                "event_name": null, "entity_id": "e1", "statement_id": statement, "link_id": "l1", "progress": progress,
                "reason": "wrong login",
            })
        };
        let of_entity = &["/event_name", "/entity_id", "/statement_id", "/link_id", "/progress", "/reason"][..];
        let of_session = &["/event_name", "/session_id", "/accounts"][..];
        vec![
            (entity("s1", "completed"), of_entity),
            (entity("", "failed"), of_entity),
            (session("ENRICHMENT_NOTIFICATION"), of_session),
            (session("SESSION_REQUIREMENT_COMPLETION_NOTIFICATION"), of_session),
        ]
    },
    confirm: |url, told| {
        Some(match url {
            _ if url.contains("/webhook_payloads/") => json!({ "payloads": [told] }),
            _ if url.contains("/session_upload_status/") => json!({
                "upload_status": if told["event_name"].as_str().is_some_and(|name| name.contains("EXPIRY")) { "EXPIRED" } else { "COMPLETED" },
                "session_expiry_timestamp": "2026-11-23 12:00:00",
                "session_date_range": { "from_date": "2025-01-01", "to_date": "2025-12-31" },
                "accounts": [{ "account_status": "completed" }],
            }),
            _ if url.contains("/session_data/") => json!({ "session_progress": "completed" }),
            _ => {
                let shown = json!({ "status": told["progress"], "statement_id": told["statement_id"], "message": "" });
                json!({ "progress": [shown], "accounts": [], "transactions": [] })
            }
        })
    },
    settings: &[],
    strict_setting: "FINBOX_UTC_OFFSET_MINUTES",
    told: |id| {
        let mut told = statement(id, "completed");
        (told["kind"], told["overtaken"]) = ("statement".into(), false.into());
        told
    },
    at_sandbox: |id| Some(shown(id, None, id, "completed")),
    samples_at_sandbox: || {
        vec![
            shown("entity-501", Some("link-71"), "statement-901", "completed"),
            shown("entity-502", None, "statement-902", "failed"),
            shown("entity-503", Some("link-73"), "statement-903", "processing"),
            processed("session-301", "COMPLETED"),
            processed("session-302", "COMPLETED"),
            processed("session-303", "EXPIRED"),
        ]
    },
    local: Local {
        urls: &[("FinboxApiBaseUrl", "/finbox/bank-connect")],
        credentials: &[("api_key", "sandbox-finbox-key"), ("server_hash", "sandbox-finbox-hash")],
        parameters: &[],
    },
};

/// An entity with one statement.
fn shown(entity: &str, link: Option<&str>, statement: &str, status: &str) -> Order {
    let entity_shown = json!({
        "link_id": link,
        "progress": [{ "status": status, "statement_id": statement, "source": "upload", "message": "" }],
        "accounts": [{ "account_id": "account-1", "bank": "example" }],
        "transactions": [{ "amount": 120.5, "date": "2026-11-01", "type": "credit" }],
    });
    ("PUT", format!("finbox/entities/{entity}"), entity_shown)
}

/// A session that is processed.
fn processed(session: &str, upload_status: &str) -> Order {
    let shown = json!({ "session_progress": "completed", "upload": { "upload_status": upload_status } });
    ("PUT", format!("finbox/sessions/{session}"), shown)
}

fn statement(id: &str, progress: &str) -> serde_json::Value {
    json!({ "entity_id": id, "statement_id": id, "link_id": null, "progress": progress, "reason": "" })
}
