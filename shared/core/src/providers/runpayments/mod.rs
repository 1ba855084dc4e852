//! Run Payments: merchants, transactions, chargebacks, funding, statements.
//!
//! Signed over the body, eight attempts in 27 hours and 35 minutes, in no promised order. `metadata.attempt` changes
//! with every retry, so a digest of the body is never an identity: `metadata.idempotency_key` is. There is no list of
//! events; merchants can be listed, and what their status says meets the webhooks in one fact.
//!
//! Sources: Run Payments' "Webhooks Overview" (envelope, event types, headers, retries) and its Boarding API reference
//! (merchant list, paging). Unknown there, and so settings: how the tag is written, how the secret's text becomes the
//! key, which URL issues tokens for which API.

mod envelope;
mod reporting;

use serde::Deserialize;

use envelope::{Delivered, Envelope};
use serde_json::value::RawValue;

use crate::model::delivery::Verified;
use crate::model::entry::{Entry, Event, OnDuplicate, Origin};
use crate::model::identity::{Identity, ProviderId, Subject};
use crate::model::provider_call::{
    ApiRequest, ApiResponse, Auth, ClientAuth, OAuthClient, Trouble, trouble, unreadable,
};
use crate::model::settings::{Lookup, SettingError, base_url, number, zone};
use crate::model::signature::Scheme;
use crate::model::time::{UnixMs, Zone};
use crate::providers::contract::{
    Answers, Definition, OnStoreDown, OnUnreadable, Polls, Provider, Submits, Unreadable,
};
use crate::providers::json::{
    Field, Part, content_mark, flag, id, instant, known_name, object, optional_id, plain_name, raw, required, shown_id,
    text,
};
use crate::providers::lists::listed_n;
use crate::providers::lists::{Audit, Listed, ListedRow, Lists, StatusRow};
use crate::providers::offer::Offer;
use crate::providers::settings::encoding;
use crate::providers::setup::Setup;
use crate::providers::step::{Ask, Asked, Outcome, StatusMove, Step};
use reporting::Reporting;

const ID: ProviderId = ProviderId("runpayments");
const MERCHANTS: &str = "merchants";

/// A merchant's way, in order. At equal times the later status wins; the last three end it.
const STATUSES: &[(&str, u8)] = &[
    ("new", 1),
    ("sent_for_signature", 2),
    ("signed", 3),
    ("in_underwriting", 4),
    ("boarded", 5),
    ("live", 6),
    ("cancelled", 7),
    ("declined", 7),
    ("deleted", 8),
];

/// Other spellings of a status, seen in lists.
const SPELLINGS: &[(&str, &str)] = &[("canceled", "cancelled"), ("underwriting", "in_underwriting")];

/// Events that move no status: kept under their subject and published.
const OTHER_EVENTS: &[&str] = &[
    "boarding.varcomplete",
    "transaction.entered",
    "transaction.processed",
    "transaction.decline",
    "transaction.refund",
    "transaction.partialrefund",
    "transaction.reject",
    "chargeback.entered",
    "funding.entered",
    "statement.entered",
];

/// What its events are about. A boarding is about its merchant; of a type that is not known the first word is the kind.
const KINDS: &[&str] = &["merchant", "transaction", "chargeback", "funding", "statement", "unreadable"];

pub(super) const DEFINITION: Definition = Definition {
    id: ID,
    kinds: KINDS,
    kinds_with_status: &["merchant"],
    poll_only: |_, _| false,
    url_has_token: false,
    answers: &ANSWERS,
    build,
};

static ANSWERS: Answers =
    Answers { received: 200, refused: 403, unreadable: OnUnreadable::Park, store_down: OnStoreDown::AskAgain };

struct RunPayments {
    scheme: Scheme,
    base_url: String,
    token_url: String,
    page_limit: u32,
    /// `None`: events are not looked up.
    reporting: Option<Reporting>,
    /// Of times that name none: a guess, so a setting.
    zone: Zone,
}

