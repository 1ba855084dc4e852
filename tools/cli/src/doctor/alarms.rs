//! The stack's alarms: which are on, whether any is switched off, and whether what they say reaches anybody.

use std::collections::BTreeSet;

use aws_sdk_cloudwatch::types::{MetricAlarm, StateValue};
use aws_sdk_sns::types::Subscription;

use super::finding::Finding;
use crate::stack::{Stack, why_not};

/// Alarms and subscriptions of one page.
const PAGE: i32 = 100;
/// What SNS calls the ARN of a subscription that nobody has confirmed.
const PENDING: &str = "PendingConfirmation";
/// So many names are told.
const TOLD: usize = 5;

/// Looks at the alarms and at their topics. What may not be looked at is said, and is nothing to mend.
pub(super) async fn findings(stack: &Stack) -> Vec<Finding> {
    let alarms = match of(stack).await {
        Ok(alarms) => alarms,
        Err(why) => return vec![Finding::unknown("alarms", format!("were not looked at: {why}"))],
    };
    let mut found = of_alarms(&alarms);
    let topics: BTreeSet<&str> =
        alarms.iter().flat_map(MetricAlarm::alarm_actions).map(String::as_str).filter(|arn| is_topic(arn)).collect();
    for topic in topics {
        found.push(match subscriptions(stack, topic).await {
            Ok(subscriptions) => of_topic(topic, &subscriptions),
            Err(why) => Finding::unknown("alarms' topic", format!("{topic} was not looked at: {why}")),
        });
    }
    found
}

/// The alarms that the stack's template made.
pub(crate) async fn of(stack: &Stack) -> Result<Vec<MetricAlarm>, String> {
    let Some(name) = stack.name() else { return Err("name the stack with --stack".into()) };
    let client = aws_sdk_cloudwatch::Client::new(stack.clients.config());
    let prefix = format!("{name}-");
    let mut pages = client.describe_alarms().alarm_name_prefix(&prefix).max_records(PAGE).into_paginator().send();
    let mut alarms = Vec::new();
    while let Some(page) = pages.next().await {
        let page = page.map_err(|error| format!("{} (cloudwatch:DescribeAlarms)", why_not(&error)))?;
        alarms.extend(page.metric_alarms.unwrap_or_default());
    }
    alarms.retain(|alarm| alarm.alarm_name().is_some_and(|name| is_of(&prefix, name)));
    Ok(alarms)
}

/// Whether CloudFormation named it: after the stack come the name in the template, which has no dash, and an ending of its
/// own. A stack whose name only begins alike has a dash more.
fn is_of(prefix: &str, alarm: &str) -> bool {
    alarm.strip_prefix(prefix).is_some_and(|rest| rest.split('-').count() == 2)
}

/// The names in the template of those that are on.
pub(crate) fn on(alarms: &[MetricAlarm]) -> Vec<&str> {
    alarms.iter().filter(|alarm| alarm.state_value() == Some(&StateValue::Alarm)).map(name).collect()
}

fn name(alarm: &MetricAlarm) -> &str {
    // `<stack>-<name in the template>-<ending>`
    alarm.alarm_name().and_then(|name| name.rsplit('-').nth(1)).unwrap_or_default()
}

async fn subscriptions(stack: &Stack, topic: &str) -> Result<Vec<Subscription>, String> {
    let client = aws_sdk_sns::Client::new(stack.clients.config());
    let mut pages = client.list_subscriptions_by_topic().topic_arn(topic).into_paginator().items().send();
    let mut all = Vec::new();
    while let Some(subscription) = pages.next().await {
        all.push(subscription.map_err(|error| format!("{} (sns:ListSubscriptionsByTopic)", why_not(&error)))?);
    }
    Ok(all)
}

fn is_topic(arn: &str) -> bool {
    arn.split(':').nth(2) == Some("sns")
}

fn of_alarms(alarms: &[MetricAlarm]) -> Vec<Finding> {
    if alarms.is_empty() {
        return vec![Finding::new("alarms", "there are none", Some("deploy the template: it has them"))];
    }
    let on = on(alarms);
    let is = match on.as_slice() {
        [] => format!("are {}, none of them on", alarms.len()),
        on => format!("are {}; on: {}", alarms.len(), few(on)),
    };
    let to_do = (!on.is_empty()).then_some("the alarm's own text leads to what to do: docs/runbook.md");
    let mut found = vec![Finding::new("alarms", is, to_do)];
    let switched_off: Vec<&str> =
        alarms.iter().filter(|alarm| alarm.actions_enabled() == Some(false)).map(name).collect();
    if !switched_off.is_empty() {
        let is = format!("tell nobody, being switched off: {}", few(&switched_off));
        found.push(Finding::new("alarms", is, Some("aws cloudwatch enable-alarm-actions --alarm-names …")));
    }
    let mute: Vec<&str> = alarms.iter().filter(|alarm| alarm.alarm_actions().is_empty()).map(name).collect();
    if !mute.is_empty() {
        let is = format!("have nobody to tell: {}", few(&mute));
        found.push(Finding::new("alarms", is, Some("deploy the template: it gives each a topic")));
    }
    found
}

