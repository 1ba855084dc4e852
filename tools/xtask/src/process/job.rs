//! Runs one child to its end: in its own process group, under a time limit, and stopped with everything it started when
//! the limit passes, when ctrl-c arrives, or when what it works on has died.

use crate::process::proc_table;
use crate::process::progress::Progress;
use anyhow::{Context, Result, anyhow, bail};
use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long a child that was asked to stop may take before it is made to.
const GRACE: Duration = Duration::from_secs(5);
const TAIL_LINES: usize = 30;

static INTERRUPTED: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From here on ctrl-c, a closed terminal and a plain kill are noted instead of ending the process on the spot, so that
/// children can be ended first.
pub(crate) fn listen_for_interrupts() -> Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let flag = INTERRUPTED.get_or_init(Arc::default);
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(flag)).context("signals could not be caught")?;
    }
    Ok(())
}

pub(crate) fn interrupted() -> bool {
    INTERRUPTED.get().is_some_and(|flag| flag.load(Ordering::Relaxed))
}

/// The exit code to pass on. A child that a signal ended has none; that is a failure like any other.
pub(crate) fn exit_code(status: ExitStatus) -> u8 {
    status.code().and_then(|code| u8::try_from(code).ok()).unwrap_or(1)
}

/// Where a child's output goes.
pub(crate) enum Sink {
    /// To the terminal, as if the child had been started by hand.
    Terminal,
    /// To a log, with a progress line on the terminal.
    Log(PathBuf),
    /// To a log and nothing else, for what is over at once.
    Silent(PathBuf),
    /// Standard output to a file that is read afterwards, the rest to a log.
    Answer { file: PathBuf, log: PathBuf },
}

/// Asked again and again while a child runs; an error is the reason to stop it.
pub(crate) type Watch<'a> = &'a mut dyn FnMut() -> Result<()>;

/// One child and its limits.
pub(crate) struct Job<'a> {
    /// What a person calls this step.
    pub(crate) what: &'a str,
    /// When it has surely gone wrong.
    pub(crate) limit: Duration,
    /// Where its output goes.
    pub(crate) sink: Sink,
    /// What its standard input holds.
    pub(crate) input: Option<String>,
    /// What must stay true while it runs.
    pub(crate) watch: Option<Watch<'a>>,
}

impl<'a> Job<'a> {
    pub(crate) fn on_terminal(what: &'a str, limit: Duration) -> Self {
        Self { what, limit, sink: Sink::Terminal, input: None, watch: None }
    }

    pub(crate) fn logged(what: &'a str, limit: Duration, log: PathBuf) -> Self {
        Self { what, limit, sink: Sink::Log(log), input: None, watch: None }
    }

    /// Runs the child; an exit code other than 0 is an error that shows the end of its log.
    pub(crate) fn succeed(self, command: Command) -> Result<()> {
        let what = self.what;
        let log = match &self.sink {
            Sink::Terminal => None,
            Sink::Log(log) | Sink::Silent(log) | Sink::Answer { log, .. } => Some(log.clone()),
        };
        let failure = match self.run(command) {
            Ok(status) if status.success() => return Ok(()),
            Ok(status) => format!("{what} failed ({status})"),
            Err(error) => format!("{error:#}"),
        };
        let tail = log.filter(|_| !interrupted()).map(|log| tail_of(&log)).unwrap_or_default();
        Err(anyhow!("{failure}{tail}"))
    }

    /// Runs the child to its end and returns its status.
    pub(crate) fn run(mut self, mut command: Command) -> Result<ExitStatus> {
        self.direct_output(&mut command)?;
        command.stdin(if self.input.is_some() { Stdio::piped() } else { Stdio::null() });
        command.process_group(0);
        let program = command.get_program().to_string_lossy().into_owned();
        let mut child = command.spawn().with_context(|| format!("{program} could not be started"))?;
        if let (Some(input), Some(mut pipe)) = (self.input.take(), child.stdin.take()) {
            pipe.write_all(input.as_bytes()).context("the child closed its input")?;
        }
        let mut progress = (!matches!(self.sink, Sink::Terminal | Sink::Silent(_))).then(|| Progress::start(self.what));
        let outcome = self.wait(&mut child, &mut progress);
        if let Some(progress) = progress {
            progress.finish(match &outcome {
                Ok(status) if status.success() => "done",
                Ok(_) | Err(_) => "failed",
            });
        }
        outcome
    }

    fn direct_output(&self, command: &mut Command) -> Result<()> {
        match &self.sink {
            Sink::Terminal => {}
            Sink::Log(log) | Sink::Silent(log) => {
                let file = create(log)?;
                command.stdout(file.try_clone()?).stderr(file);
            }
            Sink::Answer { file, log } => {
                command.stdout(create(file)?).stderr(create(log)?);
            }
        }
        Ok(())
    }

