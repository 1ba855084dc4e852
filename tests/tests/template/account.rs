//! What a new account, an organisation and an auditor ask of the template.

use super::read::{block, blocks, of_type, providers, statements, takes, value};

/// A new account may run ten functions at once, and reserve none: what is reserved unasked fails its first deployment.
#[test]
fn nothing_is_reserved_unless_asked_for() {
    assert_eq!(value(&block("FinboxReservedConcurrency"), "Default"), Some("0"));
    let condition = "!Not [!Equals [!Ref FinboxReservedConcurrency, \"0\"]]";
    assert_eq!(value(&block_of("Conditions"), "ReservesForFinbox"), Some(condition));
    let finbox = "!If [ReservesForFinbox, !Ref FinboxReservedConcurrency, !Ref AWS::NoValue]";
    for (name, block) in of_type("AWS::Serverless::Function") {
        let reserved = value(&block, "ReservedConcurrentExecutions");
        assert_eq!(reserved, (name == "FinboxFunction").then_some(finbox), "{name}");
    }
}

/// A section of the template, which starts at the margin.
fn block_of(section: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let rest = text.split(&format!("\n{section}:\n")).nth(1).unwrap_or_else(|| panic!("no section {section}"));
    rest.lines()
        .take_while(|line| line.is_empty() || line.starts_with([' ', '#']))
        .map(|line| format!("{line}\n"))
        .collect()
}

/// The rows of the mapping that makes numbers of texts: each is its own number, unquoted.
fn numbers() -> Vec<String> {
    let numbers = block("Numbers");
    let rows = numbers.lines().filter_map(|line| line.trim().strip_prefix('"')?.split_once("\": "));
    let rows: Vec<(&str, &str)> = rows.collect();
    for (text, number) in &rows {
        assert_eq!(*number, format!("{{Is: {text}}}"));
    }
    rows.into_iter().map(|(text, _)| text.to_string()).collect()
}

/// CloudFormation's schema gives the routes' settings no type, so a parameter's number would stay a text there; the local
/// emulator keeps it one everywhere.
#[test]
fn numbers_are_numbers_where_no_type_makes_them_so() {
    let (rows, stage) = (numbers(), block("ApiStage"));
    let routes = stage.split("      RouteSettings:\n").nth(1).unwrap();
    let limits = routes.lines().map(str::trim).filter_map(|line| line.strip_prefix("Throttling")?.split_once(": "));
    let mut looked = 0;
    for (kind, limit) in limits {
        let parameter = limit.strip_prefix("!FindInMap [Numbers, !Ref ").and_then(|rest| rest.strip_suffix(", Is]"));
        match parameter {
            Some(parameter) => assert_eq!(kind == "BurstLimit", parameter.ends_with("Burst"), "{kind}: {limit}"),
            None => assert!(limit.parse::<u32>().is_ok(), "{kind}: {limit} is no number"),
        }
        looked += 1;
    }
    // Two of each provider, and five that are nobody's.
    assert_eq!(looked, 2 * (2 * providers().count() + 5), "each route has a rate and a burst");
    let parameters = ["WebhookRatePerSecond", "WebhookBurst", "ExpectationsRatePerSecond", "ExpectationsBurst"];
    for name in parameters.into_iter().chain(["WorkerConcurrency"]) {
        let parameter = block(name);
        let allowed = value(&parameter, "AllowedValues").unwrap().trim_matches(['[', ']']);
        let allowed: Vec<&str> = allowed.split(", ").collect();
        assert!(
            allowed.len() >= 8 && allowed.iter().all(|one| rows.iter().any(|row| row == one)),
            "{name}: {allowed:?}"
        );
        assert!(allowed.contains(&value(&parameter, "Default").unwrap()), "{name}");
    }
}

#[test]
fn each_provider_may_have_as_many_workers_as_a_parameter_says() {
    let parameter = block("WorkerConcurrency");
    assert_eq!((value(&parameter, "Type"), value(&parameter, "Default")), (Some("Number"), Some("5")));
    for (provider, _) in providers() {
        let source = block(&format!("{provider}Source"));
        let concurrency = value(&source, "MaximumConcurrency");
        assert_eq!(concurrency, Some("!FindInMap [Numbers, !Ref WorkerConcurrency, Is]"), "{provider}");
    }
}