/// What hears of a topic. No address is shown: the output of a command goes into tickets.
fn of_topic(topic: &str, subscriptions: &[Subscription]) -> Finding {
    let (waiting, confirmed): (Vec<_>, Vec<_>) =
        subscriptions.iter().partition(|subscription| subscription.subscription_arn() == Some(PENDING));
    let protocols = |of: &[&Subscription]| {
        let names: BTreeSet<&str> = of.iter().filter_map(|one| one.protocol()).collect();
        names.into_iter().collect::<Vec<_>>().join(", ")
    };
    let name = topic.rsplit(':').next().unwrap_or_default();
    let (is, to_do) = match (confirmed.len(), waiting.len()) {
        (0, 0) => {
            (format!("{name} has no subscription: no alarm reaches anybody"), Some("set AlarmEmail, or subscribe"))
        }
        (heard, 0) => (format!("{name} tells {heard} ({})", protocols(&confirmed)), None),
        (heard, waiting_for) => {
            let waiting = protocols(&waiting);
            (
                format!("{name} tells {heard}; {waiting_for} ({waiting}) did not confirm yet, and hear nothing"),
                Some("follow the link in the mail \"AWS Notification - Subscription Confirmation\""),
            )
        }
    };
    Finding::new("alarms' topic", is, to_do)
}

fn few(names: &[&str]) -> String {
    let told = names.iter().take(TOLD).copied().collect::<Vec<_>>().join(", ");
    match names.len().saturating_sub(TOLD) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alarm(name: &str) -> aws_sdk_cloudwatch::types::builders::MetricAlarmBuilder {
        let topic = "arn:aws:sns:eu-west-1:111122223333:t-AlarmTopic-1";
        MetricAlarm::builder()
            .alarm_name(format!("t-{name}-1A2B"))
            .state_value(StateValue::Ok)
            .actions_enabled(true)
            .alarm_actions(topic)
    }

    fn told(alarms: &[MetricAlarm]) -> Vec<(String, bool)> {
        of_alarms(alarms).into_iter().map(|finding| (finding.is.clone(), finding.to_do().is_some())).collect()
    }

    #[test]
    fn an_alarm_that_is_on_off_or_mute_is_named() {
        assert_eq!(told(&[]), [("there are none".to_string(), true)]);
        let quiet = alarm("DeadLettersAlarm").build();
        assert_eq!(told(std::slice::from_ref(&quiet)), [("are 1, none of them on".to_string(), false)]);
        let on = alarm("ParkedAlarm").state_value(StateValue::Alarm).build();
        let off = alarm("FinboxErrorsAlarm").actions_enabled(false).build();
        let mute = alarm("RefusedAlarm").set_alarm_actions(None).build();
        let expected = [
            ("are 4; on: ParkedAlarm", true),
            ("tell nobody, being switched off: FinboxErrorsAlarm", true),
            ("have nobody to tell: RefusedAlarm", true),
        ];
        assert_eq!(told(&[quiet, on, off, mute]), expected.map(|(is, wrong)| (is.to_string(), wrong)));
    }

    #[test]
    fn the_alarms_of_a_stack_whose_name_begins_alike_are_not_its_own() {
        for (alarm, is) in [
            ("hookledger-ParkedAlarm-1A2B", true),
            ("hookledger-prod-ParkedAlarm-1A2B", false),
            ("hookledger2-ParkedAlarm-1A2B", false),
            ("hookledger-by-hand-too", false),
            ("hookledger-mine", false),
        ] {
            assert_eq!(is_of("hookledger-", alarm), is, "{alarm}");
        }
    }

    #[test]
    fn a_topic_that_nobody_hears_is_to_be_mended() {
        let heard = |arn: &str, protocol: &str| {
            Subscription::builder().subscription_arn(arn).protocol(protocol).endpoint("ops@example.org").build()
        };
        let (mail, waits) = (heard("arn:aws:sns:x:1:t:2", "email"), heard(PENDING, "email"));
        let rows = [
            (vec![], "t has no subscription: no alarm reaches anybody", true),
            (vec![mail.clone()], "t tells 1 (email)", false),
            (vec![waits.clone()], "t tells 0; 1 (email) did not confirm yet, and hear nothing", true),
            (vec![mail, waits], "t tells 1; 1 (email) did not confirm yet, and hear nothing", true),
        ];
        for (subscriptions, is, wrong) in rows {
            let finding = of_topic("arn:aws:sns:x:1:t", &subscriptions);
            assert_eq!((finding.is.as_str(), finding.to_do().is_some()), (is, wrong));
            assert!(!finding.is.contains('@'));
        }
    }
}
