//! What `template.yaml` must keep, whoever edits it: read as text, since these are rules about what stands in it.

/// The template's top-level blocks, `  Name:` and everything under it.
fn blocks() -> Vec<(String, String)> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml");
    let text = std::fs::read_to_string(path).unwrap();
    let mut blocks: Vec<(String, String)> = Vec::new();
    for line in text.lines() {
        let name = line.strip_prefix("  ").and_then(|line| line.strip_suffix(':'));
        match name.filter(|name| name.chars().all(char::is_alphanumeric)) {
            Some(name) => blocks.push((name.to_string(), String::new())),
            None => {
                if let Some((_, block)) = blocks.last_mut() {
                    block.push_str(line);
                    block.push('\n');
                }
            }
        }
    }
    assert!(blocks.len() > 60, "only {} blocks: is the template laid out differently?", blocks.len());
    blocks
}

fn of_type(kind: &str) -> Vec<(String, String)> {
    let line = format!("    Type: {kind}\n");
    let found: Vec<_> = blocks().into_iter().filter(|(_, block)| block.contains(&line)).collect();
    assert!(!found.is_empty(), "no {kind} in the template");
    found
}

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
        let webhook = block.contains("RouteKey: POST /webhooks/");
        let signed = block.contains("AuthorizationType: AWS_IAM");
        assert!(webhook != signed, "{name} must be a webhook's route or authorised by IAM");
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
fn one_bad_message_cannot_fail_its_batch() {
    for (name, block) in of_type("AWS::Lambda::EventSourceMapping") {
        assert!(block.contains("ReportBatchItemFailures") && block.contains("MaximumConcurrency"), "{name}");
    }
}

/// What stands behind `name:` in a block, without quotes.
fn value<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    let line = block.lines().map(str::trim).find_map(|line| line.strip_prefix(&format!("{name}:")))?;
    Some(line.trim().trim_matches('\''))
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
