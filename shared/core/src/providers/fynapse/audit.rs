//! Fynapse's audit: what became of each of its deliveries.
//!
//! It is walked to notice what never arrived. The bodies are not known to be readable there, so a loss can only be
//! shown to a person, who has Fynapse deliver the event again.
//!
//! The paths, the states and the permission it takes (`delivery_audit_read`) are on Fynapse's "Webhook Configuration"
//! page. Everything else here is a guess in the style of its other lists, and so a setting: parameters, field names,
//! paging. How the audit is sorted is not known either, and nothing depends on it: a walk ends early only where a page
//! shows by itself that it goes from new to old.

use serde_json::value::RawValue;

use super::api::Api;
use super::shape::{NAMES, Shape, field};
use crate::model::provider_call::{ApiRequest, ApiResponse, Trouble, encode, trouble, unreadable};
use crate::model::time::UnixMs;
use crate::providers::json::{count, object, text};
use crate::providers::lists::{Audit, AuditedDelivery, Fate, Listed, ListedRow, Lists};
use crate::providers::offer::Offer;

const DELIVERIES: &str = "deliveries";
impl Lists for Api {
    fn names(&self) -> &'static [&'static str] {
        &[DELIVERIES]
    }

    fn list(&self, _listing: &str, position: Option<&str>, now: UnixMs) -> ApiRequest {
        let shape = &self.audit;
        let (page, limit) = (shape.page(position), shape.page_limit);
        let (page_parameter, limit_parameter) = (shape.name("page_parameter"), shape.name("limit_parameter"));
        let mut url = self.url(&format!("{}?{page_parameter}={page}&{limit_parameter}={limit}", shape.path));
        if !shape.query.is_empty() {
            // A server that can filter is told where the horizon is.
            url.push('&');
            url.push_str(&shape.query.replace("{from}", &encode(&shape.horizon(now).to_string())));
        }
        ApiRequest::get("deliveries", url, self.auth())
    }

    fn listed(&self, _listing: &str, position: Option<&str>, now: UnixMs, response: &ApiResponse) -> Listed {
        if response.status != 200 {
            return Listed::Trouble(trouble(response));
        }
        let shape = &self.audit;
        let Ok(answer) = object::<&RawValue>(&response.body) else {
            return Listed::Trouble(unreadable(response, "the audit's answer"));
        };
        shape
            .read_page(shape.page(position), now, answer)
            .unwrap_or_else(|reason| Listed::Trouble(Trouble::Permanent { reason: format!("{reason}: see {NAMES}") }))
    }

    fn audit(&self) -> Offer<'_, dyn Audit> {
        Offer::Offered(self)
    }
}

impl Shape {
    fn page(&self, position: Option<&str>) -> u64 {
        position.and_then(|position| position.parse().ok()).unwrap_or(self.first_page)
    }

    fn read_page(&self, page: u64, now: UnixMs, answer: &RawValue) -> Result<Listed, &'static str> {
        let rows = field(answer, self.name("rows")).said();
        let rows: Option<Vec<&RawValue>> = rows.and_then(|rows| serde_json::from_str(rows.get()).ok());
        let rows = rows.ok_or("the audit's answer holds no list of deliveries")?;
        let number = |name| count(field(answer, self.name(name)));
        if number("page").is_some_and(|answered| answered != page) {
            return Err("the audit answered another page than it was asked for");
        }
        // A time that can't be read, or is yet to come, is never recent: such a row is passed over, and counted.
        let is_dated = |row: &AuditedDelivery| row.changed_at.max(row.created_at).is_some_and(|at| at.is_past(now));
        let deliveries: Vec<AuditedDelivery> = rows.iter().filter_map(|row| self.row(row)).filter(is_dated).collect();
        let unreadable = (rows.len() - deliveries.len()) as u64;
        if deliveries.is_empty() && unreadable > 0 {
            return Err("no row of the audit has an id, a state and a time of the past");
        }
        let unknown = deliveries.iter().filter(|row| row.fate == Fate::Pending && !self.is_pending(row)).count();
        if unknown > 0 {
            tracing::warn!(unknown, "deliveries in the audit have a state that is not known here");
        }
        // Without a count of pages, an empty one is the end.
        let more = number("pages").map_or(!rows.is_empty(), |pages| page < last_page(self.first_page, pages));
        if more && rows.is_empty() {
            return Err("an empty page of the audit promised another one");
        }
        let next = (more && !self.ends_with(&deliveries, now)).then(|| page.saturating_add(1).to_string());
        let horizon = self.horizon(now);
        let recent = |row: &AuditedDelivery| row.changed_at.max(row.created_at).is_some_and(|at| at >= horizon);
        let rows = deliveries.into_iter().filter(recent).map(ListedRow::Delivery).collect();
        Ok(Listed::Page { rows, unreadable, next })
    }

    fn is_pending(&self, row: &AuditedDelivery) -> bool {
        let document: Option<&RawValue> = serde_json::from_slice(&row.document).ok();
        let status = document.and_then(|document| text(field(document, self.name("status"))));
        status.is_some_and(|status| self.says("pending", &status))
    }
}