    fn wait(&mut self, child: &mut Child, progress: &mut Option<Progress<'_>>) -> Result<ExitStatus> {
        let started = Instant::now();
        loop {
            if let Some(status) = child.try_wait()? {
                return Ok(status);
            }
            let verdict = if interrupted() {
                Err(anyhow!("interrupted during {}", self.what))
            } else if started.elapsed() > self.limit {
                Err(anyhow!("{} was stopped after its limit of {} s", self.what, self.limit.as_secs()))
            } else {
                self.watch.as_mut().map_or(Ok(()), |watch| watch())
            };
            if let Err(reason) = verdict {
                stop(child);
                return Err(reason);
            }
            if let Some(progress) = progress {
                progress.tick();
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// Starts a child that outlives this process: own process group, nothing of the terminal. It writes to the log's end.
pub(crate) fn detach(mut command: Command, log: &Path) -> Result<u32> {
    let file = open(log, File::options().append(true).create(true))?;
    command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file).process_group(0);
    let program = command.get_program().to_string_lossy().into_owned();
    let child = command.spawn().with_context(|| format!("{program} could not be started"))?;
    Ok(child.id())
}

/// Sleeps, but not through ctrl-c.
pub(crate) fn pause(duration: Duration) -> Result<()> {
    let started = Instant::now();
    while started.elapsed() < duration {
        if interrupted() {
            bail!("interrupted");
        }
        std::thread::sleep(LOOK_EVERY.min(duration));
    }
    Ok(())
}

/// The end of a log, to stand behind an error message.
pub(crate) fn tail_of(log: &Path) -> String {
    let text = fs::read(log).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let last = lines.get(lines.len().saturating_sub(TAIL_LINES)..).unwrap_or_default();
    format!("; the end of {}:\n  {}", log.display(), last.join("\n  "))
}

fn stop(child: &mut Child) {
    proc_table::signal_group(child.id(), proc_table::Signal::Term);
    let asked = Instant::now();
    while asked.elapsed() < GRACE {
        if !matches!(child.try_wait(), Ok(None)) {
            break;
        }
        std::thread::sleep(LOOK_EVERY);
    }
    // What the child started may have outlived it; the group is still the child's until the last member is gone.
    proc_table::signal_group(child.id(), proc_table::Signal::Kill);
    let _ = child.wait();
}

fn create(path: &Path) -> Result<File> {
    open(path, File::options().write(true).create(true).truncate(true))
}

fn open(path: &Path, how: &OpenOptions) -> Result<File> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).with_context(|| format!("{} could not be made", folder.display()))?;
    }
    how.open(path).with_context(|| format!("{} could not be written", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    fn scratch(name: &str) -> PathBuf {
        std::env::temp_dir().join(format!("xtask-{}-{name}", std::process::id()))
    }

    #[test]
    fn a_failure_shows_the_end_of_the_log() {
        let log = scratch("failure.log");
        let job = Job::logged("a step", Duration::from_secs(20), log.clone());
        let error = job.succeed(shell("echo what went wrong; exit 3")).unwrap_err();
        let text = format!("{error:#}");
        assert!(text.contains("what went wrong") && text.contains("a step failed"), "{text}");
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn the_limit_ends_the_whole_group() {
        let log = scratch("limit.log");
        let job = Job::logged("a hang", Duration::from_millis(300), log.clone());
        let error = job.succeed(shell("sleep 600 & echo $!; wait")).unwrap_err();
        assert!(format!("{error:#}").contains("stopped after its limit"), "{error:#}");
        let grandchild: u32 = fs::read_to_string(&log).unwrap().trim().parse().unwrap();
        let gone = |pid| proc_table::row(pid).is_none();
        let asked = Instant::now();
        while !gone(grandchild) && asked.elapsed() < Duration::from_secs(5) {
            std::thread::yield_now();
        }
        assert!(gone(grandchild));
        fs::remove_file(log).unwrap();
    }

    #[test]
    fn a_watch_that_fails_ends_the_child() {
        let mut looks = 0;
        let mut watch = || {
            looks += 1;
            if looks > 2 { bail!("the emulator has ended") } else { Ok(()) }
        };
        let job = Job { watch: Some(&mut watch), ..Job::on_terminal("a suite", Duration::from_secs(60)) };
        let error = job.succeed(shell("exec sleep 600")).unwrap_err();
        assert_eq!(format!("{error:#}"), "the emulator has ended");
    }

    #[test]
    fn input_reaches_the_child_and_its_answer_comes_back() {
        let (file, log) = (scratch("answer.json"), scratch("answer.log"));
        let sink = Sink::Answer { file: file.clone(), log: log.clone() };
        let input = Some("{\"a\":1}".to_owned());
        let job = Job { sink, input, ..Job::on_terminal("ask", Duration::from_secs(20)) };
        job.succeed(shell("cat; echo noise >&2")).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "{\"a\":1}");
        fs::remove_file(file).unwrap();
        fs::remove_file(log).unwrap();
    }
}
