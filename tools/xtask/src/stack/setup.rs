//! Brings the local stack up, from nothing to a deployed template, and writes down where everything is.

use crate::build::{self, Code};
use crate::process::job;
use crate::process::processes::Record;
use crate::process::progress::Timings;
use crate::project::Project;
use crate::stack::deploy::{self, Wanted};
use crate::stack::file::{secret_values, stack_file};
use crate::stack::health;
use crate::stack::health::Health;
use crate::stack::lock::Lock;
use crate::stack::ministack;
use crate::stack::names;
use crate::stack::names::STACK;
use crate::stack::pids::write_private;
use crate::stack::sandbox;
use crate::stack::secrets::{self, Proofs};
use crate::venv::Venv;
use anyhow::{Result, bail};
use serde_json::Value;

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
    if health::health(project)? == Health::Healthy {
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
    let sandbox_url = names::endpoint(sandbox_port);
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
