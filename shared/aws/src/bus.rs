//! The event bus in EventBridge.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use hookledger_core::entry::Announcement;
use hookledger_core::ports::{PublishError, Publisher};

use crate::failure::Failure;

/// An event bus.
#[derive(Clone, Debug)]
pub struct EventBus {
    client: Client,
    name: String,
}

impl EventBus {
    /// The bus of this name.
    pub fn new(client: Client, name: impl Into<String>) -> Self {
        Self { client, name: name.into() }
    }
}

impl Publisher for EventBus {
    async fn publish(&self, announcement: &Announcement) -> Result<(), PublishError> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(&announcement.source)
            .detail_type(&announcement.detail_type)
            .detail(&announcement.detail)
            .build();
        let output = self.client.put_events().entries(entry).send().await;
        let output = output.map_err(|error| PublishError(Failure::of(&error).words()))?;
        // The call succeeds even if the bus took nothing: each entry has its own outcome. An answer that names no
        // outcome at all is no proof either.
        let taken = output.entries().iter().filter(|entry| entry.event_id().is_some()).count();
        if output.failed_entry_count() == 0 && taken == 1 {
            Ok(())
        } else {
            Err(PublishError("the bus did not take the event"))
        }
    }
}
