//! Fynapse's audit: what it says became of each of its deliveries. The second list that is walked.
//!
//! What is lost on its way stands there as delivered or given up. Some of it is delivered again, by a person, much later.

use std::cell::RefCell;

use hookledger_core::model::entry::State;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;

use super::events::{NAME, happen};
use crate::memory::answer;
use crate::simulation::author::Author;
use crate::simulation::engine::seen::Violations;
use crate::simulation::plot::{Effect, Plot, TrueEvent, key};
use crate::simulation::query::parameter;
use crate::simulation::side::{Drawn, Held, Look, RESULTS, Side};

/// How long after its last change a delivery of the audit is left alone.
const GRACE_SECS: u64 = 300;
/// How long after its last change nobody looks at a delivery any more.
const HORIZON_SECS: u64 = 7 * 24 * 3600;
/// No page takes longer than that to be read, compared and left behind.
const PAGE_TAKES_SECS: u64 = 60;

const PENDING: &str = "PENDING";
const DELIVERED: &str = "DELIVERED";

/// Everything Fynapse knows.
pub(crate) struct Fynapse {
    deliveries: RefCell<Vec<Delivery>>,
    /// When a person has something lost delivered again, by its event's index.
    pub(crate) again: Vec<(usize, UnixMs)>,
    newest_first: bool,
    /// Whether a page says how many there are.
    counts_pages: bool,
    /// The pages answered last: the number of the page, and its rows.
    served: RefCell<Option<(u64, Vec<Delivery>)>>,
}

/// What became of a delivery.
#[derive(Clone)]
pub(crate) struct Delivery {
    /// Its event, by its index.
    pub(crate) event: usize,
    pub(crate) created_at: UnixMs,
    pub(crate) changed_at: UnixMs,
    pub(crate) fate: &'static str,
    /// The event's id, where it has one.
    pub(crate) event_id: Option<String>,
}

