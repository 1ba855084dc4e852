//! Rightfoot's half of the history: balance batches and alerts.

use hookledger_core::api::{ApiError, ApiResponse};
use hookledger_core::time::UnixMs;

use super::truth::{Announced, Author, Effect, FORGED, Forgery, Forging, LEAKED, Plot, key, parameter};
use crate::memory::answer;

const NAME: &str = "rightfoot";
/// The batch whose balances kill whoever reads them.
pub(super) const DEADLY: &str = "deadly";
/// Balances on one page, few enough that most batches take several.
const PAGE: usize = 2;

/// A batch of balances.
pub(super) struct Batch {
    pub(super) id: String,
    /// When its balances can be read; `None`: it never completes.
    pub(super) readable_at: Option<UnixMs>,
    /// Authorizer and amount, the amount as the JSON text that is sent.
    pub(super) balances: Vec<(String, String)>,
}

/// Everything Rightfoot knows.
pub(super) struct Rightfoot {
    pub(super) batches: Vec<Batch>,
}

impl Rightfoot {
    pub(super) fn new(author: &Author<'_>, plot: &mut Plot) -> Self {
        let dice = author.dice;
        let batches: Vec<Batch> = (1..=dice.between(2, 4)).map(|n| batch(author, plot, n)).collect();
        let oddity = |event_type: &str, batch: &str| format!(r#"{{"event_uuid":"odd","type":"{event_type}"{batch}}}"#);
        if dice.percent(20) {
            let body = oddity("BATCH_RENAMED", r#","batch_id":"odd""#);
            let key = key(NAME, "batch", "odd", &["BATCH_RENAMED", "odd", "odd"]);
            author.tell(plot, NAME, key, author.moment(), body, Effect::Ignored);
        }
        if dice.percent(10) {
            let key = key(NAME, "batch", "none", &[]);
            author.tell(plot, NAME, key, author.moment(), oddity("BALANCE_BATCH_COMPLETED", ""), Effect::Quarantined);
        }
        if dice.percent(8) {
            let key = key(NAME, "batch", DEADLY, &["BALANCE_BATCH_COMPLETED", DEADLY]);
            author.tell(plot, NAME, key, author.moment(), completed(DEADLY, DEADLY), Effect::Own);
        }
        if author.held {
            let body = completed(&format!("{FORGED}-held"), "forged");
            plot.forgeries.push(Forgery { provider: NAME, at: author.moment(), how: Forging::Elsewhere, body });
        }
        for n in 0..dice.below(3) {
            let how = dice.pick(&[Forging::Bare, Forging::Guessed, Forging::Cut]);
            let body = completed(&format!("{FORGED}-{n}"), "forged");
            plot.forgeries.push(Forgery { provider: NAME, at: author.moment(), how, body });
        }
        if dice.percent(30) {
            // The claim of a batch that is none, or of a true one before its time.
            let early = batches.iter().find(|batch| batch.readable_at.is_some()).filter(|_| dice.percent(50));
            let id = early.map_or(format!("{LEAKED}-1"), |batch| batch.id.clone());
            let at = author.start.plus_secs(dice.between(1, 60));
            let (how, body) = (Forging::Leaked, completed(&id, "early"));
            plot.forgeries.push(Forgery { provider: NAME, at, how, body });
        }
        Self { batches }
    }

    /// `GET /v1/balances`.
    pub(super) fn answer(&self, query: &str, now: UnixMs) -> Result<ApiResponse, ApiError> {
        let wanted = parameter(query, "batchId").unwrap_or_default();
        let readable = |batch: &&Batch| batch.id == wanted && batch.readable_at.is_some_and(|at| at <= now);
        let Some(batch) = self.batches.iter().find(readable) else { return answer(404, "{}") };
        let from: usize = parameter(query, "next_page_token").and_then(|token| token.parse().ok()).unwrap_or(0);
        let rows: Vec<String> = batch
            .balances
            .iter()
            .skip(from)
            .take(PAGE)
            .map(|(id, amount)| {
                format!(r#"{{"authorizer_unique_id":"{id}","balance":{amount},"balance_status_code":0}}"#)
            })
            .collect();
        let next = from + rows.len();
        let more = next < batch.balances.len();
        let token = if more { format!("\"{next}\"") } else { "null".into() };
        let rows = rows.join(",");
        answer(
            200,
            format!(r#"{{"batch_id":"{wanted}","balances":[{rows}],"has_more":{more},"next_page_token":{token}}}"#),
        )
    }
}

fn completed(batch_id: &str, uuid: &str) -> String {
    format!(r#"{{"event_uuid":"{uuid}","type":"BALANCE_BATCH_COMPLETED","batch_id":"{batch_id}"}}"#)
}

fn batch(author: &Author<'_>, plot: &mut Plot, n: u64) -> Batch {
    let dice = author.dice;
    let id = format!("b{n}");
    let complete_at = dice.percent(85).then(|| author.moment());
    // The API may show it a little after the webhook was sent.
    let readable_at = complete_at.map(|at| at.plus_ms(if dice.percent(30) { dice.below(90_000) } else { 0 }));
    let amounts = ["0", "-1200.50", "null", "12345678901234567890.10", "7.000", "1e3"];
    let balances: Vec<(String, String)> =
        (0..dice.below(6)).map(|a| (format!("{id}-a{a}"), dice.pick(&amounts).to_string())).collect();
    if let Some(at) = complete_at {
        let entry = key(NAME, "batch", &id, &["BALANCE_BATCH_COMPLETED", &id]);
        plot.found_by_asking.push((entry.clone(), at));
        author.tell(plot, NAME, entry, at, completed(&id, &format!("u{n}")), Effect::Own);
        if let Some((authorizer, _)) = balances.first().filter(|_| dice.percent(30)) {
            let uuid = format!("alert-{n}");
            let body = format!(
                r#"{{"event_uuid":"{uuid}","type":"BALANCE_THRESHOLD_ALERT","schedule_id":"s1","batch_id":"{id}","alerts":[{{"authorizer_unique_id":"{authorizer}","balance":1.5,"threshold_amount":2}}]}}"#
            );
            let entry = key(NAME, "batch", &id, &["BALANCE_THRESHOLD_ALERT", "s1", &id, &uuid]);
            author.tell(plot, NAME, entry, at, body, Effect::Own);
        }
    }
    if complete_at.is_none() || dice.percent(50) {
        let at = author.around(complete_at.unwrap_or(author.start));
        plot.announced.push(Announced {
            provider: NAME,
            reference: id.clone(),
            at,
            closed_at: author.closed(at),
            complete_at: readable_at,
        });
    }
    Batch { id, readable_at, balances }
}
