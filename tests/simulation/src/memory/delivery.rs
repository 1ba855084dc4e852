//! Deliveries with the proof that a provider gives them.

use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::secret::Secret;
use hookledger_core::model::time::UnixMs;
use hookledger_kit::{Kit, Proof};

/// A delivery to a provider's URL with this proof.
pub fn delivery(kit: &Kit, body: &[u8], proof: Proof, received_at: UnixMs) -> Delivery {
    let mut delivery = Delivery::new(ProviderId(kit.name), received_at, body.to_vec());
    delivery.headers = proof.headers.into_iter().map(|(name, value)| (name.into(), value)).collect();
    delivery.path_token = proof.path_token.map(Secret::new);
    delivery
}
