//! Rightfoot: balance checks.
//!
//! A delivery is a hint ("batch B is complete"), unsigned and unlikely to be alone: any 2xx ends it, everything else is
//! retried for 30 minutes and then lost for good. The balances themselves are always pulled. There is no list of
//! batches, so a batch whose webhook is lost can only be found if the application announced it (an expectation).
//!
//! Sources: Rightfoot's "Balance Check Run Completed" webhook page (the two event fields and the retry schedule, the
//! polling cadence, 200/404), and its API reference (balances, monitoring alerts).

use serde::Deserialize;
use serde_json::value::RawValue;

use super::json::{Field, object, raw, required, text};
use super::{
    Answers, Ask, Definition, Expected, Found, Lists, Offer, OnStoreDown, OnUnreadable, Outcome, Polled, Polls,
    Provider, Setup, Step, Submits, Unexpectable, Unreadable,
};
use crate::api::{ApiRequest, ApiResponse, Auth, Trouble, encode, trouble};
use crate::debt::Expectation;
use crate::delivery::Verified;
use crate::entry::{Entry, Event, OnDuplicate, Row};
use crate::identity::{Identity, ProviderId, Subject, escape};
use crate::settings::{Lookup, SettingError, base_url, text as setting};
use crate::signature::Scheme;
use crate::time::UnixMs;

const ID: ProviderId = ProviderId("rightfoot");
const COMPLETED: &str = "BALANCE_BATCH_COMPLETED";
const ALERT: &str = "BALANCE_THRESHOLD_ALERT";
/// The most the API gives on one page.
const PAGE_LIMIT: u32 = 100;

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
}

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    Ok(Box::new(Rightfoot {
        scheme: Scheme::Unsigned {
            allowed_cidrs: super::cidrs(lookup, "RIGHTFOOT_ALLOWED_CIDRS")?,
            static_header: None,
        },
        base_url: base_url(lookup, "RIGHTFOOT_API_BASE_URL", "https://api.rightfoot.com")?,
        cursor_parameter: setting(lookup, "RIGHTFOOT_CURSOR_PARAMETER", "next_page_token"),
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
    alerts: Option<Vec<&'a RawValue>>,
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
        let mut url = format!("{}/v1/balances?batchId={}&limit={limit}", self.base_url, encode(batch_id));
        if let Some(cursor) = cursor {
            url.push_str(&format!("&{}={}", self.cursor_parameter, encode(cursor)));
        }
        ApiRequest::get(url, Auth::Bearer { credential: "api_key" })
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
        let body: Body<'_> = object(verified.body())?;
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
            subject: Subject::new(ID, "batch", &batch_id),
            identity,
            occurred_at: text(body.timestamp).and_then(|at| UnixMs::parse_rfc3339(&at)),
            on_duplicate: OnDuplicate::Same,
            notes: vec![("event_uuid", event_uuid)],
            event_type,
        })
    }

    fn ask(&self, _entry: &Entry, body: &[u8], cursor: Option<&str>) -> Ask {
        match object::<Body<'_>>(body).ok().and_then(|body| text(body.batch_id)) {
            Some(batch_id) => Ask::Request(self.balances(&batch_id, PAGE_LIMIT, cursor)),
            None => Ask::Nothing(Box::new(stored_body_unreadable())),
        }
    }

    fn answer(&self, entry: &Entry, body: &[u8], cursor: Option<&str>, tally: u64, response: &ApiResponse) -> Step {
        let Ok(delivered) = object::<Body<'_>>(body) else { return stored_body_unreadable() };
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
            page.balances.iter().filter_map(|row| balance_row(row)).collect()
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
        Offer::Unavailable("not offered yet")
    }

    fn setup(&self) -> Offer<'_, dyn Setup> {
        Offer::Unavailable("a webhook URL is handed over with every request; there is nothing to set up")
    }
}

impl Polls for Rightfoot {
    fn expectation(&self, reference: &str) -> Result<Expected, Unexpectable> {
        let subject = Subject::new(ID, "batch", super::reference_id(reference, "a batch id of 1 to 200 characters")?);
        Ok(Expected { key: subject.item("expectation"), repeats: false })
    }

    fn poll(&self, expectation: &Expectation, _cursor: Option<&str>) -> ApiRequest {
        self.balances(&expectation.reference, 1, None)
    }

