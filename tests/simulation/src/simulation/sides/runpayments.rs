//! Run Payments' half of the history: merchants on their way, and transactions.

mod merchant;

use std::cell::RefCell;

use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;

use crate::memory::answer;
use crate::simulation::author::Author;
use crate::simulation::dice::Dice;
use crate::simulation::engine::seen::Violations;
use crate::simulation::plot::{ATTEMPT, Effect, FORGED, Forgery, Forging, Plot, Twin, key};
use crate::simulation::query::parameter;
use crate::simulation::side::{Drawn, Held, Look, Side};
use merchant::{BELIEVED_SECS, NAME, Spelling, UNKNOWN, WAY, ZONE_SECS, event_type};
pub(crate) use merchant::{Merchant, Shown, place};

/// Merchants that return to an earlier status, of a hundred.
const RETURNING_PERCENT: u64 = 25;
/// How far they come again at most.
const MAX_STEPS_AGAIN: usize = 3;

/// Everything Run Payments knows.
pub(crate) struct RunPayments {
    pub(crate) merchants: Vec<Merchant>,
    /// The page answered last.
    served: RefCell<Option<Served>>,
    /// Every row that ever was shown.
    shown: RefCell<Vec<Shown>>,
}

/// A page of the merchants' list, as it was answered.
pub(crate) struct Served {
    pub(crate) offset: usize,
    pub(crate) rows: Vec<Shown>,
}

impl Side for RunPayments {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn settings(&self, drawn: &Drawn) -> Vec<(&'static str, &'static str)> {
        vec![("RUNPAYMENTS_PAGE_LIMIT", drawn.page_limit)]
    }

    fn answer(&self, url: &str, look: &Look<'_>) -> Option<Result<ApiResponse, ApiError>> {
        let (_, query) = url.split_once("/merchants?")?;
        Some(self.page(query, look.seen_at, look.now))
    }

    fn lists(&self) -> &'static [&'static str] {
        &["merchants"]
    }

    fn forget_page(&self) {
        self.served.take();
    }

    /// A merchant's status is known as a status, as a fact, or as an entry.
    fn passed_over(&self, reached: Option<u64>, held: &Held<'_>) -> Option<String> {
        let served = self.served.take()?;
        if reached.is_some_and(|reached| reached <= served.offset as u64) {
            return None;
        }
        let shown = served.rows.iter().find(|shown| !self.merchants[shown.merchant].is_known(shown, held.memory))?;
        let merchant = &self.merchants[shown.merchant];
        Some(format!("{} is {}", merchant.id, merchant.step(shown.step).0))
    }

    /// It is asked for none.
    fn results(&self, _: &Held<'_>) -> Violations {
        Vec::new()
    }
}

