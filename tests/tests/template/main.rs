//! What `template.yaml` must keep, whoever edits it: read as text, since these are rules about what stands in it.

use std::cell::RefCell;
use std::collections::BTreeSet;

use hookledger_core::ports::Metric;
use hookledger_core::providers::Providers;
use hookledger_kit::Kit;

/// Which rows a function may touch, and which it does.
mod leading_keys;
/// The rescue queue, and the chain that leads through the worker.
mod rescue;

/// What outlives a stack, and how the next one takes it over.
mod kept;

/// What an AWS account asks of it.
mod account;

/// What calls a person, and what there is to look at.
mod signals;

/// The ways to look into it.
mod read;

use read::{block, blocks, of_type, providers, statements, takes, value};

#[test]
fn access_logs_hold_no_path_and_no_token() {
    for (name, block) in of_type("AWS::ApiGatewayV2::Stage") {
        let format = block.split("Format:").nth(1).unwrap_or_else(|| panic!("{name} writes no access log"));
        for leaky in ["$context.path", "rawPath", "$context.identity", "$request", "header", "token"] {
            assert!(!format.contains(leaky), "{name}: the access log holds {leaky}");
        }
        assert!(format.contains("$context.routeKey"));
    }
}

#[test]
fn only_webhooks_are_open_to_everybody() {
    for (name, block) in of_type("AWS::ApiGatewayV2::Route") {
        let webhook = ["POST", "ANY"].iter().any(|method| block.contains(&format!("RouteKey: {method} /webhooks/")));
        let signed = block.contains("AuthorizationType: AWS_IAM");
        assert!(webhook != signed, "{name} must be a webhook's route or authorised by IAM");
    }
}

/// A slash too many is the provider's own receiver's to see, and nothing below `/webhooks/` meets no route.
#[test]
fn no_request_below_webhooks_goes_unseen() {
    let stage = block("ApiStage");
    let throttle = |key: &str| {
        let lines = stage.split(&format!("        {key}:\n")).nth(1).unwrap_or_else(|| panic!("{key} has no throttle"));
        let limit = |line: &str| line.trim_end_matches(", Is]").rsplit(' ').next().unwrap().to_string();
        lines.lines().take(2).map(limit).collect::<Vec<_>>()
    };
    let deliveries = ["WebhookRatePerSecond", "WebhookBurst"];
    let mut routes = Vec::new();
    for (provider, Kit { name: path, .. }) in providers() {
        let target = format!("Target: !Sub integrations/${{{provider}Integration}}");
        let (own, rest) = (block(&format!("{provider}Route")), block(&format!("{provider}RestRoute")));
        let key = value(&own, "RouteKey").unwrap().to_string();
        assert!(key == format!("POST /webhooks/{path}") || key == format!("POST /webhooks/{path}/{{token}}"), "{key}");
        let greedy = format!("ANY /webhooks/{path}/{{rest+}}");
        assert_eq!(value(&rest, "RouteKey"), Some(greedy.as_str()));
        assert!(own.contains(&target) && rest.contains(&target), "{provider}: each provider has its own receiver");
        assert_eq!((throttle(&key), throttle(&greedy)), (deliveries.map(String::from).to_vec(), throttle(&key)));
        routes.extend([format!("{provider}Route"), format!("{provider}RestRoute")]);
        // API Gateway may call the function by both routes, and by no route of another provider.
        let permission = block(&format!("{provider}Permission"));
        let below = permission.lines().find_map(|line| line.split_once("${Api}/*/*/webhooks/")).unwrap().1;
        assert!(provider == "Fynapse" && below == "*" || below.starts_with(path), "{provider}: {below}");
    }
    let elsewhere = block("ElsewhereRoute");
    assert_eq!(value(&elsewhere, "RouteKey"), Some("ANY /webhooks/{elsewhere+}"));
    // FinBox does not come again: its receiver is kept free of what is nobody's.
    assert!(!elsewhere.contains("Finbox"));
    let limits =
        throttle("ANY /webhooks/{elsewhere+}").iter().map(|limit| limit.parse().unwrap()).collect::<Vec<u32>>();
    assert!(limits.iter().all(|limit| *limit <= 10), "{limits:?}: a throttle of its own, and a low one");
    routes.push("ElsewhereRoute".into());
    for route in routes {
        assert!(stage.contains(&format!("      - {route}\n")), "{route} must exist before its throttle");
    }
}