    fn polled(&self, expectation: &Expectation, _cursor: Option<&str>, response: &ApiResponse) -> Polled {
        match response.status {
            200 => {}
            404 => return Polled::NotYet,
            _ => return Polled::Trouble(trouble(response)),
        }
        let batch_id = expectation.reference.as_str();
        let event = Event {
            event_type: COMPLETED.into(),
            subject: Subject::new(ID, "batch", batch_id),
            identity: Identity::new(&[COMPLETED, batch_id]),
            occurred_at: None,
            known: true,
            on_duplicate: OnDuplicate::Same,
            notes: Vec::new(),
        };
        let body = serde_json::json!({ "type": COMPLETED, "batch_id": batch_id }).to_string().into_bytes();
        Polled::Found { found: vec![Found { event, body }], complete: true, more: None }
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
    delivered.alerts.iter().flatten().filter_map(row).collect()
}

fn finished(entry: &Entry, delivered: &Body<'_>, rows: Vec<Row>, tally: u64) -> Step {
    let total = tally + rows.len() as u64;
    if entry.event_type == ALERT {
        let alerts = delivered.alerts.as_ref().map_or(0, Vec::len);
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
mod tests {
    use super::super::testing::{answer, build_with, entry_of, expectation, rows_of};
    use super::*;

    fn rightfoot() -> Box<dyn Provider> {
        build_with(build, &[])
    }

    const BODY: &str = r#"{"event_uuid":"u1","type":"BALANCE_BATCH_COMPLETED","batch_id":"b 1","alerts":null}"#;

    #[test]
    fn webhook_and_poll_are_one_event() {
        let provider = rightfoot();
        let (event, _) = entry_of(provider.as_ref(), BODY);
        let polls = provider.polls().offered().unwrap();
        let Polled::Found { found, complete, .. } =
            polls.polled(&expectation("rightfoot", "b 1"), None, &answer(200, r#"{"balances":[]}"#))
        else {
            panic!("not found");
        };
        assert!(complete);
        assert_eq!(found[0].event.key(), event.key());
        assert_eq!(polls.polled(&expectation("rightfoot", "b 1"), None, &answer(404, "")), Polled::NotYet);
    }

    #[test]
    fn missing_fields_are_named() {
        for (body, field) in [
            (r#"{"type":"T","batch_id":"b"}"#, "event_uuid"),
            (r#"{"event_uuid":"u","batch_id":"b"}"#, "type"),
            (r#"{"event_uuid":"u","type":"T"}"#, "batch_id"),
            (r#"{"event_uuid":"u","type":"T","batch_id":""}"#, "batch_id"),
            (r#"{"event_uuid":"u","type":"T","batch_id":{}}"#, "batch_id"),
        ] {
            let error = rightfoot().parse(&super::super::testing::verified(ID, body)).unwrap_err();
            assert_eq!(error, Unreadable::Field { field, rule: "a non-empty text or number" }, "{body}");
        }
    }

    #[test]
    fn pages_are_walked_and_amounts_kept_as_sent() {
        let provider = rightfoot();
        let (_, entry) = entry_of(provider.as_ref(), BODY);
        let Ask::Request(request) = provider.ask(&entry, BODY.as_bytes(), None) else { panic!("nothing asked") };
        assert_eq!(request.url, "https://api.rightfoot.com/v1/balances?batchId=b%201&limit=100");
        let first = answer(
            200,
            r#"{"batch_id":"b 1","balances":[{"authorizer_unique_id":"a#1","balance":-1200.50,"balance_status_code":0},
                {"authorizer_unique_id":"a2","balance":null,"balance_status_code":2560}],"has_more":true,"next_page_token":"p2"}"#,
        );
        let step = provider.answer(&entry, BODY.as_bytes(), None, 0, &first);
        let rows = rows_of(&step);
        assert_eq!(rows[0].sk, "balance#a%231");
        assert_eq!(rows[0].columns, [("balance", "-1200.50".to_string()), ("balance_status_code", "0".to_string())]);
        assert_eq!(rows[1].columns, [("balance_status_code", "2560".to_string())]);
        assert!(matches!(step, Step::More { cursor, .. } if cursor == "p2"));
        let Ask::Request(next) = provider.ask(&entry, BODY.as_bytes(), Some("p2")) else { panic!("nothing asked") };
        assert!(next.url.ends_with("&next_page_token=p2"), "{}", next.url);
        let repeated = provider.answer(&entry, BODY.as_bytes(), Some("p2"), 2, &first);
        assert!(matches!(repeated, Step::Trouble(Trouble::Permanent { .. })));
        let last = answer(200, r#"{"batch_id":"b 1","balances":[],"has_more":null,"next_page_token":null}"#);
        let Step::Done { outcome, .. } = provider.answer(&entry, BODY.as_bytes(), Some("p2"), 2, &last) else {
            panic!("not done");
        };
        assert_eq!(outcome.summary, [("balances", 2.into())]);
    }

    #[test]
    fn statuses_and_strange_answers() {
        let provider = rightfoot();
        let (_, entry) = entry_of(provider.as_ref(), BODY);
        let step = |status, body: &str| provider.answer(&entry, BODY.as_bytes(), None, 0, &answer(status, body));
        assert!(matches!(step(404, ""), Step::NotYet { .. }));
        assert!(matches!(step(503, ""), Step::Trouble(Trouble::Retry { .. })));
        assert!(matches!(step(422, ""), Step::Trouble(Trouble::Permanent { .. })));
        assert!(matches!(step(200, "{}"), Step::Trouble(Trouble::Permanent { .. })));
        assert!(matches!(step(200, r#"{"batch_id":"other","balances":[]}"#), Step::Trouble(Trouble::Permanent { .. })));
        assert!(matches!(step(200, r#"{"balances":[],"has_more":true}"#), Step::Trouble(Trouble::Permanent { .. })));
    }

    #[test]
    fn an_alert_counts_only_where_the_api_names_its_authorizer() {
        let provider = rightfoot();
        let body = r#"{"event_uuid":"u","type":"BALANCE_THRESHOLD_ALERT","schedule_id":"s","batch_id":"b","timestamp":"2026-01-01T00:00:00Z",
            "alerts":[{"authorizer_unique_id":"a1","balance":90.10,"threshold_amount":100},{"authorizer_unique_id":"forged","balance":1}]}"#;
        let (event, entry) = entry_of(provider.as_ref(), body);
        assert_eq!(event.identity.as_str(), "event#BALANCE_THRESHOLD_ALERT#s#b#u");
        let page = answer(
            200,
            r#"{"batch_id":"b","balances":[{"authorizer_unique_id":"a1","balance":90.10}],"has_more":false}"#,
        );
        let step = provider.answer(&entry, body.as_bytes(), None, 0, &page);
        let rows = rows_of(&step);
        assert_eq!(rows.len(), 1);
        assert_eq!(rows[0].sk, "alert#s#a1");
        let nobody = answer(200, r#"{"batch_id":"b","balances":[],"has_more":false}"#);
        let step = provider.answer(&entry, body.as_bytes(), None, 0, &nobody);
        assert!(matches!(step, Step::Trouble(Trouble::Permanent { .. })));
    }
}
