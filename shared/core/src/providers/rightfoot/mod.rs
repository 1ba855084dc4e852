//! Rightfoot: balance checks.
//!
//! A delivery is a hint ("batch B is complete"), unsigned and unlikely to be alone: any 2xx ends it, everything else is
//! retried for 30 minutes and then lost for good. The balances themselves are always pulled. There is no list of
//! batches, so a batch whose webhook is lost can only be found if the application announced it (an expectation).
//!
//! Batches are submitted through us in `submit.rs`, and asked for in `recovery.rs`.
//!
//! Sources: Rightfoot's "Balance Check Run Completed" webhook page (the two event fields and the retry schedule, the
//! polling cadence, 200/404), and its API reference (balances, monitoring alerts).

mod api;
mod page;
mod recovery;
mod submit;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::delivery::Verified;
use crate::model::entry::{Entry, Event, OnDuplicate};
use crate::model::identity::{Identity, ItemKey, ProviderId, Subject, escape};
use crate::model::provider_call::{ApiResponse, trouble, unreadable};
use crate::model::row::Row;
use crate::model::settings::{Lookup, SettingError, base_url, number, text as setting, zone};
use crate::model::signature::Scheme;
use crate::providers::contract::{
    Answers, Definition, OnStoreDown, OnUnreadable, Polls, Provider, Submits, Unreadable,
};
use crate::providers::json::reference_id;
use crate::providers::json::{
    Field, content_mark, count, id, instant, known_name, object, optional_id, raw, required, text,
};
use crate::providers::lists::Lists;
use crate::providers::offer::Offer;
use crate::providers::settings::cidrs;
use crate::providers::setup::Setup;
use crate::providers::step::{Ask, Asked, Outcome, Step};
use api::{ALERT, BATCH, COMPLETED, ID, PAGE_LIMIT, Rightfoot, SCHEDULE_RUN, permanent, stored_body_unreadable};
use page::{Balance, Next, Page, balance_rows};
/// The most that may be asked of the past. Identities are remembered for 14 days at least, less a margin of a week: an
/// event that is older might be a forgotten one.
const MAX_HISTORY_LOOKBACK_SECS: u64 = 7 * 24 * 3600;

pub(super) const DEFINITION: Definition = Definition {
    id: ID,
    kinds: &["batch", "authorizer", "schedule", "submission", "unreadable"],
    kinds_with_status: &[],
    poll_only: |event_type, _| event_type == SCHEDULE_RUN,
    url_has_token: true,
    answers: &ANSWERS,
    build,
};

static ANSWERS: Answers = Answers {
    received: 200,
    refused: 403,
    // Rightfoot's page shows 400 for missing fields; it retries, which can't hurt.
    unreadable: OnUnreadable::Quarantine(400),
    store_down: OnStoreDown::AskAgain,
};

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    let lookback = "RIGHTFOOT_HISTORY_LOOKBACK_SECS";
    let history_lookback_secs = number(lookup, lookback, MAX_HISTORY_LOOKBACK_SECS)?;
    if history_lookback_secs > MAX_HISTORY_LOOKBACK_SECS {
        return Err(SettingError::new(lookback, "must be at most 604800: older identities may be forgotten"));
    }
    Ok(Box::new(Rightfoot {
        scheme: Scheme::Unsigned { allowed_cidrs: cidrs(lookup, "RIGHTFOOT_ALLOWED_CIDRS")?, static_header: None },
        base_url: base_url(lookup, "RIGHTFOOT_API_BASE_URL", "https://api.rightfoot.com")?,
        cursor_parameter: setting(lookup, "RIGHTFOOT_CURSOR_PARAMETER", "next_page_token"),
        history_lookback_secs,
        zone: zone(lookup, "RIGHTFOOT_UTC_OFFSET_MINUTES")?,
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
        if read.alerts.said().is_some_and(|alerts| !alerts.get().starts_with('[')) {
            return Err(Unreadable::NotAnObject);
        }
        Ok(read)
    }

    fn alerts(&self) -> Vec<&'a RawValue> {
        self.alerts.said().and_then(|alerts| serde_json::from_str(alerts.get()).ok()).unwrap_or_default()
    }
}

