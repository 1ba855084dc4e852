//! Run Payments, reporting: what an event announces is looked up in its reports.
//!
//! | event | report |
//! |---|---|
//! | `transaction.*`, refunds among them | `transactions` |
//! | `chargeback.entered` | `chargebacks` |
//! | `funding.entered` | `deposits`, then the `adjustments` of the same funding |
//! | `statement.entered`, `merchant.*`, `boarding.*` | none: statements have no report |
//!
//! The event is signed and complete without. So what the reports don't answer costs the event nothing but the rows: it
//! is published all the same and says that, and why, it was not looked up.
//!
//! Sources: the Reporting API reference (`q`, `items`, `funding_master_id`) and the guide "Transaction Reporting", which
//! counts adjustments among the funding data. Guessed: that a row's `id` is a webhook's `source_id`, so the field's name
//! is a setting; that more than one page is told and asked for as in the merchant list.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::envelope::Envelope;
use crate::model::entry::Entry;
use crate::model::provider_call::{
    ApiRequest, ApiResponse, Auth, ClientAuth, OAuthClient, encode, trouble, unreadable,
};
use crate::model::row::Row;
use crate::model::settings::{Lookup, SettingError, base_url, text as setting};
use crate::providers::json::{Field, flag, object, raw, text};
use crate::providers::step::{Ask, Asked, Outcome, Step};

/// The Reporting API has credentials of its own.
const CLIENT: OAuthClient = OAuthClient { id: "reporting_client_id", secret: "reporting_client_secret" };
/// What joins the adjustments to their deposit, by the reference's own example.
const FUNDING_ID: &str = "funding_master_id";
/// The most pages of one report about one event. One event is about one row, a funding's adjustments about a few.
const MAX_REPORT_PAGES: u32 = 20;

const TRANSACTIONS: &str = "transactions";
const CHARGEBACKS: &str = "chargebacks";
const DEPOSITS: &str = "deposits";
const ADJUSTMENTS: &str = "adjustments";

/// The look-ups, where an operator has turned them on.
pub(super) struct Reporting {
    base_url: String,
    token_url: String,
    id_field: String,
}

impl Reporting {
    /// Off unless asked for, since the reports want credentials that not everybody has.
    pub(super) fn read(lookup: Lookup<'_>, base: &str) -> Result<Option<Self>, SettingError> {
        let default_token_url = "https://apps.runpayments.io/ords/sprint/oauth/token";
        let reporting = Self {
            base_url: base.to_string(),
            token_url: base_url(lookup, "RUNPAYMENTS_REPORTING_TOKEN_URL", default_token_url)?,
            id_field: setting(lookup, "RUNPAYMENTS_REPORTING_ID_FIELD", "id"),
        };
        match setting(lookup, "RUNPAYMENTS_REPORTING", "off").as_str() {
            "on" => Ok(Some(reporting)),
            "off" => Ok(None),
            _ => Err(SettingError::new("RUNPAYMENTS_REPORTING", "must be on or off")),
        }
    }

    /// The question for an entry; `None` where no report tells of its event.
    pub(super) fn ask(&self, entry: &Entry, body: &[u8], cursor: Option<&str>) -> Option<Ask> {
        let report = report(&entry.event_type)?;
        let Some(place) = self.place(report, body, cursor) else {
            return Some(Ask::Nothing(Box::new(Step::hopeless("the stored body cannot be read any more"))));
        };
        let q = encode(&format!("{{{}:{}}}", serde_json::Value::from(place.field.as_str()), place.value));
        let offset = if place.offset == 0 { String::new() } else { format!("&offset={}", place.offset) };
        let url = format!("{}/sprint/api/3p/v1/{}?q={q}{offset}", self.base_url, place.report);
        let (token_url, style, client) = (self.token_url.clone(), ClientAuth::Basic, CLIENT);
        Some(Ask::Request(ApiRequest::get(report, url, Auth::ClientCredentials { token_url, style, client })))
    }