impl Delivery {
    fn of(index: usize, event: &TrueEvent, at: UnixMs, fate: &'static str) -> Self {
        let named = event.body.split_once(r#"{"event_id":""#).and_then(|(_, rest)| rest.split_once('"'));
        let event_id = named.map(|(id, _)| id.to_string());
        Self { event: index, created_at: at, changed_at: at, fate, event_id }
    }

    /// The entry that tells of its loss.
    pub(crate) fn loss(&self) -> ItemKey {
        let id = format!("d{}", self.event);
        match &self.event_id {
            Some(event_id) => key(NAME, "event", event_id, &["lost", &id]),
            None => key(NAME, "delivery", &id, &["lost", &id]),
        }
    }

    /// Whether it is a loss, if its event is not here. One that is said to be delivered and names no event may be anybody's.
    pub(crate) fn tells_of_loss(&self) -> bool {
        self.fate != PENDING && (self.fate != DELIVERED || self.event_id.is_some())
    }

    fn row(&self) -> String {
        let Self { event, created_at, changed_at, fate, event_id } = self;
        let named = event_id.as_ref().map(|id| format!(r#""eventId":"{id}","#)).unwrap_or_default();
        format!(r#"{{"id":"d{event}",{named}"status":"{fate}","createdAt":"{created_at}","updatedAt":"{changed_at}"}}"#)
    }
}

impl Side for Fynapse {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn settings(&self, drawn: &Drawn) -> Vec<(&'static str, &'static str)> {
        let page_limit = if drawn.page_limit == "200" { "100" } else { "2" };
        vec![("FYNAPSE_API_BASE_URL", "https://fynapse.example"), ("FYNAPSE_AUDIT_PAGE_LIMIT", page_limit)]
    }

    fn answer(&self, url: &str, look: &Look<'_>) -> Option<Result<ApiResponse, ApiError>> {
        let (_, query) = url.split_once("/event-deliveries/deliveries?")?;
        Some(self.page(query, look.now))
    }

    fn lists(&self) -> &'static [&'static str] {
        &["deliveries"]
    }

    fn forget_page(&self) {
        self.served.take();
    }

    /// A delivery that is gone for good, and whose event is not here, has an entry that says so.
    fn passed_over(&self, reached: Option<u64>, held: &Held<'_>) -> Option<String> {
        let (page, rows) = self.served.take()?;
        if reached.is_some_and(|reached| reached <= page) {
            return None;
        }
        // Some time passed between the page and the cursor; and what has just changed is left alone for a while.
        let long_ago = held.now.minus_secs(GRACE_SECS + PAGE_TAKES_SECS);
        let horizon = held.now.minus_secs(HORIZON_SECS);
        let passed_over = |row: &&Delivery| {
            let known = held.memory.holds(&held.plot.events[row.event].key) || held.memory.holds(&row.loss());
            let is_due = horizon < row.changed_at && row.changed_at < long_ago;
            row.tells_of_loss() && is_due && !known
        };
        rows.iter().find(passed_over).map(|row| format!("delivery d{} is lost", row.event))
    }

    fn results(&self, held: &Held<'_>) -> Violations {
        let mut found = Vec::new();
        let extracts = held.plot.events.iter().filter(|event| event.provider == NAME);
        for event in extracts.filter(|event| event.effect == Effect::Own) {
            // Of two contents the first stands.
            let kept = (held.kept)(event).filter(|kept| kept.entry.key == event.key);
            if kept.is_none_or(|kept| kept.entry.state != State::Done) {
                continue;
            }
            let data =
                event.body.split_once(r#""data":"#).map(|(_, data)| data.trim_end_matches('}').to_string() + "}");
            let rows = held.memory.rows(&event.key.subject());
            let stored = rows.first().map(|row| String::from_utf8_lossy(&row.document).into_owned());
            if stored != data {
                found.push((RESULTS, format!("{}: {stored:?}, in truth {data:?}", event.key)));
            }
        }
        found
    }
}

impl Fynapse {
    pub(crate) fn new(author: &Author<'_>, plot: &mut Plot) -> Self {
        let (dice, first) = (author.dice, plot.events.len());
        happen(author, plot);
        let (mut deliveries, mut again) = (Vec::new(), Vec::new());
        for (index, event) in plot.events.iter().enumerate().skip(first).filter(|(_, event)| event.lost) {
            let at = event.at.plus_ms(event.delay_ms);
            let fate = dice.pick(&[DELIVERED, "DEAD_LETTER", "CANCELLED"]);
            deliveries.push(Delivery::of(index, event, at, fate));
            if dice.percent(60) {
                again.push((index, at.plus_ms(dice.between(600_000, 5_400_000))));
            }
        }
        let (newest_first, counts_pages) = (dice.percent(50), dice.percent(70));
        Self { deliveries: RefCell::new(deliveries), again, newest_first, counts_pages, served: RefCell::default() }
    }

    /// An attempt at a delivery is made, or made in vain.
    pub(crate) fn tries(&self, index: usize, event: &TrueEvent, now: UnixMs) {
        self.changed(index, event, now, PENDING);
    }

    /// A delivery was taken.
    pub(crate) fn delivered(&self, index: usize, event: &TrueEvent, now: UnixMs) {
        self.changed(index, event, now, DELIVERED);
    }

    fn changed(&self, index: usize, event: &TrueEvent, now: UnixMs, fate: &'static str) {
        let mut deliveries = self.deliveries.borrow_mut();
        match deliveries.iter_mut().find(|delivery| delivery.event == index) {
            Some(delivery) => (delivery.changed_at, delivery.fate) = (now, fate),
            None => deliveries.push(Delivery::of(index, event, now, fate)),
        }
    }

    /// Every delivery.
    pub(crate) fn deliveries(&self) -> Vec<Delivery> {
        self.deliveries.borrow().clone()
    }

    /// `GET /api/v1/event-deliveries/deliveries`.
    fn page(&self, query: &str, now: UnixMs) -> Result<ApiResponse, ApiError> {
        let number = |name, absent| parameter(query, name).and_then(|text| text.parse::<u64>().ok()).unwrap_or(absent);
        let (page, limit) = (number("page", 1), number("limit", 1));
        let mut made: Vec<Delivery> = self.deliveries().into_iter().filter(|made| made.created_at <= now).collect();
        made.sort_by_key(|delivery| (delivery.created_at, delivery.event));
        if self.newest_first {
            made.reverse();
        }
        let pages = (made.len() as u64).div_ceil(limit);
        let (skipped, taken) = (usize::try_from((page - 1) * limit).unwrap(), usize::try_from(limit).unwrap());
        let rows: Vec<Delivery> = made.into_iter().skip(skipped).take(taken).collect();
        let counted = if self.counts_pages { format!(r#","totalPages":{pages}"#) } else { String::new() };
        let body: Vec<String> = rows.iter().map(Delivery::row).collect();
        *self.served.borrow_mut() = Some((page, rows));
        answer(200, format!(r#"{{"data":[{}],"page":{page},"limit":{limit}{counted}}}"#, body.join(",")))
    }
}
