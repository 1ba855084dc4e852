//! Every provider has all of its parts: what one folder names, all the others must have.

use super::findings::none_of;
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Functions that belong to no provider.
const SHARED_FUNCTIONS: [&str; 3] = ["worker", "reconciler", "expectations"];
/// Sample events that belong to no provider.
const SHARED_EVENTS: [&str; 1] = ["lambda"];

pub(crate) fn check(root: &Path) -> Result<()> {
    let providers = named_anywhere(root)?;
    if providers.is_empty() {
        return none_of(vec!["no folder names any provider".to_owned()]);
    }
    let findings = providers.iter().flat_map(|provider| missing(root, provider));
    none_of(findings.collect())
}

/// What a provider lacks, in the order in which a person would add it.
pub(crate) fn missing(root: &Path, provider: &str) -> Vec<String> {
    let template = read(root, "template.yaml");
    let parts = [of_core(root, provider), of_template(&template, provider), of_tests_and_sandbox(root, provider)];
    let absent = parts.into_iter().flatten().filter(|(there, _)| !there);
    absent.map(|(_, part)| format!("{provider} lacks {part}")).collect()
}

/// Whether it is there, and what it is.
type Part = (bool, String);

fn file(root: &Path, path: String) -> Part {
    (root.join(&path).is_file(), path)
}

fn of_core(root: &Path, provider: &str) -> Vec<Part> {
    let list = read(root, "shared/core/src/providers/mod.rs");
    vec![
        file(root, format!("shared/core/src/providers/{provider}/mod.rs")),
        (
            list.contains(&format!("mod {provider};")) && list.contains(&format!("{provider}::")),
            "its module and its place in the list, in shared/core/src/providers/mod.rs".to_owned(),
        ),
        file(root, format!("functions/{provider}/Cargo.toml")),
        file(root, format!("functions/{provider}/src/main.rs")),
    ]
}

/// The parts of `template.yaml`, by the names that those of the other providers have.
fn of_template(template: &str, provider: &str) -> Vec<Part> {
    let (upper, name) = (provider.to_uppercase(), capitalised(provider));
    let times = |text: &str| template.matches(text).count();
    let part = |there: bool, what: String| (there, format!("{what}, in template.yaml"));
    let mut parts = vec![
        part(
            times(&format!("CodeUri: target/lambda/{provider}/")) == 1,
            format!("a function with CodeUri: target/lambda/{provider}/"),
        ),
        part(times(&format!("  {name}Secret:")) == 1, format!("its secret, {name}Secret")),
        part(times(&format!("  {name}Queue:")) == 1, format!("its work queue, {name}Queue")),
        part(
            times(&format!("RouteKey: POST /webhooks/{provider}")) == 1,
            format!("the route POST /webhooks/{provider}"),
        ),
        part(
            times(&format!("RouteKey: ANY /webhooks/{provider}/")) == 1,
            format!("the route ANY /webhooks/{provider}/{{rest+}}"),
        ),
        part(
            times(&format!(" POST /webhooks/{provider}")) >= 2 && times(&format!(" ANY /webhooks/{provider}/")) >= 2,
            "a throttle for each of its routes, in RouteSettings".to_owned(),
        ),
        // Its own function, the worker and the reconciler.
        part(
            times(&format!("HOOKLEDGER_SECRET_{upper}:")) >= 3,
            format!("HOOKLEDGER_SECRET_{upper} for its function, the worker and the reconciler"),
        ),
        part(
            times(&format!("HOOKLEDGER_QUEUE_{upper}:")) >= 4,
            format!("HOOKLEDGER_QUEUE_{upper} for each function that sends work"),
        ),
        part(
            times(&format!("!Ref {name}FunctionRole")) >= 2,
            format!("{name}FunctionRole in SecretsKeyPolicy and ExistingTableKeyPolicy"),
        ),
    ];
    let rights = |part: &str| times(&format!("- !GetAtt {name}{part}\n"));
    parts.extend([
        part(
            times(&format!("- {name}Route\n")) == 1 && times(&format!("- {name}RestRoute\n")) == 1,
            "its routes in DependsOn of ApiStage".to_owned(),
        ),
        part(
            times(&format!("sqs:${{AWS::Region}}:${{AWS::AccountId}}:${{AWS::StackName}}-{provider}\n")) == 1,
            "its queue in RedriveAllowPolicy of DeadLetterQueue".to_owned(),
        ),
        // The worker, the reconciler, the announcements; those who look, and those who mend.
        part(
            rights("Queue.Arn") >= 5,
            format!("the rights on {name}Queue of three functions, OperatorReadPolicy and OperatorMendPolicy"),
        ),
        part(
            rights("Secret.Id") >= 3,
            format!("the rights on {name}Secret of the worker, the reconciler and OperatorSetUpPolicy"),
        ),
        part(times(&format!("${{{name}Queue.QueueName}}")) == 1, "its queue on the dashboard".to_owned()),
        part(times(&format!("- !Ref {name}Logs\n")) >= 2, "its log group in the saved queries".to_owned()),
    ]);
    for alarm in ["Errors", "Throttles", "QueueAge", "ShutOut", "LossRate"] {
        let alarm = format!("{name}{alarm}Alarm");
        parts.push(part(times(&format!("  {alarm}:")) == 1, format!("the alarm {alarm}")));
    }
    for output in ["WebhookUrl", "QueueUrl", "FunctionName", "SecretArn"] {
        let output = format!("{name}{output}");
        parts.push(part(times(&format!("  {output}:")) == 1, format!("the output {output}")));
    }
    parts
}