    /// What the answer means: its rows, and what is asked next.
    pub(super) fn answer(&self, asked: &Asked<'_>, response: &ApiResponse) -> Step {
        let Asked { entry, body, cursor, tally, .. } = *asked;
        if response.status != 200 {
            return Step::Trouble(trouble(response));
        }
        let place = report(&entry.event_type).and_then(|report| self.place(report, body, cursor));
        let Some(place) = place else { return Step::hopeless("the stored body cannot be read any more") };
        let Ok(page) = object::<Page<'_>>(&response.body) else {
            return Step::Trouble(unreadable(response, "the report"));
        };
        let items = page.items.unwrap_or_default();
        // A filter that is not obeyed brings other people's rows.
        let ours: Vec<Item<'_>> = items.iter().filter_map(|item| place.matching(item)).collect();
        if ours.len() < items.len() {
            return Step::hopeless(
                "the report does not filter by the field asked for: see RUNPAYMENTS_REPORTING_ID_FIELD",
            );
        }
        if tally == 0 && ours.is_empty() {
            return Step::not_yet("the report does not show it yet");
        }
        let rows: Vec<Row> = ours.iter().zip(place.offset..).map(|(item, n)| item.row(&place.report, n)).collect();
        let funding = ours.iter().find_map(|item| item.0.get(FUNDING_ID).copied());
        let next = if flag(page.has_more.or(page.snake_has_more)) == Some(true) && !items.is_empty() {
            if place.pages >= MAX_REPORT_PAGES {
                return Step::hopeless("the report has more pages about one event than are read");
            }
            Some(place.next_page(items.len() as u64))
        } else {
            funding.filter(|_| place.report == DEPOSITS).map(Place::adjustments)
        };
        match next.and_then(|next| serde_json::to_string(&next).ok()) {
            Some(cursor) => Step::More { rows, unreadable: 0, cursor },
            None => done(rows, tally),
        }
    }

    /// What the event comes to without an answer.
    pub(super) fn without_answer(entry: &Entry, why: &str) -> Option<Outcome> {
        report(&entry.event_type)?;
        let summary = vec![("looked_up", false.into()), ("why", why.into())];
        // A later attempt might find the rows after all: what is published is fixed first.
        Some(Outcome { summary, pulled: true, ..Outcome::default() })
    }

    fn place(&self, report: &str, body: &[u8], cursor: Option<&str>) -> Option<Place> {
        if let Some(cursor) = cursor {
            return serde_json::from_str(cursor).ok();
        }
        let envelope: Envelope<'_> = object(body).ok()?;
        Some(Place::first(report, &self.id_field, envelope.source_id.said()?))
    }
}

fn done(rows: Vec<Row>, tally: u64) -> Step {
    let found = tally.saturating_add(rows.len() as u64);
    let summary = vec![("looked_up", true.into()), ("rows", found.into())];
    Step::done(rows, Outcome { summary, pulled: true, ..Outcome::default() })
}

/// Which report tells more about an event.
fn report(event_type: &str) -> Option<&'static str> {
    match event_type.split_once('.')?.0 {
        "transaction" => Some(TRANSACTIONS),
        "chargeback" => Some(CHARGEBACKS),
        "funding" => Some(DEPOSITS),
        _ => None,
    }
}

/// How far a look-up has come. It travels as the work's cursor.
#[derive(Serialize, Deserialize)]
struct Place {
    report: String,
    /// The field that is asked for, and its value as JSON, in the digits it was sent with.
    field: String,
    value: String,
    offset: u64,
    pages: u32,
}

impl Place {
    fn first(report: &str, field: &str, value: &RawValue) -> Self {
        Self { report: report.into(), field: field.into(), value: value.get().into(), offset: 0, pages: 1 }
    }

    fn adjustments(funding: &RawValue) -> Self {
        Self::first(ADJUSTMENTS, FUNDING_ID, funding)
    }

    fn next_page(self, items: u64) -> Self {
        Self { offset: self.offset.saturating_add(items), pages: self.pages.saturating_add(1), ..self }
    }

    /// The item, if it has the value that was asked for.
    fn matching<'a>(&self, item: &'a RawValue) -> Option<Item<'a>> {
        let fields: Fields<'a> = serde_json::from_str(item.get()).ok()?;
        let wanted: &RawValue = serde_json::from_str(&self.value).ok()?;
        let ours = text(Field::of(fields.get(self.field.as_str()).copied())) == text(Field::of(Some(wanted)));
        ours.then_some(Item(fields, item))
    }
}

type Fields<'a> = std::collections::BTreeMap<std::borrow::Cow<'a, str>, &'a RawValue>;

#[derive(Deserialize)]
struct Page<'a> {
    /// A list, or `null`.
    #[serde(borrow)]
    items: Option<Vec<&'a RawValue>>,
    #[serde(borrow, rename = "hasMore")]
    has_more: Field<'a>,
    #[serde(borrow, rename = "has_more")]
    snake_has_more: Field<'a>,
}

/// A row of a report: its fields, and the bytes they were read from.
struct Item<'a>(Fields<'a>, &'a RawValue);

impl Item<'_> {
    /// The `n`th row of a report, so that a second asking replaces it. The unit of `amount` is contradictory in the
    /// provider's documents: it is kept in the digits it was sent with.
    fn row(&self, report: &str, n: u64) -> Row {
        let amount = Field::of(self.0.get("amount").copied());
        let columns = text(amount).map(|amount| ("amount", amount)).into_iter().collect();
        Row { sk: format!("{report}#{n:04}"), columns, document: raw(self.1) }
    }
}

#[cfg(test)]
mod tests;