fn last_page(first_page: u64, pages: u64) -> u64 {
    first_page.saturating_add(pages).saturating_sub(1)
}

impl Audit for Api {
    fn delivery(&self, document: &[u8]) -> Option<AuditedDelivery> {
        self.audit.row(serde_json::from_slice(document).ok()?)
    }

    fn grace_secs(&self) -> u64 {
        self.audit.grace_secs
    }
}

#[cfg(test)]
mod tests {
    use super::super::build;
    use super::*;
    use crate::providers::contract::Provider;
    use crate::providers::testing::{answer, build_with};

    const BASE: (&str, &str) = ("FYNAPSE_API_BASE_URL", "https://f.example");

    fn now() -> UnixMs {
        UnixMs::parse_rfc3339("2026-11-22T12:00:00Z").unwrap()
    }

    fn with(settings: &[(&str, &str)]) -> Box<dyn Provider> {
        build_with(build, &[&[BASE], settings].concat())
    }

    fn asked(settings: &[(&str, &str)], position: Option<&str>) -> String {
        with(settings).lists().offered().unwrap().list(DELIVERIES, position, now()).url
    }

    fn page(settings: &[(&str, &str)], position: Option<&str>, body: &str) -> Listed {
        with(settings).lists().offered().unwrap().listed(DELIVERIES, position, now(), &answer(200, body))
    }

    /// The ids of a page's rows, and where the next one is.
    fn read(settings: &[(&str, &str)], position: Option<&str>, body: &str) -> (Vec<String>, Option<String>) {
        let Listed::Page { rows, next, .. } = page(settings, position, body) else { panic!("trouble: {body}") };
        let id = |row: &ListedRow| match row {
            ListedRow::Delivery(delivery) => delivery.id.clone(),
            ListedRow::Status(_) | ListedRow::Event(_) => panic!("no delivery"),
        };
        (rows.iter().map(id).collect(), next)
    }

