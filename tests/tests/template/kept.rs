//! What outlives a stack, and how the next one takes it over.

use super::read::{block, blocks, of_type, statements, takes, value};

/// Everything that names the table names the existing one, where there is one.
#[test]
fn a_stack_takes_over_a_table_that_is_there() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    let either = "!If [OwnTable, !Ref Ledger, !Ref ExistingTableName]";
    assert!(text.contains("  OwnTable: !Equals [!Ref ExistingTableName, \"\"]\n"));
    assert!(text.contains(&format!("        HOOKLEDGER_TABLE: {either}\n")), "every function is told");
    assert_eq!(value(&block("TableName"), "Value"), Some(either), "and the operator");
    for name in ["Ledger", "LedgerKey"] {
        assert_eq!(value(&block(name), "Condition"), Some("OwnTable"), "{name}");
    }
    // What is not there can't be named: each mention of the table stands in a choice.
    for (name, block) in blocks() {
        for line in block.lines().map(str::trim).filter(|line| !line.starts_with('#')) {
            let named = line.contains("Ref Ledger") || line.contains("GetAtt Ledger.") || line.contains("${Ledger.");
            let chosen = line.contains(either)
                || line.starts_with("- !GetAtt Ledger.Arn")
                || line.starts_with("- !Sub ${Ledger.Arn}/index/");
            assert!(!named || chosen, "{name}: {line}");
        }
    }
    for (name, function) in of_type("AWS::Serverless::Function") {
        let allowed = statements(&function);
        let tables = allowed.iter().filter(|statement| statement.contains("dynamodb:")).count();
        let choices = function.matches("- OwnTable\n").count();
        assert_eq!(choices, tables, "{name}: {allowed:?}");
    }
}

#[test]
fn a_tables_name_is_a_name_and_its_key_a_key() {
    for (text, expected) in [
        ("", true),
        ("hookledger-Ledger-1A2B3C4D5E6F", true),
        ("a.restored_copy-2", true),
        ("no", false),
        ("arn:aws:dynamodb:eu-west-1:123456789012:table/ledger", false),
        ("ledger/index/due", false),
        ("*", false),
        ("led*", false),
    ] {
        assert_eq!(takes("ExistingTableName", text), expected, "{text}");
    }
    for (arn, expected) in [
        ("", true),
        ("arn:aws:kms:eu-west-1:123456789012:key/0a1b2c3d-0000-1111-2222-333344445555", true),
        ("arn:aws:kms:eu-west-1:123456789012:alias/ledger", false),
        ("*", false),
    ] {
        assert_eq!(takes("ExistingTableKeyArn", arn), expected, "{arn}");
    }
    for parameter in ["ExistingTableName", "ExistingTableKeyArn"] {
        assert_eq!(value(&block(parameter), "Default"), Some("\"\""), "{parameter}");
    }
}

/// The key of an existing table may leave it to IAM who uses it. Then each function that may use the table may use the
/// key, through DynamoDB alone, and no role gets more.
#[test]
fn the_key_of_an_existing_table_is_for_those_who_may_use_the_table() {
    let policy = block("ExistingTableKeyPolicy");
    for (name, expected) in [
        ("Condition", "TableKeyAsksIam"),
        ("Resource", "!Ref ExistingTableKeyArn"),
        ("kms:ViaService", "!Sub dynamodb.${AWS::Region}.amazonaws.com"),
    ] {
        assert_eq!(value(&policy, name), Some(expected), "{name}");
    }
    let actions = value(&policy, "Action").unwrap();
    assert!(!actions.contains('*') && !actions.contains("Grant") && !actions.contains("Policy"), "{actions}");
    for (name, function) in of_type("AWS::Serverless::Function") {
        let uses = statements(&function).iter().any(|statement| statement.contains("dynamodb:"));
        assert_eq!(policy.contains(&format!("        - !Ref {name}Role\n")), uses, "{name}");
    }
    let rule = block("AKeyHasItsTable");
    assert_eq!(value(&rule, "RuleCondition"), Some("!Not [!Equals [!Ref ExistingTableKeyArn, \"\"]]"));
    assert_eq!(value(&rule, "- Assert"), Some("!Not [!Equals [!Ref ExistingTableName, \"\"]]"));
}

/// What may be the only copy of something outlives the stack, in an update too, and a creation that fails takes it back.
/// Everything else goes with the stack.
#[test]
fn what_may_be_the_only_copy_outlives_the_stack() {
    let stays = ["Ledger", "LedgerKey", "RescueQueue", "DeadLetterQueue"].map(String::from);
    let secrets = of_type("AWS::SecretsManager::Secret").into_iter().map(|(name, _)| name);
    let stays: Vec<String> = stays.into_iter().chain(secrets).collect();
    for (name, block) in blocks() {
        let policies = (value(&block, "DeletionPolicy"), value(&block, "UpdateReplacePolicy"));
        let expected = match stays.contains(&name) {
            true => (Some("RetainExceptOnCreate"), Some("Retain")),
            false => (None, None),
        };
        assert_eq!(policies, expected, "{name}");
    }
}

/// A name that is taken by what an earlier stack left behind fails the next stack.
#[test]
fn what_outlives_the_stack_has_no_name_that_the_next_one_would_have() {
    let mut looked = 0;
    for (name, block) in blocks().into_iter().filter(|(_, block)| value(block, "DeletionPolicy").is_some()) {
        for property in ["TableName", "QueueName", "Name", "AliasName"] {
            let named = block.split(&format!("\n      {property}:")).nth(1).map(|rest| rest.split("\n      S").next());
            let unique = named.flatten().is_none_or(|named| named.contains("!Ref AWS::StackId"));
            assert!(unique, "{name}: {named:?}");
        }
        looked += 1;
    }
    // The table, its key, two queues, and the secrets.
    assert_eq!(looked, 4 + of_type("AWS::SecretsManager::Secret").len());
}

/// Off at first: a first deployment that fails has to take its table back.
#[test]
fn the_table_is_protected_once_somebody_says_so() {
    let parameter = block("TableDeletionProtection");
    assert_eq!(
        (value(&parameter, "Default"), value(&parameter, "AllowedValues")),
        (Some("\"off\""), Some("[\"on\", \"off\"]"))
    );
    assert_eq!(value(&block("Ledger"), "DeletionProtectionEnabled"), Some("!If [ProtectsTable, true, false]"));
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../template.yaml")).unwrap();
    assert!(text.contains("  ProtectsTable: !Equals [!Ref TableDeletionProtection, \"on\"]\n"));
    // A stack can't protect what it does not own, and must not seem to.
    let rule = block("ProtectionHasItsTable");
    assert_eq!(value(&rule, "RuleCondition"), Some("!Equals [!Ref TableDeletionProtection, \"on\"]"));
    assert_eq!(value(&rule, "- Assert"), Some("!Equals [!Ref ExistingTableName, \"\"]"));
}
