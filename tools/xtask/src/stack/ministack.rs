//! Starts the emulator, and keeps an eye on it.

use crate::http;
use crate::process::job;
use crate::process::processes::{Record, Service};
use crate::project::Project;
use crate::stack::names::{REGION, endpoint};
use crate::stack::pids;
use crate::venv::Venv;
use anyhow::{Context, Result, bail};
use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::process::Command;
use std::time::{Duration, Instant};

const READY_LIMIT: Duration = Duration::from_secs(90);
const ASK_LIMIT: Duration = Duration::from_secs(5);
const ASK_EVERY: Duration = Duration::from_secs(5);
/// Saving and loading take seconds, and a busy machine has others to serve.
const RESTART_LIMIT: Duration = Duration::from_secs(120);
/// Calls that hold each other up in it are let go after a minute, when the functions that made them run out of time.
const SILENCE_LIMIT: Duration = Duration::from_secs(180);

/// Starts the emulator empty, on a free port of this machine.
pub(crate) fn start(project: &Project) -> Result<Service> {
    let state = project.local().join("state");
    if state.exists() {
        fs::remove_dir_all(&state).with_context(|| format!("{} can't be emptied", state.display()))?;
    }
    for folder in ["home", "tmp", "s3", "stack"] {
        fs::create_dir_all(state.join(folder))?;
    }
    let port = free_port()?;
    let log = project.log("ministack");
    Service::start("ministack", port, command(project, port), &log)
}

/// Stops the emulator as a machine that shuts down would, and starts it again on the same port with what it saved: the
/// table, the queues with what is in flight there, roles, rules, schedules, functions. It saves only when it is asked to
/// end, after its last answer, so what it has acknowledged is there again. What it was doing is not: its functions end
/// with it, and their callers hear nothing.
pub(crate) fn restart(project: &Project) -> Result<u8> {
    let mut record = Record::load(project)?;
    let Some(old) = record.service("ministack").cloned() else {
        bail!("no local stack is running. Start it with `cargo xtask up`.");
    };
    // Whoever watches the stack is told that this death is meant.
    record.restarting = true;
    record.save(project)?;
    let outcome = stop_and_start(project, &mut record, &old);
    record.restarting = false;
    record.save(project)?;
    outcome.map(|()| 0)
}

fn stop_and_start(project: &Project, record: &mut Record, old: &Service) -> Result<()> {
    old.stop(&project.local())?;
    let new = Service::start_again("ministack", old.port, command(project, old.port), &project.log("ministack"))?;
    record.replace(project, new.clone())?;
    pids::name_pids(project, record)?;
    wait_until_ready(project, &new)
}

/// The emulator hands its own environment to every function, so it gets nothing of ours but the search path.
fn command(project: &Project, port: u16) -> Command {
    let state = project.local().join("state");
    let mut command = project.command(Venv::Ministack.program(project, "ministack"));
    command.env_clear();
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
    command.env("HOME", state.join("home")).env("TMPDIR", state.join("tmp"));
    command.env("STATE_DIR", state.join("stack")).env("S3_DATA_DIR", state.join("s3"));
    // Saved when it is asked to end, for `restart`; `start` begins with an empty folder.
    command.env("PERSIST_STATE", "1");
    command.env("GATEWAY_PORT", port.to_string()).env("BIND_HOST", "127.0.0.1").env("MINISTACK_HOST", "127.0.0.1");
    command.env("AWS_ENDPOINT_URL", endpoint(port)).env("AWS_DEFAULT_REGION", REGION);
    // IAM is enforced, so that the template's least-privilege policies are part of what runs.
    command.env("AUTH", "true");
    // Listeners that nothing here needs, on ports of their own; and a Docker it must leave alone.
    command.env("IOT_MTLS_ENABLED", "0").env("SFTP_ENABLED", "0");
    command.env("DOCKER_HOST", format!("unix://{}", state.join("no-docker").display()));
    command
}

/// Waits until the emulator answers.
pub(crate) fn wait_until_ready(project: &Project, service: &Service) -> Result<()> {
    let tail = || job::tail_of(&project.log("ministack"));
    let started = Instant::now();
    while !is_healthy(service.port) {
        if !service.is_alive() {
            bail!("MiniStack ended before it was ready{}", tail());
        }
        if started.elapsed() > READY_LIMIT {
            bail!("MiniStack gave no answer for {READY_LIMIT:?}{}", tail());
        }
        job::pause(Duration::from_millis(200))?;
    }
    Ok(())
}

pub(crate) fn is_healthy(port: u16) -> bool {
    http::ask(port, "GET", "/_ministack/health", "", ASK_LIMIT).is_ok_and(|answer| answer.status == 200)
}

/// Fails once a process of the stack has died, or the emulator has long stopped answering. Made for a job's watch. A
/// death that a restart meant is none, for as long as a restart may take.
pub(crate) fn guard<'a>(project: &'a Project, record: &Record) -> impl FnMut() -> Result<()> + 'a {
    let (mut asked, mut answered, mut lived) = (Instant::now(), Instant::now(), Instant::now());
    let mut record = record.clone();
    move || {
        match record.dead() {
            None => lived = Instant::now(),
            Some(dead) => {
                let now = Record::load(project)?;
                if now.dead().is_none() && !now.services.is_empty() {
                    record = now;
                } else if !now.restarting || lived.elapsed() > RESTART_LIMIT {
                    bail!("{dead} ended while it was needed{}", job::tail_of(&project.log(dead)));
                }
                return Ok(());
            }
        }
        let Some(ministack) = record.service("ministack") else { return Ok(()) };
        if asked.elapsed() < ASK_EVERY {
            return Ok(());
        }
        asked = Instant::now();
        if is_healthy(ministack.port) {
            answered = Instant::now();
        } else if answered.elapsed() > SILENCE_LIMIT {
            let tail = job::tail_of(&project.log("ministack"));
            bail!("MiniStack lives but has not answered for {SILENCE_LIMIT:?}{tail}");
        }
        Ok(())
    }
}

fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .context("no port of 127.0.0.1 can be opened; the local stack needs the loopback interface")?;
    Ok(listener.local_addr()?.port())
}
