//! Crashes, end to end: while the sandbox's four providers deliver, function processes are killed with SIGKILL, the
//! emulator is stopped and started again, and the table, the queue and the bus refuse for a while. Then all comes to
//! rest, and the ledger is held against the providers' own record, by the comparison of the random hour.
//!
//! ```text
//! block: an hour of deliveries ─┬─ 20 rounds, each one trouble from the seed (trouble.rs)
//!                               └─ rest ─ every message in flight comes again ─ compare: lost, doubled
//! ```
//!
//! What the emulator can't show: it saves its state when it is asked to end, after its last answer. A restart therefore
//! loses what was under way, as a power cut in a data centre would, and nothing that was acknowledged, as AWS promises.
//! An emulator that is killed loses everything, AWS does not, so it is not killed. A message that a killed worker held
//! comes back after the visibility timeout, for which seconds stand here, as for all times of the local stack.

pub mod identical;
mod processes;
mod trouble;

use std::fmt;
use std::time::{Duration, Instant};

use crate::hour::held::Held;
use crate::hour::judge::{Judgement, judge};
use crate::hour::{Hour, play_amid};
use crate::local::{Local, Outcome, until};
pub use trouble::Done;
use trouble::{ROUND, Trouble};

/// Rounds between two comparisons.
const ROUNDS_A_BLOCK: u32 = 20;
/// Events for each round; an hour has 40 at least.
const DELIVERIES_A_ROUND: u32 = 4;
const DELIVERIES_LEAST: u32 = 40;
/// How long a message stays with a worker that died: 360 s in production.
const VISIBILITY_SECS: u32 = 12;
/// Tens of them; a message that died with five workers is one.
const DEAD_LETTERS_LIMIT: u32 = 100;
/// As the template has it.
const USUAL_VISIBILITY_SECS: u32 = 360;

/// Which crashes.
#[derive(Clone, Copy, Debug)]
pub struct Crash {
    /// Troubles and deliveries come from it.
    pub seed: u64,
    /// How many troubles.
    pub rounds: u32,
}

/// What was done, and what came of it.
#[derive(Clone, Debug, Default)]
pub struct Crashed {
    /// What was done.
    pub done: Done,
    /// Events at the providers.
    pub events: usize,
    /// Requests that arrived, retries and copies among them.
    pub deliveries: usize,
    /// Events that never reached us and that we got by asking.
    pub recovered: usize,
    /// Events that never reached us and that nobody can ask for: reported to a person, or on the declared list.
    pub unheard: usize,
    /// Details that went out more than once, under one id each.
    pub repeated: usize,
    /// Each event that is missing or not as it should be.
    pub lost: Vec<String>,
    /// Each entry, row, effect or publication too many.
    pub doubled: Vec<String>,
}

impl Crashed {
    /// Whether nothing is lost and nothing doubled.
    pub fn is_as_it_should_be(&self) -> bool {
        self.lost.is_empty() && self.doubled.is_empty()
    }

    fn take(&mut self, judgement: &Judgement) {
        for tally in judgement.tallies.values() {
            self.events += tally.happened;
            self.recovered += tally.recovered;
            self.unheard += tally.reported + tally.declared;
        }
        self.repeated += judgement.repeated;
        self.lost.extend(judgement.missing.iter().cloned());
        self.doubled.extend(judgement.extra.iter().cloned());
    }
}

impl fmt::Display for Crashed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Done { rounds, kills, in_mid_call, restarts, faults } = self.done;
        write!(
            f,
            "rounds {rounds}, kills {kills} ({in_mid_call} in mid-call), restarts {restarts}, faults {faults}, \
             events {}, deliveries {}, recovered {}, unheard {}, repeated {}, lost {}, doubled {}",
            self.events,
            self.deliveries,
            self.recovered,
            self.unheard,
            self.repeated,
            self.lost.len(),
            self.doubled.len()
        )
    }
}

/// Runs all rounds, block by block, and tells of each block.
pub async fn crash(local: &Local, wanted: Crash, tell: impl Fn(&str)) -> Outcome<Crashed> {
    local.set_visibility(VISIBILITY_SECS).await?;
    let outcome = blocks(local, wanted, tell).await;
    local.set_visibility(USUAL_VISIBILITY_SECS).await?;
    // The next to look there expects what it put there itself.
    for _ in 0..DEAD_LETTERS_LIMIT {
        if local.dead_letters().await?.is_empty() {
            break;
        }
    }
    outcome
}

async fn blocks(local: &Local, wanted: Crash, tell: impl Fn(&str)) -> Outcome<Crashed> {
    let mut crashed = Crashed::default();
    let mut left = wanted.rounds;
    for block in 0.. {
        if left == 0 {
            break;
        }
        let rounds = left.min(ROUNDS_A_BLOCK);
        left -= rounds;
        let seed = wanted.seed.wrapping_add(block);
        let started = Instant::now();
        let took =
            one_block(local, seed, rounds, &mut crashed).await.map_err(|error| format!("seed {seed}: {error}"))?;
        let (took, waited_for) = took;
        let [announced, played, at_rest] = took.map(|took| took.as_secs());
        let emptied = started.elapsed().as_secs().saturating_sub(announced + played + at_rest);
        tell(&format!(
            "seed {seed}: announcing beforehand {announced} s, trouble {played} s, until at rest {at_rest} s ({waited_for}), until no \
             message is left {emptied} s; so far {crashed}"
        ));
        for (name, things) in [("LOST", &crashed.lost), ("DOUBLED", &crashed.doubled)] {
            things.iter().for_each(|thing| tell(&format!("{name}: {thing}")));
        }
        if !crashed.is_as_it_should_be() {
            break;
        }
    }
    Ok(crashed)
}

async fn one_block(local: &Local, seed: u64, rounds: u32, crashed: &mut Crashed) -> Outcome<([Duration; 3], String)> {
    let deliveries = usize::try_from((rounds * DELIVERIES_A_ROUND).max(DELIVERIES_LEAST)).unwrap_or_default();
    let hour = Hour { seed, deliveries, announced: true };
    let mut trouble = Trouble::new(local, seed, rounds)?;
    // What others left on the queue is not ours to wait for.
    let before = local.depth_now().await?;
    let played = play_amid(local, &hour, ROUND * rounds, trouble.make()).await?;
    // Whatever a dead worker held comes back before the end, and must change nothing. Polls of a later time stay: their
    // watches are closed.
    until("every message to be gone", async || {
        let depth = local.depth_now().await?.saturating_sub(before);
        Ok(if depth == 0 { Ok(()) } else { Err(format!("{depth} messages are left")) })
    })
    .await?;
    let held = Held::read(local, &played.run.to_string()).await?;
    crashed.take(&judge(&played.truth, &held));
    crashed.deliveries += played.truth.iter().map(|told| told.answers.len()).sum::<usize>();
    crashed.lost.extend(played.under_way.map(|what| format!("not at rest: {what}")));
    let Done { rounds, kills, in_mid_call, restarts, faults } = trouble.done()?;
    let done = &mut crashed.done;
    done.rounds += rounds;
    done.kills += kills;
    done.in_mid_call += in_mid_call;
    done.restarts += restarts;
    done.faults += faults;
    Ok((played.took, played.waited_for.unwrap_or_default()))
}
