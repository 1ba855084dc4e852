//! Shows that a slow step is alive, and remembers where the time went.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

const SPINNER: [char; 4] = ['|', '/', '-', '\\'];
/// Without a terminal, a line at this distance is enough to tell slow from stuck.
const PLAIN_EVERY: Duration = Duration::from_secs(30);

/// One step's line on the terminal.
pub(crate) struct Progress<'a> {
    what: &'a str,
    started: Instant,
    last: Instant,
    turn: usize,
    terminal: bool,
}

impl<'a> Progress<'a> {
    pub(crate) fn start(what: &'a str) -> Self {
        let terminal = std::io::stderr().is_terminal();
        if !terminal {
            eprintln!("{what} …");
        }
        Self { what, started: Instant::now(), last: Instant::now(), turn: 0, terminal }
    }

    /// Called often; writes seldom.
    pub(crate) fn tick(&mut self) {
        let every = if self.terminal { Duration::from_millis(200) } else { PLAIN_EVERY };
        if self.last.elapsed() < every {
            return;
        }
        self.last = Instant::now();
        self.turn += 1;
        let seconds = self.started.elapsed().as_secs();
        if self.terminal {
            let mark = SPINNER.get(self.turn % SPINNER.len()).unwrap_or(&' ');
            eprint!("\r{mark} {} … {seconds} s ", self.what);
            let _ = std::io::stderr().flush();
        } else {
            eprintln!("{} … {seconds} s", self.what);
        }
    }

    /// The last word on the step.
    pub(crate) fn finish(self, outcome: &str) {
        let start = if self.terminal { "\r\x1b[2K" } else { "" };
        eprintln!("{start}{}: {outcome} ({:.1} s)", self.what, self.started.elapsed().as_secs_f32());
    }
}

/// How long each step took.
#[derive(Default)]
pub(crate) struct Timings(Vec<(String, Duration)>);

impl Timings {
    /// Runs a step and notes its duration, whatever its outcome.
    pub(crate) fn measure<T>(&mut self, what: &str, step: impl FnOnce() -> T) -> T {
        let started = Instant::now();
        let result = step();
        self.0.push((what.to_owned(), started.elapsed()));
        result
    }

    /// The table that `run` prints.
    pub(crate) fn table(&self) -> String {
        let total: Duration = self.0.iter().map(|(_, took)| *took).sum();
        let row = |what: &str, took: Duration| format!("  {what:<12} {:>7.1} s\n", took.as_secs_f32());
        let rows: String = self.0.iter().map(|(what, took)| row(what, *took)).collect();
        rows + &row("total", total)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn table_lists_every_step_and_the_total() {
        let timings = Timings(vec![
            ("build".to_owned(), Duration::from_millis(61_500)),
            ("deploy".to_owned(), Duration::from_millis(11_000)),
        ]);
        let expected = "  build           61.5 s\n  deploy          11.0 s\n  total           72.5 s\n";
        assert_eq!(timings.table(), expected);
    }
}
