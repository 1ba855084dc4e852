//! Settings: read once at start from a lookup the edge provides, checked there, and plain values from then on.

use std::str::FromStr;

use crate::model::backoff::{Backoff, Cadence};
use crate::model::time::Zone;

/// Where settings come from: names in, texts out. An empty text counts as absent, so that a template parameter left
/// empty means the default.
pub type Lookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// A setting that can't be used. Names the setting and the rule; the value is not repeated.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("setting {name} {rule}")]
pub struct SettingError {
    /// The environment variable's name.
    pub name: String,
    /// What it must be.
    pub rule: &'static str,
}

impl SettingError {
    /// The setting `name` breaks this rule.
    pub fn new(name: &str, rule: &'static str) -> Self {
        Self { name: name.to_string(), rule }
    }
}

/// The text of a setting, or its default.
pub fn text(lookup: Lookup<'_>, name: &str, default: &str) -> String {
    let given = lookup(name).map(|value| value.trim().to_string());
    given.filter(|value| !value.is_empty()).unwrap_or_else(|| default.to_string())
}

/// A whole number, or its default.
pub fn number<T: FromStr>(lookup: Lookup<'_>, name: &str, default: T) -> Result<T, SettingError> {
    match lookup(name).filter(|value| !value.trim().is_empty()) {
        Some(value) => value.trim().parse().map_err(|_| SettingError::new(name, "must be a whole number in range")),
        None => Ok(default),
    }
}

/// A base URL without a trailing slash: https, or http on loopback; empty where there is no default.
pub fn base_url(lookup: Lookup<'_>, name: &str, default: &str) -> Result<String, SettingError> {
    let url = text(lookup, name, default);
    let url = url.trim_end_matches('/');
    if !url.is_empty() && !is_plain_url(url) {
        return Err(SettingError::new(
            name,
            "must be an https:// URL (http:// only on loopback) without user, query or fragment",
        ));
    }
    Ok(url.to_string())
}

/// Whether this is an https URL, or an http one to this machine, without user, query or fragment.
pub(crate) fn is_plain_url(url: &str) -> bool {
    let host = |rest: &str| rest.split(['/', ':']).next().unwrap_or("").to_string();
    let secure = url.strip_prefix("https://").is_some_and(|rest| !host(rest).is_empty());
    let loopback = |rest: &str| matches!(host(rest).as_str(), "127.0.0.1" | "localhost");
    (secure || url.strip_prefix("http://").is_some_and(loopback)) && !url.contains(['@', '?', '#', ' '])
}

/// The zone of a provider's times that name none, from a setting in minutes east of UTC.
pub fn zone(lookup: Lookup<'_>, name: &str) -> Result<Zone, SettingError> {
    Zone::from_minutes(number(lookup, name, 0)?).ok_or(SettingError::new(name, "must be -1080 to 1080 minutes"))
}

/// All waits and limits that an operator may turn, in seconds unless the name says otherwise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How expectations are polled.
    pub poll: Cadence,
    /// How long an expectation is polled before it counts as expired.
    pub poll_deadline_secs: u64,
    /// How long a watch is kept.
    pub watch_deadline_secs: u64,
    /// How failed work is retried.
    pub retry: Backoff,
    /// For how long a provider's circuit opens.
    pub circuit: Backoff,
    /// How long after admission the reconciler takes up an entry the queue did not deliver.
    pub admit_grace_secs: u64,
    /// How late a duplicate's extra message arrives, so that the first has settled by then.
    pub duplicate_delay_secs: u32,
    /// How often a provider's list is walked.
    pub listing_interval_secs: u64,
    /// How long an identity is remembered after its event is settled, in days.
    pub retention_days: u64,
}