/// What is counted and must not be, and the alarm at any rate.
#[test]
fn what_should_never_happen_is_alarmed_on_at_any_rate() {
    for (alarm, metric) in [
        ("UnroutedAlarm", Metric::RequestsUnrouted),
        ("UnreadableAlarm", Metric::DeliveriesUnreadable),
        ("ConflictingAlarm", Metric::DeliveriesConflicting),
        ("RowsUnreadableAlarm", Metric::RowsUnreadable),
        ("UnconfiguredAlarm", Metric::Unconfigured),
        ("LostAlarm", Metric::DeliveriesLost),
        ("ExpiredAlarm", Metric::ExpectationsExpired),
        ("StoreUnavailableAlarm", Metric::StoreUnavailable),
    ] {
        let block = block(alarm);
        assert_eq!(value(&block, "MetricName"), Some(metric.name()), "{alarm}");
        for (name, expected) in [("Statistic", "Sum"), ("Threshold", "1"), ("EvaluationPeriods", "1")] {
            assert_eq!(value(&block, name), Some(expected), "{alarm}");
        }
    }
}

#[test]
fn networks_that_the_code_refuses_are_refused_at_deploy() {
    let rows = [
        ("", true),
        ("203.0.113.7", true),
        ("203.0.113.0/24", true),
        ("0.0.0.0/0", true),
        ("203.0.113.7,198.51.100.0/22", true),
        ("203.0.113.7, 198.51.100.0/22 ,", true),
        ("2001:db8::/32", true),
        ("2001:db8::7", true),
        ("::1/128,203.0.113.255/32", true),
        ("::ffff:203.0.113.7", true),
        ("203.0.113", false),
        ("203.0.113.256", false),
        ("203.0.113.0/33", false),
        ("203.0.113.0/", false),
        ("203.0.113.0/2 4", false),
        ("2001:db8::/129", false),
        ("203.0.113.7;198.51.100.7", false),
        ("203.0.113.7 198.51.100.7", false),
        ("provider.example", false),
        ("*", false),
        ("any", false),
    ];
    for (parameter, setting) in
        [("RightfootAllowedCidrs", "RIGHTFOOT_ALLOWED_CIDRS"), ("FinboxAllowedCidrs", "FINBOX_ALLOWED_CIDRS")]
    {
        assert_eq!(value(&block(parameter), "Default"), Some("\"\""));
        for (list, expected) in rows {
            assert_eq!(takes(parameter, list), expected, "{parameter}: {list:?}");
            let read = Providers::read(&|name| (name == setting).then(|| list.to_string()));
            assert_eq!(read.all_stopped().next().is_none(), expected, "{setting}: {list:?}");
        }
    }
}

#[test]
fn each_providers_zone_is_a_setting_within_bounds() {
    let zones = blocks().into_iter().map(|(name, _)| name).filter(|name| name.ends_with("UtcOffsetMinutes"));
    let zones: Vec<String> = zones.collect();
    assert!(zones.len() >= 4, "{zones:?}");
    for parameter in zones {
        for offset in ["", "0", "-0", "5", "330", "-345", "999", "1000", "1080", "-1080"] {
            assert!(takes(&parameter, offset), "{parameter}: {offset}");
        }
        for offset in ["1081", "-1081", "1100", "2000", "10800", "+60", "5.5", "05", "-", "--5", "IST", " 5"] {
            assert!(!takes(&parameter, offset), "{parameter}: {offset}");
        }
    }
}

