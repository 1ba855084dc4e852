//! A subscriber of the event bus, as any other system would be: a rule that puts everything on a queue of its own.

use std::collections::BTreeSet;
use std::sync::Mutex;

use aws_sdk_eventbridge::types::Target;
use hookledger_aws::start::clients::Clients;
use serde_json::Value;

use super::outcome::Outcome;
use super::stack::Stack;

/// Collects what is published.
pub struct Observer {
    sqs: aws_sdk_sqs::Client,
    queue_url: String,
    seen: Mutex<Seen>,
}

/// What has arrived.
#[derive(Default)]
struct Seen {
    details: Vec<Value>,
    /// The bus's own ids of them: its queue may give one event twice, and that is no second publication.
    ids: BTreeSet<String>,
}

impl Seen {
    fn take(&mut self, body: &str) {
        let event: Value = serde_json::from_str(body).unwrap_or_default();
        if self.ids.insert(event["id"].as_str().unwrap_or(body).to_string()) {
            self.details.push(event["detail"].clone());
        }
    }
}

impl Observer {
    pub(super) async fn attach(clients: &Clients, stack: &Stack) -> Outcome<Self> {
        let sqs = clients.sqs.clone();
        // Of the rule and of its queue.
        let name = format!("{}-observer", stack.bus);
        let queue = sqs.create_queue().queue_name(&name).send().await.map_err(|error| format!("{error:?}"))?;
        let queue_url = queue.queue_url().ok_or("the observer's queue has no URL")?.to_string();
        let attribute = aws_sdk_sqs::types::QueueAttributeName::QueueArn;
        let attributes = sqs.get_queue_attributes().queue_url(&queue_url).attribute_names(attribute.clone());
        let attributes = attributes.send().await;
        let attributes = attributes.map_err(|error| format!("{error:?}"))?;
        let arn =
            attributes.attributes().and_then(|all| all.get(&attribute)).ok_or("the observer's queue has no ARN")?;
        let pattern = r#"{"source":[{"prefix":"hookledger."}]}"#;
        let rule = clients.events().put_rule().name(&name).event_bus_name(&stack.bus).event_pattern(pattern);
        rule.send().await.map_err(|error| format!("{error:?}"))?;
        let target = Target::builder().id("queue").arn(arn).build().map_err(|error| error.to_string())?;
        let targets = clients.events().put_targets().rule(&name).event_bus_name(&stack.bus).targets(target);
        targets.send().await.map_err(|error| format!("{error:?}"))?;
        Ok(Self { sqs, queue_url, seen: Mutex::default() })
    }

    /// The details published so far about this subject, in the order of their arrival, repetitions included.
    pub async fn published(&self, subject: &str) -> Outcome<Vec<Value>> {
        self.collect().await?;
        let seen = self.seen.lock().map_err(|_| "the observer was interrupted")?;
        Ok(seen.details.iter().filter(|detail| detail["subject"] == subject).cloned().collect())
    }

    /// Everything published so far whose subject contains this text, in the order of arrival, repetitions included.
    pub async fn published_of(&self, part: &str) -> Outcome<Vec<Value>> {
        self.collect().await?;
        let seen = self.seen.lock().map_err(|_| "the observer was interrupted")?;
        let about = |detail: &&Value| detail["subject"].as_str().is_some_and(|subject| subject.contains(part));
        Ok(seen.details.iter().filter(about).cloned().collect())
    }

    /// Takes over what has arrived on the queue.
    async fn collect(&self) -> Outcome<()> {
        loop {
            let received = self.sqs.receive_message().queue_url(&self.queue_url).max_number_of_messages(10);
            let received = received.send().await.map_err(|error| format!("{error:?}"))?;
            if received.messages().is_empty() {
                return Ok(());
            }
            for message in received.messages() {
                let body = message.body().unwrap_or_default();
                self.seen.lock().map_err(|_| "the observer was interrupted")?.take(body);
                let handle = message.receipt_handle().unwrap_or_default();
                let deletion = self.sqs.delete_message().queue_url(&self.queue_url).receipt_handle(handle);
                deletion.send().await.map_err(|error| format!("{error:?}"))?;
            }
        }
    }
}
