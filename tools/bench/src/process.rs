//! One process of a subject: started, measured, ended.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::time::{clock_getcpuclockid, clock_gettime};
use nix::unistd::Pid;
use tokio::process::{Child, Command};

use crate::runtime::Runtime;

/// How long a process may take to end when it is asked to.
const END_LIMIT: Duration = Duration::from_secs(20);

/// How a subject is started.
#[derive(Clone, Debug)]
pub(crate) struct Start {
    /// The program.
    pub(crate) program: PathBuf,
    /// Its arguments.
    pub(crate) arguments: Vec<String>,
    /// Its environment: nothing else is inherited.
    pub(crate) env: Vec<(String, String)>,
    /// Where its logs go.
    pub(crate) log: PathBuf,
}

/// A running subject.
pub(crate) struct Process {
    child: Child,
    pid: Pid,
    log: PathBuf,
    /// Its Runtime API.
    pub(crate) runtime: Runtime,
    /// From starting the program to its asking for the first event.
    pub(crate) init: Duration,
}

impl Process {
    /// Starts the program and waits until it asks for its first event.
    pub(crate) async fn start(start: &Start) -> Result<Self> {
        let mut runtime = Runtime::start().await?;
        let log = std::fs::File::create(&start.log)?;
        let mut command = Command::new(&start.program);
        command.args(&start.arguments).env_clear().envs(start.env.iter().cloned());
        command.env("AWS_LAMBDA_RUNTIME_API", &runtime.address);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log).kill_on_drop(true);
        let began = Instant::now();
        let child = command.spawn().with_context(|| format!("{} could not be started", start.program.display()))?;
        let pid = child.id().context("the process has ended already")?;
        let ready = runtime.ready().await;
        let ready = ready.with_context(|| format!("see {}", start.log.display()))?;
        Ok(Self {
            child,
            pid: Pid::from_raw(i32::try_from(pid)?),
            log: start.log.clone(),
            runtime,
            init: ready - began,
        })
    }

    /// The processor time it has used, over all its threads, ended ones included.
    pub(crate) fn cpu(&self) -> Result<Duration> {
        let clock = clock_getcpuclockid(self.pid)?;
        Ok(clock_gettime(clock)?.into())
    }

    /// The most memory it ever held, in bytes.
    pub(crate) fn peak_rss(&self) -> Result<u64> {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid))?;
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).context("no VmHWM")?;
        match line.split_whitespace().nth(1).map(str::parse::<u64>) {
            Some(Ok(kilobytes)) => Ok(kilobytes * 1024),
            _ => bail!("VmHWM is not a number"),
        }
    }

    /// What it has written to its log so far.
    pub(crate) fn log_bytes(&self) -> Result<u64> {
        Ok(std::fs::metadata(&self.log)?.len())
    }

    /// Ends it: by SIGTERM, so that what counts its instructions can write them down.
    pub(crate) async fn end(mut self) -> Result<()> {
        kill(self.pid, Signal::SIGTERM)?;
        match tokio::time::timeout(END_LIMIT, self.child.wait()).await {
            Ok(ended) => ended.map(drop),
            Err(_) => self.child.kill().await,
        }
        .context("the process could not be ended")
    }
}
