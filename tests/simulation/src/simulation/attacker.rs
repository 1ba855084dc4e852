//! Who holds a live URL token of the two providers that sign nothing, and posts: before, between and after the genuine
//! deliveries, once or in bursts.
//!
//! An attacker knows the ids of genuine subjects and invents others. An id that is invented stands in the posts of one
//! attack alone, so that every call to a provider's API that names it was caused by those posts.

mod finbox;
mod rightfoot;

use hookledger_core::model::time::UnixMs;

use super::dice::Dice;
use super::plot::{Effect, Plot, TrueEvent};
use super::sides::finbox::FinBox;
use super::sides::rightfoot::Rightfoot;

/// Stands in every text that an attacker makes up, but for ids and an alert's claims. It must be in no row and in no
/// published event.
pub(super) const BOGUS: &str = "bogus";
/// Begins ids that the provider's API answers with an error of its own, always.
pub(super) const DOWN: &str = "down";
/// The most copies of one post.
const MAX_COPIES: u64 = 36;

/// Posts of one who waits until the one before is given up, and for how much longer than its deadline.
const PATIENT_POSTS: u64 = 6;
const PATIENCE_SECS: u64 = 150;

/// One post.
pub(super) struct Post {
    pub(super) provider: &'static str,
    pub(super) at: UnixMs,
    pub(super) body: String,
}

/// All that is posted in one seed.
#[derive(Default)]
pub(super) struct Attack {
    pub(super) posts: Vec<Post>,
    /// The ids that were invented, each with how many posts name it.
    pub(super) invented: Vec<(String, u64)>,
}

/// What makes up a body, perhaps about what this event is about.
type Forger = fn(&mut Attacker<'_>, Option<&TrueEvent>) -> String;

/// The providers that sign nothing.
const FORGERS: &[(&str, Forger)] =
    &[("rightfoot", |attacker, event| attacker.rightfoot(event)), ("finbox", |attacker, event| attacker.finbox(event))];

/// What an attacker knows, and draws from.
struct Attacker<'a> {
    dice: &'a Dice,
    rightfoot: &'a Rightfoot,
    finbox: &'a FinBox,
    genuine: Vec<&'a TrueEvent>,
    invented: Vec<String>,
}

impl Attack {
    pub(super) fn new(
        seed: u64,
        start: UnixMs,
        (span_secs, deadline_secs): (u64, u64),
        plot: &Plot,
        rightfoot: &Rightfoot,
        finbox: &FinBox,
    ) -> Self {
        let dice = Dice::new(seed, 7);
        let wanted = |event: &&TrueEvent| matches!(event.effect, Effect::Own | Effect::Alike(_));
        let unsigned = plot.events.iter().filter(|event| FORGERS.iter().any(|(name, _)| *name == event.provider));
        let genuine = unsigned.filter(wanted).collect();
        let mut attacker = Attacker { dice: &dice, rightfoot, finbox, genuine, invented: Vec::new() };
        let mut attack = Self::default();
        for _ in 0..dice.between(3, 12) {
            let event = (!attacker.genuine.is_empty()).then(|| attacker.genuine[dice.index(attacker.genuine.len())]);
            let (provider, body) = attacker.post(event);
            let at = event.map_or(start, |event| event.at.plus_ms(event.delay_ms));
            let mut at = attacker.moment(at, start, span_secs, deadline_secs);
            let mut copies = if dice.percent(25) { dice.between(2, MAX_COPIES) } else { 1 };
            let mut apart_ms = dice.pick(&[0, 40, 2_000, 30_000]);
            if dice.percent(15) {
                // Again whenever what was posted before has been given up.
                (copies, apart_ms) = (PATIENT_POSTS, (deadline_secs + PATIENCE_SECS) * 1000);
                at = UnixMs(at.0 - i64::try_from(copies * apart_ms).unwrap()).max(start.plus_secs(1));
            }
            for _ in 0..copies {
                attack.posts.push(Post { provider, at, body: body.clone() });
                at = at.plus_ms(apart_ms - dice.below(apart_ms / 8 + 1));
            }
            for id in attacker.invented.drain(..) {
                attack.invented.push((id, copies));
            }
        }
        attack
    }
}

