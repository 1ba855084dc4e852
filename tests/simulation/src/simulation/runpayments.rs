//! Run Payments' half of the history: merchants on their way, and transactions.

use std::cell::RefCell;

use hookledger_core::api::{ApiError, ApiResponse};
use hookledger_core::time::UnixMs;

use super::truth::{ATTEMPT, Author, Effect, FORGED, Forgery, Forging, Plot, key, parameter};
use crate::memory::answer;

const NAME: &str = "runpayments";

/// A merchant's way, in order; one of the last two may end it at any step.
pub(super) const WAY: [&str; 6] = ["new", "sent_for_signature", "signed", "in_underwriting", "boarded", "live"];

/// A merchant and what it became, each status with the moment.
pub(super) struct Merchant {
    pub(super) id: String,
    pub(super) statuses: Vec<(&'static str, UnixMs)>,
}

/// Everything Run Payments knows.
pub(super) struct RunPayments {
    pub(super) merchants: Vec<Merchant>,
    /// The page answered last.
    served: RefCell<Option<Served>>,
}

/// A page of the merchants' list, as it was answered.
pub(super) struct Served {
    pub(super) at: UnixMs,
    pub(super) offset: usize,
    /// Merchants by their index, each with the status shown.
    pub(super) rows: Vec<(usize, &'static str)>,
}

/// The place of a status in the order.
pub(super) fn place(status: &str) -> usize {
    WAY.iter().position(|step| *step == status).unwrap_or(WAY.len())
}

impl RunPayments {
    pub(super) fn new(author: &Author<'_>, plot: &mut Plot) -> Self {
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
        Self { merchants, served: RefCell::default() }
    }

    /// `GET /relay/api/boarding/v1/merchants`.
    pub(super) fn answer(&self, query: &str, now: UnixMs) -> Result<ApiResponse, ApiError> {
        let number = |name| parameter(query, name).and_then(|text| text.parse::<usize>().ok());
        let (limit, offset) = (number("limit").unwrap_or(1), number("offset").unwrap_or(0));
        let shown = |(index, merchant): (usize, &Merchant)| {
            let (status, _) = merchant.statuses.iter().rev().find(|(_, at)| *at <= now)?;
            Some((index, *status))
        };
        let listed: Vec<(usize, &'static str)> = self.merchants.iter().enumerate().filter_map(shown).collect();
        let rows: Vec<(usize, &'static str)> = listed.iter().skip(offset).take(limit).copied().collect();
        let more = offset + rows.len() < listed.len();
        let row = |(index, status): &(usize, &'static str)| {
            let (id, shown) = (&self.merchants[*index].id, status.replace('_', " "));
            format!(r#"{{"merchant_id":"{id}","merchant_status":"{shown}","dba_name":"x"}}"#)
        };
        let page: Vec<String> = rows.iter().map(row).collect();
        *self.served.borrow_mut() = Some(Served { at: now, offset, rows });
        answer(200, format!(r#"{{"items":[{}],"hasMore":{more},"limit":{limit},"offset":{offset}}}"#, page.join(",")))
    }
}

impl RunPayments {
    /// The page answered last, once.
    pub(super) fn take_served(&self) -> Option<Served> {
        self.served.take()
    }
}

fn body(event_type: &str, id: &str, at: UnixMs, payload: &str, idempotency_key: &str) -> String {
    format!(
        r#"{{"sent":{ATTEMPT},"event_type":"{event_type}","source_id":"{id}","timestamp":"{at}","payload":{payload},"metadata":{{"webhook_id":"wh-1","attempt":{ATTEMPT},"idempotency_key":"{idempotency_key}"}}}}"#
    )
}

fn merchant(author: &Author<'_>, plot: &mut Plot, n: u64) -> Merchant {
    let dice = author.dice;
    let id = format!("m{n}");
    let mut way: Vec<&'static str> = WAY[..dice.index(WAY.len()) + 1].to_vec();
    if dice.percent(25) {
        way.push(dice.pick(&["cancelled", "declined"]));
    }
    let mut at = author.moment();
    let mut statuses = Vec::new();
    let end = author.start.plus_secs(author.span_secs);
    // What happens later than that is another history's.
    for status in way {
        if at > end {
            break;
        }
        let payload = format!(r#"{{"merchant_id":"{id}"}}"#);
        let idempotency_key = format!("k-{id}-{status}");
        let body = body(&format!("merchant.{status}"), &id, at, &payload, &idempotency_key);
        author.tell(plot, NAME, key(NAME, "merchant", &id, &[&idempotency_key]), at, body, Effect::Status(status));
        statuses.push((status, at));
        // Now and then two statuses in the same breath, at the same instant even.
        at = at.plus_ms(match dice.below(10) {
            0 => 0,
            1 => dice.below(2_000),
            _ => dice.between(60_000, 1_200_000),
        });
    }
    Merchant { id, statuses }
}
