//! The machine's process table: who is alive, since when, in which group, running what.
//!
//! A pid alone does not name a process, because the system gives it out again; a pid and the moment it started do.

use rustix::process::{Pid, kill_process, kill_process_group};
use std::path::{Path, PathBuf};
use std::process::Command;

/// The two signals that end something.
#[derive(Clone, Copy)]
pub(crate) enum Signal {
    /// Asks.
    Term,
    /// Makes.
    Kill,
}

impl Signal {
    fn number(self) -> rustix::process::Signal {
        match self {
            Self::Term => rustix::process::Signal::TERM,
            Self::Kill => rustix::process::Signal::KILL,
        }
    }
}

/// One living process. Zombies are not listed: they hold nothing any more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) pid: u32,
    pub(crate) group: u32,
    /// When it started, in words that are only good for comparing.
    pub(crate) started: String,
    /// The file it runs, where the system tells.
    pub(crate) program: Option<PathBuf>,
}

/// The process with this pid, if it lives.
pub(crate) fn row(pid: u32) -> Option<Row> {
    if has_proc() { from_proc(pid) } else { from_ps(&["-p", &pid.to_string()]).into_iter().next() }
}

/// The living members of a process group.
pub(crate) fn group(group: u32) -> Vec<Row> {
    let mut rows = if has_proc() { all_from_proc() } else { from_ps(&["-A"]) };
    rows.retain(|row| row.group == group);
    rows
}

/// Signals a group. That it has none left is no failure.
pub(crate) fn signal_group(group: u32, signal: Signal) {
    if let Some(pid) = named(group) {
        let _ = kill_process_group(pid, signal.number());
    }
}

/// Signals one process. That it is gone is no failure.
pub(crate) fn signal_one(pid: u32, signal: Signal) {
    if let Some(pid) = named(pid) {
        let _ = kill_process(pid, signal.number());
    }
}

/// No pid below 2 is ever ours, and 0 and 1 would mean "my own group" and "everything" to the system.
fn named(pid: u32) -> Option<Pid> {
    i32::try_from(pid).ok().filter(|pid| *pid > 1).and_then(Pid::from_raw)
}

fn has_proc() -> bool {
    Path::new("/proc/self/stat").exists()
}

fn all_from_proc() -> Vec<Row> {
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(from_proc).collect()
}

fn from_proc(pid: u32) -> Option<Row> {
    let folder = Path::new("/proc").join(pid.to_string());
    let stat = std::fs::read_to_string(folder.join("stat")).ok()?;
    // Start times count from the machine's start, so the start itself is part of the name.
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    parse_stat(pid, &stat, boot.trim(), std::fs::read_link(folder.join("exe")).ok())
}

fn parse_stat(pid: u32, stat: &str, boot: &str, program: Option<PathBuf>) -> Option<Row> {
    // The second field is the program's name in parentheses, and the name may hold both spaces and parentheses.
    let (_, rest) = stat.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?;
    let group = fields.nth(1)?.parse().ok()?;
    let ticks = fields.nth(16)?;
    (!matches!(state, "Z" | "X")).then(|| Row { pid, group, started: format!("{boot}/{ticks}"), program })
}

fn from_ps(which: &[&str]) -> Vec<Row> {
    let output = Command::new("ps").args(which).args(["-o", "pid=,pgid=,state=,lstart=,comm="]).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    text.lines().filter_map(parse_ps).collect()
}

fn parse_ps(line: &str) -> Option<Row> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [pid, group, state, day, month, date, time, year, program @ ..] = words.as_slice() else { return None };
    (!state.starts_with('Z')).then_some(())?;
    Some(Row {
        pid: pid.parse().ok()?,
        group: group.parse().ok()?,
        started: [*day, *month, *date, *time, *year].join(" "),
        program: Some(PathBuf::from(program.join(" "))),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn stat_lines() {
        let tail = "1 77 77 0 -1 4194560 100 0 0 0 1 2 0 0 20 0 1 0 98765 1000 50";
        let living = |name: &str| format!("4242 ({name}) S {tail}");
        for name in ["sandbox", "a b", "odd) S 1 (name"] {
            let row = parse_stat(4242, &living(name), "boot", None).unwrap();
            assert_eq!((row.pid, row.group, row.started.as_str()), (4242, 77, "boot/98765"), "{name}");
        }
        assert_eq!(parse_stat(4242, &format!("4242 (gone) Z {tail}"), "boot", None), None);
        assert_eq!(parse_stat(4242, "nonsense", "boot", None), None);
    }

    #[test]
    fn ps_lines() {
        let row = parse_ps("  812   800 S    Sat Nov 22 10:11:12 2026 /a path/bootstrap").unwrap();
        assert_eq!((row.pid, row.group), (812, 800));
        assert_eq!(row.started, "Sat Nov 22 10:11:12 2026");
        assert_eq!(row.program, Some(PathBuf::from("/a path/bootstrap")));
        assert_eq!(parse_ps("  812   800 Z+   Sat Nov 22 10:11:12 2026 (gone)"), None);
        assert_eq!(parse_ps(""), None);
    }

    #[test]
    fn this_process_is_alive_and_always_has_the_same_name() {
        let me = std::process::id();
        assert_eq!(row(me).map(|row| row.started), row(me).map(|row| row.started));
        assert!(row(me).is_some());
    }

    #[test]
    fn no_pid_means_everyone() {
        assert!([0, 1, u32::MAX].iter().all(|pid| named(*pid).is_none()));
    }
}
