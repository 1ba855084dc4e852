//! What Fynapse remembers: secrets, subscriptions, and the rows of its audit.

use serde::Serialize;

use crate::deliveries::now;
use crate::shelf::Shelf;

pub(super) const SETUP_LIMIT: usize = 1_000;

/// The subscription that stands for the configured target until another is activated.
const DEFAULT_SUBSCRIPTION: &str = "sandbox-subscription";

pub(super) const ACTIVE: &str = "ACTIVE";
pub(super) const INACTIVE: &str = "INACTIVE";

/// A webhook secret. Its value is shown when it is made, never again.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Secret {
    pub(super) id: String,
    pub(super) name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) value: Option<String>,
    /// Still signs for a while after a rotation.
    #[serde(skip)]
    pub(super) previous: Option<String>,
    pub(super) created_at: String,
}

impl Secret {
    pub(super) fn without_value(&self) -> Self {
        Self { value: None, ..self.clone() }
    }
}

/// Where events are delivered.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Subscription {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) endpoint_url: Option<String>,
    pub(super) secret_ref: Option<String>,
    pub(super) event_types: Vec<String>,
    pub(super) description: Option<String>,
    pub(super) status: &'static str,
    pub(super) created_at: String,
}

impl Subscription {
    /// The one that stands for the configured target and secret.
    pub(super) fn default_one() -> Self {
        Self {
            id: DEFAULT_SUBSCRIPTION.to_owned(),
            name: "sandbox".to_owned(),
            endpoint_url: None,
            secret_ref: None,
            event_types: Vec::new(),
            description: None,
            status: ACTIVE,
            created_at: now(),
        }
    }

    pub(super) fn is_active(&self) -> bool {
        self.status == ACTIVE
    }
}

/// All subscriptions, and the one events go to.
pub(super) struct Subscriptions {
    pub(super) rows: Shelf<Subscription>,
    pub(super) current: String,
}

impl Default for Subscriptions {
    fn default() -> Self {
        let mut rows = Shelf::new(SETUP_LIMIT);
        rows.put(DEFAULT_SUBSCRIPTION, Subscription::default_one());
        Self { rows, current: DEFAULT_SUBSCRIPTION.to_owned() }
    }
}

/// A delivery in the audit.
#[derive(Clone, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) subscription_id: String,
    pub(super) event_id: Option<String>,
    pub(super) event_type: Option<String>,
    pub(super) idempotency_key: String,
    pub(super) status: String,
    pub(super) attempts: u32,
    pub(super) last_response_status: Option<u16>,
    pub(super) created_at: String,
    pub(super) updated_at: String,
    /// How far its stamps are ahead.
    #[serde(skip)]
    pub(super) ahead_secs: u32,
    /// Held where a test put it.
    #[serde(skip)]
    pub(super) held: bool,
}
