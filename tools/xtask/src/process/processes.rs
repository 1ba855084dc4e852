//! The processes of the local stack, on record: started, found again, ended — and never mistaken for others.
//!
//! The record outlives the xtask that wrote it, so between writing and reading a pid may have been given to a stranger.
//! A process is ended only if it started at the moment on record.

use crate::process::job;
use crate::process::proc_table::{self, Row, Signal};
use crate::project::Project;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long processes may take to end when asked.
const GRACE: Duration = Duration::from_secs(10);
/// How long one may take that saves what it holds.
const STOP_LIMIT: Duration = Duration::from_secs(60);

/// One long-running process. It leads a process group, which everything it starts joins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Service {
    pub(crate) name: String,
    pub(crate) pid: u32,
    started: String,
    /// The loopback port it listens on.
    pub(crate) port: u16,
}

impl Service {
    /// Starts a program in the background, with a log of its own.
    pub(crate) fn start(name: &str, port: u16, command: Command, log: &Path) -> Result<Self> {
        if let Err(error) = fs::remove_file(log)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(error).with_context(|| format!("{} can't be begun anew", log.display()));
        }
        Self::start_again(name, port, command, log)
    }

    /// Starts it once more: its log goes on.
    pub(crate) fn start_again(name: &str, port: u16, command: Command, log: &Path) -> Result<Self> {
        let pid = job::detach(command, log)?;
        match proc_table::row(pid) {
            Some(row) => Ok(Self { name: name.to_owned(), pid, started: row.started, port }),
            None => bail!("{name} ended as soon as it was started{}", job::tail_of(log)),
        }
    }

    pub(crate) fn is_alive(&self) -> bool {
        proc_table::row(self.pid).is_some_and(|row| row.started == self.started)
    }

    /// Asks it to end, then ends what it left behind.
    pub(crate) fn stop(&self, ours: &Path) -> Result<()> {
        if self.is_alive() {
            proc_table::signal_one(self.pid, Signal::Term);
        }
        let asked = Instant::now();
        while self.is_alive() {
            if asked.elapsed() > STOP_LIMIT {
                bail!("{} would not end in {STOP_LIMIT:?}", self.name);
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        while !self.remains(ours).is_empty() && asked.elapsed() < STOP_LIMIT {
            for row in self.remains(ours) {
                proc_table::signal_one(row.pid, Signal::Kill);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// What is left of it: its whole group while it lives, and of its group those that run a program from `ours` when
    /// it has died without them.
    fn remains(&self, ours: &Path) -> Vec<Row> {
        match proc_table::row(self.pid) {
            Some(leader) if leader.started == self.started => proc_table::group(self.pid),
            // The pid belongs to someone else now, and a pid is given out again only once its old group is empty.
            Some(_) => Vec::new(),
            None => {
                let mut orphans = proc_table::group(self.pid);
                orphans.retain(|row| row.program.as_ref().is_some_and(|program| program.starts_with(ours)));
                orphans
            }
        }
    }
}

/// Everything that runs for one local stack.
#[derive(Debug, Default, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub(crate) services: Vec<Service>,
    /// A digest of the code and the template that were deployed; empty until they were.
    pub(crate) deployed: String,
    /// Whether one of them is being stopped to be started again.
    #[serde(default)]
    pub(crate) restarting: bool,
}

impl Record {
    fn file(project: &Project) -> PathBuf {
        project.local().join("processes.json")
    }

    /// The record on disk; an empty one when there is none.
    pub(crate) fn load(project: &Project) -> Result<Self> {
        let file = Self::file(project);
        match fs::read_to_string(&file) {
            Ok(text) => serde_json::from_str(&text).with_context(|| format!("{} is not a record", file.display())),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).with_context(|| format!("{} can't be read", file.display())),
        }
    }

    /// Written after every start, so that `down` finds the process even if this xtask is killed a moment later.
    pub(crate) fn add(&mut self, project: &Project, service: Service) -> Result<()> {
        self.services.push(service);
        self.save(project)
    }

    pub(crate) fn save(&self, project: &Project) -> Result<()> {
        fs::create_dir_all(project.local())?;
        // Whole or not at all, for others read it meanwhile.
        let (file, unfinished) = (Self::file(project), Self::file(project).with_extension("unfinished"));
        let written = fs::write(&unfinished, serde_json::to_vec_pretty(self)?);
        written.and_then(|()| fs::rename(&unfinished, file)).context("the processes can't be recorded")
    }

    /// A service of the same name takes the place of the one on record.
    pub(crate) fn replace(&mut self, project: &Project, service: Service) -> Result<()> {
        self.services.retain(|known| known.name != service.name);
        self.add(project, service)
    }

    pub(crate) fn service(&self, name: &str) -> Option<&Service> {
        self.services.iter().find(|service| service.name == name)
    }

    /// The first of the stack that has died; `None` while all live.
    pub(crate) fn dead(&self) -> Option<&str> {
        self.services.iter().find(|service| !service.is_alive()).map(|service| service.name.as_str())
    }

    /// Ends everything on record and forgets it. Returns how many processes were ended.
    pub(crate) fn end(&self, project: &Project) -> Result<usize> {
        self.end_within(project, GRACE)
    }

    fn end_within(&self, project: &Project, grace: Duration) -> Result<usize> {
        let ours = project.local();
        let remains = || -> Vec<Row> { self.services.iter().flat_map(|service| service.remains(&ours)).collect() };
        let first = remains();
        for row in &first {
            proc_table::signal_one(row.pid, Signal::Term);
        }
        let asked = Instant::now();
        while !remains().is_empty() && asked.elapsed() < grace {
            std::thread::sleep(Duration::from_millis(50));
        }
        for row in remains() {
            proc_table::signal_one(row.pid, Signal::Kill);
        }
        let made = Instant::now();
        while !remains().is_empty() {
            if made.elapsed() > GRACE {
                bail!("some processes of the stack would not end: {:?}", remains());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        for name in ["processes.json", "stack.json"] {
            let _ = fs::remove_file(project.local().join(name));
        }
        Ok(first.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> Project {
        let root = std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()));
        fs::create_dir_all(root.join("target/local")).unwrap();
        Project { target_dir: root.join("target"), root, triple: "none".to_owned() }
    }

    fn start(project: &Project, script: &str) -> Service {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Service::start("a service", 0, command, &project.log("service")).unwrap()
    }

    /// Waits for the service to write that it is ready.
    fn ready(project: &Project) {
        let asked = Instant::now();
        while !fs::read_to_string(project.log("service")).unwrap().contains("ready") {
            assert!(asked.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
    }

    #[test]
    fn ends_the_service_and_its_children_even_when_they_resist() {
        let project = scratch("resist");
        let service = start(&project, "trap '' TERM; sleep 600 & echo ready; while true; do wait; done");
        ready(&project);
        let record = Record { services: vec![service.clone()], deployed: String::new(), restarting: false };
        record.save(&project).unwrap();
        assert!(service.is_alive() && proc_table::group(service.pid).len() >= 2);
        let ended = Record::load(&project).unwrap().end_within(&project, Duration::from_millis(300)).unwrap();
        assert!(ended >= 2 && proc_table::group(service.pid).is_empty());
        assert_eq!(Record::load(&project).unwrap(), Record::default());
        fs::remove_dir_all(&project.root).unwrap();
    }

    #[test]
    fn never_ends_a_stranger_that_was_given_the_same_pid() {
        let project = scratch("stranger");
        let service = start(&project, "echo ready; exec sleep 600");
        let stale = Service { started: "another moment".to_owned(), ..service.clone() };
        let record = Record { services: vec![stale], deployed: String::new(), restarting: false };
        assert_eq!(record.dead(), Some("a service"));
        assert_eq!(record.end(&project).unwrap(), 0);
        assert!(service.is_alive());
        let own = Record { services: vec![service], deployed: String::new(), restarting: false };
        assert_eq!(own.end(&project).unwrap(), 1);
        fs::remove_dir_all(&project.root).unwrap();
    }

    #[test]
    fn ends_function_processes_that_their_emulator_left_behind() {
        let project = scratch("orphans");
        let program = project.local().join("bootstrap");
        // Copied by the shell: a file this many-threaded process had just written might still count as open for
        // writing.
        let script = format!("cp /bin/sleep '{0}'; '{0}' 600 & sleep 601 & exit 0", program.display());
        let service = start(&project, &script);
        let asked = Instant::now();
        while service.is_alive() || proc_table::group(service.pid).len() < 2 {
            assert!(asked.elapsed() < Duration::from_secs(10));
            std::thread::yield_now();
        }
        let record = Record { services: vec![service.clone()], deployed: String::new(), restarting: false };
        let ended = record.end(&project);
        let spared = proc_table::group(service.pid);
        proc_table::signal_group(service.pid, Signal::Kill);
        assert_eq!(ended.unwrap(), 1, "only the program that lies in the stack's own folder");
        assert_eq!(spared.len(), 1);
        fs::remove_dir_all(&project.root).unwrap();
    }
}
