//! `run`: the whole of it in one command, for someone who has just cloned the repository.

use crate::build::Code;
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
use anyhow::{Result, bail};
use std::time::Duration;

const STORY_LIMIT: Duration = Duration::from_secs(20 * 60);

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
    println!("The stack stays up until you press ctrl-c.");
    let mut guard = ministack::guard(project, record);
    while !job::interrupted() {
        guard()?;
        if job::pause(Duration::from_secs(1)).is_err() {
            break;
        }
    }
    Ok(code)
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
