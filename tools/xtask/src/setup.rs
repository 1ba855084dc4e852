//! Brings the local stack up, from nothing to a deployed template, and writes down where everything is.

use crate::build::{self, Code};
use crate::deploy::{self, Deployed, STACK, TIME_SCALE, Wanted};
use crate::job;
use crate::ministack::{self, ADMINISTRATOR, REGION};
use crate::processes::Record;
use crate::progress::Timings;
use crate::project::Project;
use crate::providers::{ALL, Proof};
use crate::sandbox;
use crate::secrets::{self, Proofs};
use crate::stack::{self, Health};
use crate::venv::Venv;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Held while a stack is being set up or taken down, and by `run` for as long as it runs. The system releases it
/// however the holder ends.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, never read")] File);

impl Lock {
    pub(crate) fn take(project: &Project) -> Result<Self> {
        fs::create_dir_all(project.local())?;
        let file = File::create(project.local().join("lock")).context("the lock file can't be made")?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another `cargo xtask` is using the local stack; wait for it, or end it with ctrl-c in its terminal"
                )
            }
            Err(TryLockError::Error(error)) => Err(error).context("the lock file can't be locked"),
        }
    }
}

/// Installs the tools and compiles. Changes nothing that runs.
pub(crate) fn prepare(project: &Project, code: Code, timings: &mut Timings) -> Result<()> {
    timings.measure("tools", || Venv::Ministack.ensure(project).and_then(|()| Venv::Sam.ensure(project)))?;
    timings.measure("build", || build::everything(project, code))
}

/// Starts a fresh stack out of what `prepare` made. Whatever goes wrong, nothing of it is left running.
pub(crate) fn bring_up(project: &Project, code: Code, timings: &mut Timings) -> Result<Record> {
    // What an xtask that was killed has left behind.
    Record::load(project)?.end(project)?;
    let mut record = Record::default();
    match start_all(project, code, &mut record, timings) {
        Ok(()) => Ok(record),
        Err(error) => match record.end(project) {
            Ok(_) => Err(error),
            Err(second) => Err(error.context(format!("and then: {second:#}"))),
        },
    }
}

/// Plays something on the stack that is up, or on one of its own that is taken down afterwards.
pub(crate) fn with_stack<T>(
    project: &Project,
    timings: &mut Timings,
    play: impl FnOnce(&Record) -> Result<T>,
) -> Result<T> {
    if stack::health(project)? == Health::Healthy {
        let record = Record::load(project)?;
        if record.deployed != Code::Local.digest(project)? {
            bail!("the stack that is up runs other code than the one here; end it first: cargo xtask down");
        }
        return play(&record);
    }
    let _lock = Lock::take(project)?;
    let record = bring_up(project, Code::Local, timings)?;
    let outcome = play(&record);
    if outcome.is_err() && !job::interrupted() {
        eprintln!("what each part of the stack wrote is under {}", project.shown(&project.local().join("logs")));
    }
    // Before the outcome is looked at, whatever it is.
    let down = take_down(project, &record);
    let played = outcome?;
    down.map(|_| played)
}

fn start_all(project: &Project, code: Code, record: &mut Record, timings: &mut Timings) -> Result<()> {
    let proofs = secrets::make()?;
    let (emulator_port, sandbox_port) = timings.measure("start", || start_services(project, record, &proofs))?;
    let guard_record = record.clone();
    let sandbox_url = ministack::endpoint(sandbox_port);
    let template = code.template(project);
    let wanted = Wanted { stack: STACK, template: &template, sandbox_url: &sandbox_url, parameters: &[] };
    let deployed = timings.measure("deploy", || deploy::deploy(project, emulator_port, &wanted)).or_else(|error| {
        // A deploy that failed because the emulator died should say so first.
        ministack::guard(project, &guard_record)().map_err(|death| death.context(format!("{error:#}")))?;
        Err(error)
    })?;
    timings.measure("secrets", || {
        let file = stack_file(project, record, STACK, &deployed, &proofs)?;
        deploy::put_secrets(project, emulator_port, &secret_values(&file, &proofs)?)?;
        sandbox::set_targets(sandbox_port, file.get("webhooks").unwrap_or(&Value::Null))?;
        write_private(&project.local().join("stack.json"), &file)
    })?;
    record.deployed = code.digest(project)?;
    record.save(project)
}

fn start_services(project: &Project, record: &mut Record, proofs: &Proofs) -> Result<(u16, u16)> {
    let emulator = ministack::start(project)?;
    record.add(project, emulator.clone())?;
    let sandbox = sandbox::start(project, proofs)?;
    let sandbox_port = sandbox.port;
    record.add(project, sandbox)?;
    ministack::wait_until_ready(project, &emulator)?;
    Ok((emulator.port, sandbox_port))
}

