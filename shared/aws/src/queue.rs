//! The work queue in SQS.

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use hookledger_core::job::Job;
use hookledger_core::ports::{QueueError, WorkQueue};
use hookledger_core::settings::MAX_QUEUE_DELAY_SECS;

use crate::failure::Failure;

/// A standard SQS queue.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    url: String,
}

impl SqsQueue {
    /// The queue at this URL.
    pub fn new(client: Client, url: impl Into<String>) -> Self {
        Self { client, url: url.into() }
    }
}

impl WorkQueue for SqsQueue {
    async fn send(&self, job: &Job, delay_secs: u32) -> Result<(), QueueError> {
        // Beyond SQS's own limit the whole message would be refused. Early is better than never: whoever gets it claims
        // the debt it names first.
        let delay = i32::try_from(delay_secs.min(MAX_QUEUE_DELAY_SECS)).unwrap_or_default();
        let call = self.client.send_message().queue_url(&self.url).message_body(job.to_json()).delay_seconds(delay);
        call.send().await.map(drop).map_err(|error| QueueError(Failure::of(&error).words()))
    }

    async fn depth(&self) -> Result<u64, QueueError> {
        // Messages on their way to a worker or delayed are not counted: they are no backlog.
        let name = QueueAttributeName::ApproximateNumberOfMessages;
        let call = self.client.get_queue_attributes().queue_url(&self.url).attribute_names(name.clone());
        let output = call.send().await.map_err(|error| QueueError(Failure::of(&error).words()))?;
        let depth = output.attributes().and_then(|attributes| attributes.get(&name)).and_then(|text| text.parse().ok());
        depth.ok_or(QueueError("the answer holds no depth"))
    }
}

#[cfg(test)]
mod tests {
    use hookledger_core::identity::ItemKey;

    use super::*;
    use crate::scripted::{answer, clients, server};

    async fn asked(answers: Vec<String>) -> (SqsQueue, tokio::task::JoinHandle<Vec<String>>) {
        let (url, asked) = server(answers).await;
        (SqsQueue::new(clients(url).sqs, "http://127.0.0.1/queue"), asked)
    }

    #[tokio::test]
    async fn a_delay_beyond_what_sqs_takes_is_cut() {
        let sent = r#"{"MessageId":"m1","MD5OfMessageBody":"x"}"#;
        for (delay_secs, expected) in [(0, 0), (30, 30), (4_000, 900)] {
            let (queue, asked) = asked(vec![answer("200 OK", sent)]).await;
            let job = Job::entry(ItemKey { pk: "p".into(), sk: "event#1".into() });
            // SQS' own checksum is made up here, and the client takes no notice of it.
            queue.send(&job, delay_secs).await.unwrap();
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
            assert_eq!(queue.depth().await.ok(), expected, "{body}");
        }
    }
}
