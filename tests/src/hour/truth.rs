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

/// A balance of a batch. One authorizer may have several.
#[derive(Clone, Debug, Deserialize)]
pub struct Balance {
    /// Whose it is.
    pub authorizer: String,
    /// In the digits it was shown with.
    pub amount: Option<String>,
}

/// What happened, in the provider's words.
#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(missing_docs, reason = "the fields are the providers' own")]
pub enum Fact {
    /// Rightfoot: a batch is complete.
    Batch { batch_id: String, balances: Vec<Balance> },
    /// Fynapse: an extract; `data` as it was written. Two may have one id.
    Extract { event_id: String, data: String },
    /// FinBox: a statement is completed or failed; `overtaken`: it failed and was completed soon after.
    Statement { entity_id: String, link_id: Option<String>, statement_id: String, progress: String, overtaken: bool },
    /// FinBox: net banking failed before there was a statement.
    Attempt { entity_id: String, link_id: Option<String>, reason: String },
    /// FinBox: a session has all it needs, and was not processed yet.
    Session { session_id: String, accounts: u64, failed_accounts: u64 },
    /// FinBox: a session was processed.
    Enrichment { session_id: String, accounts: u64, failed_accounts: u64 },
    /// FinBox: a session expired; `deleted`: and is gone.
    Expiry { session_id: String, deleted: bool },
    /// Run Payments: a merchant got a status. Two of them may have one key. `ahead`: its stamp lies hours ahead.
    Status { merchant_id: String, status: String, idempotency_key: String, ahead: bool },
    /// Of any provider: an event that is told in the ledger's own words, by its keys and those of its results.
    Plain { subject: String, entry: String, rows: Vec<String> },
    /// Run Payments: a transaction, a chargeback and the like; the amount in the digits it was sent with.
    Movement { event_type: String, source_id: String, amount: String, idempotency_key: String },
}
