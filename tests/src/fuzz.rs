//! Input that nobody should send, made in numbers: for everything that reads what others write, a target that feeds it
//! bytes and states what must hold whatever they are.
//!
//! ```text
//! corpora/<target>/, events/ ─ corpus ─▶ pool ─ mutate ─▶ input ─▶ target ─┬─ Seen: a new one joins the pool
//!                                         ▲                               │
//!                                         └───────────────────────────────┴─ a broken promise: made small, kept
//! ```
//!
//! **Rationale.** cargo-fuzz needs a nightly compiler, and this workspace is pinned to a stable one. What its engines
//! add there is coverage; on stable `bolero` too is left with random bytes and a corpus, for twenty crates more. So the
//! targets tell by themselves what an input came to (read as which type, refused for which field), and an input with a
//! new story joins the pool: coverage of what the code decides. JSON is changed as a tree, because bytes changed at
//! random rarely stay JSON.
//!
//! Everything is decided by the seed. A run of so many executions repeats exactly; `cargo xtask fuzz` runs for so long.

mod corpus;
mod keys;
mod mutate;
mod target;
mod targets;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

pub use corpus::{Corpus, folder};
pub use target::{Failure, Run, Seen, Target};
pub use targets::TARGETS;

use hookledger_simulation::simulation::dice::Dice;
use mutate::Mutator;

/// When a run ends.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// After so many inputs besides the pool's own.
    Executions(u64),
    /// After so long.
    Elapsed(Duration),
}

/// A run of one target.
#[derive(Clone, Debug)]
pub struct Campaign {
    /// Decides every input.
    pub seed: u64,
    /// When it ends.
    pub until: Until,
    /// Where each input is written before it is tried, for what even a panic handler doesn't survive.
    pub current: Option<PathBuf>,
}

/// What a run came to.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// Inputs tried.
    pub executions: u64,
    /// How long it took.
    pub took: Duration,
    /// How many inputs came to what.
    pub seen: BTreeMap<Seen, u64>,
    /// What broke, one for each message.
    pub failures: Vec<Failure>,
}

/// One input may take this long. The slowest take milliseconds; a busy machine gets its share.
const SLOW: Duration = Duration::from_secs(5);
/// Different failures looked for before a run ends early.
const MAX_FAILURES: usize = 5;
/// Tries at making a failing input smaller.
const SHRINK_TRIES: usize = 2_000;
/// The most inputs kept in the pool for their story.
const MAX_POOL: usize = 4_096;

/// The target of this name.
pub fn target(name: &str) -> Option<&'static Target> {
    TARGETS.iter().find(|target| target.name == name)
}

