//! The template, read as text: its blocks, what stands in them, and what the functions may do.

use hookledger_kit::{self as kit, Kit};

/// The template's top-level blocks, `  Name:` and everything under it.
pub(super) fn blocks() -> Vec<(String, String)> {
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

pub(super) fn of_type(kind: &str) -> Vec<(String, String)> {
    let line = format!("    Type: {kind}\n");
    let found: Vec<_> = blocks().into_iter().filter(|(_, block)| block.contains(&line)).collect();
    assert!(!found.is_empty(), "no {kind} in the template");
    found
}

/// The providers by the names of their blocks.
pub(super) fn providers() -> impl Iterator<Item = (String, &'static Kit)> {
    kit::ALL.iter().map(|kit| (kit.name[..1].to_uppercase() + &kit.name[1..], *kit))
}

pub(super) fn block(name: &str) -> String {
    blocks().into_iter().find(|(found, _)| found == name).unwrap_or_else(|| panic!("there is no {name}")).1
}

/// What stands behind `name:` in a block, without quotes.
pub(super) fn value<'a>(block: &'a str, name: &str) -> Option<&'a str> {
    let line = block.lines().map(str::trim).find_map(|line| line.strip_prefix(&format!("{name}:")))?;
    Some(line.trim().trim_matches('\''))
}

/// Whether CloudFormation takes this value: it matches the pattern against the whole of it.
pub(super) fn takes(parameter: &str, text: &str) -> bool {
    let block = block(parameter);
    let pattern = value(&block, "AllowedPattern").unwrap_or_else(|| panic!("{parameter} has no pattern"));
    regex_lite::Regex::new(&format!("^(?:{pattern})$")).unwrap().is_match(text)
}

/// The resource of a statement about the table or one of its indexes: the stack's own, or the one that was there.
pub(super) fn table(index: &str) -> String {
    let own = if index.is_empty() { "!GetAtt Ledger.Arn".into() } else { format!("!Sub ${{Ledger.Arn}}{index}") };
    let there = "arn:${AWS::Partition}:dynamodb:${AWS::Region}:${AWS::AccountId}:table/${ExistingTableName}";
    format!("!If\n- OwnTable\n- {own}\n- !Sub {there}{index}")
}

/// A function's statements, each as `resources: actions`.
pub(super) fn statements(block: &str) -> Vec<String> {
    let policies = block.split("      Policies:\n").nth(1).expect("a function has policies of its own");
    assert!(policies.starts_with("        - Statement:\n"), "a managed or a template policy: {policies}");
    // The policies are the last of a function's properties, and a resource's text ends at a blank line.
    let lines = policies.lines().skip(1).map(str::trim).take_while(|line| !line.is_empty());
    let text = lines.filter(|line| !line.starts_with('#')).collect::<Vec<_>>().join("\n");
    // The stack's table, or the one that was there; anything else shows as it stands.
    let text = text.replace(&table(""), "!GetAtt Ledger.Arn");
    let text = text.replace(&table("/index/due"), "!Sub ${Ledger.Arn}/index/due");
    let statement = |text: &str| {
        let (effect, rest) = text.split_once("\nAction: ").expect("an effect, then actions");
        let (actions, resources) = rest.split_once("\nResource:").expect("actions, then resources");
        let (resources, condition) = resources.split_once("\nCondition:\n").unwrap_or((resources, ""));
        let condition = match condition {
            "" => "",
            bound => {
                assert!(bound.starts_with("ForAllValues:StringLike:\ndynamodb:LeadingKeys:"), "{bound}");
                ", of some keys"
            }
        };
        assert_eq!(effect, "Allow");
        let names = |part: &str| {
            let words = part.split(['[', ']', ',', '\n', ' ', '-']).filter(|word| !word.is_empty());
            words.filter(|word| !word.starts_with('!')).collect::<Vec<_>>().join(", ")
        };
        format!("{}{condition}: {}", names(resources), names(actions))
    };
    text.split("- Effect: ").skip(1).map(|text| statement(text.trim_end())).collect()
}
