//! `run`: the whole of it in one command, for someone who has just cloned the repository.

use crate::build::Code;
use crate::http;
use crate::process::job::{self, Job};
use crate::process::processes::Record;
use crate::process::progress::Timings;
use crate::project::Project;
use crate::stack::commands;
use crate::stack::health;
use crate::stack::lock::Lock;
use crate::stack::ministack;
use crate::stack::names::TIME_SCALE;
use crate::stack::setup;
use anyhow::{Context, Result, bail, ensure};
use hookledger_kit::ALL;
use serde_json::{Value, json};
use std::process::Command;
use std::time::{Duration, Instant};

const STORY_LIMIT: Duration = Duration::from_secs(20 * 60);
/// Nobody looks at a page for longer than this without a break.
const STAY_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);
const ASK_LIMIT: Duration = Duration::from_secs(20);
const PARK_LIMIT: Duration = Duration::from_secs(60);
/// What an API answers that no retry mends.
const REFUSED: u16 = 422;

pub(crate) fn run(project: &Project, code: Code, once: bool, no_forging: bool) -> Result<u8> {
    if health::health(project)? == health::Health::Healthy {
        bail!("a local stack is up already; `run` starts one of its own, so end that one first: cargo xtask down");
    }
    let _lock = Lock::take(project)?;
    let mut timings = Timings::default();
    setup::prepare(project, code, &mut timings)?;
    let record = setup::bring_up(project, code, &mut timings)?;
    let outcome = play_and_stay(project, &record, once, no_forging, &mut timings);
    // Before the outcome is looked at, whatever it is.
    let down = setup::take_down(project, &record);
    let code = outcome?;
    down?;
    Ok(code)
}

fn play_and_stay(
    project: &Project,
    record: &Record,
    once: bool,
    no_forging: bool,
    timings: &mut Timings,
) -> Result<u8> {
    let code = timings.measure("story", || story(project, record, no_forging))?;
    println!("\nTime scale: one second here stands for {TIME_SCALE} s in production.");
    println!("Where the time went:\n{}", timings.table());
    if once {
        return Ok(code);
    }
    println!("To try it yourself:\n{}", commands::urls(project)?);
    match console(project, record) {
        Err(error) if !job::interrupted() => Err(error),
        _ => Ok(code),
    }
}

/// The operator's page on this stack, until ctrl-c, with an event that waits for a person.
fn console(project: &Project, record: &Record) -> Result<()> {
    park_one(project, record)?;
    println!(
        "One event is parked, because its provider's API answered {REFUSED}. Open the URL below, go to Parked, and replay it."
    );
    println!("The stack and this page stay up until you press ctrl-c.\n");
    let mut command = hookledger(project);
    command.args(["console", "--write"]);
    let mut guard = ministack::guard(project, record);
    let job = Job { watch: Some(&mut guard), ..Job::on_terminal("the console", STAY_LIMIT) };
    ensure!(job.run(command)?.success(), "the console ended");
    Ok(())
}

/// Has a provider send something genuine while its API refuses to tell what it is about, until that is parked.
fn park_one(project: &Project, record: &Record) -> Result<()> {
    let sandbox = record.service("sandbox").context("no sandbox runs")?.port;
    let ask = |method, path: &str, body: &Value| {
        let answer = http::ask(sandbox, method, &format!("/control/{path}"), &body.to_string(), ASK_LIMIT)?;
        ensure!(
            (200..300).contains(&answer.status),
            "the sandbox answered {} to {path}: {}",
            answer.status,
            answer.body
        );
        Ok(())
    };
    let id = format!("by-{}", std::process::id());
    // Any will do that is asked about its events.
    let known = ALL.iter().find_map(|kit| Some((kit, (kit.at_sandbox)(&id)?)));
    let (kit, (method, path, event)) = known.context("no provider is asked about its events")?;
    let api = |outage: bool| json!({ "provider": kit.name, "api": { "outage": outage, "status": REFUSED } });
    ask("PUT", "faults", &api(true))?;
    ask(method, &path, &event)?;
    ask("POST", "send", &json!({ "provider": kit.name, "body": (kit.event)(&id) }))?;
    let begun = Instant::now();
    while !parked(project, &id)? {
        ensure!(begun.elapsed() < PARK_LIMIT, "nothing was parked in {} s", PARK_LIMIT.as_secs());
        job::pause(Duration::from_secs(1))?;
    }
    ask("PUT", "faults", &api(false))
}

fn parked(project: &Project, id: &str) -> Result<bool> {
    let output = hookledger(project).args(["parked", "-o", "jsonl"]).output().context("hookledger can't be run")?;
    ensure!(output.status.success(), "hookledger parked: {}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8_lossy(&output.stdout).contains(id))
}

/// The operator's command, which finds the local stack by itself.
fn hookledger(project: &Project) -> Command {
    project.command(project.binary("hookledger"))
}

fn story(project: &Project, record: &Record, no_forging: bool) -> Result<u8> {
    let mut command = project.command(project.binary("story"));
    if no_forging {
        command.arg("--no-forging");
    }
    let mut guard = ministack::guard(project, record);
    let job = Job { watch: Some(&mut guard), ..Job::on_terminal("the story", STORY_LIMIT) };
    let status = job.run(command)?;
    Ok(job::exit_code(status))
}
