//! One trouble for each round, dealt from the seed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use futures_util::future::try_join_all;
use hookledger_simulation::simulation::dice::Dice;

use super::processes;
use crate::local::{Local, Outcome};

/// What can happen in a round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// A few function processes die.
    Some,
    /// All of them die at once.
    All,
    /// The emulator stops and starts again.
    Restart,
    /// An action is refused to all functions; one of them dies meanwhile.
    Refused(&'static str),
}

/// Dealt in this order to as many rounds as there are, then shuffled: few rounds have one of each.
const DECK: [Kind; 20] = [
    Kind::All,
    Kind::Restart,
    Kind::Refused("dynamodb:*"),
    Kind::Refused("sqs:SendMessage"),
    Kind::Some,
    Kind::Refused("events:PutEvents"),
    Kind::All,
    Kind::Some,
    Kind::All,
    Kind::Refused("dynamodb:*"),
    Kind::All,
    Kind::Refused("secretsmanager:GetSecretValue"),
    Kind::Some,
    Kind::All,
    Kind::Some,
    Kind::Refused("sqs:SendMessage"),
    Kind::All,
    Kind::Some,
    Kind::All,
    Kind::All,
];

/// What the emulator writes when a function died on a call.
const DIED_ON_A_CALL: &str = "Runtime exited before returning a response";
/// A fault is over after so long at most.
const FAULT_MS: (u64, u64) = (300, 1_500);
/// Taking a fault back is tried so often.
const ALLOW_TRIES: u32 = 20;

/// What a round takes at least.
pub(super) const ROUND: Duration = Duration::from_millis(1_000);

/// What was done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Done {
    /// Troubles.
    pub rounds: u32,
    /// Function processes killed.
    pub kills: usize,
    /// Of them, those that had somebody's call in hand.
    pub in_mid_call: usize,
    /// Restarts of the emulator.
    pub restarts: usize,
    /// Spells in which the table, the queue or the bus refused.
    pub faults: usize,
}

/// The troubles of one block.
pub(super) struct Trouble<'a> {
    local: &'a Local,
    dice: Dice,
    kinds: Vec<Kind>,
    done: Done,
    log: PathBuf,
    /// How often functions had died on a call before.
    died_before: usize,
}

impl<'a> Trouble<'a> {
    pub(super) fn new(local: &'a Local, seed: u64, rounds: u32) -> Outcome<Self> {
        let dice = Dice::new(seed, 1);
        let mut kinds: Vec<Kind> = DECK.into_iter().cycle().take(usize::try_from(rounds).unwrap_or_default()).collect();
        for last in (1..kinds.len()).rev() {
            kinds.swap(last, dice.index(last + 1));
        }
        let log = local.stack.logs.get("ministack").ok_or("stack.json names no log of the emulator")?;
        let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(log);
        let died_before = died_on_calls(&log)?;
        Ok(Self { local, dice, kinds, done: Done::default(), log, died_before })
    }

    /// Makes it, round by round.
    pub(super) async fn make(&mut self) -> Outcome<()> {
        for kind in self.kinds.clone() {
            let over = tokio::time::Instant::now() + ROUND;
            self.sleep(0, 500).await;
            match kind {
                Kind::Some => {
                    for _ in 0..self.dice.between(1, 4) {
                        self.kill_one()?;
                        self.sleep(0, 150).await;
                    }
                }
                Kind::All => self.done.kills += processes::kill(&processes::of_functions()?)?,
                Kind::Restart => self.restart().await?,
                Kind::Refused(action) => self.refuse(action).await?,
            }
            self.done.rounds += 1;
            tokio::time::sleep_until(over).await;
        }
        Ok(())
    }

    /// What was done by now.
    pub(super) fn done(&self) -> Outcome<Done> {
        let in_mid_call = died_on_calls(&self.log)?.saturating_sub(self.died_before);
        Ok(Done { in_mid_call, ..self.done })
    }

    async fn sleep(&self, first_ms: u64, last_ms: u64) {
        tokio::time::sleep(Duration::from_millis(self.dice.between(first_ms, last_ms))).await;
    }

    fn kill_one(&mut self) -> Outcome<()> {
        let processes = processes::of_functions()?;
        if !processes.is_empty() {
            self.done.kills += processes::kill(&[self.dice.pick(&processes)])?;
        }
        Ok(())
    }

    /// The stack's own way to do it. It outlives this moment, so it is waited for without blocking the load.
    async fn restart(&mut self) -> Outcome<()> {
        let restarted = self.local.xtask(&["restart"]).await;
        self.done.restarts += 1;
        restarted.map_err(|error| format!("the emulator did not restart: {error}"))
    }

    async fn refuse(&mut self, action: &str) -> Outcome<()> {
        let functions: Vec<String> = self.local.stack.functions.keys().cloned().collect();
        let denied = try_join_all(functions.iter().map(|function| self.local.deny(function, action))).await;
        self.sleep(FAULT_MS.0, FAULT_MS.1).await;
        let killed = self.kill_one();
        // Whatever went wrong: nothing stays refused.
        let allow = async |function: &String| {
            let mut allowed = self.local.allow(function).await;
            for _ in 0..ALLOW_TRIES {
                if allowed.is_ok() {
                    break;
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
                allowed = self.local.allow(function).await;
            }
            allowed
        };
        let allowed = try_join_all(functions.iter().map(allow)).await;
        self.done.faults += 1;
        denied?;
        allowed?;
        killed
    }
}

fn died_on_calls(log: &Path) -> Outcome<usize> {
    let text = std::fs::read(log).map_err(|error| format!("{}: {error}", log.display()))?;
    Ok(String::from_utf8_lossy(&text).matches(DIED_ON_A_CALL).count())
}