#[test]
fn each_setting_of_a_provider_is_given_to_all_functions_once() {
    let asked = RefCell::new(BTreeSet::new());
    drop(Providers::read(&|name| {
        asked.borrow_mut().insert(name.to_string());
        None
    }));
    let asked = asked.into_inner();
    assert!(asked.len() >= 30, "{asked:?}");
    let template = include_str!("../../../template.yaml");
    let (globals, _) = template.split_once("\nResources:\n").unwrap();
    // What only the set-up commands of the command line use.
    for name in asked.iter().filter(|name| *name != "FYNAPSE_UPDATE_METHOD") {
        assert_eq!(globals.matches(&format!("\n        {name}: !Ref ")).count(), 1, "{name}");
        for (function, block) in of_type("AWS::Serverless::Function") {
            assert!(!block.contains(&format!(" {name}:")), "{function} is given {name} once more");
        }
    }
}

#[test]
fn a_function_is_allowed_what_it_needs_by_name() {
    for (name, block) in of_type("AWS::Serverless::Function") {
        for line in block.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let wide = line.starts_with("Resource:") && line.contains('*') && !line.contains("/index/");
            assert!(!wide, "{name} is allowed something on every resource: {line}");
            let action = line.strip_prefix("Action:").unwrap_or("");
            assert!(!action.contains('*'), "{name} is allowed every action of a service: {line}");
        }
    }
}

#[test]
fn what_is_kept_is_kept_safe() {
    for (name, block) in of_type("AWS::DynamoDB::Table") {
        for needed in [
            "PointInTimeRecoveryEnabled: true",
            "SSEEnabled: true",
            "AttributeName: expires_at",
            "RetainExceptOnCreate",
        ] {
            assert!(block.contains(needed), "{name} lacks {needed}");
        }
    }
    for (name, block) in of_type("AWS::SecretsManager::Secret") {
        assert!(
            block.contains("SecretString: '{}'") || block.contains("SecretString: \"{}\""),
            "{name} is not created empty"
        );
    }
}

#[test]
fn each_provider_has_a_queue_and_a_source_of_its_own() {
    let (queues, sources) = (of_type("AWS::SQS::Queue"), of_type("AWS::Lambda::EventSourceMapping"));
    // And the rescue queue has one.
    assert_eq!(sources.len(), providers().count() + 1);
    for (provider, _) in providers() {
        let (name, source) = (format!("{provider}Queue"), format!("{provider}Source"));
        let block = |blocks: &[(String, String)], name: &str| {
            blocks.iter().find(|(named, _)| named == name).map(|(_, block)| block.clone()).expect("it is there")
        };
        let queue = block(&queues, &name);
        assert!(queue.contains("deadLetterTargetArn: !GetAtt DeadLetterQueue.Arn"), "{name}");
        assert!(block(&sources, &source).contains(&format!("EventSourceArn: !GetAtt {name}.Arn")), "{source}");
        let named = format!("${{AWS::StackName}}-{}", provider.to_lowercase());
        assert!(queue.contains(&named) && block(&queues, "DeadLetterQueue").contains(&named), "{name}");
    }
}

#[test]
fn one_bad_message_cannot_fail_its_batch() {
    for (name, block) in of_type("AWS::Lambda::EventSourceMapping") {
        assert!(block.contains("ReportBatchItemFailures") && block.contains("MaximumConcurrency"), "{name}");
    }
}