    fn row(id: &str, status: &str, day: u32) -> String {
        let at = format!("2026-11-{day:02}T10:00:00Z");
        format!(r#"{{"id":"{id}","eventId":"e-{id}","status":"{status}","createdAt":"{at}","updatedAt":"{at}"}}"#)
    }

    fn body(page: u64, pages: u64, rows: &[String]) -> String {
        format!(r#"{{"data":[{}],"page":{page},"limit":100,"totalSize":9,"totalPages":{pages}}}"#, rows.join(","))
    }

    #[test]
    fn without_a_base_url_there_is_no_audit_and_the_reason_names_the_setting() {
        let provider = build_with(build, &[]);
        let Offer::Unavailable(why) = provider.lists() else { panic!("offered") };
        assert!(why.contains("FYNAPSE_API_BASE_URL"), "{why}");
    }

    #[test]
    fn the_audit_of_one_subscription_or_of_all_is_asked_for() {
        let base = "https://f.example/api/v1/event-deliveries";
        assert_eq!(asked(&[], None), format!("{base}/deliveries?page=1&limit=100"));
        let subscription = ("FYNAPSE_SUBSCRIPTION_ID", "s/1");
        assert_eq!(
            asked(&[subscription], Some("3")),
            format!("{base}/subscriptions/s%2F1/deliveries?page=3&limit=100")
        );
        let settings = [
            ("FYNAPSE_AUDIT_PATH", "audit"),
            ("FYNAPSE_AUDIT_QUERY", "sort=-createdAt&from={from}"),
            ("FYNAPSE_AUDIT_NAMES", "page_parameter=pageNumber, limit_parameter=size, first_page=0"),
            ("FYNAPSE_AUDIT_PAGE_LIMIT", "50"),
        ];
        let from = "2026-11-15T12%3A00%3A00.000Z";
        assert_eq!(asked(&settings, None), format!("{base}/audit?pageNumber=0&size=50&sort=-createdAt&from={from}"));
        let token_url = "https://f.example/auth/token".to_string();
        let auth = with(&[]).lists().offered().unwrap().list(DELIVERIES, None, now()).auth;
        assert!(
            matches!(auth, crate::model::provider_call::Auth::ClientCredentials { token_url: url, .. } if url == token_url)
        );
    }

    #[test]
    fn a_row_says_which_entry_we_ought_to_hold_and_what_became_of_it() {
        let provider = with(&[]);
        let audit = provider.lists().offered().unwrap().audit().offered().unwrap();
        for (status, fate) in [
            ("PENDING", Fate::Pending),
            ("DELIVERED", Fate::Delivered),
            ("delivered", Fate::Delivered),
            ("DEAD_LETTER", Fate::GivenUp),
            ("CANCELLED", Fate::GivenUp),
            ("SOMETHING_NEW", Fate::Pending),
        ] {
            let document = row("d1", status, 20);
            let delivery = audit.delivery(document.as_bytes()).unwrap();
            assert_eq!(delivery.fate, fate, "{status}");
            assert_eq!(delivery.entry.unwrap().to_string(), "fynapse#event#e-d1 event#e-d1");
            assert_eq!(delivery.document, document.as_bytes());
        }
        // The same key as the push derives.
        let pushed = super::super::super::testing::entry_of(
            provider.as_ref(),
            r#"{"event_id":"e-d1","type":"balance.extracted","data":1}"#,
        );
        assert_eq!(Some(pushed.0.key()), audit.delivery(row("d1", "PENDING", 20).as_bytes()).unwrap().entry);
        let unnamed = audit.delivery(br#"{"id":7,"status":"DEAD_LETTER"}"#).unwrap();
        assert_eq!((unnamed.subject.as_str(), unnamed.entry), ("fynapse#delivery#7", None));
        for unreadable in ["[]", "{}", r#"{"id":"d"}"#, r#"{"status":"PENDING"}"#, r#"{"id":"","status":"PENDING"}"#] {
            assert!(audit.delivery(unreadable.as_bytes()).is_none(), "{unreadable}");
        }
    }

    #[test]
    fn pages_are_walked_to_the_last() {
        let rows = [row("a", "DELIVERED", 20), row("b", "PENDING", 19)];
        let ids = vec!["a".to_string(), "b".to_string()];
        assert_eq!(read(&[], None, &body(1, 3, &rows)), (ids.clone(), Some("2".into())));
        assert_eq!(read(&[], Some("3"), &body(3, 3, &rows)), (ids.clone(), None));
        assert_eq!(read(&[], None, &body(1, 0, &[])), (vec![], None));
        // No count of pages: an empty one is the last.
        let bare = format!(r#"{{"data":[{}]}}"#, rows.join(","));
        assert_eq!(read(&[], Some("4"), &bare), (ids.clone(), Some("5".into())));
        assert_eq!(read(&[], Some("5"), r#"{"data":[]}"#), (vec![], None));
        // Counted from zero, under other names.
        let names = ("FYNAPSE_AUDIT_NAMES", "first_page=0,rows=result.items,pages=result.pages,page=number");
        let other = format!(r#"{{"result":{{"items":[{}],"pages":2}},"number":0}}"#, rows.join(","));
        assert_eq!(read(&[names], None, &other), (ids.clone(), Some("1".into())));
        let last = format!(r#"{{"result":{{"items":[{}],"pages":2}},"number":1}}"#, rows.join(","));
        assert_eq!(read(&[names], Some("1"), &last), (ids, None));
    }

    #[test]
    fn a_walk_ends_at_the_horizon_but_only_where_the_order_is_plain() {
        // The horizon is at 15 November; what was made before the 11th can't have changed since.
        let old = |first: u32, second: u32| [row("a", "DEAD_LETTER", first), row("b", "DEAD_LETTER", second)];
        assert_eq!(read(&[], None, &body(1, 3, &old(10, 9))), (vec![], None), "new to old, and all too old");
        assert_eq!(
            read(&[], None, &body(1, 3, &old(9, 10))).1,
            Some("2".into()),
            "old to new: the new is still to come"
        );
        assert_eq!(read(&[], None, &body(1, 3, &old(9, 9))).1, Some("2".into()), "no order to be seen");
        assert_eq!(read(&[], None, &body(1, 3, &old(12, 9))).1, Some("2".into()), "the first may have changed lately");
        // A row of the last days is looked at wherever it stands.
        let mixed = [row("a", "DEAD_LETTER", 9), row("b", "DEAD_LETTER", 16)];
        assert_eq!(read(&[], None, &body(1, 1, &mixed)), (vec!["b".to_string()], None));
        let wide = ("FYNAPSE_AUDIT_HORIZON_DAYS", "30");
        assert_eq!(read(&[wide], None, &body(1, 1, &mixed)).0.len(), 2);
        // A time that can't be read, or is yet to come, is never recent.
        let timeless = r#"{"id":"t","status":"DEAD_LETTER","eventId":"e"}"#.to_string();
        let ahead = row("a", "DEAD_LETTER", 20).replace("2026", "2027");
        let page_body = body(1, 2, &[timeless, ahead, row("b", "DEAD_LETTER", 20)]);
        assert_eq!(read(&[], None, &page_body), (vec!["b".to_string()], Some("2".into())));
        assert!(matches!(page(&[], None, &page_body), Listed::Page { unreadable: 2, .. }));
    }

    #[test]
    fn what_does_not_fit_the_names_is_said_and_not_passed_over() {
        let named_otherwise = r#"{"data":[{"uuid":"a","state":"DEAD_LETTER"}],"totalPages":1}"#;
        for (name, page_body) in [
            ("rows without a time", r#"{"data":[{"id":"a","status":"DEAD_LETTER"}],"totalPages":1}"#.to_string()),
            ("no rows", r#"{"items":[]}"#.to_string()),
            ("rows without id and state", named_otherwise.to_string()),
            ("another page", body(2, 3, &[row("a", "PENDING", 20)])),
            ("an empty page that promises more", body(1, 3, &[])),
        ] {
            let Listed::Trouble(Trouble::Permanent { reason }) = page(&[], None, &page_body) else { panic!("{name}") };
            assert!(reason.ends_with("see FYNAPSE_AUDIT_NAMES"), "{name}: {reason}");
        }
        assert!(matches!(page(&[], None, "nonsense"), Listed::Trouble(Trouble::Retry { .. })));
        let lists = with(&[]);
        let listed = lists.lists().offered().unwrap().listed(DELIVERIES, None, now(), &answer(503, ""));
        assert!(matches!(listed, Listed::Trouble(Trouble::Retry { .. })));
    }

    #[test]
    fn settings_have_rules() {
        let refused = |name: &'static str, value: &'static str| {
            let lookup = move |asked: &str| (asked == name).then(|| value.to_string());
            Shape::read(&lookup).err().map(|error| error.name)
        };
        for (name, value) in [
            ("FYNAPSE_AUDIT_PATH", "/deliveries"),
            ("FYNAPSE_AUDIT_PATH", "deliveries?x=1"),
            ("FYNAPSE_AUDIT_QUERY", "?x=1"),
            ("FYNAPSE_AUDIT_NAMES", "evnt=eventId"),
            ("FYNAPSE_AUDIT_NAMES", "event"),
            ("FYNAPSE_AUDIT_NAMES", "event="),
            ("FYNAPSE_AUDIT_NAMES", "first_page=one"),
            ("FYNAPSE_AUDIT_PAGE_LIMIT", "1"),
            ("FYNAPSE_AUDIT_HORIZON_DAYS", "0"),
            ("FYNAPSE_AUDIT_HORIZON_DAYS", "394"),
        ] {
            assert_eq!(refused(name, value).as_deref(), Some(name), "{value}");
        }
        assert_eq!(refused("RETENTION_DAYS", "14"), None, "the default horizon fits the shortest retention");
    }
}
