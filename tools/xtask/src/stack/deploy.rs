//! Deploys a template to the emulator with the real SAM CLI, with times scaled down and provider URLs that lead to
//! the sandbox.

use crate::process::job::{Job, Sink};
use crate::project::Project;
use crate::ship::Arch;
use crate::stack::names;
use crate::stack::names::TIME_SCALE;
use crate::stack::names::{ADMINISTRATOR, REGION};
use crate::venv::Venv;
use anyhow::{Context, Result};
use hookledger_kit::ALL;
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

const LIMIT: Duration = Duration::from_secs(10 * 60);
const ASK_LIMIT: Duration = Duration::from_secs(2 * 60);

/// The template's times: the parameter, its production value in seconds, and a local value where scaling alone would be
/// wrong: too short for a busy machine to tell from no wait at all, or longer than a person watches.
const TIMES: [(&str, u64, Option<u64>); 12] = [
    ("PollFirstSecs", 30, None),
    ("PollCapSecs", 300, None),
    ("PollDeadlineSecs", 3_600, None),
    ("WatchDeadlineSecs", 604_800, None),
    ("RetryBaseSecs", 30, None),
    ("RetryCapSecs", 3_600, Some(30)),
    ("CircuitBaseSecs", 30, None),
    ("CircuitCapSecs", 300, None),
    ("AdmitGraceSecs", 120, Some(6)),
    ("DuplicateDelaySecs", 30, Some(3)),
    ("ListingIntervalSecs", 900, Some(5)),
    ("SecretsTtlSecs", 300, Some(5)),
];

/// What is on by default, and off here, since the emulator knows no alarm on a metric that is computed, and no saved query.
const TURNED_OFF: [&str; 4] =
    ["ShutOutAlarmCount=0", "LossRateAlarmPercent=0", "ReconcilerAlarm=off", "SavedQueries=off"];

/// Every `Parameter=value` that the local stack sets.
fn parameters(triple: &str, endpoint: &str, sandbox_url: &str) -> Vec<String> {
    let architecture = Arch::of(triple).name();
    let times = TIMES.iter().map(|(name, production, local)| {
        let seconds = local.unwrap_or_else(|| (production / TIME_SCALE).max(1));
        format!("{name}={seconds}")
    });
    let urls = ALL.iter().flat_map(|provider| provider.local.urls);
    let urls = urls.map(|(name, path)| format!("{name}={sandbox_url}{path}"));
    let of_providers = ALL.iter().flat_map(|provider| provider.local.parameters);
    let of_providers = of_providers.map(|(name, value)| format!("{name}={value}"));
    let turned = TURNED_OFF.into_iter().map(str::to_owned);
    // The emulator serves an API under this path; the function puts the API's id in.
    let own = [
        format!("Architecture={architecture}"),
        format!("WebhookBaseUrl={endpoint}/_aws/execute-api/{{api}}/$default"),
    ];
    own.into_iter().chain(times).chain(urls).chain(of_providers).chain(turned).collect()
}

/// What to deploy.
pub(crate) struct Wanted<'a> {
    pub(crate) stack: &'a str,
    pub(crate) template: &'a Path,
    /// Where the providers' APIs are.
    pub(crate) sandbox_url: &'a str,
    /// `Parameter=value`, beside those that every local stack sets.
    pub(crate) parameters: &'a [String],
}

/// Deploys, and returns the stack's outputs.
pub(crate) fn deploy(project: &Project, port: u16, wanted: &Wanted<'_>) -> Result<Deployed> {
    let mut command = sam(project, "deploy")?;
    command.env("AWS_ENDPOINT_URL", names::endpoint(port));
    command.arg("--template-file").arg(wanted.template);
    command.args(["--stack-name", wanted.stack, "--region", REGION, "--resolve-s3"]);
    command.args(["--capabilities", "CAPABILITY_IAM", "CAPABILITY_NAMED_IAM"]);
    command.args(["--no-confirm-changeset", "--no-fail-on-empty-changeset", "--parameter-overrides"]);
    command.args(parameters(&project.triple, &names::endpoint(port), wanted.sandbox_url));
    command.args(wanted.parameters);
    Job::logged("deploying the template", LIMIT, project.log("deploy")).succeed(command)?;
    let answer = ask(project, port, "describe", &json!({ "stack_name": wanted.stack }))?;
    let deployed: Deployed = serde_json::from_value(answer).context("the stack's description is not as expected")?;
    // Where the emulator's routes match less than AWS's do.
    ask(project, port, "slash-routes", &json!({ "api_id": deployed.output("ApiId")? }))?;
    Ok(deployed)
}

/// Deletes a stack, and waits until it is gone. What outlives it stays.
pub(crate) fn delete(project: &Project, port: u16, stack: &str) -> Result<()> {
    ask(project, port, "delete", &json!({ "stack_name": stack })).map(|_| ())
}

/// Puts the functions' code where the emulator finds it, under a version's name.
pub(crate) fn stage_code(project: &Project, port: u16, version: &str, folder: &Path) -> Result<()> {
    ask(project, port, "stage-code", &json!({ "version": version, "folder": folder })).map(|_| ())
}

/// Puts the value of each secret, by ARN.
pub(crate) fn put_secrets(project: &Project, port: u16, values: &Value) -> Result<()> {
    ask(project, port, "put-secrets", values).map(|_| ())
}