/// As CloudWatch's documentation has it, over periods of five minutes, the oldest first; `None` where nothing was counted.
/// The alarm's state moves from window to window; nothing known at first.
fn alarm_over(runs: &[Option<u32>]) -> &'static str {
    let mut state = "unknown";
    for window in runs.windows(3) {
        // There is nothing to repeat before the window's first run, and a sum with no value has none.
        let since_first: Vec<u32> =
            window.iter().skip_while(|one| one.is_none()).map(|one| one.unwrap_or_default()).collect();
        let below = since_first.iter().filter(|runs| **runs < 1).count();
        match (since_first.len(), below) {
            (_, 2..) => state = "alarm",
            (3, _) => state = "ok",
            _ => {} // `ignore`
        }
    }
    state
}

#[test]
fn a_reconciler_that_stopped_is_told_from_one_that_never_ran() {
    let alarm = block("ReconcilerStoppedAlarm");
    for (name, expected) in [
        ("Condition", "WatchesReconciler"),
        ("Expression", "FILL(runs, 0) + FILL(runs, REPEAT) - FILL(runs, REPEAT)"),
        ("MetricName", hookledger_core::ports::Metric::ReconcilerRuns.name()),
        ("Period", "300"),
        ("Stat", "Sum"),
        ("EvaluationPeriods", "3"),
        ("DatapointsToAlarm", "2"),
        ("Threshold", "1"),
        ("ComparisonOperator", "LessThanThreshold"),
        ("TreatMissingData", "ignore"),
    ] {
        assert_eq!(value(&alarm, name), Some(expected), "{name}");
    }
    assert_eq!(value(&block("ReconcilerAlarm"), "Default"), Some("\"on\""));
    let (no, some) = (None, Some(5));
    for (name, runs, expected) in [
        ("a new stack, before its first run", vec![no; 12], "unknown"),
        ("the first run", vec![no, no, no, some], "unknown"),
        ("a stack that runs", vec![no, no, some, some, some], "ok"),
        ("one count that comes late", vec![some, some, some, no], "ok"),
        ("five minutes without a run", vec![some, some, some, no, some], "ok"),
        ("ten minutes without a run", vec![some, some, some, no, no], "alarm"),
        ("a day without a run", [vec![some; 3], vec![no; 288]].concat(), "alarm"),
        ("it runs again", [vec![some; 3], vec![no; 288], vec![some; 3]].concat(), "ok"),
    ] {
        assert_eq!(alarm_over(&runs), expected, "{name}");
    }
}

#[test]
fn every_role_can_be_bounded() {
    let boundary = "!If [RolesAreBounded, !Ref PermissionsBoundaryArn, !Ref AWS::NoValue]";
    assert_eq!(value(&block_of("Globals"), "PermissionsBoundary"), Some(boundary));
    for (name, role) in of_type("AWS::IAM::Role") {
        assert_eq!(value(&role, "PermissionsBoundary"), Some(boundary), "{name}");
    }
    assert_eq!(value(&block("PermissionsBoundaryArn"), "Default"), Some("\"\""));
    for (arn, expected) in [
        ("", true),
        ("arn:aws:iam::123456789012:policy/boundary", true),
        ("arn:aws-us-gov:iam::123456789012:policy/team/boundary", true),
        ("arn:aws:iam::aws:policy/PowerUserAccess", true),
        ("arn:aws:iam::123456789012:role/boundary", false),
        ("boundary", false),
    ] {
        assert_eq!(takes("PermissionsBoundaryArn", arn), expected, "{arn}");
    }
}

/// A group of a fixed name that Lambda makes again, for a last line, is in the way of the next stack.
#[test]
fn log_groups_of_functions_have_no_name_of_ours() {
    let shared = ["Worker", "Reconciler", "Expectations"].map(String::from);
    for function in providers().map(|(name, _)| name).chain(shared) {
        assert_eq!(value(&block(&format!("{function}Logs")), "LogGroupName"), None, "{function}");
        let group = format!("!Ref {function}Logs");
        assert_eq!(value(&block(&format!("{function}Function")), "LogGroup"), Some(group.as_str()));
    }
}

#[test]
fn sam_build_builds_nothing() {
    for (name, block) in of_type("AWS::Serverless::Function") {
        assert_eq!(value(&block, "Metadata"), Some("{SkipBuild: true}"), "{name}");
    }
}