fn build(lookup: Lookup<'_>) -> Result<Box<dyn Provider>, SettingError> {
    let page_limit = number(lookup, "RUNPAYMENTS_PAGE_LIMIT", 200)?;
    if !(1..=1000).contains(&page_limit) {
        return Err(SettingError::new("RUNPAYMENTS_PAGE_LIMIT", "must be 1 to 1000, the API's limit"));
    }
    let api_base_url = base_url(lookup, "RUNPAYMENTS_API_BASE_URL", "https://apps.runpayments.io/ords")?;
    let default_token_url = "https://apps.runpayments.io/ords/relay/oauth/token";
    Ok(Box::new(RunPayments {
        scheme: Scheme::Prefixed {
            header: "x-webhook-signature-256",
            prefix: "sha256=",
            tag_encoding: encoding(lookup, "RUNPAYMENTS_SIGNATURE_ENCODING", "hex")?,
            secret_encoding: encoding(lookup, "RUNPAYMENTS_SECRET_ENCODING", "utf8")?,
        },
        reporting: Reporting::read(lookup, &api_base_url)?,
        base_url: api_base_url,
        token_url: base_url(lookup, "RUNPAYMENTS_TOKEN_URL", default_token_url)?,
        page_limit,
        zone: zone(lookup, "RUNPAYMENTS_UTC_OFFSET_MINUTES")?,
    }))
}

#[derive(Deserialize)]
struct MerchantPage<'a> {
    #[serde(borrow)]
    items: Vec<&'a RawValue>,
    #[serde(borrow, rename = "hasMore")]
    has_more: Field<'a>,
    #[serde(borrow, rename = "has_more")]
    snake_has_more: Field<'a>,
}

#[derive(Deserialize)]
struct Merchant<'a> {
    #[serde(borrow)]
    merchant_id: Field<'a>,
    #[serde(borrow)]
    merchant_status: Field<'a>,
}

fn rank(status: &str) -> Option<u8> {
    STATUSES.iter().find(|(name, _)| *name == status).map(|(_, rank)| *rank)
}

/// The status that is meant, in any spelling, with `merchant.` before it or without.
fn status_named(said: &str) -> Option<&'static str> {
    let plain = plain_name(said);
    let plain = plain.strip_prefix("merchant.").unwrap_or(&plain);
    let known = STATUSES.iter().map(|(name, _)| *name).find(|name| *name == plain);
    known.or_else(|| SPELLINGS.iter().find(|(other, _)| *other == plain).map(|(_, name)| *name))
}

/// The type that is meant, in any case: a known one as the documents spell it, others as they were sent.
fn type_named(said: String) -> String {
    let is_merchant = said.get(..9).is_some_and(|kind| kind.eq_ignore_ascii_case("merchant."));
    if is_merchant && let Some(status) = status_named(&said) {
        return format!("merchant.{status}");
    }
    known_name(&said, OTHER_EVENTS.iter().copied()).map_or(said, Into::into)
}

fn merchant_subject(merchant_id: &str) -> Subject {
    Subject::new(ID, "merchant", merchant_id)
}

impl Provider for RunPayments {
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
        let envelope = Delivered::read(verified.body())?;
        let event_type = type_named(required("event_type", envelope.event_type)?);
        let metadata = envelope.metadata.map(|Part(metadata)| metadata).unwrap_or_default();
        let key = id("metadata.idempotency_key", metadata.idempotency_key)?;
        let (kind, status) = event_type.split_once('.').unwrap_or((event_type.as_str(), ""));
        let subject = if matches!(kind, "merchant" | "boarding") {
            let payload = envelope.payload.map(|Part(payload)| payload).unwrap_or_default();
            let named = optional_id("payload.merchant_id", payload.merchant_id.or(payload.event_table_pk))?;
            merchant_subject(&named.map_or_else(|| id("source_id", envelope.source_id), Ok)?)
        } else {
            Subject::new(ID, kind, &id("source_id", envelope.source_id)?)
        };
        let moves = kind == "merchant" && rank(status).is_some();
        let occurred_at = instant(envelope.timestamp, self.zone);
        if moves && occurred_at.is_none() {
            return Err(Unreadable::Field { field: "timestamp", rule: "an instant such as 2024-01-15T10:30:00Z" });
        }
        let mut notes: Vec<(&'static str, String)> = Vec::new();
        notes.extend(text(metadata.webhook_id).map(|id| ("webhook_id", id)));
        // The header is not signed: where it differs from the body, the body wins and the difference is kept.
        let header = verified.delivery().header("x-idempotency-key").filter(|header| *header != key);
        notes.extend(header.map(|header| ("mismatched_header_key", header.to_string())));
        Ok(Event {
            known: moves || OTHER_EVENTS.contains(&event_type.as_str()),
            subject,
            identity: Identity::new(&[&key]),
            occurred_at,
            on_duplicate: OnDuplicate::Same,
            notes,
            event_type,
        })
    }

