//! The rescue queue, where deliveries wait while the table is down, and the chain of messages through the worker.

use super::read::{block, blocks, of_type, value};

fn number(block: &str, name: &str) -> u64 {
    value(block, name).and_then(|text| text.parse().ok()).unwrap_or_else(|| panic!("{name} is no number"))
}

/// For how long a delivery has to be tried again.
const THREE_DAYS_SECS: u64 = 3 * 24 * 3600;

#[test]
fn a_rescued_delivery_is_tried_for_three_days_and_then_kept_for_a_person() {
    let queue = block("RescueQueue");
    // It comes back by its visibility timeout, which no batch that is still being worked may outlast.
    let wait_secs = number(&queue, "VisibilityTimeout");
    assert!(wait_secs >= 6 * number(&block("WorkerFunction"), "Timeout"), "{wait_secs}");
    let receives = number(&queue, "maxReceiveCount");
    assert!(receives * wait_secs >= THREE_DAYS_SECS && receives <= 1_000, "{receives} receives, {wait_secs} s apart");
    // Its age counts on in the dead-letter queue: there is a week left there for a person.
    let kept_secs = number(&queue, "MessageRetentionPeriod");
    assert!(kept_secs >= receives * wait_secs + 7 * 24 * 3600, "{kept_secs}");
    assert!(number(&block("DeadLetterQueue"), "MessageRetentionPeriod") >= kept_secs);
    for needed in [
        "SqsManagedSseEnabled: true",
        "MaximumMessageSize: 1048576",
        "deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn",
    ] {
        assert!(queue.contains(needed), "{needed}");
    }
    // By its name it may send its dead letters there.
    let id = "- Id: !Select [4, !Split [\"-\", !Select [2, !Split [\"/\", !Ref AWS::StackId]]]]\n";
    assert!(queue.contains(&format!("        - ${{AWS::StackName}}-rescue-${{Id}}\n        {id}")));
    let named = format!(":${{AWS::AccountId}}:${{AWS::StackName}}-rescue-${{Id}}\n            {id}");
    assert!(block("DeadLetterQueue").contains(&named));
    let source = block("RescueSource");
    assert_eq!(value(&source, "EventSourceArn"), Some("!GetAtt RescueQueue.Arn"));
    assert_eq!(value(&source, "FunctionName"), Some("!Ref WorkerFunction"));
    assert_eq!(value(&source, "MaximumConcurrency"), Some("2"));
    // Lambda hands over 6 MB at most, and a delivery may take 1 MiB of them.
    assert!(number(&source, "BatchSize") <= 5);
}

/// A delivery's body, its token among it, stands on no other queue, and nobody gets at it but the worker.
#[test]
fn only_who_rescues_knows_the_rescue_queue() {
    for (name, block) in of_type("AWS::Serverless::Function") {
        let told = block.contains("HOOKLEDGER_RESCUE_QUEUE: !Ref RescueQueue\n");
        assert_eq!(told, name == "FinboxFunction", "{name}");
    }
    assert_eq!(value(&block("RescueQueueUrl"), "Value"), Some("!Ref RescueQueue"));
}

/// SQS leaves a message that was received three times out of the age of its queue, and a rescued delivery is received
/// all the time: so one alarm sees what nobody takes, and the other what keeps coming back.
#[test]
fn deliveries_that_wait_for_half_an_hour_raise_an_alarm() {
    for (alarm, metric, threshold, periods) in [
        ("RescueAgeAlarm", "ApproximateAgeOfOldestMessage", "1800", "1"),
        ("RescueWaitingAlarm", "ApproximateNumberOfMessagesNotVisible", "1", "6"),
    ] {
        let block = block(alarm);
        assert!(block.contains("{Name: QueueName, Value: !GetAtt RescueQueue.QueueName}"), "{alarm}");
        for (name, expected) in [
            ("Namespace", "AWS/SQS"),
            ("MetricName", metric),
            ("Statistic", "Maximum"),
            ("Period", "300"),
            ("Threshold", threshold),
            ("EvaluationPeriods", periods),
        ] {
            assert_eq!(value(&block, name), Some(expected), "{alarm}");
        }
    }
}

/// The worker's delayed messages lead to the worker again, and an hour of polls has sixteen of them: AWS would take that
/// for a loop and stop it. Whoever else sends to a queue is not started by one.
#[test]
fn the_chain_through_the_worker_is_allowed_and_a_cut_is_seen() {
    let allowed = |(_, block): &(String, String)| value(block, "RecursiveLoop").is_some();
    let functions: Vec<_> = of_type("AWS::Serverless::Function").into_iter().filter(allowed).collect();
    let [(name, worker)] = &functions[..] else { panic!("the worker alone: {functions:?}") };
    assert_eq!((name.as_str(), value(worker, "RecursiveLoop")), ("WorkerFunction", Some("Allow")));
    let alarm = block("WorkerLoopAlarm");
    assert!(alarm.contains("{Name: FunctionName, Value: !Ref WorkerFunction}"));
    for (name, expected) in [
        ("Namespace", "AWS/Lambda"),
        ("MetricName", "RecursiveInvocationsDropped"),
        ("Statistic", "Sum"),
        ("Threshold", "1"),
        ("EvaluationPeriods", "1"),
    ] {
        assert_eq!(value(&alarm, name), Some(expected));
    }
    assert!(blocks().iter().all(|(_, block)| !block.contains("RecursiveLoop: Terminate")));
}
