//! The simulated providers, told what to do.

use serde_json::{Value, json};

use super::http::Http;
use super::outcome::Outcome;

/// The sandbox's control API.
pub struct Sandbox {
    http: Http,
    url: String,
}

/// One attempt of a delivery, and what it was answered.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// HTTP status; `None` if nothing was sent or nothing came back.
    pub status: Option<u16>,
    /// The answer's body.
    pub body: String,
}

impl Sandbox {
    pub(super) fn new(http: Http, url: &str) -> Self {
        Self { http, url: url.to_string() }
    }

    /// Calls the control API.
    pub async fn control(&self, method: &str, path: &str, body: &Value) -> Outcome<Value> {
        let url = format!("{}/control/{path}", self.url);
        self.http.json(method, &url, body).await?.json().map_err(|error| format!("sandbox, {path}: {error}"))
    }

    /// Has a provider send this body, as it does: signed or tokened.
    pub async fn send(&self, provider: &str, body: &str) -> Outcome<Vec<Attempt>> {
        self.send_with(provider, body, json!({})).await
    }

    /// The same, with more of the control API's fields: `faults`, `retry`, `update_listing`.
    pub async fn send_with(&self, provider: &str, body: &str, more: Value) -> Outcome<Vec<Attempt>> {
        let mut order = json!({ "provider": provider, "body": body });
        if let (Some(order), Some(more)) = (order.as_object_mut(), more.as_object()) {
            order.extend(more.clone());
        }
        let sent = self.control("POST", "send", &order).await?;
        let attempts = sent["attempts"].as_array().cloned().unwrap_or_default();
        let attempt = |attempt: &Value| Attempt {
            status: attempt["status"].as_u64().and_then(|status| u16::try_from(status).ok()),
            body: attempt["body"].as_str().unwrap_or_default().to_string(),
        };
        Ok(attempts.iter().map(attempt).collect())
    }

    /// Has a provider send this body once, and expects this status.
    pub async fn send_expecting(&self, provider: &str, body: &str, more: Value, status: u16) -> Outcome<()> {
        let attempts = self.send_with(provider, body, more).await?;
        let statuses: Vec<Option<u16>> = attempts.iter().map(|attempt| attempt.status).collect();
        if !statuses.is_empty() && statuses.iter().all(|seen| *seen == Some(status)) {
            return Ok(());
        }
        Err(format!("{provider} was answered {statuses:?} instead of {status}"))
    }

    /// Sets a provider's API faults.
    pub async fn faults(&self, provider: &str, api: Value) -> Outcome<()> {
        self.control("PUT", "faults", &json!({ "provider": provider, "api": api })).await.map(drop)
    }

    /// An event with this id, which the provider's API knows from now on.
    pub async fn event(&self, provider: &str, id: &str) -> Outcome<String> {
        let kit = hookledger_kit::of(provider);
        if let Some((method, path, body)) = (kit.at_sandbox)(id) {
            self.control(method, &path, &body).await?;
        }
        Ok((kit.event)(id))
    }

    /// A Rightfoot batch, complete or not.
    pub async fn batch(&self, batch_id: &str, state: &str, balances: Value) -> Outcome<()> {
        let body = json!({ "state": state, "balances": balances });
        self.control("PUT", &format!("rightfoot/batches/{batch_id}"), &body).await.map(drop)
    }

    /// A FinBox entity with one statement.
    pub async fn statement(
        &self,
        entity_id: &str,
        link_id: Option<&str>,
        statement_id: &str,
        status: &str,
    ) -> Outcome<()> {
        let body = json!({
            "link_id": link_id,
            "progress": [{ "status": status, "statement_id": statement_id, "source": "upload", "message": "" }],
            "accounts": [{ "account_id": "account-1", "bank": "example" }],
            "transactions": [{ "amount": 120.5, "date": "2026-11-01", "type": "credit" }],
        });
        self.control("PUT", &format!("finbox/entities/{entity_id}"), &body).await.map(drop)
    }

    /// A FinBox session's progress, and what became of its upload.
    pub async fn session(&self, session_id: &str, progress: &str, upload_status: &str) -> Outcome<()> {
        let body = json!({ "session_progress": progress, "upload": { "upload_status": upload_status } });
        self.control("PUT", &format!("finbox/sessions/{session_id}"), &body).await.map(drop)
    }

    /// A Run Payments merchant, as its listing shows it.
    pub async fn merchant(&self, merchant_id: u64, status: &str) -> Outcome<()> {
        let body = json!({ "merchant_status": status });
        self.control("PUT", &format!("runpayments/merchants/{merchant_id}"), &body).await.map(drop)
    }
}