/// Feeds a target its corpus, and then what becomes of it.
pub fn run(target: &Target, campaign: &Campaign) -> Report {
    let started = Instant::now();
    let mut pool = Corpus::of(target).inputs;
    assert!(!pool.is_empty(), "{}: nothing to begin with", target.name);
    let mut report = Report::default();
    // Opened once: closing a file that was just cut short makes some file systems wait for the disk.
    let open = |path: &PathBuf| File::create(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let current = campaign.current.as_ref().map(open);
    for input in &pool {
        attempt(target, current.as_ref(), input, &mut report);
    }
    let mutator = Mutator::new(Dice::new(campaign.seed, 1), &pool);
    let dice = Dice::new(campaign.seed, 2);
    let mut made = 0;
    while report.failures.len() < MAX_FAILURES && !over(campaign.until, made, started) {
        let input = mutator.mutate(&pool[dice.index(pool.len())], &pool[dice.index(pool.len())]);
        let stories = report.seen.len();
        attempt(target, current.as_ref(), &input, &mut report);
        if report.seen.len() > stories && pool.len() < MAX_POOL {
            pool.push(input);
        }
        made += 1;
    }
    if let Some(path) = &campaign.current {
        let _ = std::fs::remove_file(path);
    }
    report.took = started.elapsed();
    report
}

fn over(until: Until, made: u64, started: Instant) -> bool {
    match until {
        Until::Executions(most) => made >= most,
        Until::Elapsed(limit) => started.elapsed() >= limit,
    }
}

fn attempt(target: &Target, current: Option<&File>, input: &[u8], report: &mut Report) {
    if let Some(mut file) = current {
        let written =
            file.rewind().and_then(|()| file.write_all(input)).and_then(|()| file.set_len(input.len() as u64));
        written.unwrap_or_else(|error| panic!("the input could not be written down: {error}"));
    }
    let started = Instant::now();
    let outcome = guarded(target, input);
    report.executions += 1;
    let message = match outcome {
        Ok(_) if started.elapsed() > SLOW => format!("one input took {} s", started.elapsed().as_secs()),
        Ok(seen) => {
            *report.seen.entry(seen).or_default() += 1;
            return;
        }
        Err(message) => message,
    };
    if !report.failures.iter().any(|known| kind(&known.message) == kind(&message)) {
        let input = shrink(input, |smaller| guarded(target, smaller).is_err_and(|why| kind(&why) == kind(&message)));
        report.failures.push(Failure { message, input });
    }
}

/// Two messages that differ in numbers or in what they quote are of one kind.
fn kind(message: &str) -> String {
    message.split(['"', '`']).next().unwrap_or("").chars().filter(|c| !c.is_ascii_digit()).collect()
}

thread_local! {
    /// Where the last panic of this thread was, if the hook below is in place.
    static PANICKED_AT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// From now on panics print nothing, and a failure says where it was. For a process that does nothing but this.
pub fn quiet_panics() {
    std::panic::set_hook(Box::new(|info| {
        let at = info.location().map(|location| format!(" ({}:{})", location.file(), location.line()));
        PANICKED_AT.with_borrow_mut(|last| *last = at.unwrap_or_default());
    }));
}

/// Runs a target so that a panic is its answer.
fn guarded(target: &Target, input: &[u8]) -> Result<Seen, String> {
    catch_unwind(AssertUnwindSafe(|| (target.run)(input))).map_err(|panic| {
        let text = panic.downcast_ref::<String>().cloned();
        let text = text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        PANICKED_AT.with_borrow(|at| format!("{}{at}", text.unwrap_or_else(|| "a panic without words".into())))
    })
}

/// Takes pieces out of an input while it goes on failing.
fn shrink(input: &[u8], fails: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let mut smallest = input.to_vec();
    let mut tries = 0;
    let mut piece = smallest.len() / 2;
    while piece > 0 && tries < SHRINK_TRIES {
        let mut at = 0;
        while at < smallest.len() && tries < SHRINK_TRIES {
            let end = (at + piece).min(smallest.len());
            let smaller = [&smallest[..at], &smallest[end..]].concat();
            tries += 1;
            if fails(&smaller) { smallest = smaller } else { at = end }
        }
        piece /= 2;
    }
    smallest
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;

    use super::*;

    fn bomb(input: &[u8]) -> Seen {
        assert!(!input.windows(2).any(|pair| pair == b"#!"), "a promise about {} bytes", input.len());
        format!("{}", !input.is_empty())
    }

    static BOMB: LazyLock<Target> = LazyLock::new(|| Target {
        name: "bomb",
        about: "",
        run: Box::new(bomb),
        samples: Box::new(|| vec![b"so far so #good!".to_vec()]),
    });

    fn campaign(executions: u64) -> Campaign {
        Campaign { seed: 3, until: Until::Executions(executions), current: None }
    }

    #[test]
    fn a_broken_promise_is_found_and_made_small() {
        let report = run(&BOMB, &campaign(20_000));
        let failure = report.failures.first().expect("nothing was found");
        assert_eq!(failure.input, b"#!");
        assert_eq!(report.failures.len(), 1, "one kind, one failure");
    }

    #[test]
    fn a_seed_repeats() {
        let [first, again] = [run(&BOMB, &campaign(500)), run(&BOMB, &campaign(500))];
        assert_eq!((first.executions, &first.seen), (again.executions, &again.seen));
        assert!(first.executions >= 500);
    }
}
