//! Alarms, the dashboard, saved queries: what calls a person, what there is to look at, and where each is explained.

use std::collections::BTreeSet;

use hookledger_core::ports::Metric;
use hookledger_kit::Kit;
use serde_json::Value;

use super::read::{block, blocks, of_type, providers, value};

/// An alarm on what came is over when nothing more comes. What waits for a person is told for as long as it waits.
#[test]
fn what_waits_for_a_person_is_told_while_it_waits() {
    let block = block("ParkedAlarm");
    assert_eq!(value(&block, "MetricName"), Some(Metric::EntriesWaiting.name()));
    for (name, expected) in
        [("Statistic", "Maximum"), ("Period", "600"), ("Threshold", "1"), ("EvaluationPeriods", "1")]
    {
        assert_eq!(value(&block, name), Some(expected));
    }
}

/// An alarm of each provider that is on where a metric of its own, by the hour, says 1.
fn computed_by_the_hour(kind: &str, condition: &str, expression: &str, expected: &[(&str, Metric)]) {
    for (provider, Kit { name: path, .. }) in providers() {
        let block = block(&format!("{provider}{kind}Alarm"));
        assert_eq!(value(&block, "Expression"), Some(expression));
        assert_eq!(value(&block, "Condition"), Some(condition));
        let metrics = block.split("        - Id: ").skip(1).filter(|metric| metric.contains("MetricName:"));
        let seen = metrics.map(|metric| {
            assert!(metric.contains(&format!("{{Name: Provider, Value: {path}}}")), "{provider}: {metric}");
            assert!(metric.contains("Period: 3600\n") && metric.contains("Stat: Sum\n"), "{provider}: {metric}");
            (metric.lines().next().unwrap(), value(metric, "MetricName").unwrap())
        });
        let expected: Vec<_> = expected.iter().map(|(id, metric)| (*id, metric.name())).collect();
        assert_eq!(seen.collect::<Vec<_>>(), expected, "{provider}");
        assert_eq!((value(&block, "Threshold"), value(&block, "EvaluationPeriods")), (Some("1"), Some("1")));
    }
}

/// A provider whose every delivery is refused is no background noise, however few they are.
#[test]
fn a_provider_that_is_shut_out_raises_an_alarm() {
    assert_eq!(value(&block("ShutOutAlarmCount"), "Default"), Some("3"));
    let expression =
        "!Sub IF(FILL(refused, 0) >= ${ShutOutAlarmCount} AND FILL(received, 0) + FILL(known, 0) == 0, 1, 0)";
    let metrics = [
        ("refused", Metric::DeliveriesRefused),
        ("received", Metric::DeliveriesReceived),
        ("known", Metric::DeliveriesDuplicate),
    ];
    computed_by_the_hour("ShutOut", "WatchesForShutOut", expression, &metrics);
}

/// The rate is that of `desk::loss`: what was found and not pushed, of all that was seen.
#[test]
fn a_provider_whose_webhooks_do_not_come_raises_an_alarm() {
    assert_eq!(value(&block("LossRateAlarmPercent"), "Default"), Some("10"));
    let expression = "!Sub IF(lost >= 5 AND 100 * lost >= ${LossRateAlarmPercent} * seen, 1, 0)";
    let metrics = [
        ("found", Metric::EventsFound),
        ("late", Metric::EventsLate),
        ("received", Metric::DeliveriesReceived),
        ("given_up", Metric::DeliveriesLost),
    ];
    computed_by_the_hour("LossRate", "WatchesLossRate", expression, &metrics);
    for (provider, _) in providers() {
        let block = block(&format!("{provider}LossRateAlarm"));
        assert!(block.contains("Expression: FILL(found, 0) - FILL(late, 0)\n"), "{block}");
        assert!(block.contains("Expression: FILL(received, 0) + FILL(given_up, 0)\n"), "{block}");
    }
}

/// The dashboard's body, with words in place of what CloudFormation puts in.
fn dashboard() -> Value {
    let block = block("SignalsDashboard");
    let body = block.split("DashboardBody: !Sub |\n").nth(1).expect("the body is a text");
    serde_json::from_str(body).expect("the body is JSON")
}

