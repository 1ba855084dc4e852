//! The functions' processes: the children of this stack's emulator, and nobody else's.

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::local::{Outcome, Stack};

/// The pids of those that live, in order.
pub(super) fn of_functions() -> Outcome<Vec<Pid>> {
    let emulator = emulator()?;
    let listed = Command::new("ps").args(["-A", "-o", "pid=,ppid=,state=,comm="]).output();
    let listed = listed.map_err(|error| format!("ps: {error}"))?;
    Ok(children(&String::from_utf8_lossy(&listed.stdout), emulator))
}

/// The stack as it is written down now: a restart gives the emulator another pid.
fn emulator() -> Outcome<u32> {
    Stack::load()?.pids.get("ministack").copied().ok_or_else(|| "stack.json names no process of the emulator".into())
}

/// Functions' programs are called `bootstrap`, as Lambda wants it.
fn children(listed: &str, parent: u32) -> Vec<Pid> {
    let child = |line: &str| {
        let mut words = line.split_whitespace();
        let (pid, ppid, state, program) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let is_ours = ppid.parse() == Ok(parent) && !state.starts_with('Z') && program.ends_with("bootstrap");
        pid.parse().ok().filter(|pid| is_ours && *pid > 1).and_then(Pid::from_raw)
    };
    listed.lines().filter_map(child).collect()
}

/// Kills them as the kernel does when memory runs out. Returns how many were still there to be killed.
pub(super) fn kill(processes: &[Pid]) -> Outcome<usize> {
    Ok(processes.iter().filter(|pid| kill_process(**pid, Signal::KILL).is_ok()).count())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_living_functions_of_this_emulator() {
        let listed = "  10     1 S python3\n  21    10 S bootstrap\n  22    10 Z bootstrap\n  23    11 S bootstrap\n\
                      24 10 R /a/b/bootstrap\n 25 10 S sh\n\n 26 10";
        let pids: Vec<i32> = children(listed, 10).into_iter().map(|pid| pid.as_raw_nonzero().get()).collect();
        assert_eq!(pids, [21, 24]);
    }
}