/// What clients read to find the stack.
pub(crate) fn stack_file(
    project: &Project,
    record: &Record,
    stack: &str,
    deployed: &Deployed,
    proofs: &Proofs,
) -> Result<Value> {
    let port_of = |name| record.service(name).map_or(0, |service| service.port);
    let endpoint = ministack::endpoint(port_of("ministack"));
    let api = deployed.output("ApiId")?;
    let api_url = format!("{endpoint}/_aws/execute-api/{api}/$default");
    let mut functions = Map::new();
    for name in build::functions(project)? {
        functions.insert(name.clone(), json!(deployed.output_of(&name, "FunctionName")?));
    }
    let (mut webhooks, mut secrets, mut queues) = (Map::new(), Map::new(), Map::new());
    for provider in &ALL {
        let proof = proofs.get(provider.name).map(String::as_str).unwrap_or_default();
        webhooks.insert(provider.name.to_owned(), json!(format!("{api_url}{}", provider.webhook_path(proof))));
        queues.insert(provider.name.to_owned(), json!(deployed.output_of(provider.name, "QueueUrl")?));
        secrets.insert(provider.name.to_owned(), json!(deployed.output_of(provider.name, "SecretArn")?));
    }
    let each = |value: &dyn Fn(&crate::processes::Service) -> Value| -> Map<String, Value> {
        record.services.iter().map(|service| (service.name.clone(), value(service))).collect()
    };
    Ok(json!({
        "endpoint": endpoint,
        "region": REGION,
        "access_key_id": ADMINISTRATOR.0,
        "secret_access_key": ADMINISTRATOR.1,
        "stack_name": stack,
        "api_url": api_url,
        "webhooks": webhooks,
        "signing_secrets": secrets::of_kind(proofs, Proof::Signature),
        "url_tokens": secrets::of_kind(proofs, Proof::UrlToken),
        "expectations_url": format!("{api_url}/expectations"),
        "table": deployed.output("TableName")?,
        "queue_urls": queues,
        "rescue_queue_url": deployed.output("RescueQueueUrl")?,
        "dead_letter_queue_url": deployed.output("DeadLetterQueueUrl")?,
        "bus": deployed.output("BusName")?,
        "functions": functions,
        "secrets": secrets,
        "sandbox_url": ministack::endpoint(port_of("sandbox")),
        "time_scale": TIME_SCALE,
        "pids": each(&|service| json!(service.pid)),
        "xtask": std::env::current_exe()?,
        "logs": each(&|service| json!(project.shown(&project.log(&service.name)))),
    }))
}

/// Writes the present pids into what clients read.
pub(crate) fn name_pids(project: &Project, record: &Record) -> Result<()> {
    let path = project.local().join("stack.json");
    let mut stack: Value = serde_json::from_slice(&fs::read(&path)?).context("stack.json is not JSON")?;
    if let Some(pids) = stack.get_mut("pids") {
        *pids = record.services.iter().map(|service| (service.name.clone(), json!(service.pid))).collect();
    }
    write_private(&path, &stack)
}

/// The value of each provider's secret, by ARN.
fn secret_values(stack: &Value, proofs: &Proofs) -> Result<Value> {
    let mut values = Map::new();
    for provider in &ALL {
        let arn = stack.get("secrets").and_then(|secrets| secrets.get(provider.name)).and_then(Value::as_str);
        let arn = arn.with_context(|| format!("{} has no secret", provider.name))?;
        let proof = proofs.get(provider.name).map(String::as_str).unwrap_or_default();
        values.insert(arn.to_owned(), provider.secret(proof));
    }
    Ok(Value::Object(values))
}

/// Writes JSON that only this user may read, whole or not at all.
pub(crate) fn write_private(path: &Path, value: &Value) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let _ = fs::remove_file(&unfinished);
    let written = File::options().write(true).create_new(true).mode(0o600).open(&unfinished).and_then(|mut file| {
        file.write_all(format!("{value:#}\n").as_bytes())?;
        fs::rename(&unfinished, path)
    });
    written.with_context(|| format!("{} can't be written", path.display()))
}

/// Ends the stack and makes sure that its ports are free again.
pub(crate) fn take_down(project: &Project, record: &Record) -> Result<usize> {
    // The emulator may be another process by now.
    let current = Record::load(project)?;
    let ended = if current.services.is_empty() { record.end(project)? } else { current.end(project)? };
    let held: Vec<u16> =
        record.services.iter().map(|one| one.port).filter(|port| crate::http::listens(*port)).collect();
    if !held.is_empty() {
        bail!("the stack's processes have ended, yet something listens on {held:?}");
    }
    if job::interrupted() {
        eprintln!("the local stack is down");
    }
    Ok(ended)
}
