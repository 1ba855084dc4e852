//! The event bus in EventBridge.

use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use hookledger_core::model::entry::Announcement;
use hookledger_core::ports::{PublishError, Publisher};

use crate::start::aws_error::Failure;
use crate::start::clients;
use crate::start::trace;

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

    /// Opens a connection, so that the first announcement does not wait for one.
    pub async fn connect(&self) {
        let call = self.client.describe_event_bus().name(&self.name);
        clients::log("events", call.send().await.err().as_ref().map(Failure::of));
    }
}

impl Publisher for EventBus {
    async fn publish(&self, announcement: &Announcement) -> Result<(), PublishError> {
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.name)
            .source(&announcement.source)
            .detail_type(&announcement.detail_type)
            .detail(&announcement.detail)
            .set_trace_header(trace::header())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::start::scripted::{answer, clients, server};

    #[tokio::test]
    async fn published_means_that_the_bus_took_it() {
        let rows = [
            ("taken", r#"{"FailedEntryCount":0,"Entries":[{"EventId":"e1"}]}"#, true),
            ("partly failed", r#"{"FailedEntryCount":1,"Entries":[{"ErrorCode":"InternalFailure"}]}"#, false),
            (
                "failed, but not counted",
                r#"{"FailedEntryCount":0,"Entries":[{"ErrorCode":"ThrottlingException"}]}"#,
                false,
            ),
            ("nothing said", r#"{"FailedEntryCount":0,"Entries":[]}"#, false),
        ];
        let announcement =
            Announcement { source: "hookledger.fynapse".into(), detail_type: "x".into(), detail: "{}".into() };
        for (name, body, published) in rows {
            let (url, asked) = server(vec![answer("200 OK", body)]).await;
            let outcome = EventBus::new(clients(url).events(), "b1").publish(&announcement).await;
            assert_eq!(outcome.is_ok(), published, "{name}");
            assert!(asked.await.unwrap()[0].contains(r#""EventBusName":"b1""#), "{name}");
        }
    }
}
