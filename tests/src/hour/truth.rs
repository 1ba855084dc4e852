//! The truth, as the sandbox tells it at the end of an hour.

use serde::Deserialize;

/// One event, in the order of happening.
#[derive(Clone, Debug, Deserialize)]
pub struct Told {
    /// Whose it is.
    pub provider: String,
    /// What the provider's own audit calls its delivery, where it has one.
    pub delivery_id: String,
    /// What happened.
    pub fact: Fact,
    /// What each request that arrived was answered; `None` if nothing came back.
    pub answers: Vec<Option<u16>>,
    /// Whether the provider was told that it was taken.
    pub acknowledged: bool,
}

/// What happened, in the provider's words.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the providers' own")]
pub enum Fact {
    /// Rightfoot: a batch is complete. The balances are of `authorizer-0` and so on.
    Batch { batch_id: String, balances: Vec<Option<String>> },
    /// Fynapse: an extract; `data` as it was written.
    Extract { event_id: String, data: String },
    /// FinBox: a statement is completed or failed.
    Statement { entity_id: String, link_id: Option<String>, statement_id: String, progress: String },
    /// FinBox: net banking failed before there was a statement.
    Attempt { entity_id: String, link_id: Option<String>, reason: String },
    /// FinBox: a session has all it needs.
    Session { session_id: String },
    /// Run Payments: a merchant got a status.
    Status { merchant_id: String, status: String, idempotency_key: String },
    /// Run Payments: a transaction, a chargeback and the like; the amount in the digits it was sent with.
    Movement { event_type: String, source_id: String, amount: String, idempotency_key: String },
}
