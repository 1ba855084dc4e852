//! `second`: another stack on the emulator of the stack that is up, with the same simulated providers. It is there to be
//! deleted and made again, over the table that it leaves behind: the end-to-end suite does so.

use crate::build::Code;
use crate::process::processes::Record;
use crate::project::Project;
use crate::stack::deploy::{self, Wanted};
use crate::stack::file;
use crate::stack::health;
use crate::stack::health::Health;
use crate::stack::names;
use crate::stack::pids;
use crate::stack::secrets;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fs;

/// The second stack's name.
const STACK: &str = "hookledger-second";
/// Where everything of it is, beside `stack.json` and in the same form.
const FILE: &str = "second.json";

/// What to do with it.
#[derive(clap::Subcommand)]
pub(crate) enum Act {
    /// Deploy it. Its secrets are empty, and the sandbox goes on delivering to the first stack
    Up {
        /// `Parameter=value` of the template, such as ExistingTableName=…
        parameters: Vec<String>,
    },
    /// Delete it. What the template keeps stays
    Down,
}

pub(crate) fn run(project: &Project, act: &Act) -> Result<u8> {
    let health = health::health(project)?;
    if health != Health::Healthy {
        bail!("a second stack needs a first one that is healthy. Start it with `cargo xtask up`.");
    }
    let record = Record::load(project)?;
    let port_of = |name| record.service(name).map(|service| service.port).with_context(|| format!("{name} is not up"));
    let (emulator, sandbox) = (port_of("ministack")?, port_of("sandbox")?);
    match act {
        Act::Up { parameters } => {
            let sandbox_url = names::endpoint(sandbox);
            let template = Code::Local.template(project);
            let wanted = Wanted { stack: STACK, template: &template, sandbox_url: &sandbox_url, parameters };
            let deployed = deploy::deploy(project, emulator, &wanted)?;
            let first = fs::read(project.local().join("stack.json")).context("stack.json can't be read")?;
            let first: Value = serde_json::from_slice(&first).context("stack.json is not JSON")?;
            let file = file::stack_file(project, &record, STACK, &deployed, &secrets::of_stack(&first)?)?;
            let path = project.local().join(FILE);
            pids::write_private(&path, &file)?;
            println!("{STACK} is deployed; where everything of it is: {}", project.shown(&path));
        }
        Act::Down => {
            deploy::delete(project, emulator, STACK)?;
            println!("{STACK} is deleted");
        }
    }
    Ok(0)
}
