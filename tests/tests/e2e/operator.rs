//! The operator's command, run as a person would run it on the deployed stack.

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use hookledger_aws::start::env::AwsEnv;
use hookledger_core::model::identity::ItemKey;
use hookledger_tests::local::{Local, Outcome};

/// Runs a command with this provider's secret at hand; what it prints, or what it complains about.
pub(super) fn hookledger(local: &Local, provider: &str, arguments: &[&str]) -> Outcome<String> {
    let output = output(local, provider, arguments, "")?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
}

/// All that a command with this input leaves behind.
pub(super) fn output(local: &Local, provider: &str, arguments: &[&str], input: &str) -> Outcome<Output> {
    let stack = &local.stack;
    let arn = stack.secrets.get(provider).ok_or("no such secret")?;
    let mut command = Command::new(binary()?);
    // An operator's access to the stack, and nothing else of this process's environment.
    command.env_clear().args(arguments);
    command.env("AWS_REGION", &stack.region).env("AWS_ENDPOINT_URL", &stack.endpoint);
    command.env("AWS_ACCESS_KEY_ID", &stack.access_key_id).env("AWS_SECRET_ACCESS_KEY", &stack.secret_access_key);
    command.env("HOOKLEDGER_TABLE", &stack.table);
    for (provider, url) in &stack.queue_urls {
        command.env(format!("HOOKLEDGER_QUEUE_{}", provider.to_uppercase()), url);
    }
    command.env(format!("HOOKLEDGER_SECRET_{}", provider.to_uppercase()), arn);
    command.env("WEBHOOK_BASE_URL", &stack.api_url);
    for (name, path) in [("RIGHTFOOT", "/rightfoot"), ("FYNAPSE", "/fynapse"), ("FINBOX", "/finbox/bank-connect")] {
        command.env(format!("{name}_API_BASE_URL"), format!("{}{path}", stack.sandbox_url));
    }
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut run = || {
        let mut child = command.spawn()?;
        // Most commands read nothing, and may have ended by now.
        let _ = child.stdin.take().map(|mut pipe| pipe.write_all(input.as_bytes()));
        child.wait_with_output()
    };
    run().map_err(|error: std::io::Error| error.to_string())
}

/// All that a command leaves behind which is told the stack's name, and reads the rest from the stack.
pub(super) fn by_name(local: &Local, arguments: &[&str]) -> Outcome<Output> {
    named(local, arguments)?.output().map_err(|error| error.to_string())
}

fn named(local: &Local, arguments: &[&str]) -> Outcome<Command> {
    let stack = &local.stack;
    let name = stack.functions.get("worker").and_then(|worker| worker.strip_suffix("-worker")).ok_or("no worker")?;
    let mut command = Command::new(binary()?);
    command.env_clear().args(["--stack", name, "--region", &stack.region]).args(arguments);
    command.env("AWS_ENDPOINT_URL", &stack.endpoint);
    command.env("AWS_ACCESS_KEY_ID", &stack.access_key_id).env("AWS_SECRET_ACCESS_KEY", &stack.secret_access_key);
    command.stdin(Stdio::null());
    Ok(command)
}

/// The same for somebody with these credentials.
pub(super) fn by_name_as(local: &Local, person: &AwsEnv, arguments: &[&str]) -> Outcome<Output> {
    let mut command = named(local, arguments)?;
    command.env("AWS_ACCESS_KEY_ID", &person.access_key_id);
    command.env("AWS_SECRET_ACCESS_KEY", person.secret_access_key.reveal());
    command.envs(person.session_token.as_ref().map(|token| ("AWS_SESSION_TOKEN", token.reveal())));
    command.output().map_err(|error| error.to_string())
}

/// Has the command open a parked entry again.
pub(super) fn replay(local: &Local, key: &ItemKey) -> Outcome<String> {
    let provider = key.pk.split('#').next().unwrap_or_default();
    hookledger(local, provider, &["replay", &key.pk, &key.sk])
}

/// The command's binary, in the folder of this test's own: cargo builds no other package's binaries for a test, so
/// `cargo xtask test` does it beforehand.
fn binary() -> Outcome<PathBuf> {
    let this = std::env::current_exe().map_err(|error| error.to_string())?;
    let path = this.ancestors().nth(2).ok_or("the test has no target folder")?.join("hookledger");
    let missing = "is missing: `cargo xtask test e2e` builds it, or cargo build --workspace --bin hookledger";
    if path.exists() { Ok(path) } else { Err(format!("{} {missing}", path.display())) }
}
