//! A batch of messages from SQS, and the answer that says which of them must come back.
//!
//! The answer is built from outcomes: what failed is named, everything else is deleted. Two accidents are ruled out. A
//! record that can't be read doesn't take the rest of its batch with it. And no empty id is ever answered: Lambda takes
//! one for a broken answer and returns the whole batch, without saying so anywhere we would see.

use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// One message of a batch.
#[derive(Clone, PartialEq, Eq)]
pub struct Record {
    /// What the answer would name it by. `None` if the record has no usable one.
    pub message_id: Option<String>,
    /// Its text; empty if the record has none, which is no job either.
    pub body: String,
    /// How often SQS has handed it out, this time included.
    pub receive_count: u32,
}

impl std::fmt::Debug for Record {
    /// No body: a rescue message carries a delivery.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Record").field("message_id", &self.message_id).finish_non_exhaustive()
    }
}

/// Why a batch can't be answered record by record. The function fails, and all of it comes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Not the JSON that SQS sends through Lambda.
    #[error("the event is not a batch of SQS messages")]
    Shape,
    /// A record failed that has no message id: only failing as a whole brings it back.
    #[error("a message without an id failed, so the whole batch has to come back")]
    Nameless,
}

/// Reads a batch, one record at a time.
pub fn parse(event: &RawValue) -> Result<Vec<Record>, BatchError> {
    let event: Value = serde_json::from_str(event.get()).map_err(|_| BatchError::Shape)?;
    let records = event.get("Records").and_then(Value::as_array).ok_or(BatchError::Shape)?;
    Ok(records.iter().map(record).collect())
}

fn record(record: &Value) -> Record {
    let text = |name: &str| record.get(name).and_then(Value::as_str).map(str::to_string);
    let count = record.pointer("/attributes/ApproximateReceiveCount");
    let count = count.and_then(|count| count.as_str().map_or_else(|| count.as_u64(), |text| text.parse().ok()));
    Record {
        message_id: text("messageId").filter(|id| !id.trim().is_empty()),
        body: text("body").unwrap_or_default(),
        receive_count: count.and_then(|count| u32::try_from(count).ok()).unwrap_or(1),
    }
}

/// The answer to a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct BatchResponse {
    batch_item_failures: Vec<BatchItemFailure>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct BatchItemFailure {
    item_identifier: String,
}

impl BatchResponse {
    /// The answer when these records failed and all others are done.
    pub fn failing<'a>(failed: impl IntoIterator<Item = &'a Record>) -> Result<Self, BatchError> {
        let failure = |record: &Record| {
            let item_identifier = record.message_id.clone().ok_or(BatchError::Nameless)?;
            Ok(BatchItemFailure { item_identifier })
        };
        Ok(Self { batch_item_failures: failed.into_iter().map(failure).collect::<Result<_, _>>()? })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(event: Value) -> Result<Vec<Record>, BatchError> {
        super::parse(&RawValue::from_string(event.to_string()).unwrap())
    }

    #[test]
    fn every_record_is_read_on_its_own() {
        let records = parse(json!({ "Records": [
            { "messageId": "m1", "body": "b1", "attributes": { "ApproximateReceiveCount": "3" }, "region": "x" },
            { "messageId": "m2", "body": { "no": "text" }, "attributes": { "ApproximateReceiveCount": "many" } },
            { "messageId": " ", "body": "b3" },
            "nonsense",
        ]}))
        .unwrap();
        let seen: Vec<_> =
            records.iter().map(|r| (r.message_id.as_deref(), r.body.as_str(), r.receive_count)).collect();
        assert_eq!(seen, [(Some("m1"), "b1", 3), (Some("m2"), "", 1), (None, "b3", 1), (None, "", 1)]);
        assert!(!format!("{records:?}").contains("b1"));
    }

    #[test]
    fn what_is_no_batch_fails_as_a_whole() {
        for event in [json!({}), json!([]), json!({ "Records": null }), json!({ "Records": {} })] {
            assert_eq!(parse(event), Err(BatchError::Shape));
        }
        assert_eq!(parse(json!({ "Records": [] })), Ok(vec![]));
    }

    #[test]
    fn the_answer_names_what_failed_and_only_that() {
        let record =
            |id: Option<&str>| Record { message_id: id.map(Into::into), body: String::new(), receive_count: 1 };
        let answer = |failed: &[Record]| BatchResponse::failing(failed).map(|a| serde_json::to_value(a).unwrap());
        assert_eq!(answer(&[]), Ok(json!({ "batchItemFailures": [] })));
        let both = [record(Some("m1")), record(Some("m2"))];
        let expected = json!({ "batchItemFailures": [{ "itemIdentifier": "m1" }, { "itemIdentifier": "m2" }] });
        assert_eq!(answer(&both), Ok(expected));
        assert_eq!(answer(&[record(Some("m1")), record(None)]), Err(BatchError::Nameless));
    }
}
