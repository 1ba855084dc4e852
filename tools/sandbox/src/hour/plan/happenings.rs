//! What happens at each provider in an hour, the odd things that real providers do among it.

use hookledger_kit::{ALL, Kit};
use serde_json::Value;

use crate::dice::Dice;
use crate::hour::clock::{HOUR_MS, MINUTE_MS, between};
use crate::hour::events::{Accounts, Balance, Happening, Shown};

/// Nothing happens in the last minute, so that what is delayed is still sent.
const LAST_MS: u64 = HOUR_MS - MINUTE_MS;

/// Entities that may share a link.
const ENTITIES_PER_LINK: usize = 4;
/// Entities without a link are numbered from here.
const LONE_ENTITIES: usize = 100_000;

/// One batch in so many has more balances than one page of the API holds.
const LONG_BATCH_EVERY: usize = 20;
const LONG_BATCH: usize = 101;
/// How the long batches are shown, in turn: each of these has to be met in every hour. The last has the first authorizer
/// twice, on two pages.
const LONG_BATCHES: [(&str, u32); 4] = [("camel", 0), ("no_flag", 0), ("snake", 1), ("camel", 2)];

/// One happening in so many is each plain provider's.
const PLAIN_EVERY: usize = 10;

/// One extract in so many is told again under its id, with another content.
const AGAIN_EVERY: usize = 20;
/// One in so many is stamped ahead.
const AHEAD_EVERY: usize = 15;
/// A local time that is marked as UTC.
const AHEAD_SECS: u32 = 19_800;

/// How long before the last moment a session has its upload, so that it can still be processed.
const SESSION_MS: u64 = 4 * MINUTE_MS;

/// A merchant's way; it may end anywhere.
const STATUSES: [&str; 6] = ["new", "sent_for_signature", "signed", "in_underwriting", "boarded", "live"];
const ENDINGS: [&str; 2] = ["declined", "cancelled"];
const MOVEMENTS: [&str; 5] =
    ["transaction.entered", "transaction.refund", "chargeback.entered", "funding.entered", "statement.entered"];
const REASONS: [&str; 2] = ["LOGIN_FAILED", "TIMEOUT"];

/// By their times.
pub(super) type Happenings = Vec<(u64, Happening)>;

/// So many, in the order of their happening.
pub(super) fn all(dice: &mut Dice, count: usize) -> Happenings {
    let mut happenings = Vec::new();
    let plain: Vec<&Kit> = ALL.iter().copied().filter(|kit| is_plain(kit)).collect();
    let of_each = count / PLAIN_EVERY;
    let count = count.saturating_sub(of_each * plain.len());
    let (rightfoot, fynapse, finbox) = (count / 5, count / 4, count / 4);
    batches(dice, rightfoot, &mut happenings);
    extracts(dice, fynapse, &mut happenings);
    customers(dice, finbox, &mut happenings);
    merchants(dice, count.saturating_sub(rightfoot + fynapse + finbox), &mut happenings);
    for kit in plain {
        happenings.extend((0..of_each).map(|number| (moment(dice), Happening::Plain { provider: kit.name, number })));
    }
    happenings.sort_by_key(|(at_ms, _)| *at_ms);
    happenings
}

/// Whether nothing is told of it but its event.
fn is_plain(kit: &Kit) -> bool {
    (kit.told)("x").get("kind").and_then(Value::as_str) == Some("plain")
}

fn pick<T: Copy>(dice: &mut Dice, choices: &[T], otherwise: T) -> T {
    choices.get(dice.below(choices.len())).copied().unwrap_or(otherwise)
}

fn moment(dice: &mut Dice) -> u64 {
    between(dice, 0, LAST_MS)
}

/// A moment so soon after another.
fn soon(dice: &mut Dice, at_ms: u64, within_ms: u64) -> u64 {
    between(dice, at_ms, at_ms + within_ms).min(LAST_MS)
}

/// A decimal with two places, as text: money never is a float here.
fn amount(dice: &mut Dice) -> String {
    let sign = if dice.below(5) == 0 { "-" } else { "" };
    format!("{sign}{}.{:02}", dice.below(100_000), dice.below(100))
}

fn batches(dice: &mut Dice, count: usize, happenings: &mut Happenings) {
    for batch in 0..count {
        let long = (batch % LONG_BATCH_EVERY == LONG_BATCH_EVERY / 2).then_some(batch / LONG_BATCH_EVERY);
        let rows = if long.is_some() { LONG_BATCH } else { 1 + dice.below(3) };
        let row = |authorizer| Balance { authorizer, amount: (dice.below(8) > 0).then(|| amount(dice)) };
        let mut balances: Vec<Balance> = (0..rows).map(row).collect();
        let kind = long.map(|long| long % LONG_BATCHES.len());
        let (page_spelling, refuse_tokens) = match kind.and_then(|kind| LONG_BATCHES.get(kind)) {
            Some(shown) => *shown,
            None => (pick(dice, &["snake", "snake", "camel", "no_flag"], "snake"), 0),
        };
        let twice = kind.map_or_else(|| dice.below(8) == 0, |kind| kind == LONG_BATCHES.len() - 1);
        if twice {
            // Another account of the same authorizer, say.
            balances.push(Balance { authorizer: 0, amount: Some(amount(dice)) });
        }
        let empty_for_ms = if dice.below(6) == 0 { between(dice, 500, 3_000) } else { 0 };
        let shown = Shown { empty_for_ms, page_spelling, refuse_tokens };
        // Long ones not too late: they take their time.
        let at_ms = if long.is_some() { between(dice, 0, LAST_MS / 2) } else { moment(dice) };
        happenings.push((at_ms, Happening::Batch { batch, balances, shown }));
    }
}

