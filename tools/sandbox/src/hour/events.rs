//! What can happen in an hour, and how its webhook can fare.

use serde::Serialize;

/// One event and its webhook.
#[derive(Clone, Serialize)]
pub(super) struct Planned {
    pub(super) at_ms: u64,
    pub(super) happening: Happening,
    /// From the event to its webhook: what makes webhooks overtake one another.
    pub(super) delay_ms: u64,
    pub(super) fate: Fate,
}

/// What happens at a provider. Things are numbered; the run gives them ids.
#[derive(Clone, Serialize)]
pub(super) enum Happening {
    /// Rightfoot: a batch is complete.
    Batch { batch: usize, balances: Vec<Balance>, shown: Shown },
    /// Fynapse: an extract. `twice`: its id is another one's too, and their contents differ.
    Extract { extract: usize, amount: String, twice: bool, ahead_secs: u32 },
    /// FinBox: a statement is processed. `overtaken`: it failed, and is completed soon after.
    Statement { entity: usize, link: Option<usize>, statement: usize, completed: bool, overtaken: bool },
    /// FinBox: net banking failed before there was a statement.
    Attempt { entity: usize, link: Option<usize>, reason: &'static str },
    /// FinBox: a session has all it needs, and nobody has asked to process it.
    Session { session: usize, accounts: Accounts },
    /// FinBox: a session was processed.
    Enrichment { session: usize, accounts: Accounts },
    /// FinBox: a session expired; `deleted`: and is gone.
    Expiry { session: usize, deleted: bool },
    /// Run Payments: a merchant gets a status. `key_of`: under the idempotency key of this status of the merchant.
    Status { merchant: usize, status: &'static str, key_of: &'static str, ahead_secs: u32 },
    /// At a provider of which nothing more is known here than what its kit says: its event.
    Plain { provider: &'static str, number: usize },
    /// Run Payments: anything else.
    Movement { number: usize, event_type: &'static str, amount: String },
}

/// A balance of a batch: of the authorizer of this number, and no amount where there is none to be had.
#[derive(Clone, Serialize)]
pub(super) struct Balance {
    pub(super) authorizer: usize,
    pub(super) amount: Option<String>,
}

/// How a batch is shown.
#[derive(Clone, Serialize)]
pub(super) struct Shown {
    /// Complete, and without its balances at first: for so long, in real time.
    pub(super) empty_for_ms: u64,
    /// As the control API names it.
    pub(super) page_spelling: &'static str,
    pub(super) refuse_tokens: u32,
}

/// The accounts of a session.
#[derive(Clone, Copy, Serialize)]
pub(super) struct Accounts {
    pub(super) all: usize,
    /// So many of them failed.
    pub(super) failed: usize,
}

/// How a webhook fares.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Fate {
    Arrives,
    /// A second copy comes so long after the first, whatever that was answered.
    Doubled {
        gap_ms: u64,
    },
    /// So many attempts are lost on the way; the provider's schedule makes the next.
    LostAtFirst {
        attempts: u32,
    },
    /// No attempt arrives; the provider takes the first for delivered.
    LostUnnoticed,
    /// No attempt arrives, and the provider has given up.
    LostForGood,
}

impl Happening {
    pub(super) fn provider(&self) -> &'static str {
        match self {
            Self::Plain { provider, .. } => provider,
            Self::Batch { .. } => "rightfoot",
            Self::Extract { .. } => "fynapse",
            Self::Statement { .. }
            | Self::Attempt { .. }
            | Self::Session { .. }
            | Self::Enrichment { .. }
            | Self::Expiry { .. } => "finbox",
            Self::Status { .. } | Self::Movement { .. } => "runpayments",
        }
    }

    /// How far its provider's stamps are ahead of the truth.
    pub(super) fn ahead_secs(&self) -> u32 {
        match self {
            Self::Extract { ahead_secs, .. } | Self::Status { ahead_secs, .. } => *ahead_secs,
            _ => 0,
        }
    }
}