    fn content(&self, body: &[u8]) -> Option<String> {
        // Without `metadata`, which counts the attempts, and `timestamp`, of which nobody says that a retry repeats it.
        let envelope: Envelope<'_> = object(body).ok()?;
        Some(content_mark([envelope.source_id, envelope.payload]))
    }

    fn reference_in(&self, _body: &[u8]) -> Option<String> {
        // Events can't be asked for one by one.
        None
    }

    fn ask(&self, entry: &Entry, body: &[u8], cursor: Option<&str>) -> Ask {
        if let Some(ask) = self.reporting.as_ref().and_then(|reporting| reporting.ask(entry, body, cursor)) {
            return ask;
        }
        // Signed and complete: the body is the result, and it is kept with its entry. A listing's row says no more.
        let status = entry.event_type.strip_prefix("merchant.").unwrap_or("");
        let status = rank(status).map(|rank| StatusMove {
            subject: entry.key.subject(),
            status: status.to_string(),
            rank,
            occurred_at: entry.happened_at(),
            n: (entry.origin == Origin::Poll).then(|| listed_n(entry)).flatten(),
        });
        let summary = status.iter().map(|status| ("status", status.status.as_str().into())).collect();
        Ask::Nothing(Box::new(Step::done(Vec::new(), Outcome { summary, pulled: false, status, once: None })))
    }

    fn answer(&self, asked: &Asked<'_>, response: &ApiResponse) -> Step {
        match &self.reporting {
            Some(reporting) => reporting.answer(asked, response),
            None => Step::Trouble(trouble(response)),
        }
    }

    fn without_answer(&self, entry: &Entry, why: &str) -> Option<Outcome> {
        self.reporting.as_ref().and_then(|_| Reporting::without_answer(entry, why))
    }

    fn polls(&self) -> Offer<'_, dyn Polls> {
        Offer::Unavailable("events cannot be asked for one by one: merchants are found by walking their list")
    }

    fn lists(&self) -> Offer<'_, dyn Lists> {
        Offer::Offered(self)
    }

    fn submits(&self) -> Offer<'_, dyn Submits> {
        Offer::Unavailable("nothing that is submitted to Run Payments is reported by batch")
    }

    fn setup(&self) -> Offer<'_, dyn Setup> {
        Offer::Unavailable("webhooks are set up by Run Payments' own people")
    }
}

