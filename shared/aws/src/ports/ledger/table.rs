//! The table, and what an error of it means.

use aws_sdk_dynamodb::Client;
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use aws_smithy_runtime_api::client::result::SdkError;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use hookledger_core::ports::StoreError;

use crate::start::aws_error::Failure;
use crate::start::env::Recent;

use super::slots::Slots;

/// The table, and the client that reaches it.
pub(crate) struct Table {
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// The ledger in DynamoDB.
pub struct DynamoLedger {
    pub(super) table: Table,
    pub(super) retention_secs: u64,
    pub(super) recent: Recent,
    pub(super) slots: Slots,
}

impl DynamoLedger {
    /// The ledger in the table `name`. `retention_days` is how long settled events are remembered: it sets the end of
    /// result rows and of body chunks, which outlive their entries by a month.
    pub fn new(client: Client, name: impl Into<String>, retention_days: u64) -> Self {
        Self {
            table: Table { client, name: name.into() },
            retention_secs: retention_days.saturating_mul(24 * 3600),
            recent: Recent::All,
            slots: Slots::default(),
        }
    }

    /// Lists only these new entries in the index `recent`; all, unless told otherwise.
    pub fn listing(self, recent: Recent) -> Self {
        Self { recent, ..self }
    }
}

/// What an SDK error means to the flows.
pub(crate) fn store_error<E: ProvideErrorMetadata>(error: &SdkError<E, HttpResponse>) -> StoreError {
    match Failure::of(error) {
        Failure::Unavailable(words) => StoreError::Unavailable(words),
        Failure::Refused(words) => StoreError::Refused(words),
    }
}