fn of_tests_and_sandbox(root: &Path, provider: &str) -> Vec<Part> {
    vec![
        (
            !names(&root.join("events").join(provider), ".json").is_empty(),
            format!("sample events, events/{provider}/*.json"),
        ),
        file(root, format!("events/{provider}/unknown-type.json")),
        file(root, format!("docs/events/{provider}.v1.json")),
        file(root, format!("tests/kit/src/providers/{provider}.rs")),
        (
            read(root, "tests/kit/src/providers.rs").contains(&format!("&{provider}::")),
            "its place in the list, in tests/kit/src/providers.rs".to_owned(),
        ),
        file(root, format!("tools/sandbox/src/providers/{provider}.rs")),
        (
            read(root, "tools/sandbox/src/providers.rs").contains(&format!("mod {provider};")),
            "its place in the list, in tools/sandbox/src/providers.rs".to_owned(),
        ),
        (
            root.join("tests/corpora").join(provider).is_dir(),
            format!("inputs that are odd to read, tests/corpora/{provider}/*"),
        ),
        file(root, format!("tests/simulation/src/simulation/sides/{provider}.rs")),
        (
            read(root, "tests/simulation/src/simulation/sides.rs").contains(&format!("{provider}::")),
            "its place in the list, in tests/simulation/src/simulation/sides.rs".to_owned(),
        ),
    ]
}