impl Lists for RunPayments {
    fn names(&self) -> &'static [&'static str] {
        &[MERCHANTS]
    }

    fn list(&self, _listing: &str, position: Option<&str>, _now: UnixMs) -> ApiRequest {
        let (limit, offset) = (self.page_limit, position.unwrap_or("0"));
        let url = format!("{}/relay/api/boarding/v1/merchants?limit={limit}&offset={offset}", self.base_url);
        let (token_url, style, client) = (self.token_url.clone(), ClientAuth::Basic, OAuthClient::ONLY);
        ApiRequest::get(MERCHANTS, url, Auth::ClientCredentials { token_url, style, client })
    }

    fn listed(&self, _listing: &str, position: Option<&str>, _now: UnixMs, response: &ApiResponse) -> Listed {
        if response.status != 200 {
            return Listed::Trouble(trouble(response));
        }
        let permanent = |reason: &str| Listed::Trouble(Trouble::Permanent { reason: reason.into() });
        let Ok(page) = object::<MerchantPage<'_>>(&response.body) else {
            return Listed::Trouble(unreadable(response, "the merchant list"));
        };
        // Without the flag, a page that is full may be followed by another.
        let is_full = page.items.len() as u64 >= u64::from(self.page_limit);
        let said_more = flag(page.has_more.or(page.snake_has_more));
        let has_more = said_more.unwrap_or(is_full);
        if said_more == Some(true) && page.items.is_empty() {
            return permanent("an empty page of the merchant list promised another one");
        }
        let offset: u64 = position.and_then(|position| position.parse().ok()).unwrap_or(0);
        let Some(next) = offset.checked_add(page.items.len() as u64) else {
            return permanent("the merchant list's position is beyond any list");
        };
        let next = has_more.then(|| next.to_string());
        let rows: Vec<ListedRow> =
            page.items.iter().filter_map(|item| merchant_row(item)).map(ListedRow::Status).collect();
        let unreadable = (page.items.len() - rows.len()) as u64;
        if rows.is_empty() && unreadable > 0 {
            return permanent("no row of the merchant list has an id and a status");
        }
        Listed::Page { rows, unreadable, next }
    }

    fn audit(&self) -> Offer<'_, dyn Audit> {
        Offer::Unavailable("the merchant list tells of merchants, not of deliveries")
    }
}

