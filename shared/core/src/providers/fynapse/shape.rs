//! What Fynapse's audit of its deliveries looks like: guesses, and settings that replace them.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::value::RawValue;

use crate::model::identity::{ItemKey, Subject};
use crate::model::provider_call::encode;
use crate::model::settings::{Lookup, SettingError, number, text as setting, zone};
use crate::model::time::{UnixMs, Zone};
use crate::providers::json::{Field, instant, raw, shown_id, text};
use crate::providers::lists::{AuditedDelivery, Fate};

use super::ids::{ID, place};

const DAY_SECS: u64 = 24 * 3600;
/// A delivery may still change this long after it was made: 72 hours of retries and a day to spare.
const LATE_CHANGE_SECS: u64 = 4 * DAY_SECS;
/// Events are forgotten after their retention. What the audit shows must be well younger than that, or it would call
/// lost what we have merely forgotten.
const RETENTION_MARGIN_DAYS: u64 = 7;
/// What a setting may say about itself when it is wrong.
pub(super) const NAMES: &str = "FYNAPSE_AUDIT_NAMES";

/// What the audit calls things: guesses, each of which `FYNAPSE_AUDIT_NAMES` can replace (`event=payload.eventId`). A
/// dot leads into an object; `|` separates several states. The states are documented, the rest is not.
const DEFAULT_NAMES: &[(&str, &str)] = &[
    // Query parameters, and the number of the first page.
    ("page_parameter", "page"),
    ("limit_parameter", "limit"),
    ("first_page", "1"),
    // Fields of a page.
    ("rows", "data"),
    ("page", "page"),
    ("pages", "totalPages"),
    // Fields of a row.
    ("id", "id"),
    ("event", "eventId"),
    ("status", "status"),
    ("created", "createdAt"),
    ("changed", "updatedAt"),
    // States.
    ("pending", "PENDING"),
    ("delivered", "DELIVERED"),
    ("given_up", "DEAD_LETTER|CANCELLED"),
];

/// How the audit is asked and read.
pub(super) struct Shape {
    pub(super) path: String,
    pub(super) query: String,
    pub(super) names: BTreeMap<&'static str, String>,
    pub(super) first_page: u64,
    pub(super) page_limit: u32,
    pub(super) horizon_days: u64,
    pub(super) grace_secs: u64,
    /// Of times that name none: a guess.
    pub(super) zone: Zone,
}

impl Shape {
    /// Reads the settings. All of them have defaults, which are guesses.
    pub(super) fn read(lookup: Lookup<'_>) -> Result<Self, SettingError> {
        let subscription = setting(lookup, "FYNAPSE_SUBSCRIPTION_ID", "");
        let default_path = match subscription.trim() {
            "" => "deliveries".to_string(),
            id => format!("subscriptions/{}/deliveries", encode(id)),
        };
        let path = setting(lookup, "FYNAPSE_AUDIT_PATH", &default_path);
        if path.starts_with('/') || path.contains(['?', '#', ' ']) {
            let rule = "must be a path below /api/v1/event-deliveries/, without a slash in front and without a query";
            return Err(SettingError::new("FYNAPSE_AUDIT_PATH", rule));
        }
        let query = setting(lookup, "FYNAPSE_AUDIT_QUERY", "");
        if query.starts_with(['?', '&']) || query.contains(['#', ' ']) {
            let rule = "must be query parameters, name=value joined by &, without ? in front";
            return Err(SettingError::new("FYNAPSE_AUDIT_QUERY", rule));
        }
        let names = names(&setting(lookup, NAMES, ""))?;
        let first_page = names.get("first_page").and_then(|first| first.parse().ok());
        let first_page = first_page.ok_or(SettingError::new(NAMES, "must give first_page as a whole number"))?;
        let page_limit = number(lookup, "FYNAPSE_AUDIT_PAGE_LIMIT", 100)?;
        if !(2..=1000).contains(&page_limit) {
            return Err(SettingError::new("FYNAPSE_AUDIT_PAGE_LIMIT", "must be 2 to 1000"));
        }
        let horizon_days = number(lookup, "FYNAPSE_AUDIT_HORIZON_DAYS", 7)?;
        let retention_days: u64 = number(lookup, "RETENTION_DAYS", 400)?;
        if horizon_days == 0 || horizon_days > retention_days.saturating_sub(RETENTION_MARGIN_DAYS) {
            let rule = "must be at least 1, and at least a week less than RETENTION_DAYS";
            return Err(SettingError::new("FYNAPSE_AUDIT_HORIZON_DAYS", rule));
        }
        let grace_secs = number(lookup, "FYNAPSE_AUDIT_GRACE_SECS", 300)?;
        let zone = zone(lookup, "FYNAPSE_UTC_OFFSET_MINUTES")?;
        Ok(Self { path, query, names, first_page, page_limit, horizon_days, grace_secs, zone })
    }