impl RunPayments {
    pub(crate) fn new(author: &Author<'_>, plot: &mut Plot) -> Self {
        let dice = author.dice;
        let merchants = (1..=dice.between(2, 5)).map(|n| merchant(author, plot, n)).collect();
        for n in 0..dice.between(2, 5) {
            let (event_type, effect) = match dice.below(8) {
                0 => ("payout.entered", Effect::Ignored),
                1 => ("chargeback.entered", Effect::Own),
                _ => ("transaction.entered", Effect::Own),
            };
            let kind = event_type.split('.').next().unwrap();
            let (id, idempotency_key) = (format!("{}", 100 + n), format!("k-{event_type}-{n}"));
            let at = author.moment();
            let body = body(event_type, &id, at, r#"{"amount":"1.10"}"#, &idempotency_key);
            author.tell(plot, NAME, key(NAME, kind, &id, &[&idempotency_key]), at, body, effect);
        }
        for n in 0..dice.below(3) {
            let how = match dice.below(4) {
                0 => Forging::Bare,
                1 => Forging::Guessed,
                2 => Forging::Cut,
                _ => Forging::Altered(plot.events.len() - 1),
            };
            // A merchant that is live already, says the forger: of the true ones, too.
            let merchant = if dice.percent(50) { "m1".to_string() } else { format!("{FORGED}-{n}") };
            let at = author.moment();
            let payload = format!(r#"{{"merchant_id":"{merchant}"}}"#);
            let body = body("merchant.deleted", &merchant, at, &payload, &format!("{FORGED}-{n}"));
            plot.forgeries.push(Forgery { provider: NAME, at, how, body });
        }
        if dice.percent(8) {
            // A flood, all within a minute.
            let at = author.moment();
            for n in 0..30 {
                let body = body("merchant.deleted", "m1", at, "{}", &format!("{FORGED}-flood-{n}"));
                plot.forgeries.push(Forgery { provider: NAME, at: at.plus_ms(n * 500), how: Forging::Guessed, body });
            }
        }
        Self { merchants, served: RefCell::default(), shown: RefCell::default() }
    }

    /// `GET /relay/api/boarding/v1/merchants`, as things stood at `seen_at`.
    fn page(&self, query: &str, seen_at: UnixMs, asked_at: UnixMs) -> Result<ApiResponse, ApiError> {
        let number = |name| parameter(query, name).and_then(|text| text.parse::<usize>().ok());
        let (limit, offset) = (number("limit").unwrap_or(1), number("offset").unwrap_or(0));
        let shown = |(merchant, of): (usize, &Merchant)| {
            let step = of.statuses.iter().rposition(|(_, at)| *at <= seen_at)?;
            let unknown = of.unknown.is_some_and(|(from, until)| from <= seen_at && seen_at < until);
            Some(Shown { merchant, step, asked_at, unknown })
        };
        let listed: Vec<Shown> = self.merchants.iter().enumerate().filter_map(shown).collect();
        let rows: Vec<Shown> = listed.iter().skip(offset).take(limit).copied().collect();
        let more = offset + rows.len() < listed.len();
        let row = |shown: &Shown| {
            let merchant = &self.merchants[shown.merchant];
            let (id, known) = (&merchant.id, merchant.spelling.write(merchant.step(shown.step).0));
            let status = if shown.unknown { UNKNOWN.to_string() } else { known };
            format!(r#"{{"merchant_id":"{id}","merchant_status":"{status}","dba_name":"x"}}"#)
        };
        let page: Vec<String> = rows.iter().map(row).collect();
        self.shown.borrow_mut().extend(&rows);
        *self.served.borrow_mut() = Some(Served { offset, rows });
        answer(200, format!(r#"{{"items":[{}],"hasMore":{more},"limit":{limit},"offset":{offset}}}"#, page.join(",")))
    }
}

impl RunPayments {
    /// The rows that were shown of a merchant, with a status that is known.
    pub(crate) fn shown_of(&self, merchant: usize) -> Vec<Shown> {
        let shown = self.shown.borrow();
        shown.iter().filter(|shown| shown.merchant == merchant && !shown.unknown).copied().collect()
    }
}

fn body(event_type: &str, id: &str, at: UnixMs, payload: &str, idempotency_key: &str) -> String {
    format!(
        r#"{{"sent":{ATTEMPT},"event_type":"{event_type}","source_id":"{id}","timestamp":"{at}","payload":{payload},"metadata":{{"webhook_id":"wh-1","attempt":{ATTEMPT},"idempotency_key":"{idempotency_key}"}}}}"#
    )
}

/// A way through the statuses: forward, or with a return or two.
fn way(dice: &Dice) -> Vec<&'static str> {
    let mut way: Vec<&'static str> = WAY[..dice.index(WAY.len()) + 1].to_vec();
    if dice.percent(25) {
        way.push(dice.pick(&["cancelled", "declined"]));
        way.extend(dice.percent(10).then_some("declined"));
        way.dedup();
    }
    if way.len() > 1 && dice.percent(RETURNING_PERCENT) {
        for _ in 0..dice.between(1, 2) {
            // Back to any status but the last, and on again for a while.
            let back = dice.index(way.len() - 1);
            let again = way[back..].iter().take(dice.index(MAX_STEPS_AGAIN) + 1).copied().collect::<Vec<_>>();
            way.extend(again);
            way.dedup();
        }
    }
    way
}

fn merchant(author: &Author<'_>, plot: &mut Plot, n: u64) -> Merchant {
    let dice = author.dice;
    let id = format!("m{n}");
    let mut at = author.moment();
    let mut statuses: Vec<(&'static str, UnixMs)> = Vec::new();
    let end = author.start.plus_secs(author.span_secs);
    let way = way(dice);
    // Only where it never returns: there the list tells in the end what came last.
    let ahead = dice.percent(25) && way.is_sorted_by(|a, b| place(a) < place(b));
    let ahead_secs = if dice.percent(50) { ZONE_SECS } else { dice.between(10, BELIEVED_SECS - 10) };
    let ahead = ahead.then(|| (dice.index(way.len()), ahead_secs));
    let (shares_key, mut keys) = (dice.percent(20), Vec::<String>::new());
    for (step, status) in way.into_iter().enumerate() {
        if statuses.last().is_some_and(|(left, left_at)| place(left) >= place(status) && *left_at == at) {
            at = at.plus_ms(1);
        }
        // What happens later than that is another history's.
        if at > end {
            break;
        }
        let payload = format!(r#"{{"merchant_id":"{id}"}}"#);
        let event_type = event_type(status);
        let shared = keys.first().filter(|_| shares_key && step == 1).cloned();
        let idempotency_key = shared.clone().unwrap_or_else(|| format!("k-{id}-{step}-{status}"));
        let ahead_secs = ahead.filter(|(ahead, _)| *ahead == step).map_or(0, |(_, secs)| secs);
        let stamped_at = at.plus_secs(ahead_secs);
        let body = body(event_type, &id, stamped_at, &payload, &idempotency_key);
        author.tell(plot, NAME, key(NAME, "merchant", &id, &[&idempotency_key]), at, body, Effect::Status(status));
        if shared.is_some() {
            for event in plot.events.iter_mut().filter(|event| event.key == key(NAME, "merchant", &id, &[&keys[0]])) {
                let Effect::Status(status) = event.effect else { continue };
                event.twin = Twin::Type(self::event_type(status));
            }
        }
        keys.push(idempotency_key);
        statuses.push((status, at));
        // Now and then two statuses in the same breath, at the same instant even.
        at = at.plus_ms(match dice.below(10) {
            0 => 0,
            1 => dice.below(2_000),
            _ => dice.between(60_000, 1_200_000),
        });
    }
    let unknown = dice.percent(15).then(|| {
        let from = author.moment();
        (from, from.plus_secs(dice.between(300, 1_800)).min(end))
    });
    let spelling = dice.pick(&Spelling::ALL);
    Merchant { id, statuses, keys, ahead, unknown, spelling }
}