/// A metric that nobody counts would be an empty chart for ever.
#[test]
fn the_dashboard_shows_what_is_counted() {
    let dashboard = dashboard();
    let widgets = dashboard["widgets"].as_array().unwrap();
    let mut rows: BTreeSet<(u64, u64)> = BTreeSet::new();
    let mut shown = 0;
    for widget in widgets {
        let at = |name: &str| widget[name].as_u64().unwrap();
        assert!(at("x") + at("width") <= 24, "{widget}");
        assert!(rows.insert((at("y"), at("x"))), "two widgets at one place: {widget}");
        for metric in widget["properties"]["metrics"].as_array().into_iter().flatten() {
            let searched = metric[0]["expression"].as_str().and_then(|text| text.split("MetricName=\"").nth(1));
            let name = match metric[0].as_str() {
                Some("Hookledger") => metric[1].as_str(),
                Some(_) => continue,
                None => searched.and_then(|text| text.split('"').next()),
            };
            let Some(name) = name else {
                assert!(metric[0]["id"] == "rate", "{metric}");
                continue;
            };
            assert!(Metric::ALL.iter().any(|metric| metric.name() == name), "nobody counts {name}");
            shown += 1;
        }
    }
    assert!(shown >= 15, "{shown}");
}

/// A queue that is forgotten would be the one that waits.
#[test]
fn the_dashboard_and_the_queries_leave_no_provider_out() {
    let body = dashboard().to_string();
    let life = block("EventLifeQuery");
    for (provider, _) in providers() {
        assert!(body.contains(&format!("${{{provider}Queue.QueueName}}")), "{provider}");
        assert!(life.contains(&format!("- !Ref {provider}Logs\n")), "{provider}");
    }
    let groups = of_type("AWS::Logs::LogGroup").len() - 1; // All but the access log.
    for query in ["EventLifeQuery", "FailuresQuery"] {
        assert_eq!(block(query).matches("        - !Ref ").count(), groups, "{query}");
    }
}

/// The heading in the runbook that an alarm belongs to: its own, or that of its kind.
fn is_headed(heading: &str, alarm: &str) -> bool {
    heading.strip_prefix('…').map_or(heading == alarm, |kind| alarm.ends_with(kind))
}

fn first_word(heading: &str) -> &str {
    heading.split([',', ' ']).next().unwrap_or_default()
}

/// Where a browser finds a heading: GitHub's rule.
fn anchor(heading: &str) -> String {
    let kept = heading.chars().filter(|char| char.is_ascii_alphanumeric() || *char == ' ' || *char == '-');
    kept.map(|char| if char == ' ' { '-' } else { char.to_ascii_lowercase() }).collect()
}

#[test]
fn each_alarm_has_its_section_in_the_runbook_and_no_other_has() {
    let runbook = include_str!("../../../docs/runbook.md");
    let headings = runbook.lines().filter_map(|line| line.strip_prefix("## "));
    let headings: Vec<&str> = headings.map(first_word).collect();
    let alarms: Vec<String> = blocks()
        .into_iter()
        .filter(|(_, block)| block.contains("Type: AWS::CloudWatch::Alarm\n"))
        .map(|(name, _)| name)
        .collect();
    assert!(alarms.len() > 30, "{alarms:?}");
    for alarm in &alarms {
        // Its own section, or that of its kind.
        let own = headings.iter().filter(|heading| *heading == alarm).count();
        let of_it = if own > 0 { own } else { headings.iter().filter(|heading| is_headed(heading, alarm)).count() };
        assert_eq!(of_it, 1, "{alarm} has {of_it} sections");
        // Its text ends in a link to that section.
        let whole = runbook.lines().filter_map(|line| line.strip_prefix("## "));
        let mut whole = whole.filter(|line| if own > 0 { line == alarm } else { is_headed(first_word(line), alarm) });
        let link = format!("${{RunbookUrl}}#{}", anchor(whole.next_back().unwrap()));
        let block = block(alarm);
        let mut lines = block.lines().skip_while(|line| !line.starts_with("      AlarmDescription: "));
        let first = lines.next().unwrap();
        let text = lines.take_while(|line| line.starts_with("        ")).last().unwrap_or(first).trim_end_matches('"');
        assert!(text.ends_with(&link), "{alarm}: {text} has no {link}");
    }
    for heading in headings {
        assert!(alarms.iter().any(|alarm| is_headed(heading, alarm)), "no alarm is named {heading}");
    }
}