impl Attacker<'_> {
    /// A post, perhaps about what this event is about.
    fn post(&mut self, event: Option<&TrueEvent>) -> (&'static str, String) {
        let provider = event.map_or_else(|| self.dice.pick(FORGERS).0, |event| event.provider);
        let body = match (event, self.dice.below(100)) {
            // The genuine bytes.
            (Some(event), 0..15) => event.body.clone(),
            (Some(event), 15..30) => self.bent(&event.body),
            _ => {
                let (_, forge) = FORGERS.iter().find(|(name, _)| *name == provider).expect("it signs nothing");
                forge(self, event)
            }
        };
        (provider, body)
    }

    /// When to post: just before a genuine delivery, long before, so that what waits for its confirmation gives up just
    /// then, at the same time, after it, or at any time.
    fn moment(&self, genuine: UnixMs, start: UnixMs, span_secs: u64, deadline_secs: u64) -> UnixMs {
        let dice = self.dice;
        let before = |ms: u64| UnixMs(genuine.0 - i64::try_from(ms).unwrap());
        let at = match dice.below(6) {
            0 => before(dice.below(60_000)),
            1 => before(dice.below(2_400_000)),
            2 => before(deadline_secs * 1000 + dice.below(400_000)),
            3 => genuine.plus_ms(dice.below(2_000)),
            4 => genuine.plus_ms(dice.below(600_000)),
            _ => start.plus_ms(dice.below(span_secs * 1000)),
        };
        at.max(start.plus_secs(1))
    }

    /// An id that no provider knows; some of them such that the provider's API fails over it, some odd.
    fn invent(&mut self) -> String {
        let number = format!("{}-{}", self.dice.below(1_000_000), self.invented.len());
        let id = match self.dice.below(10) {
            0..3 => format!("{DOWN}{number}"),
            3 => format!("ghost{number}/../b1"),
            4 => format!("ghost{number}?x=1&y#z"),
            5 => format!("ghost{number}{}", "x".repeat(300)),
            6 => format!("ghost{number}\\u0000\\u001b"),
            _ => format!("ghost{number}"),
        };
        // Only what stands before the odd part is looked for.
        let plain = id.find(['/', '?', '\\']).map_or(id.as_str(), |end| &id[..end]);
        self.invented.push(plain.trim_end_matches('x').to_string());
        id
    }

    /// A genuine body with one value replaced, or one that can't be read any more.
    fn bent(&self, body: &str) -> String {
        let dice = self.dice;
        if dice.percent(20) {
            return body.chars().take(dice.index(body.chars().count())).collect();
        }
        if dice.percent(10) {
            return format!("[{body}]");
        }
        let fields: Vec<usize> = body.match_indices("\":").map(|(at, _)| at + 2).collect();
        let from = fields[dice.index(fields.len())];
        let value = dice.pick(&ODD);
        // A text or a plain value; of a list or an object only its beginning, so that the body can't be read.
        let rest = &body[from..];
        let length = match rest.as_bytes().first() {
            Some(b'"') => rest[1..].find('"').map_or(rest.len(), |end| end + 2),
            _ => rest.find([',', '}']).unwrap_or(rest.len()),
        };
        format!("{}{value}{}", &body[..from], &rest[length..])
    }
}

/// Values that stand where a text belongs.
const ODD: [&str; 10] = ["null", "\"\"", "\"  \"", "{}", "[]", "true", "7", "\"..\"", "\"\\u0000\"", "\"bogus\""];

/// A JSON text, or null.
fn quoted(text: Option<&str>) -> String {
    text.map_or("null".into(), |text| format!("\"{text}\""))
}