    pub(super) fn name(&self, of: &str) -> &str {
        self.names.get(of).map_or("", String::as_str)
    }

    pub(super) fn horizon(&self, now: UnixMs) -> UnixMs {
        now.minus_secs(self.horizon_days.saturating_mul(DAY_SECS))
    }

    pub(super) fn says(&self, state: &str, status: &str) -> bool {
        self.name(state).split('|').any(|name| name.trim().eq_ignore_ascii_case(status.trim()))
    }

    /// Reads a row; `None` if it lacks its id or its state.
    pub(super) fn row(&self, row: &RawValue) -> Option<AuditedDelivery> {
        let id = shown_id(field(row, self.name("id")))?;
        let status = text(field(row, self.name("status")))?;
        let fate = if self.says("delivered", &status) {
            Fate::Delivered
        } else if self.says("given_up", &status) {
            Fate::GivenUp
        } else {
            // A state that nobody has told us of is not taken for a loss.
            Fate::Pending
        };
        let event_id = shown_id(field(row, self.name("event")));
        let (subject, entry) = match &event_id {
            Some(event_id) => {
                let (subject, identity) = place(event_id);
                let entry = ItemKey::entry(&subject, &identity);
                (subject, Some(entry))
            }
            None => (Subject::new(ID, "delivery", &id), None),
        };
        let at = |name| instant(field(row, self.name(name)), self.zone);
        let (created_at, changed_at) = (at("created"), at("changed"));
        Some(AuditedDelivery { subject, id, entry, fate, created_at, changed_at, document: raw(row) })
    }

    /// Whether all that follows a page is older than anything a walk still looks at: its rows go from new to old, and
    /// even the first was made so long ago that it can't have changed since the horizon.
    pub(super) fn ends_with(&self, rows: &[AuditedDelivery], now: UnixMs) -> bool {
        let made: Option<Vec<UnixMs>> = rows.iter().map(|row| row.created_at).collect();
        let Some(made) = made else { return false };
        let (Some(first), Some(last)) = (made.first(), made.last()) else { return false };
        let newest_first = first > last && made.is_sorted_by(|a, b| a >= b);
        newest_first && *first < self.horizon(now).minus_secs(LATE_CHANGE_SECS)
    }
}

/// The default names, with those replaced that the setting gives.
fn names(given: &str) -> Result<BTreeMap<&'static str, String>, SettingError> {
    let mut names: BTreeMap<&'static str, String> =
        DEFAULT_NAMES.iter().map(|(name, called)| (*name, (*called).to_string())).collect();
    for pair in given.split(',').map(str::trim).filter(|pair| !pair.is_empty()) {
        let pair = pair.split_once('=').filter(|(_, called)| !called.trim().is_empty());
        let known = pair.and_then(|(name, called)| Some((names.get_mut(name.trim())?, called.trim())));
        let Some((name, called)) = known else {
            let rule = "must be pairs like event=eventId, separated by commas, with names that shape.rs lists";
            return Err(SettingError::new(NAMES, rule));
        };
        *name = called.to_string();
    }
    Ok(names)
}

/// A field of an object, or of an object in it: `payload.eventId`.
pub(super) fn field<'a>(object: &'a RawValue, path: &str) -> Field<'a> {
    Field::of(path.split('.').try_fold(object, |object, name| fields(object)?.remove(name)))
}

pub(super) fn fields(object: &RawValue) -> Option<BTreeMap<Cow<'_, str>, &RawValue>> {
    serde_json::from_str(object.get()).ok()
}