/// `sam <subcommand>`, kept from the person's own AWS account, from their home folder and from asking for news.
pub(crate) fn sam(project: &Project, subcommand: &str) -> Result<Command> {
    let home = project.local().join("sam");
    fs::create_dir_all(&home)?;
    // The SAM CLI asks its package index for a newer version once a week; here it always has just done so.
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
    fs::write(home.join("metadata.json"), json!({ "lastVersionCheck": now, "telemetryEnabled": false }).to_string())?;
    let mut command = project.command(Venv::Sam.program(project, "sam"));
    command.arg(subcommand);
    as_administrator(&mut command);
    command.env("SAM_CLI_TELEMETRY", "0").env("__SAM_CLI_APP_DIR", home);
    Ok(command)
}

fn as_administrator(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("AWS_") {
            command.env_remove(name);
        }
    }
    command.env("AWS_ACCESS_KEY_ID", ADMINISTRATOR.0).env("AWS_SECRET_ACCESS_KEY", ADMINISTRATOR.1);
    command.env("AWS_DEFAULT_REGION", REGION).env("AWS_EC2_METADATA_DISABLED", "true");
    command.env("AWS_CONFIG_FILE", "/dev/null").env("AWS_SHARED_CREDENTIALS_FILE", "/dev/null");
    command.env("NO_PROXY", "127.0.0.1,localhost").env("no_proxy", "127.0.0.1,localhost");
}

/// Asks the emulator something through boto3. The question goes in on standard input: it may hold secrets, which a
/// command line would show to every user of the machine.
fn ask(project: &Project, port: u16, question: &str, input: &Value) -> Result<Value> {
    let file = project.local().join("answer.json");
    let mut command = project.command(Venv::Ministack.program(project, "python"));
    command.arg(project.root.join("tools/xtask/python/stack.py")).arg(question);
    as_administrator(&mut command);
    command.env("AWS_ENDPOINT_URL", names::endpoint(port));
    let step = format!("ask-{question}");
    let sink = Sink::Answer { file: file.clone(), log: project.log(&step) };
    Job { sink, input: Some(input.to_string()), ..Job::on_terminal(&step, ASK_LIMIT) }.succeed(command)?;
    let answer = fs::read_to_string(&file).with_context(|| format!("{} can't be read", file.display()))?;
    fs::remove_file(&file)?;
    serde_json::from_str(&answer).context("the answer is not JSON")
}

/// What a deployed stack says about itself: the template's outputs, by name.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Deployed {
    outputs: BTreeMap<String, String>,
}

impl Deployed {
    pub(crate) fn output(&self, name: &str) -> Result<&str> {
        let found = self.outputs.get(name).filter(|value| !value.is_empty());
        found.map(String::as_str).with_context(|| format!("template.yaml has no output {name}"))
    }

    /// An output that belongs to a function or a provider: `RightfootSecretArn` is `SecretArn` of `rightfoot`.
    pub(crate) fn output_of(&self, owner: &str, name: &str) -> Result<&str> {
        let mut letters = owner.chars();
        let first = letters.next().map(|letter| letter.to_ascii_uppercase());
        self.output(&format!("{}{}{name}", first.map(String::from).unwrap_or_default(), letters.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_scaled_and_lead_to_the_sandbox() {
        let found = parameters("aarch64-unknown-linux-gnu", "http://127.0.0.1:8", "http://127.0.0.1:9");
        let expected = "Architecture=arm64 WebhookBaseUrl=http://127.0.0.1:8/_aws/execute-api/{api}/$default \
             PollFirstSecs=1 PollCapSecs=10 PollDeadlineSecs=120 WatchDeadlineSecs=20160 \
             RetryBaseSecs=1 RetryCapSecs=30 CircuitBaseSecs=1 CircuitCapSecs=10 AdmitGraceSecs=6 DuplicateDelaySecs=3 \
             ListingIntervalSecs=5 SecretsTtlSecs=5";
        let expected: Vec<_> = expected.split_whitespace().collect();
        assert_eq!(found.get(..expected.len()).unwrap(), expected);
        assert!(found.ends_with(&TURNED_OFF.map(str::to_owned)));
        // Of each provider what its kit says.
        for wanted in [
            "FinboxApiBaseUrl=http://127.0.0.1:9/finbox/bank-connect",
            "RunpaymentsTokenUrl=http://127.0.0.1:9/runpayments/ords/relay/oauth/token",
            "RunpaymentsReporting=on",
            "FynapseAuditGraceSecs=5",
        ] {
            assert!(found.iter().any(|one| one == wanted), "{wanted}: {found:?}");
        }
        assert_eq!(parameters("x86_64-apple-darwin", "", "").first().map(String::as_str), Some("Architecture=x86_64"));
    }

    #[test]
    fn outputs_are_found_by_owner() {
        let text = json!({"outputs": {"WorkerFunctionName": "w-1", "ApiId": "a", "BusName": ""}});
        let deployed: Deployed = serde_json::from_value(text).unwrap();
        assert_eq!(deployed.output_of("worker", "FunctionName").unwrap(), "w-1");
        assert_eq!(deployed.output("ApiId").unwrap(), "a");
        assert!(deployed.output("BusName").is_err(), "an empty value is as bad as none");
        let error = deployed.output_of("rightfoot", "SecretArn").unwrap_err();
        assert_eq!(error.to_string(), "template.yaml has no output RightfootSecretArn");
    }
}
