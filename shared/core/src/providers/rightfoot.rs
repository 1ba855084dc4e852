//! Rightfoot: balance checks.
//!
//! A delivery is a hint ("batch B is complete"), unsigned and unlikely to be alone: any 2xx ends it, everything else is
//! retried for 30 minutes and then lost for good. The balances themselves are always pulled. There is no list of
//! batches, so a batch whose webhook is lost can only be found if the application announced it (an expectation).
//!
//! Batches are submitted through us in `rightfoot_submit.rs`, and asked for in `rightfoot_recovery.rs`.
//!
//! Sources: Rightfoot's "Balance Check Run Completed" webhook page (the two event fields and the retry schedule, the
//! polling cadence, 200/404), and its API reference (balances, monitoring alerts).

#[path = "rightfoot_recovery.rs"]
mod recovery;
#[path = "rightfoot_submit.rs"]
mod submit;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{Field, instant, object, raw, required, text};
use super::{
    Answers, Ask, Definition, Lists, Offer, OnStoreDown, OnUnreadable, Outcome, Polls, Provider, Setup, Step, Submits,
    Unreadable,
};
use crate::api::{ApiRequest, ApiResponse, Auth, Trouble, encode, trouble};
use crate::delivery::Verified;
use crate::entry::{Entry, Event, OnDuplicate, Row};
use crate::identity::{Identity, ProviderId, Subject, escape};
use crate::settings::{Lookup, SettingError, base_url, number, text as setting};
use crate::signature::Scheme;

const ID: ProviderId = ProviderId("rightfoot");
const COMPLETED: &str = "BALANCE_BATCH_COMPLETED";
const ALERT: &str = "BALANCE_THRESHOLD_ALERT";
/// That a schedule ran. Rightfoot sends no such event: it is what a watched schedule's answer tells.
const SCHEDULE_RUN: &str = "MONITORING_SCHEDULE_RUN";
/// The kind of subject that batches are.
const BATCH: &str = "batch";
/// The most the API gives on one page.
const PAGE_LIMIT: u32 = 100;
const API_KEY: Auth = Auth::Bearer { credential: "api_key" };
/// The most that may be asked of the past. Identities are remembered for 14 days at least, less a margin of a week: an
/// event that is older might be a forgotten one.
const MAX_HISTORY_LOOKBACK_SECS: u64 = 7 * 24 * 3600;

pub(super) const DEFINITION: Definition = Definition { id: ID, build };

static ANSWERS: Answers = Answers {
    received: 200,
    refused: 403,
    // Rightfoot's page shows 400 for missing fields; it retries, which can't hurt.
    unreadable: OnUnreadable::Quarantine(400),
    store_down: OnStoreDown::AskAgain,
};

struct Rightfoot {
    scheme: Scheme,
    base_url: String,
    /// `next_page_token` in the newest documents, `nextPageToken` in older ones: a guess, so a setting.
    cursor_parameter: String,
    /// How long before its announcement a watch looks back, in seconds: our decision. A week, so that watches of a week
    /// that follow each other leave no gap.
    history_lookback_secs: u64,
}

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    let lookback = "RIGHTFOOT_HISTORY_LOOKBACK_SECS";
    let history_lookback_secs = number(lookup, lookback, MAX_HISTORY_LOOKBACK_SECS)?;
    if history_lookback_secs > MAX_HISTORY_LOOKBACK_SECS {
        return Err(SettingError::new(lookback, "must be at most 604800: older identities may be forgotten"));
    }
    Ok(Box::new(Rightfoot {
        scheme: Scheme::Unsigned {
            allowed_cidrs: super::cidrs(lookup, "RIGHTFOOT_ALLOWED_CIDRS")?,
            static_header: None,
        },
        base_url: base_url(lookup, "RIGHTFOOT_API_BASE_URL", "https://api.rightfoot.com")?,
        cursor_parameter: setting(lookup, "RIGHTFOOT_CURSOR_PARAMETER", "next_page_token"),
        history_lookback_secs,
    }))
}

#[derive(Deserialize)]
struct Body<'a> {
    #[serde(borrow)]
    event_uuid: Field<'a>,
    #[serde(borrow, rename = "type")]
    event_type: Field<'a>,
    #[serde(borrow)]
    batch_id: Field<'a>,
    #[serde(borrow)]
    schedule_id: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
    #[serde(borrow)]
    alerts: Field<'a>,
}