#[test]
fn a_key_for_the_secrets_is_the_operators_choice() {
    for (name, secret) in of_type("AWS::SecretsManager::Secret") {
        assert_eq!(
            value(&secret, "KmsKeyId"),
            Some("!If [SecretsHaveAKey, !Ref SecretsKeyArn, !Ref AWS::NoValue]"),
            "{name}"
        );
    }
    let policy = block("SecretsKeyPolicy");
    assert_eq!(value(&policy, "Condition"), Some("SecretsHaveAKey"));
    for (name, expected) in [
        ("Action", "kms:Decrypt"),
        ("Resource", "!Ref SecretsKeyArn"),
        ("kms:ViaService", "!Sub secretsmanager.${AWS::Region}.amazonaws.com"),
    ] {
        assert_eq!(value(&policy, name), Some(expected));
    }
    // Whoever reads a secret needs it, and nobody else.
    for (name, function) in of_type("AWS::Serverless::Function") {
        let reads = statements(&function).iter().any(|statement| statement.ends_with("secretsmanager:GetSecretValue"));
        assert_eq!(policy.contains(&format!("        - !Ref {name}Role\n")), reads, "{name}");
    }
    for (arn, expected) in [
        ("", true),
        ("arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555", true),
        ("arn:aws:kms:eu-west-1:123456789012:key/mrk-0a1b2c3d000011112222333344445555", true),
        ("arn:aws:kms:eu-west-1:123456789012:alias/secrets", false),
        ("0a1b2c3d-0000-1111-2222-333344445555", false),
        ("*", false),
    ] {
        assert_eq!(takes("SecretsKeyArn", arn), expected, "{arn}");
    }
}

#[test]
fn the_apis_own_address_is_closed_only_where_another_is_left() {
    assert_eq!(value(&block("Api"), "DisableExecuteApiEndpoint"), Some("!If [ClosesExecuteApi, true, false]"));
    assert_eq!(value(&block("DisableExecuteApiEndpoint"), "Default"), Some("\"false\""));
    let rule = block("AnAddressIsLeft");
    assert_eq!(value(&rule, "RuleCondition"), Some("!Equals [!Ref DisableExecuteApiEndpoint, \"true\"]"));
    assert_eq!(value(&rule, "- Assert"), Some("!Not [!Equals [!Ref WebhookBaseUrl, \"\"]]"));
}

#[test]
fn what_waits_and_what_is_not_started_is_alarmed_on() {
    for (provider, _) in providers() {
        for (alarm, metric, of, threshold) in [
            ("ThrottlesAlarm", "Throttles", format!("{{Name: FunctionName, Value: !Ref {provider}Function}}"), "1"),
            (
                "QueueAgeAlarm",
                "ApproximateAgeOfOldestMessage",
                format!("{{Name: QueueName, Value: !GetAtt {provider}Queue.QueueName}}"),
                "1800",
            ),
        ] {
            let block = block(&format!("{provider}{alarm}"));
            assert!(block.contains(&of), "{provider}{alarm}: {block}");
            let seen = (value(&block, "MetricName"), value(&block, "Threshold"), value(&block, "EvaluationPeriods"));
            assert_eq!(seen, (Some(metric), Some(threshold), Some("1")), "{provider}{alarm}");
        }
    }
}

#[test]
fn an_alarm_says_when_it_is_over() {
    let topic = Some("[!If [OwnAlarmTopic, !Ref AlarmTopic, !Ref AlarmTopicArn]]");
    for (name, alarm) in of_type("AWS::CloudWatch::Alarm") {
        assert_eq!((value(&alarm, "AlarmActions"), value(&alarm, "OKActions")), (topic, topic), "{name}");
    }
}

/// What a deployer needs is asked for by `cargo xtask preflight`, which knows the rights of each type of resource.
#[test]
fn the_rights_of_each_type_of_resource_are_known() {
    let preflight = include_str!("../../../tools/xtask/python/preflight.py");
    let listed: Vec<&str> = preflight
        .lines()
        .filter_map(|line| line.trim_start().strip_prefix('"')?.split_once("\": [").map(|(kind, _)| kind))
        .collect();
    assert!(listed.len() > 15, "{listed:?}");
    for (name, block) in blocks() {
        if let Some(kind) = value(&block, "Type").filter(|kind| kind.starts_with("AWS::")) {
            assert!(listed.iter().any(|known| kind.starts_with(known)), "{name}: no rights are listed for {kind}");
        }
    }
}
