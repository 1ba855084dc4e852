//! A hundred identical deliveries at once, again and again: each time one entry, its rows once, one effect.

use std::fmt;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use hookledger_kit::{ALL, Kit};
use serde_json::json;

use super::{USUAL_VISIBILITY_SECS, VISIBILITY_SECS};
use crate::hour::held::Held;
use crate::hour::judge::judge;
use crate::hour::truth::Told;
use crate::local::{Local, Outcome, PATIENCE, until};

/// Deliveries at once: the sandbox sends half of them in one order.
const HALF: u32 = 50;
/// How often it is looked.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// What was seen.
#[derive(Clone, Debug, Default)]
pub struct Identical {
    /// Rounds of a hundred.
    pub rounds: u32,
    /// Deliveries.
    pub deliveries: usize,
    /// Of them, those that were asked to come again: so many processes at once are much for one machine.
    pub put_off: usize,
    /// Entries.
    pub entries: usize,
    /// Result rows.
    pub rows: usize,
    /// Published effects, by the id that consumers recognise.
    pub effects: usize,
    /// Of them, those whose detail went out more than once.
    pub repeated: usize,
    /// What was not as it should be.
    pub wrong: Vec<String>,
}

impl fmt::Display for Identical {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { rounds, deliveries, put_off, entries, rows, effects, repeated, wrong } = self;
        write!(
            f,
            "rounds {rounds}, deliveries {deliveries} ({put_off} put off), entries {entries}, rows {rows}, \
             effects {effects}, repeated {repeated}, wrong {}",
            wrong.len()
        )
    }
}

/// Runs so many rounds, one provider after another: the processes of one round are warm in the next.
pub async fn identical(local: &Local, run: &str, rounds: u32, tell: impl Fn(&str)) -> Outcome<Identical> {
    // On a machine this busy a worker may fail to reach the table, and its message comes back.
    local.set_visibility(VISIBILITY_SECS).await?;
    let outcome = all_rounds(local, run, rounds, tell).await;
    local.set_visibility(USUAL_VISIBILITY_SECS).await?;
    outcome
}

async fn all_rounds(local: &Local, run: &str, rounds: u32, tell: impl Fn(&str)) -> Outcome<Identical> {
    let mut seen = Identical::default();
    for round in 0..rounds {
        let started = Instant::now();
        let id = format!("{run}x{round}x");
        let kit = ALL[round as usize * ALL.len() / rounds as usize];
        one_round(local, &id, kit, &mut seen).await.map_err(|error| format!("round {round}: {error}"))?;
        tell(&format!("{:.0} s; so far {seen}", started.elapsed().as_secs_f64()));
        seen.wrong.iter().for_each(|wrong| tell(&format!("WRONG: {wrong}")));
        if !seen.wrong.is_empty() {
            break;
        }
    }
    Ok(seen)
}

async fn one_round(local: &Local, id: &str, kit: &Kit, seen: &mut Identical) -> Outcome<()> {
    // What others left on the queue is not ours to wait for.
    let before = local.depth().await?;
    let (told, body) = event(local, id, kit).await?;
    let send = || local.sandbox.send_with(&told.provider, &body, json!({ "faults": { "times": HALF } }));
    let mut statuses = Vec::new();
    for attempts in join_all([send(), send()]).await {
        statuses.extend(attempts?.into_iter().map(|attempt| attempt.status));
    }
    // 502 is the emulator's own: more processes at once than it could start in time.
    let refused = statuses.iter().filter(|status| !matches!(status, Some(200 | 502 | 503)));
    seen.wrong.extend(refused.map(|status| format!("{id}: answered {status:?}")));
    seen.put_off += statuses.iter().filter(|status| **status != Some(200)).count();
    seen.deliveries += statuses.len();
    seen.rounds += 1;
    until("one more of them to be taken", async || {
        Ok(local.sandbox.send_expecting(&told.provider, &body, json!({}), 200).await)
    })
    .await?;
    let started = Instant::now();
    loop {
        // Emptied before it is judged: a late message must change nothing.
        let depth = local.depth().await?.saturating_sub(before);
        let held = Held::read(local, id).await?;
        let judgement = judge(std::slice::from_ref(&told), &held);
        let wrong: Vec<String> = judgement.missing.into_iter().chain(judgement.extra).collect();
        if (depth == 0 && wrong.is_empty()) || started.elapsed() > PATIENCE {
            seen.wrong.extend(wrong);
            seen.wrong.extend((depth > 0).then(|| format!("{id}: {depth} messages are left")));
            seen.entries += held.entries.len();
            seen.rows += held.rows.len();
            seen.effects += held.published.len();
            seen.repeated += judgement.repeated;
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// An event that came true, and what its webhook says.
pub(crate) async fn event(local: &Local, id: &str, kit: &Kit) -> Outcome<(Told, String)> {
    let body = local.sandbox.event(kit.name, id).await?;
    let fact = serde_json::from_value((kit.told)(id)).map_err(|error| error.to_string())?;
    let (provider, delivery_id) = (kit.name.to_string(), "none".to_string());
    Ok((Told { provider, delivery_id, fact, answers: Vec::new(), acknowledged: true }, body))
}