impl<'a> Body<'a> {
    fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        let read: Self = object(body)?;
        // They are looked into when their work is done; until then it is enough that they are a list.
        if read.alerts.is_some_and(|alerts| !alerts.get().starts_with('[')) {
            return Err(Unreadable::NotAnObject);
        }
        Ok(read)
    }

    fn alerts(&self) -> Vec<&'a RawValue> {
        self.alerts.and_then(|alerts| serde_json::from_str(alerts.get()).ok()).unwrap_or_default()
    }
}

#[derive(Deserialize)]
struct Alert<'a> {
    #[serde(borrow)]
    authorizer_unique_id: Field<'a>,
    #[serde(borrow)]
    balance: Field<'a>,
    #[serde(borrow)]
    threshold_amount: Field<'a>,
}

#[derive(Deserialize)]
struct Page<'a> {
    #[serde(borrow)]
    batch_id: Field<'a>,
    #[serde(borrow)]
    balances: Vec<&'a RawValue>,
    has_more: Option<bool>,
    #[serde(borrow)]
    next_page_token: Field<'a>,
}

#[derive(Deserialize)]
struct Balance<'a> {
    #[serde(borrow)]
    authorizer_unique_id: Field<'a>,
    #[serde(borrow)]
    balance: Field<'a>,
    #[serde(borrow)]
    balance_status_code: Field<'a>,
    #[serde(borrow)]
    timestamp: Field<'a>,
}

impl Rightfoot {
    fn balances(&self, batch_id: &str, limit: u32, cursor: Option<&str>) -> ApiRequest {
        self.get(format!("/v1/balances?batchId={}&limit={limit}", encode(batch_id)), cursor)
    }

    /// A request that reads; with a cursor the page that it names, of a path that has a query already.
    fn get(&self, path: String, cursor: Option<&str>) -> ApiRequest {
        let mut url = format!("{}{path}", self.base_url);
        if let Some(cursor) = cursor {
            url.push_str(&format!("&{}={}", self.cursor_parameter, encode(cursor)));
        }
        ApiRequest::get(url, API_KEY)
    }
}

impl Provider for Rightfoot {
    fn id(&self) -> ProviderId {
        ID
    }

    fn scheme(&self) -> &Scheme {
        &self.scheme
    }

    fn answers(&self) -> &'static Answers {
        &ANSWERS
    }

    fn parse(&self, verified: &Verified) -> Result<Event, Unreadable> {
        let body = Body::read(verified.body())?;
        let event_uuid = required("event_uuid", body.event_uuid)?;
        let event_type = required("type", body.event_type)?;
        let batch_id = required("batch_id", body.batch_id)?;
        let identity = match event_type.as_str() {
            // Webhook and poll meet here: the fact is "batch B completed", whatever the delivery's own id.
            COMPLETED => Identity::new(&[COMPLETED, &batch_id]),
            // Alerts have no polled copy and may come in parts.
            ALERT => {
                let schedule_id = text(body.schedule_id).unwrap_or_default();
                Identity::new(&[ALERT, &schedule_id, &batch_id, &event_uuid])
            }
            other => Identity::new(&[other, &batch_id, &event_uuid]),
        };
        Ok(Event {
            known: matches!(event_type.as_str(), COMPLETED | ALERT),
            subject: Subject::new(ID, BATCH, &batch_id),
            identity,
            occurred_at: instant(body.timestamp),
            on_duplicate: OnDuplicate::Same,
            notes: vec![("event_uuid", event_uuid)],
            event_type,
        })
    }

    fn ask(&self, entry: &Entry, body: &[u8], cursor: Option<&str>) -> Ask {
        if entry.event_type == SCHEDULE_RUN {
            let step = recovery::schedule_run(body).unwrap_or_else(|_| stored_body_unreadable());
            return Ask::Nothing(Box::new(step));
        }
        match Body::read(body).ok().and_then(|body| text(body.batch_id)) {
            Some(batch_id) => Ask::Request(self.balances(&batch_id, PAGE_LIMIT, cursor)),
            None => Ask::Nothing(Box::new(stored_body_unreadable())),
        }
    }

    fn answer(&self, entry: &Entry, body: &[u8], cursor: Option<&str>, tally: u64, response: &ApiResponse) -> Step {
        let Ok(delivered) = Body::read(body) else { return stored_body_unreadable() };
        match response.status {
            200 => {}
            404 => return Step::NotYet { reason: "the batch is still processing, or unknown to Rightfoot" },
            _ => return Step::Trouble(trouble(response)),
        }
        let Ok(page) = object::<Page<'_>>(&response.body) else { return unreadable_answer() };
        if text(page.batch_id).is_some_and(|id| Some(id) != text(delivered.batch_id)) {
            return permanent("the balances answered belong to another batch");
        }
        let rows = if entry.event_type == ALERT {
            confirmed_alerts(&delivered, &page)
        } else {
            // One balance that can't be kept is one too many: a person sees to it, rather than nobody.
            let rows: Option<Vec<Row>> = page.balances.iter().map(|row| balance_row(row)).collect();
            let Some(rows) = rows else { return permanent("a balance on the page names no authorizer") };
            rows
        };
        let has_more = page.has_more.unwrap_or(false);
        let next = text(page.next_page_token).filter(|token| has_more && !token.is_empty());
        match next {
            Some(next) if Some(next.as_str()) == cursor => permanent("a page of balances named itself as the next one"),
            Some(cursor) => Step::More { rows, cursor },
            None if has_more => permanent("a page of balances promised another one without naming it"),
            None => finished(entry, &delivered, rows, tally),
        }
    }

    fn without_answer(&self, _: &Entry, _: &str) -> Option<Outcome> {
        // Nothing is signed: what the API does not confirm takes no effect.
        None
    }

    fn polls(&self) -> Offer<'_, dyn Polls> {
        Offer::Offered(self)
    }

    fn lists(&self) -> Offer<'_, dyn Lists> {
        Offer::Unavailable("no endpoint lists batches: announce them as expectations")
    }

    fn submits(&self) -> Offer<'_, dyn Submits> {
        Offer::Offered(self)
    }

    fn setup(&self) -> Offer<'_, dyn Setup> {
        Offer::Unavailable("a webhook URL is handed over with every request; there is nothing to set up")
    }
}

