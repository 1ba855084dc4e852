//! The queues in SQS: one for each provider's work, and one for deliveries that can't be stored yet.

use std::collections::BTreeMap;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::operation::send_message::builders::SendMessageFluentBuilder;
use aws_sdk_sqs::types::{MessageSystemAttributeNameForSends, MessageSystemAttributeValue, QueueAttributeName};
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::job::{Job, RescuedDelivery};
use hookledger_core::model::settings::MAX_QUEUE_DELAY_SECS;
use hookledger_core::ports::{QueueError, WorkQueue};

use crate::start::aws_error::Failure;
use crate::start::trace;

/// Standard SQS queues.
#[derive(Clone, Debug)]
pub struct SqsQueues {
    client: Client,
    urls: BTreeMap<String, String>,
    rescue_url: Option<String>,
}

impl SqsQueues {
    /// The work queues at these URLs, by provider name, and the rescue queue, where the function may send to it.
    pub fn new(client: Client, urls: BTreeMap<String, String>, rescue_url: Option<String>) -> Self {
        Self { client, urls, rescue_url }
    }

    fn url(&self, provider: ProviderId) -> Result<&str, QueueError> {
        let url = self.urls.get(provider.0);
        url.map(String::as_str).ok_or(QueueError("this function knows no queue of this provider"))
    }
}

/// Makes whoever gets the message part of this trace.
fn within(trace: Option<String>, call: SendMessageFluentBuilder) -> SendMessageFluentBuilder {
    let value = trace.and_then(|header| {
        MessageSystemAttributeValue::builder().data_type("String").string_value(header).build().ok()
    });
    match value {
        Some(value) => call.message_system_attributes(MessageSystemAttributeNameForSends::AwsTraceHeader, value),
        None => call,
    }
}

impl WorkQueue for SqsQueues {
    async fn send(&self, provider: ProviderId, job: &Job, delay_secs: u32) -> Result<(), QueueError> {
        // Beyond SQS's own limit the whole message would be refused. Early is better than never: whoever gets it claims
        // the debt it names first.
        let delay = i32::try_from(delay_secs.min(MAX_QUEUE_DELAY_SECS)).unwrap_or_default();
        let call = within(trace::header(), self.client.send_message().queue_url(self.url(provider)?));
        let sent = call.message_body(job.to_json()).delay_seconds(delay).send().await;
        sent.map(drop).map_err(|error| QueueError(Failure::of(&error).words()))
    }

    async fn rescue(&self, delivery: &RescuedDelivery) -> Result<(), QueueError> {
        let url = self.rescue_url.as_deref().ok_or(QueueError("this function knows no rescue queue"))?;
        let call = within(trace::header(), self.client.send_message().queue_url(url));
        let sent = call.message_body(delivery.to_message()).send().await;
        sent.map(drop).map_err(|error| QueueError(Failure::of(&error).words()))
    }

    async fn depth(&self, provider: ProviderId) -> Result<u64, QueueError> {
        // Messages on their way to a worker or delayed are not counted: they are no backlog.
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let call = self.client.get_queue_attributes().queue_url(self.url(provider)?).attribute_names(name.clone());
        let output = call.send().await.map_err(|error| QueueError(Failure::of(&error).words()))?;
        let depth = output.attributes().and_then(|attributes| attributes.get(&name)).and_then(|text| text.parse().ok());
        depth.ok_or(QueueError("the answer holds no depth"))
    }
}

#[cfg(test)]
mod tests {
    use hookledger_core::model::delivery::Delivery;
    use hookledger_core::model::identity::ItemKey;
    use hookledger_core::model::time::UnixMs;

    use super::*;
    use crate::start::scripted::{answer, clients, server};

    const PROVIDER: ProviderId = ProviderId("finbox");

    async fn asked(answers: Vec<String>) -> (SqsQueues, tokio::task::JoinHandle<Vec<String>>) {
        let (url, asked) = server(answers).await;
        let urls = [(PROVIDER.0.into(), "http://127.0.0.1/queue".into())].into();
        (SqsQueues::new(clients(url).sqs, urls, Some("http://127.0.0.1/rescue".into())), asked)
    }

    #[tokio::test]
    async fn a_providers_work_goes_onto_its_own_queue_alone() {
        let (queues, asked) = asked(vec![]).await;
        let job = Job::entry(ItemKey { pk: "p".into(), sk: "event#1".into() });
        assert!(queues.send(ProviderId("fynapse"), &job, 0).await.is_err());
        assert!(queues.depth(ProviderId("fynapse")).await.is_err());
        asked.abort();
    }

    #[tokio::test]
    async fn a_rescued_delivery_goes_onto_the_rescue_queue_alone() {
        let (queues, asked) = asked(vec![answer("200 OK", r#"{"MessageId":"m1","MD5OfMessageBody":"x"}"#)]).await;
        let delivery = RescuedDelivery::pack(&Delivery::new(PROVIDER, UnixMs(9), b"body".to_vec()), &[]);
        queues.rescue(&delivery).await.unwrap();
        let request = asked.await.unwrap().remove(0);
        assert!(request.contains(r#""QueueUrl":"http://127.0.0.1/rescue""#), "{request}");
        assert!(request.contains("rescue\\\"") && !request.contains("DelaySeconds"), "{request}");
        // Who is told of no rescue queue, of any provider, rescues nothing.
        let other = SqsQueues::new(queues.client.clone(), queues.urls.clone(), None);
        assert!(other.rescue(&delivery).await.is_err());
    }

    #[tokio::test]
    async fn a_message_carries_its_trace() {
        for (header, carried) in [(Some("Root=1-2;Sampled=1"), true), (None, false)] {
            let (queues, asked) = asked(vec![answer("200 OK", r#"{"MessageId":"m1","MD5OfMessageBody":"x"}"#)]).await;
            let call = queues.client.send_message().queue_url("http://127.0.0.1/queue").message_body("b");
            let _ = within(header.map(String::from), call).send().await;
            let request = asked.await.unwrap().remove(0);
            let attribute = r#""AWSTraceHeader":{"StringValue":"Root=1-2;Sampled=1","DataType":"String"}"#;
            assert_eq!(request.contains(attribute), carried, "{request}");
        }
    }

    #[tokio::test]
    async fn a_delay_beyond_what_sqs_takes_is_cut() {
        let sent = r#"{"MessageId":"m1","MD5OfMessageBody":"x"}"#;
        for (delay_secs, expected) in [(0, 0), (30, 30), (4_000, 900)] {
            let (queue, asked) = asked(vec![answer("200 OK", sent)]).await;
            let job = Job::entry(ItemKey { pk: "p".into(), sk: "event#1".into() });
            // SQS' own checksum is made up here, and the client takes no notice of it.
            queue.send(PROVIDER, &job, delay_secs).await.unwrap();
            let request = asked.await.unwrap().remove(0);
            assert!(request.contains(&format!(r#""DelaySeconds":{expected}"#)), "{request}");
        }
    }

    #[tokio::test]
    async fn an_unknown_depth_is_an_error_not_an_empty_queue() {
        let rows = [
            (r#"{"Attributes":{"ApproximateNumberOfMessages":"12"}}"#, Some(12)),
            (r#"{"Attributes":{}}"#, None),
            ("{}", None),
        ];
        for (body, expected) in rows {
            let (queue, _asked) = asked(vec![answer("200 OK", body)]).await;
            assert_eq!(queue.depth(PROVIDER).await.ok(), expected, "{body}");
        }
    }
}
