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
    /// The answer to these records, of which each is done or not, in their order. A record nothing is said of is not
    /// done.
    pub fn of(records: &[Record], done: impl IntoIterator<Item = bool>) -> Result<Self, BatchError> {
        let done = done.into_iter().chain(std::iter::repeat(false));
        Self::failing(records.iter().zip(done).filter_map(|(record, done)| (!done).then_some(record)))
    }

    /// The answer when these records failed and all others are done. An id is named once, however often it failed.
    fn failing<'a>(failed: impl IntoIterator<Item = &'a Record>) -> Result<Self, BatchError> {
        let mut batch_item_failures: Vec<BatchItemFailure> = Vec::new();
        for record in failed {
            let item_identifier = record.message_id.clone().ok_or(BatchError::Nameless)?;
            let failure = BatchItemFailure { item_identifier };
            if !batch_item_failures.contains(&failure) {
                batch_item_failures.push(failure);
            }
        }
        Ok(Self { batch_item_failures })
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

    /// What Lambda does with a batch after a function's answer.
    #[derive(Clone, Debug, PartialEq)]
    enum Fate {
        /// Every message is deleted.
        AllDone,
        /// Every message comes back.
        AllBack,
        /// These come back, the others are deleted.
        Back(Vec<String>),
    }

    /// AWS's rules for `ReportBatchItemFailures`, as the Lambda guide has them under "Success and failure conditions";
    /// `Err` is a function that threw, ran out of time or was killed.
    fn lambda(answer: Result<Value, BatchError>, batch: &[&str]) -> Fate {
        let failures = match answer {
            Err(_) => return Fate::AllBack,
            Ok(Value::Null) => return Fate::AllDone,
            Ok(Value::Object(answer)) if answer.is_empty() => return Fate::AllDone,
            Ok(Value::Object(mut answer)) => match answer.remove("batchItemFailures") {
                Some(Value::Null) => return Fate::AllDone,
                Some(Value::Array(failures)) => failures,
                _ => return Fate::AllBack,
            },
            Ok(_) => return Fate::AllBack,
        };
        let id = |failure: &Value| failure.get("itemIdentifier")?.as_str().map(str::to_string);
        match failures.iter().map(id).collect::<Option<Vec<String>>>() {
            Some(ids) if ids.is_empty() => Fate::AllDone,
            Some(ids) if ids.iter().all(|id| batch.contains(&id.as_str())) => Fate::Back(ids),
            _ => Fate::AllBack,
        }
    }

    #[test]
    fn the_rules_are_awss() {
        let back = |ids: &[&str]| Fate::Back(ids.iter().map(ToString::to_string).collect());
        let failures = |list: Value| Ok(json!({ "batchItemFailures": list }));
        let rows = [
            ("an empty list: complete success", failures(json!([])), Fate::AllDone),
            ("a list that is null: complete success", failures(Value::Null), Fate::AllDone),
            ("an empty answer: complete success", Ok(json!({})), Fate::AllDone),
            ("an answer that is null: complete success", Ok(Value::Null), Fate::AllDone),
            ("an id of the batch: it comes back", failures(json!([{ "itemIdentifier": "m2" }])), back(&["m2"])),
            ("an id that is empty: complete failure", failures(json!([{ "itemIdentifier": "" }])), Fate::AllBack),
            ("an id that is null: complete failure", failures(json!([{ "itemIdentifier": null }])), Fate::AllBack),
            ("an id under another key: complete failure", failures(json!([{ "itemId": "m1" }])), Fate::AllBack),
            ("an id of no message: complete failure", failures(json!([{ "itemIdentifier": "m9" }])), Fate::AllBack),
            (
                "one good id and a bad one: complete failure",
                failures(json!([{ "itemIdentifier": "m1" }, { "itemIdentifier": "" }])),
                Fate::AllBack,
            ),
            ("no JSON object: complete failure", Ok(json!("done")), Fate::AllBack),
            ("an error thrown: complete failure", Err(BatchError::Nameless), Fate::AllBack),
        ];
        for (rule, answer, expected) in rows {
            assert_eq!(lambda(answer, &["m1", "m2"]), expected, "{rule}");
        }
    }

    /// Our answers under those rules: what failed comes back, nothing else does, and nothing failed is ever deleted.
    #[test]
    fn under_awss_rules_what_failed_comes_back() {
        type Row<'a> = (&'a str, Value, &'a [bool], Fate);
        let back = |ids: &[&str]| Fate::Back(ids.iter().map(ToString::to_string).collect());
        let two = json!([{ "messageId": "m1", "body": "a" }, { "messageId": "m2", "body": "b" }]);
        let rows: Vec<Row<'_>> = vec![
            ("no records", json!([]), &[], Fate::AllDone),
            ("all done", two.clone(), &[true, true], Fate::AllDone),
            ("one failed", two.clone(), &[true, false], back(&["m2"])),
            ("all failed", two.clone(), &[false, false], back(&["m1", "m2"])),
            ("nothing is said of the second", two.clone(), &[true], back(&["m2"])),
            (
                "a message twice in a batch, one of them failed",
                json!([{ "messageId": "m1" }, { "messageId": "m1" }, { "messageId": "m2" }]),
                &[true, false, true],
                back(&["m1"]),
            ),
            (
                "a message twice in a batch, both failed",
                json!([{ "messageId": "m1" }, { "messageId": "m1" }]),
                &[false, false],
                back(&["m1"]),
            ),
            ("without an id, done", json!([{ "body": "a" }, { "messageId": "m2" }]), &[true, false], back(&["m2"])),
            ("without an id, failed", json!([{ "body": "a" }, { "messageId": "m2" }]), &[false, true], Fate::AllBack),
            ("an id that is empty, failed", json!([{ "messageId": "" }]), &[false], Fate::AllBack),
            ("an id that is null, failed", json!([{ "messageId": null }]), &[false], Fate::AllBack),
            ("an id that is a number, failed", json!([{ "messageId": 7 }]), &[false], Fate::AllBack),
            ("a record that is no object, failed", json!(["x", { "messageId": "m2" }]), &[false, true], Fate::AllBack),
        ];
        for (name, records, done, expected) in rows {
            let ids: Vec<&str> = records.as_array().unwrap().iter().filter_map(|r| r["messageId"].as_str()).collect();
            let parsed = parse(json!({ "Records": records })).unwrap();
            let answer = BatchResponse::of(&parsed, done.iter().copied());
            assert_eq!(lambda(answer.map(|answer| serde_json::to_value(answer).unwrap()), &ids), expected, "{name}");
        }
    }
}