fn extracts(dice: &mut Dice, count: usize, happenings: &mut Happenings) {
    let mut before_ms = 0;
    for extract in 0..count {
        let amount = amount(dice);
        // Either of the two may come first.
        let (first, again) = (extract % AGAIN_EVERY == 5 && extract + 1 < count, extract % AGAIN_EVERY == 6);
        let ahead_secs = if extract % AHEAD_EVERY == 3 { AHEAD_SECS } else { 0 };
        let at_ms = if again { soon(dice, before_ms, 5 * MINUTE_MS) } else { moment(dice) };
        let extract = if again { extract - 1 } else { extract };
        happenings.push((at_ms, Happening::Extract { extract, amount, twice: first || again, ahead_secs }));
        before_ms = at_ms;
    }
}

/// Some customers have a session, some upload by hand without a link, most come through a link and may try repeatedly.
fn customers(dice: &mut Dice, count: usize, happenings: &mut Happenings) {
    let links = (count / 10).max(1);
    let end = happenings.len() + count;
    for n in 0..count {
        let room = end.saturating_sub(happenings.len());
        if room == 0 {
            break;
        }
        let lone = LONE_ENTITIES + n;
        let link = dice.below(links);
        let linked = link * ENTITIES_PER_LINK + dice.below(ENTITIES_PER_LINK);
        let reason = pick(dice, &REASONS, "OTHER");
        let happening = match dice.below(100) {
            0..8 if room > 1 => {
                session(dice, n, happenings);
                continue;
            }
            0..12 => Happening::Expiry { session: n, deleted: dice.below(2) == 0 },
            12..16 if room > 1 => {
                overtaken(dice, lone, n, happenings);
                continue;
            }
            12..28 => statement(lone, None, n, dice.below(3) > 0),
            28..34 => Happening::Attempt { entity: lone, link: None, reason },
            34..75 => statement(linked, Some(link), n, dice.below(3) > 0),
            _ => Happening::Attempt { entity: linked, link: Some(link), reason },
        };
        happenings.push((moment(dice), happening));
    }
}

/// Its upload, and some time later its processing.
fn session(dice: &mut Dice, session: usize, happenings: &mut Happenings) {
    let all = 1 + dice.below(3);
    let accounts = Accounts { all, failed: dice.below(all + 1) };
    let at_ms = between(dice, 0, LAST_MS - SESSION_MS);
    happenings.push((at_ms, Happening::Session { session, accounts }));
    let at_ms = between(dice, at_ms + MINUTE_MS / 2, at_ms + SESSION_MS);
    happenings.push((at_ms, Happening::Enrichment { session, accounts }));
}

/// A statement that failed and is completed soon after: who asks because of the first webhook may hear the second's news.
fn overtaken(dice: &mut Dice, entity: usize, statement: usize, happenings: &mut Happenings) {
    let at_ms = moment(dice);
    let of = |completed| Happening::Statement { entity, link: None, statement, completed, overtaken: true };
    happenings.push((at_ms, of(false)));
    happenings.push((soon(dice, at_ms + 1, 2 * MINUTE_MS), of(true)));
}

fn statement(entity: usize, link: Option<usize>, statement: usize, completed: bool) -> Happening {
    Happening::Statement { entity, link, statement, completed, overtaken: false }
}

fn merchants(dice: &mut Dice, count: usize, happenings: &mut Happenings) {
    let mut left = count;
    for merchant in 0..count {
        if left <= count / 3 {
            break;
        }
        let mut at_ms = between(dice, 0, LAST_MS / 2);
        let stops = 1 + dice.below(STATUSES.len());
        let mut way: Vec<&'static str> = STATUSES.into_iter().take(stops).collect();
        if dice.below(5) == 0 {
            way.push(pick(dice, &ENDINGS, "declined"));
        }
        let ahead = (dice.below(6) == 0).then(|| dice.below(way.len()));
        let shares_key = dice.below(6) == 0;
        for (step, status) in way.iter().copied().enumerate() {
            if at_ms >= LAST_MS || left == 0 {
                break;
            }
            let key_of = if shares_key && step == 1 { way.first().copied().unwrap_or(status) } else { status };
            let ahead_secs = if ahead == Some(step) { AHEAD_SECS } else { 0 };
            happenings.push((at_ms, Happening::Status { merchant, status, key_of, ahead_secs }));
            left -= 1;
            at_ms += between(dice, MINUTE_MS, 10 * MINUTE_MS);
        }
    }
    for number in 0..left {
        let event_type = pick(dice, &MOVEMENTS, "transaction.entered");
        let amount = amount(dice);
        happenings.push((moment(dice), Happening::Movement { number, event_type, amount }));
    }
}