/// What an unreadable delivery may still name.
#[derive(Deserialize)]
struct Hint<'a> {
    #[serde(borrow)]
    batch_id: Field<'a>,
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
        let event_uuid = id("event_uuid", body.event_uuid)?;
        let event_type = required("type", body.event_type)?;
        let event_type = known_name(&event_type, [COMPLETED, ALERT]).map_or(event_type, Into::into);
        let batch_id = id("batch_id", body.batch_id)?;
        let identity = match event_type.as_str() {
            // Webhook and poll meet here: the fact is "batch B completed", whatever the delivery's own id.
            COMPLETED => Identity::new(&[COMPLETED, &batch_id]),
            // Alerts have no polled copy and may come in parts.
            ALERT => {
                let schedule_id = optional_id("schedule_id", body.schedule_id)?.unwrap_or_default();
                alert_identity(&schedule_id, &batch_id, &event_uuid)
            }
            other => Identity::new(&[other, &batch_id, &event_uuid]),
        };
        Ok(Event {
            known: matches!(event_type.as_str(), COMPLETED | ALERT),
            subject: Subject::new(ID, BATCH, &batch_id),
            identity,
            // The time that an alert names is a claim like its numbers; of a completion nobody is asked for one.
            occurred_at: instant(body.timestamp, self.zone).filter(|_| event_type == ALERT),
            on_duplicate: if event_type == ALERT { OnDuplicate::Apart } else { OnDuplicate::Same },
            notes: vec![("event_uuid", event_uuid)],
            event_type,
        })
    }

    fn content(&self, body: &[u8]) -> Option<String> {
        // Nothing is signed: what a delivery says beyond its identity counts for nothing, but for an alert's claims.
        let body = Body::read(body).ok()?;
        let event_type = text(body.event_type)?;
        known_name(&event_type, [ALERT]).map(|_| content_mark([body.alerts, body.timestamp]))
    }

    fn reference_in(&self, body: &[u8]) -> Option<String> {
        let batch_id = object::<Hint<'_>>(body).ok().and_then(|hint| text(hint.batch_id))?;
        reference_id(&batch_id, "").is_ok().then_some(batch_id)
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

    fn answer(&self, asked: &Asked<'_>, response: &ApiResponse) -> Step {
        let Asked { entry, body, cursor, tally, .. } = *asked;
        let Ok(delivered) = Body::read(body) else { return stored_body_unreadable() };
        match response.status {
            200 => {}
            404 => return Step::not_yet("the batch is still processing, or unknown to Rightfoot"),
            _ => return Step::Trouble(trouble(response)),
        }
        let Ok(page) = object::<Page<'_>>(&response.body) else {
            return Step::Trouble(unreadable(response, "the page of balances"));
        };
        if text(page.batch_id).is_some_and(|id| Some(id) != text(delivered.batch_id)) {
            return permanent("the balances answered belong to another batch");
        }
        let (rows, unreadable) = if entry.event_type == ALERT {
            (confirmed_alerts(entry, &delivered, &page), 0)
        } else {
            balance_rows(&page)
        };
        match page.next() {
            Next::Page(next) if Some(next.as_str()) == cursor => {
                permanent("a page of balances named itself as the next one")
            }
            Next::Page(cursor) => Step::More { rows, unreadable, cursor },
            Next::Unnamed => permanent("a page of balances promised another one without naming it"),
            Next::Last if entry.event_type == ALERT => alerted(&delivered, rows, tally, &page),
            Next::Last => completed(count(page.total_processed), rows, unreadable, tally),
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

fn alert_identity(schedule_id: &str, batch_id: &str, event_uuid: &str) -> Identity {
    Identity::new(&[ALERT, schedule_id, batch_id, event_uuid])
}

/// The rows of those alerts whose authorizer is on this page: an alert is unsigned, so it counts only once the API
/// names the same authorizer in the same batch.
fn confirmed_alerts(entry: &Entry, delivered: &Body<'_>, page: &Page<'_>) -> Vec<Row> {
    let balances: Vec<(String, Option<String>)> = page
        .balances
        .iter()
        .filter_map(|row| serde_json::from_str::<Balance<'_>>(row.get()).ok())
        .filter_map(|balance| Some((text(balance.authorizer_unique_id)?, text(balance.balance))))
        .collect();
    let schedule = text(delivered.schedule_id).unwrap_or_default();
    let event = text(delivered.event_uuid).unwrap_or_default();
    // Of one that stands beside another the rows do so too: its key ends with the mark of what it says.
    let identity = alert_identity(&schedule, &text(delivered.batch_id).unwrap_or_default(), &event);
    let first = ItemKey::entry(&entry.key.subject(), &identity);
    let apart = entry.key.sk.strip_prefix(&first.sk).unwrap_or_default();
    let row = |document: &&RawValue| {
        let alert: Alert<'_> = serde_json::from_str(document.get()).ok()?;
        let authorizer = text(alert.authorizer_unique_id)?;
        let (_, confirmed) = balances.iter().find(|(id, _)| *id == authorizer)?;
        // What the alert says is a claim: only the API's own balance is called one.
        let columns = [
            ("claimed_balance", text(alert.balance)),
            ("claimed_threshold_amount", text(alert.threshold_amount)),
            ("balance", confirmed.clone()),
        ];
        Some(Row {
            sk: format!("alert#{}#{}#{}{apart}", escape(&schedule), escape(&event), escape(&authorizer)),
            columns: columns.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect(),
            document: raw(document),
        })
    };
    delivered.alerts().iter().filter_map(row).collect()
}

fn alerted(delivered: &Body<'_>, rows: Vec<Row>, tally: u64, page: &Page<'_>) -> Step {
    let total = tally + rows.len() as u64;
    let alerts = delivered.alerts().len();
    let shown = page.balances.len() as u64;
    if total == 0 && (shown == 0 || count(page.total_processed).is_some_and(|processed| shown < processed)) {
        return Step::not_yet("the alert's batch does not show all its balances yet");
    }
    if total == 0 {
        return permanent("none of the alert's authorizers is in the batch that Rightfoot answered");
    }
    let summary = vec![("alerts", alerts.into()), ("confirmed", total.into())];
    Step::done(rows, Outcome { summary, pulled: true, ..Outcome::default() })
}

/// The last page. Fewer balances than the provider has processed, or none at all, are not all of them: Rightfoot answers
/// before every row can be read.
fn completed(processed: Option<u64>, rows: Vec<Row>, unreadable: u64, tally: u64) -> Step {
    let total = tally + (rows.len() as u64).saturating_sub(unreadable);
    match processed {
        _ if total + unreadable == 0 => return Step::not_yet("the batch is complete, and shows no balance yet"),
        Some(processed) if total < processed => {
            return Step::not_yet(format!("the batch shows {total} of the {processed} balances it has processed"));
        }
        _ => {}
    }
    let outcome = Outcome { summary: vec![("balances", total.into())], pulled: true, ..Outcome::default() };
    Step::Done { rows, unreadable, outcome }
}

#[cfg(test)]
mod tests;