impl Timing {
    /// Reads the timing settings.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, SettingError> {
        let timing = Self {
            poll: Cadence {
                first_secs: number(lookup, "POLL_FIRST_SECS", 30)?,
                cap_secs: number(lookup, "POLL_CAP_SECS", 300)?,
            },
            poll_deadline_secs: number(lookup, "POLL_DEADLINE_SECS", 3600)?,
            watch_deadline_secs: number(lookup, "WATCH_DEADLINE_SECS", 7 * 24 * 3600)?,
            retry: Backoff {
                base_secs: number(lookup, "RETRY_BASE_SECS", 30)?,
                cap_secs: number(lookup, "RETRY_CAP_SECS", 3600)?,
            },
            circuit: Backoff {
                base_secs: number(lookup, "CIRCUIT_BASE_SECS", 30)?,
                cap_secs: number(lookup, "CIRCUIT_CAP_SECS", 300)?,
            },
            admit_grace_secs: number(lookup, "ADMIT_GRACE_SECS", 120)?,
            duplicate_delay_secs: number(lookup, "DUPLICATE_DELAY_SECS", 30)?,
            listing_interval_secs: number(lookup, "LISTING_INTERVAL_SECS", 900)?,
            retention_days: number(lookup, "RETENTION_DAYS", 400)?,
        };
        if timing.retention_days < MIN_RETENTION_DAYS {
            return Err(SettingError::new(
                "RETENTION_DAYS",
                "must be at least 14: identities have to outlive every retry",
            ));
        }
        if timing.duplicate_delay_secs > MAX_QUEUE_DELAY_SECS {
            return Err(SettingError::new("DUPLICATE_DELAY_SECS", "must be at most 900: SQS delays no longer"));
        }
        Ok(timing)
    }

    /// Holds the settings against each other: what is waited for must be younger, when it comes, than identities are
    /// remembered. For the functions that wait; a receiver takes in all the same.
    pub fn check(&self) -> Result<(), SettingError> {
        let waits =
            [("POLL_DEADLINE_SECS", self.poll_deadline_secs), ("WATCH_DEADLINE_SECS", self.watch_deadline_secs)];
        match waits.into_iter().find(|(_, secs)| *secs > self.oldest_processed_secs()) {
            Some((name, _)) => Err(SettingError::new(name, REMEMBERED)),
            None => Ok(()),
        }
    }

    /// How a watch is polled: like an expectation, but slowing down further, since it is kept for days.
    pub fn watch(&self) -> Cadence {
        Cadence { cap_secs: self.poll.cap_secs.saturating_mul(12), ..self.poll }
    }

    /// How long an identity is remembered, in seconds.
    pub fn retention_secs(&self) -> u64 {
        self.retention_days.saturating_mul(24 * 3600)
    }

    /// Signed events older than this are parked: their identity might already be forgotten, so a replayed capture
    /// could pass for new.
    pub fn oldest_processed_secs(&self) -> u64 {
        self.retention_secs().saturating_sub(RETENTION_MARGIN_SECS)
    }
}

/// The rule for whatever reaches back into the past.
pub(crate) const REMEMBERED: &str =
    "must be at least a week less than RETENTION_DAYS: older identities may be forgotten";
/// The longest delay SQS takes for one message.
pub const MAX_QUEUE_DELAY_SECS: u32 = 900;
/// Fynapse retries for 72 hours, the longest of the four. An identity must be remembered well beyond that.
const MIN_RETENTION_DAYS: u64 = 14;
/// Room for clocks, late settling and DynamoDB's own slowness in deleting.
const RETENTION_MARGIN_SECS: u64 = 7 * 24 * 3600;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base_urls() {
        let read = |url: &str| {
            let url = url.to_string();
            base_url(&move |_| Some(url.clone()), "X_URL", "")
        };
        assert_eq!(read("https://api.example.com/").unwrap(), "https://api.example.com");
        assert_eq!(read("http://127.0.0.1:4000/x").unwrap(), "http://127.0.0.1:4000/x");
        assert_eq!(read("").unwrap(), "");
        let refused = [
            "http://api.example.com",
            "ftp://x",
            "https://",
            "http://127.0.0.1.example.com",
            "https://u@h",
            "https://h?x=1",
            "api.example.com",
        ];
        for url in refused {
            assert!(read(url).is_err(), "{url}");
        }
    }

    #[test]
    fn timing_defaults_and_rules() {
        let defaults = Timing::read(&|_| None).unwrap();
        assert_eq!((defaults.poll.first_secs, defaults.poll.cap_secs, defaults.poll_deadline_secs), (30, 300, 3600));
        assert_eq!(defaults.retention_days, 400);
        let with = |key: &'static str, value: &'static str| {
            Timing::read(&move |name| (name == key).then(|| value.to_string()))
        };
        assert_eq!(with("RETENTION_DAYS", "3").unwrap_err().name, "RETENTION_DAYS");
        assert_eq!(with("POLL_FIRST_SECS", "soon").unwrap_err().name, "POLL_FIRST_SECS");
        assert_eq!(with("DUPLICATE_DELAY_SECS", "901").unwrap_err().name, "DUPLICATE_DELAY_SECS");
        assert_eq!(with("POLL_FIRST_SECS", "").unwrap(), defaults);
        assert_eq!(with("POLL_FIRST_SECS", " 30\n").unwrap(), defaults);
    }

    #[test]
    fn settings_are_held_against_each_other() {
        let check = |retention: &'static str, watch: &'static str| {
            let lookup = move |name: &str| match name {
                "RETENTION_DAYS" => Some(retention.to_string()),
                "WATCH_DEADLINE_SECS" => Some(watch.to_string()),
                _ => None,
            };
            Timing::read(&lookup).unwrap().check().err().map(|error| error.name)
        };
        assert_eq!(check("14", "604800"), None);
        assert_eq!(check("14", "604801").as_deref(), Some("WATCH_DEADLINE_SECS"));
        assert_eq!(check("14", "2592000").as_deref(), Some("WATCH_DEADLINE_SECS"));
        assert_eq!(check("400", "2592000"), None);
    }
}