/// A merchant and its status, known or not.
fn merchant_row(document: &RawValue) -> Option<StatusRow> {
    let merchant: Merchant<'_> = serde_json::from_str(document.get()).ok()?;
    let id = shown_id(merchant.merchant_id)?;
    let said = text(merchant.merchant_status)?;
    let status = status_named(&said).map_or_else(|| plain_name(&said), Into::into);
    Some(StatusRow {
        subject: merchant_subject(&id),
        rank: rank(&status),
        event_type: format!("merchant.{status}"),
        id,
        status,
        document: raw(document),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::{answer, build_with, entry, entry_of, verified};

    fn run() -> Box<dyn Provider> {
        build_with(build, &[])
    }

    fn body(event_type: &str, attempt: u32) -> String {
        format!(
            r#"{{"event_type":"{event_type}","source_id":12345,"timestamp":"2024-01-15T10:30:00.000Z","payload":{{"merchant_id":"m7","amount":1.10}},
                "metadata":{{"webhook_id":"wh_1","attempt":{attempt},"idempotency_key":"k-1"}}}}"#
        )
    }

    #[test]
    fn a_retry_is_the_same_event_although_its_body_differs() {
        let (first, _) = entry_of(run().as_ref(), &body("transaction.entered", 1));
        let (retry, _) = entry_of(run().as_ref(), &body("transaction.entered", 2));
        assert_eq!(first.key(), retry.key());
        assert_eq!(first.key().to_string(), "runpayments#transaction#12345 event#k-1");
    }

    #[test]
    fn merchant_events_belong_to_the_merchant() {
        for (payload, id) in
            [(r#"{"merchant_id":7}"#, "7"), (r#"{"event_table_pk":"x"}"#, "x"), ("{}", "12345"), ("3", "12345")]
        {
            let body = body("merchant.live", 1).replace(r#"{"merchant_id":"m7","amount":1.10}"#, payload);
            let (event, _) = entry_of(run().as_ref(), &body);
            assert_eq!(event.subject, merchant_subject(id), "{payload}");
        }
    }

    #[test]
    fn every_documented_event_is_known_and_others_are_kept() {
        for (status, _) in STATUSES {
            assert!(entry_of(run().as_ref(), &body(&format!("merchant.{status}"), 1)).0.known, "{status}");
        }
        for event_type in OTHER_EVENTS {
            assert!(entry_of(run().as_ref(), &body(event_type, 1)).0.known, "{event_type}");
        }
        for event_type in ["merchant.unknown", "merchant.renamed", "payout.entered", "odd"] {
            assert!(!entry_of(run().as_ref(), &body(event_type, 1)).0.known, "{event_type}");
        }
    }

    #[test]
    fn what_is_missing_is_named() {
        let cases = [
            ("event_type", r#""event_type":"merchant.live","#, ""),
            ("metadata.idempotency_key", r#""idempotency_key":"k-1""#, r#""other":1"#),
            ("timestamp", "2024-01-15T10:30:00.000Z", "yesterday"),
        ];
        for (field, from, to) in cases {
            let error = run().parse(&verified(ID, body("merchant.live", 1).replace(from, to))).unwrap_err();
            assert!(matches!(error, Unreadable::Field { field: f, .. } if f == field), "{field}: {error}");
        }
    }

    #[test]
    fn the_header_key_is_never_the_identity() {
        let mut verified_headers =
            crate::model::delivery::Delivery::new(ID, UnixMs(0), body("transaction.entered", 1).into_bytes());
        verified_headers.headers.push(("x-idempotency-key".into(), "forged".into()));
        let proof = crate::model::delivery::Proof { secret_id: "s".into(), signed_at: None };
        let event = run().parse(&Verified::new(verified_headers, proof)).unwrap();
        assert_eq!(event.identity, Identity::new(&["k-1"]));
        assert!(event.notes.contains(&("mismatched_header_key", "forged".to_string())));
    }

    #[test]
    fn the_merchant_list_is_walked_by_offset() {
        let provider = run();
        let lists = provider.lists().offered().unwrap();
        assert!(lists.list(MERCHANTS, None, UnixMs(1)).url.ends_with("/merchants?limit=200&offset=0"));
        let page = answer(
            200,
            r#"{"items":[{"merchant_id":7,"merchant_status":"In Underwriting","dba_name":"x"},{"merchant_id":8,"merchant_status":"odd"}],"hasMore":true}"#,
        );
        let Listed::Page { rows, next, .. } = lists.listed(MERCHANTS, Some("200"), UnixMs(1), &page) else {
            panic!("trouble")
        };
        assert_eq!(next.as_deref(), Some("202"));
        assert_eq!(rows.len(), 2);
        let ListedRow::Status(odd) = &rows[1] else { panic!("no status") };
        assert_eq!((odd.status.as_str(), odd.rank, odd.unknown().known), ("odd", None, false));
        assert_eq!(odd.unknown().key().to_string(), "runpayments#merchant#8 event#listing-unknown#8#odd");
        let ListedRow::Status(row) = &rows[0] else { panic!("no status") };
        assert_eq!((row.status.as_str(), row.rank), ("in_underwriting", Some(4)));
        let event = row.event(2, UnixMs(99));
        assert_eq!(event.event_type, "merchant.in_underwriting");
        assert_eq!(event.key().to_string(), "runpayments#merchant#7 event#listing#7#in_underwriting#2");
        let too_far = u64::MAX.to_string();
        let beyond = lists.listed(MERCHANTS, Some(&too_far), UnixMs(1), &page);
        assert!(matches!(beyond, Listed::Trouble(Trouble::Permanent { .. })));
        for (status, body) in [(200, r#"{"items":[],"hasMore":true}"#), (200, "[]"), (503, "")] {
            assert!(
                matches!(lists.listed(MERCHANTS, None, UnixMs(1), &answer(status, body)), Listed::Trouble(_)),
                "{body}"
            );
        }
    }

    #[test]
    fn a_listed_entry_knows_which_time_it_is() {
        let key = merchant_subject("7").item("event#listing#7#live#3");
        let mut listed = entry(ID, key, "merchant.live", Some(UnixMs(5)));
        listed.origin = Origin::Poll;
        let Ask::Nothing(step) = run().ask(&listed, b"{}", None) else { panic!("asked") };
        let Step::Done { outcome, .. } = *step else { panic!("not done") };
        let moved = outcome.status.unwrap();
        assert_eq!((moved.status.as_str(), moved.n, moved.occurred_at), ("live", Some(3), UnixMs(5)));
    }
}