fn balance_row(document: &RawValue) -> Option<Row> {
    let balance: Balance<'_> = serde_json::from_str(document.get()).ok()?;
    let authorizer = text(balance.authorizer_unique_id)?;
    let columns = [
        // The digits as sent: no float ever touches an amount. A null balance has no column.
        ("balance", text(balance.balance)),
        ("balance_status_code", text(balance.balance_status_code)),
        ("as_of", text(balance.timestamp)),
    ];
    Some(Row {
        sk: format!("balance#{}", escape(&authorizer)),
        columns: columns.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect(),
        document: raw(document),
    })
}

/// The rows of those alerts whose authorizer is on this page: an alert is unsigned, so it counts only once the API
/// names the same authorizer in the same batch.
fn confirmed_alerts(delivered: &Body<'_>, page: &Page<'_>) -> Vec<Row> {
    let balances: Vec<(String, Option<String>)> = page
        .balances
        .iter()
        .filter_map(|row| serde_json::from_str::<Balance<'_>>(row.get()).ok())
        .filter_map(|balance| Some((text(balance.authorizer_unique_id)?, text(balance.balance))))
        .collect();
    let schedule = text(delivered.schedule_id).unwrap_or_default();
    let row = |document: &&RawValue| {
        let alert: Alert<'_> = serde_json::from_str(document.get()).ok()?;
        let authorizer = text(alert.authorizer_unique_id)?;
        let (_, confirmed) = balances.iter().find(|(id, _)| *id == authorizer)?;
        let columns = [
            ("balance", text(alert.balance)),
            ("threshold_amount", text(alert.threshold_amount)),
            ("confirmed_balance", confirmed.clone()),
        ];
        Some(Row {
            sk: format!("alert#{}#{}", escape(&schedule), escape(&authorizer)),
            columns: columns.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect(),
            document: raw(document),
        })
    };
    delivered.alerts().iter().filter_map(row).collect()
}

fn finished(entry: &Entry, delivered: &Body<'_>, rows: Vec<Row>, tally: u64) -> Step {
    let total = tally + rows.len() as u64;
    if entry.event_type == ALERT {
        let alerts = delivered.alerts().len();
        if total == 0 && alerts > 0 {
            return permanent("none of the alert's authorizers is in the batch that Rightfoot answered");
        }
        let summary = vec![("alerts", alerts.into()), ("confirmed", total.into())];
        return Step::Done { rows, outcome: Outcome { summary, pulled: true, status: None } };
    }
    Step::Done { rows, outcome: Outcome { summary: vec![("balances", total.into())], pulled: true, status: None } }
}

fn permanent(reason: &str) -> Step {
    Step::Trouble(Trouble::Permanent { reason: reason.into() })
}

fn unreadable_answer() -> Step {
    permanent("the balances answered have not the documented shape")
}

fn stored_body_unreadable() -> Step {
    permanent("the stored body cannot be read any more")
}

#[cfg(test)]
#[path = "rightfoot_tests.rs"]
mod tests;
