//! Rightfoot's half of the history: balance batches and alerts.

use std::collections::BTreeMap;

use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;

use crate::memory::answer;
use crate::simulation::author::Author;
use crate::simulation::engine::seen::Violations;
use crate::simulation::plot::{Announced, Effect, FORGED, Forgery, Forging, LEAKED, Plot, Twin, key};
use crate::simulation::query::parameter;
use crate::simulation::send::NETWORKS;
use crate::simulation::side::{Drawn, Held, Look, SHORT, Side};

const NAME: &str = "rightfoot";
/// The batch whose balances kill whoever reads them.
pub(crate) const DEADLY: &str = "deadly";
/// The batch whose pages take so long that one attempt does not see them all.
pub(crate) const LONG: &str = "long";
const LONG_BALANCES: u64 = 30;
pub(crate) const SLOW_PAGE_MS: u64 = 3_500;
/// Balances on one page, few enough that most batches take several.
const PAGE: usize = 2;

/// A batch of balances.
pub(crate) struct Batch {
    pub(crate) id: String,
    /// When its balances can be read; `None`: it never completes.
    pub(crate) readable_at: Option<UnixMs>,
    /// Before that it is answered as complete, with its total and not with all its rows, from this time on.
    short_from: Option<UnixMs>,
    /// How many rows it shows then.
    short_rows: usize,
    /// How its pages say that another one follows.
    flags: Flags,
    /// Authorizer and amount, the amount as the JSON text that is sent.
    pub(crate) balances: Vec<(String, String)>,
}

/// How a page says whether another one follows.
#[derive(Clone, Copy)]
enum Flags {
    Both,
    Camel,
    TokenAlone,
}

impl Batch {
    /// On how many pages its balances stand.
    pub(crate) fn pages(&self) -> u64 {
        self.balances.len().div_ceil(PAGE) as u64
    }

    /// Since when its API shows any of its balances.
    pub(crate) fn shown_from(&self) -> Option<UnixMs> {
        self.short_from.filter(|_| self.short_rows > 0).or(self.readable_at)
    }

    /// The rows that must be kept: of the same authorizer the second under a key of its own.
    pub(crate) fn rows(&self) -> BTreeMap<String, String> {
        let mut times: BTreeMap<&str, u32> = BTreeMap::new();
        let row = |(authorizer, amount): &'_ (String, String)| (authorizer.clone(), amount.clone());
        let mut rows = BTreeMap::new();
        for ((authorizer, amount), (name, _)) in self.balances.iter().map(row).zip(&self.balances) {
            let n = times.entry(name.as_str()).and_modify(|n| *n += 1).or_insert(1);
            rows.insert(if *n == 1 { authorizer } else { format!("{authorizer}#{n}") }, amount);
        }
        rows
    }
}

/// Everything Rightfoot knows.
pub(crate) struct Rightfoot {
    pub(crate) batches: Vec<Batch>,
}

impl Side for Rightfoot {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn settings(&self, drawn: &Drawn) -> Vec<(&'static str, &'static str)> {
        vec![("RIGHTFOOT_ALLOWED_CIDRS", if drawn.held { NETWORKS } else { "" })]
    }

    fn answer(&self, url: &str, look: &Look<'_>) -> Option<Result<ApiResponse, ApiError>> {
        let (_, query) = url.split_once("/v1/balances?")?;
        let refuses_token = !look.healed && look.dice.percent(5);
        Some(self.balances(query, look.seen_at, refuses_token))
    }

    fn lists(&self) -> &'static [&'static str] {
        &[]
    }

    fn forget_page(&self) {}

    fn passed_over(&self, _: Option<u64>, _: &Held<'_>) -> Option<String> {
        None
    }

    fn results(&self, held: &Held<'_>) -> Violations {
        let mut found = Vec::new();
        for batch in &self.batches {
            let entry = key(NAME, "batch", &batch.id, &["BALANCE_BATCH_COMPLETED", &batch.id]);
            if held.done(&entry).is_none() {
                continue;
            }
            let rows = held.memory.rows(&entry.subject());
            let balances = rows.iter().filter(|row| row.sk.starts_with("balance#"));
            let stored: BTreeMap<String, String> = balances
                .map(|row| {
                    let amount =
                        row.columns.iter().find(|(name, _)| *name == "balance").map(|(_, amount)| amount.clone());
                    (row.sk.replacen("balance#", "", 1), amount.unwrap_or("null".into()))
                })
                .collect();
            let known = batch.rows();
            if stored != known {
                found.push((SHORT, format!("{}: {stored:?}, in truth {known:?}", batch.id)));
            }
        }
        found
    }
}