#[test]
fn the_reconcilers_runs_share_out_all_shards() {
    let (parameter, shares) = (
        blocks().into_iter().find(|(name, _)| name == "ReconcilerShards").unwrap().1,
        blocks().into_iter().find(|(name, _)| name == "ReconcilerShares").unwrap().1,
    );
    assert!(parameter.contains("Default: 1\n") && parameter.contains("AllowedValues: [1, 2, 4, 8]\n"), "{parameter}");
    let schedules = of_type("AWS::Scheduler::Schedule");
    for count in [1_usize, 2, 4, 8] {
        let row = shares.split(&format!("\"{count}\":\n")).nth(1).unwrap();
        // The schedules that exist with this many runs, by their conditions.
        let exists = |block: &str| match value(block, "Condition") {
            None => true,
            Some("TwoReconcilers") => count >= 2,
            Some("FourReconcilers") => count >= 4,
            Some("EightReconcilers") => count >= 8,
            Some(other) => panic!("condition {other} is not known to this test"),
        };
        let mut covered = Vec::new();
        for (name, block) in schedules.iter().filter(|(_, block)| exists(block)) {
            let input = value(block, "Input").unwrap();
            let key = input.trim_end_matches(']').rsplit(", ").next().unwrap();
            assert!(input.starts_with("!FindInMap [ReconcilerShares, !Ref ReconcilerShards, "), "{name}: {input}");
            let share: serde_json::Value = serde_json::from_str(value(row, key).unwrap()).unwrap();
            covered.push((share["shard_first"].as_u64().unwrap(), share["shard_last"].as_u64().unwrap()));
        }
        assert_eq!(covered.len(), count);
        let shards: Vec<u64> = covered.into_iter().flat_map(|(first, last)| first..=last).collect();
        assert_eq!(shards, (0..64).collect::<Vec<_>>(), "{count} runs");
    }
}

#[test]
fn conditions_that_the_schedules_depend_on_are_as_they_are_named() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    for condition in [
        "  TwoReconcilers: !Not [!Equals [!Ref ReconcilerShards, 1]]\n",
        "  FourReconcilers: !Or [!Equals [!Ref ReconcilerShards, 4], !Equals [!Ref ReconcilerShards, 8]]\n",
        "  EightReconcilers: !Equals [!Ref ReconcilerShards, 8]\n",
    ] {
        assert!(text.contains(condition), "{condition}");
    }
}

/// Every action of every function, by what it is allowed on. A wider policy is a change of this table, for everybody to
/// see; there is no wildcard in it. To each SAM adds AWSLambdaBasicExecutionRole, and with tracing the write to X-Ray,
/// whose resources are AWS's choice.
fn allowed() -> Vec<(String, Vec<String>)> {
    let each = |part: &str| providers().map(|(name, _)| format!("{name}{part}")).collect::<Vec<_>>().join(", ");
    let (queues, secrets) = (each("Queue.Arn"), each("Secret.Id"));
    let all_secrets = format!("{secrets}: secretsmanager:GetSecretValue");
    let sends = format!("{queues}: sqs:SendMessage, sqs:GetQueueAttributes");
    let table = "Ledger.Arn: dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem, dynamodb:Query";
    let mut all: Vec<(String, Vec<String>)> = providers().map(|(name, kit)| receiver(&name, kit)).collect();
    all.push((
        "WorkerFunction".into(),
        vec![
            table.into(),
            format!("{queues}: sqs:SendMessage, sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes"),
            "RescueQueue.Arn: sqs:ReceiveMessage, sqs:DeleteMessage, sqs:GetQueueAttributes".into(),
            "Bus.Arn: events:PutEvents, events:DescribeEventBus".into(),
            all_secrets.clone(),
        ],
    ));
    let index = "${Ledger.Arn}/index/due: dynamodb:Query".into();
    all.push(("ReconcilerFunction".into(), vec![table.into(), index, sends.clone(), all_secrets]));
    let submits = "RightfootSecret.Id: secretsmanager:GetSecretValue".into();
    all.push(("ExpectationsFunction".into(), vec![ROWS.into(), sends, submits]));
    all
}

/// A receiver reaches what is its provider's. One whose provider comes once may also send to the rescue queue.
fn receiver(name: &str, kit: &Kit) -> (String, Vec<String>) {
    let mut allowed = vec![ROWS.into(), format!("{name}Queue.Arn: sqs:SendMessage, sqs:GetQueueAttributes")];
    allowed.extend(kit.sends_once().then(|| "RescueQueue.Arn: sqs:SendMessage".into()));
    allowed.push(format!("{name}Secret.Id: secretsmanager:GetSecretValue"));
    (format!("{name}Function"), allowed)
}