/// As the template and the types spell a name: `moneta` is `Moneta`.
pub(crate) fn capitalised(name: &str) -> String {
    let mut letters = name.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// Every provider that at least one place names.
fn named_anywhere(root: &Path) -> Result<BTreeSet<String>> {
    let folder = root.join("shared/core/src/providers");
    fs::read_dir(&folder).with_context(|| format!("{} can't be read", folder.display()))?;
    // What all of them use are files beside the folders.
    let mut found = names(&folder, "");
    let functions = names(&root.join("functions"), "");
    found.extend(functions.into_iter().filter(|name| !SHARED_FUNCTIONS.contains(&name.as_str())));
    let events = names(&root.join("events"), "");
    found.extend(events.into_iter().filter(|name| !SHARED_EVENTS.contains(&name.as_str())));
    Ok(found)
}

/// The names in a folder with this ending, without it; with no ending, the names of its folders.
fn names(folder: &Path, ending: &str) -> BTreeSet<String> {
    let Ok(entries) = fs::read_dir(folder) else { return BTreeSet::new() };
    let wanted = entries.flatten().filter(|entry| entry.path().is_dir() == ending.is_empty());
    let texts = wanted.filter_map(|entry| entry.file_name().into_string().ok());
    texts
        .filter(|name| !name.starts_with('.'))
        .filter_map(|name| name.strip_suffix(ending).map(str::to_owned))
        .collect()
}

fn read(root: &Path, path: &str) -> String {
    fs::read_to_string(root.join(path)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(root: &Path, path: &str, text: &str) {
        let file = root.join(path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }

    /// A workspace in which all of these providers are complete.
    fn workspace(name: &str, providers: &[&str]) -> std::path::PathBuf {
        let root = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        let (mut list, mut template, mut kits): (String, String, String) = Default::default();
        let (mut sandbox, mut sides) = (String::new(), String::new());
        for provider in providers {
            write(&root, &format!("shared/core/src/providers/{provider}/mod.rs"), "");
            write(&root, &format!("functions/{provider}/Cargo.toml"), "");
            write(&root, &format!("functions/{provider}/src/main.rs"), "");
            write(&root, &format!("events/{provider}/unknown-type.json"), "{}");
            write(&root, &format!("docs/events/{provider}.v1.json"), "{}");
            write(&root, &format!("tests/kit/src/providers/{provider}.rs"), "");
            kits += &format!("mod {provider};\nstatic ALL: &[&Kit] = &[&{provider}::KIT];\n");
            write(&root, &format!("tools/sandbox/src/providers/{provider}.rs"), "");
            list += &format!("mod {provider};\nstatic ALL: &[&dyn Provider] = &[&{provider}::It];\n");
            template += &block(provider);
            sandbox += &format!("mod {provider};\n");
            write(&root, &format!("tests/corpora/{provider}/empty"), "");
            write(&root, &format!("tests/simulation/src/simulation/sides/{provider}.rs"), "");
            sides += &format!("mod {provider};\n{provider}: {provider}::new()\n");
        }
        write(&root, "shared/core/src/providers/helper.rs", "");
        write(&root, "functions/worker/Cargo.toml", "");
        write(&root, "events/lambda/sqs.json", "{}");
        write(&root, "shared/core/src/providers/mod.rs", &list);
        write(&root, "template.yaml", &template);
        write(&root, "tests/kit/src/providers.rs", &kits);
        write(&root, "tools/sandbox/src/providers.rs", &sandbox);
        write(&root, "tests/simulation/src/simulation/sides.rs", &sides);
        root
    }

    fn block(provider: &str) -> String {
        let (upper, name) = (provider.to_uppercase(), capitalised(provider));
        let (secret, queue) =
            (format!("    HOOKLEDGER_SECRET_{upper}: x\n"), format!("    HOOKLEDGER_QUEUE_{upper}: x\n"));
        let named =
            ["Secret", "Queue", "ErrorsAlarm", "ThrottlesAlarm", "QueueAgeAlarm", "ShutOutAlarm", "LossRateAlarm"];
        let outputs = ["WebhookUrl", "QueueUrl", "FunctionName", "SecretArn"];
        let resources: String = named.iter().chain(&outputs).map(|part| format!("  {name}{part}:\n")).collect();
        format!(
            "{resources}    CodeUri: target/lambda/{provider}/\n    RouteKey: POST /webhooks/{provider}\n    \
             RouteKey: ANY /webhooks/{provider}/{{rest+}}\n    POST /webhooks/{provider}:\n    \
             ANY /webhooks/{provider}/{{rest+}}:\n{}{}    !Ref {name}FunctionRole\n    !Ref {name}FunctionRole\n    \
             - {name}Route\n    - {name}RestRoute\n    ${{{name}Queue.QueueName}}\n    \
             - arn:sqs:${{AWS::Region}}:${{AWS::AccountId}}:${{AWS::StackName}}-{provider}\n{}{}{}",
            secret.repeat(3),
            queue.repeat(4),
            format!("    - !GetAtt {name}Queue.Arn\n").repeat(5),
            format!("    - !GetAtt {name}Secret.Id\n").repeat(3),
            format!("    - !Ref {name}Logs\n").repeat(2),
        )
    }

    #[test]
    fn the_project_itself_is_complete() {
        check(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")).unwrap();
    }

    #[test]
    fn complete_providers_pass() {
        let root = workspace("complete", &["one", "two"]);
        check(&root).unwrap();
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn a_fifth_provider_without_events_is_named() {
        let root = workspace("fifth", &["one", "two", "three", "four", "five"]);
        fs::remove_dir_all(root.join("events/five")).unwrap();
        let error = check(&root).unwrap_err().to_string();
        let lacks = ["five lacks sample events, events/five/*.json", "five lacks events/five/unknown-type.json"];
        assert_eq!(error.lines().map(str::trim).collect::<Vec<_>>(), lacks);
        fs::remove_dir_all(root).unwrap();
    }

    #[test]
    fn each_line_of_the_template_counts() {
        let whole = block("five");
        assert_eq!(of_template(&whole, "five").iter().filter(|(there, _)| !there).count(), 0);
        for (n, line) in whole.lines().enumerate() {
            let without: String =
                whole.lines().enumerate().filter(|(m, _)| *m != n).map(|(_, line)| format!("{line}\n")).collect();
            assert!(of_template(&without, "five").iter().any(|(there, _)| !there), "nobody misses {line}");
        }
    }

    #[test]
    fn any_part_alone_names_all_the_others() {
        let all = missing(Path::new("/nowhere"), "five").len();
        let parts = ["functions/five/Cargo.toml", "events/five/a-b.json", "shared/core/src/providers/five/mod.rs"];
        for (row, part) in parts.iter().enumerate() {
            let root = workspace(&format!("lonely-{row}"), &["one"]);
            write(&root, part, "");
            let error = check(&root).unwrap_err().to_string();
            assert_eq!(error.lines().count(), all - 1, "{part}: {error}");
            assert!(!error.contains(part) && error.lines().all(|line| line.contains("five lacks")), "{part}: {error}");
            fs::remove_dir_all(root).unwrap();
        }
    }
}