impl Rightfoot {
    pub(crate) fn new(author: &Author<'_>, plot: &mut Plot) -> Self {
        let dice = author.dice;
        let mut batches: Vec<Batch> =
            (1..=dice.between(2, 4)).map(|n| batch(author, plot, format!("b{n}"), dice.between(1, 6))).collect();
        if dice.percent(6) {
            batches.push(batch(author, plot, LONG.to_string(), LONG_BALANCES));
        }
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

    /// `GET /v1/balances`. Now and then a token is refused although the walk's start would not be.
    fn balances(&self, query: &str, now: UnixMs, refuses_token: bool) -> Result<ApiResponse, ApiError> {
        let wanted = parameter(query, "batchId").unwrap_or_default();
        let Some(batch) = self.batches.iter().find(|batch| batch.id == wanted) else { return answer(404, "{}") };
        let total = batch.balances.len();
        let shown = match (batch.readable_at, batch.short_from) {
            (Some(readable_at), _) if readable_at <= now => total,
            (Some(_), Some(from)) if from <= now => batch.short_rows,
            _ => return answer(404, "{}"),
        };
        let from: usize = parameter(query, "next_page_token").and_then(|token| token.parse().ok()).unwrap_or(0);
        if from > 0 && refuses_token {
            return answer(400, r#"{"error":{"code":"INVALID_PAGE_TOKEN"}}"#);
        }
        let rows: Vec<String> = batch
            .balances
            .iter()
            .take(shown)
            .skip(from)
            .take(PAGE)
            .map(|(id, amount)| {
                format!(r#"{{"authorizer_unique_id":"{id}","balance":{amount},"balance_status_code":0}}"#)
            })
            .collect();
        let next = from + rows.len();
        let more = next < shown;
        let token = if more { format!("\"{next}\"") } else { "null".into() };
        let flags = match batch.flags {
            _ if shown < total => format!(r#""has_more":{more},"next_page_token":{token},"total_processed":{total}"#),
            Flags::Both => format!(r#""has_more":{more},"next_page_token":{token},"total_processed":{total}"#),
            Flags::Camel => format!(r#""hasMore":{more},"nextPageToken":{token}"#),
            Flags::TokenAlone => format!(r#""next_page_token":{token}"#),
        };
        answer(200, format!(r#"{{"batch_id":"{wanted}","balances":[{}],{flags}}}"#, rows.join(",")))
    }
}

fn completed(batch_id: &str, uuid: &str) -> String {
    format!(r#"{{"event_uuid":"{uuid}","type":"BALANCE_BATCH_COMPLETED","batch_id":"{batch_id}"}}"#)
}

fn batch(author: &Author<'_>, plot: &mut Plot, id: String, size: u64) -> Batch {
    let dice = author.dice;
    let complete_at = dice.percent(85).then(|| author.moment());
    // The API may show it a little after the webhook was sent.
    let readable_at = complete_at.map(|at| at.plus_ms(if dice.percent(30) { dice.below(90_000) } else { 0 }));
    let amounts = ["0", "-1200.50", "null", "12345678901234567890.10", "7.000", "1e3"];
    let mut balances: Vec<(String, String)> =
        (0..size).map(|a| (format!("{id}-a{a}"), dice.pick(&amounts).to_string())).collect();
    if dice.percent(25) {
        // The first authorizer again, with another amount: another account of its own.
        balances.push((format!("{id}-a0"), "99.99".to_string()));
    }
    let short_from = readable_at.filter(|_| dice.percent(30)).map(|at| UnixMs(at.0 - 45_000));
    let short_rows = dice.index(balances.len());
    let flags = dice.pick(&[Flags::Both, Flags::Both, Flags::Camel, Flags::TokenAlone]);
    if let Some(at) = complete_at {
        let entry = key(NAME, "batch", &id, &["BALANCE_BATCH_COMPLETED", &id]);
        plot.found_by_asking.push((entry.clone(), at));
        if dice.percent(15) {
            // Its first delivery can't be read, and names the batch all the same.
            let body = format!(r#"{{"type":"BALANCE_BATCH_COMPLETED","batch_id":"{id}"}}"#);
            author.tell(plot, NAME, entry.clone(), at, body, Effect::Quarantined);
        }
        author.tell(plot, NAME, entry, at, completed(&id, &format!("u-{id}")), Effect::Own);
        if let Some((authorizer, _)) = balances.first().filter(|_| dice.percent(30)) {
            let uuid = format!("alert-{id}");
            let body = format!(
                r#"{{"event_uuid":"{uuid}","type":"BALANCE_THRESHOLD_ALERT","schedule_id":"s1","batch_id":"{id}","alerts":[{{"authorizer_unique_id":"{authorizer}","balance":1.5,"threshold_amount":2}}]}}"#
            );
            let entry = key(NAME, "batch", &id, &["BALANCE_THRESHOLD_ALERT", "s1", &id, &uuid]);
            author.tell(plot, NAME, entry, at, body, Effect::Own);
            plot.events.last_mut().unwrap().twin = Twin::Claims;
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
    Batch { id, readable_at, short_from, short_rows, flags, balances }
}