/// Of which keys is in `leading_keys.rs`.
const ROWS: &str = "Ledger.Arn, of some keys: dynamodb:GetItem, dynamodb:PutItem, dynamodb:UpdateItem";

#[test]
fn each_function_is_allowed_what_the_table_says() {
    let (functions, table) = (of_type("AWS::Serverless::Function"), allowed());
    assert_eq!(functions.len(), table.len());
    for (name, block) in functions {
        let (_, allowed) = table.iter().find(|(function, _)| *function == name).expect("each function has its row");
        assert_eq!(statements(&block), *allowed, "{name}");
        assert!(statements(&block).iter().all(|statement| !statement.contains('*')), "{name}");
    }
}

/// People look at every provider's queue, send to it, and fill its secret.
#[test]
fn people_reach_what_is_each_providers() {
    for (provider, _) in providers() {
        for (policy, part) in [
            ("OperatorReadPolicy", "Queue.Arn"),
            ("OperatorMendPolicy", "Queue.Arn"),
            ("OperatorSetUpPolicy", "Secret.Id"),
        ] {
            assert!(block(policy).contains(&format!("- !GetAtt {provider}{part}\n")), "{policy}: {provider}{part}");
        }
    }
}

/// A grant that is made for somebody could give the key away; DynamoDB needs one for itself.
#[test]
fn grants_on_the_key_are_made_for_aws_alone() {
    let key = block("LedgerKey");
    let granting: Vec<&str> = key.split("          - Sid: ").filter(|text| text.contains("kms:CreateGrant")).collect();
    let [granting] = granting[..] else { panic!("one statement lets grants be made: {granting:?}") };
    assert!(granting.contains("Action: kms:CreateGrant\n"), "and nothing else: {granting}");
    assert!(granting.contains("Bool:\n                kms:GrantIsForAWSResource: true\n"), "{granting}");
    for bound in ["kms:CallerAccount: !Ref AWS::AccountId", "kms:ViaService: !Sub dynamodb."] {
        assert_eq!(key.matches(bound).count(), 2, "{bound}");
    }
}

#[test]
fn wildcards_stand_where_they_are_known_to() {
    // The key's own policy, where "*" means this key, and whose other statements are bound to the account's calls through
    // DynamoDB; the rows of one provider or of one kind; and the routes of one API in the permissions of API Gateway.
    // What computes or shows a figure gives nobody a right. People may look at the account's alarms, and at its limit, which
    // has no resource.
    let looks = [
        (
            "Action: cloudwatch:DescribeAlarms",
            "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:*",
        ),
        ("Action: lambda:GetAccountSettings", "\"*\""),
    ];
    let shows =
        |block: &str| ["CloudWatch::", "Logs::Query"].iter().any(|kind| block.contains(&format!("Type: AWS::{kind}")));
    for (name, block) in blocks().into_iter().filter(|(_, block)| !shows(block)) {
        let lines = block.lines().map(str::trim).filter(|line| !line.starts_with('#') && line.contains('*'));
        for line in lines.filter(|line| !line.starts_with("Description:") && !line.contains("AllowedPattern")) {
            let rows = line.trim_start_matches("dynamodb:LeadingKeys:").trim_start_matches('-').trim();
            let known = match name.as_str() {
                "LedgerKey" => true,
                "OperatorReadPolicy" => looks.iter().any(|(action, resource)| {
                    let resource_of = block.split(action).nth(1).and_then(|rest| rest.lines().nth(1));
                    line.ends_with(resource) && resource_of.map(str::trim) == Some(line)
                }),
                _ if name.ends_with("Function") => hookledger_kit::names().any(|own| {
                    let rest = rows.trim_matches('"').strip_prefix(own).and_then(|rest| rest.strip_prefix('#'));
                    rest.is_some_and(|rest| rest.find('*') == Some(rest.len() - 1))
                }),
                _ => name.ends_with("Permission") && line.contains(":${Api}/*/"),
            };
            assert!(known || line.contains("[0-9]*"), "{name}: {line}");
        }
    }
}
