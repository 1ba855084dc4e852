//! Starts a function, has it panic, and sees whether it goes on: the proof that nothing which only reads a binary can give.
//!
//! Without Lambda's own variables the runtime's `expect` panics, in the task that the function runs as. Where panics
//! unwind, the task ends and `main` returns its error; where they abort, a signal ends the process.

use crate::process::job::{Job, Sink};
use crate::project::Project;
use anyhow::{Context, Result, bail, ensure};
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::time::Duration;

const LIMIT: Duration = Duration::from_secs(60);
/// Nothing listens here; all that a function reaches for before it panics is AWS.
const ENDPOINT: &str = "http://127.0.0.1:9";
/// All that the functions read, with values of no use.
const SETTINGS: [(&str, &str); 7] = [
    ("AWS_ENDPOINT_URL", ENDPOINT),
    ("AWS_REGION", "us-east-1"),
    ("AWS_ACCESS_KEY_ID", "none"),
    ("AWS_SECRET_ACCESS_KEY", "none"),
    ("HOOKLEDGER_TABLE", "none"),
    ("HOOKLEDGER_STACK", "none"),
    ("HOOKLEDGER_BUS", "none"),
];

/// What a function did.
#[derive(Debug, PartialEq, Eq)]
struct Ending {
    signal: Option<i32>,
    panicked: bool,
}

/// Fails unless a panic in this function is caught.
pub(super) fn check(project: &Project, binary: &Path) -> Result<()> {
    let log = project.log("panics");
    let mut command = project.command(binary);
    command.env_clear().envs(SETTINGS);
    for provider in hookledger_kit::ALL {
        let name = provider.name.to_uppercase();
        command.env(format!("HOOKLEDGER_QUEUE_{name}"), format!("{ENDPOINT}/queue"));
        command.env(format!("HOOKLEDGER_SECRET_{name}"), "none");
    }
    let job = Job { sink: Sink::Silent(log.clone()), ..Job::on_terminal("the provoked panic", LIMIT) };
    let status = job.run(command)?;
    let said = fs::read(&log).with_context(|| format!("{} can't be read", log.display()))?;
    judge(&Ending { signal: status.signal(), panicked: String::from_utf8_lossy(&said).contains("panicked at") })
        .with_context(|| format!("what it said is in {}", project.shown(&log)))
}

fn judge(ending: &Ending) -> Result<()> {
    ensure!(
        ending.panicked,
        "it did not panic when it was started without Lambda's variables, so nothing shows that a panic is caught; find \
         another way to make it panic, in tools/xtask/src/package/panics.rs"
    );
    if let Some(signal) = ending.signal {
        bail!(
            "a panic ended it with signal {signal}; it has to be caught and answered 503; write panic = \"unwind\" into \
             [profile.release] of Cargo.toml"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_panic_that_was_survived_passes() {
        let rows = [
            (Ending { signal: None, panicked: true }, None),
            (Ending { signal: Some(6), panicked: true }, Some("ended it with signal 6")),
            (Ending { signal: None, panicked: false }, Some("it did not panic")),
            (Ending { signal: Some(11), panicked: false }, Some("it did not panic")),
        ];
        for (ending, expected) in rows {
            match (judge(&ending), expected) {
                (Ok(()), None) => {}
                (Err(error), Some(words)) if error.to_string().contains(words) => {}
                (outcome, _) => panic!("{ending:?}: {outcome:?}"),
            }
        }
    }
}
