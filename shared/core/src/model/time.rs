//! Instants. The core never reads a clock: every instant in it came in through a port or from a provider.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct UnixMs(pub i64);

impl UnixMs {
    /// The instant `secs` whole seconds after 1970.
    pub fn from_secs(secs: i64) -> Self {
        Self(secs.saturating_mul(1000))
    }

    /// Whole seconds since 1970, rounded down.
    pub fn secs(self) -> i64 {
        self.0.div_euclid(1000)
    }

    /// This instant, `secs` later.
    pub fn plus_secs(self, secs: u64) -> Self {
        self.plus_ms(secs.saturating_mul(1000))
    }

    /// This instant, `ms` milliseconds later.
    pub fn plus_ms(self, ms: u64) -> Self {
        Self(self.0.saturating_add_unsigned(ms))
    }

    /// This instant, `secs` earlier.
    pub fn minus_secs(self, secs: u64) -> Self {
        Self(self.0.saturating_sub_unsigned(secs.saturating_mul(1000)))
    }

    /// Milliseconds from `earlier` to this instant; zero when `earlier` is in fact later.
    pub fn since_ms(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0)
    }

    /// Reads an RFC 3339 timestamp such as `2024-01-15T10:30:00.000Z`.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        parse(text, None)
    }

    /// This instant, if it can be one of the past: a clock of others may be ahead of ours by
    /// [`MAX_CLOCK_AHEAD_SECS`], and what lies beyond `seen_at` by more is ordered as of `seen_at`.
    pub fn not_after(self, seen_at: Self) -> Self {
        if self > seen_at.plus_secs(MAX_CLOCK_AHEAD_SECS) { seen_at } else { self }
    }

    /// Whether this instant may have been when `seen_at` was.
    pub fn is_past(self, seen_at: Self) -> bool {
        self <= seen_at.plus_secs(MAX_CLOCK_AHEAD_SECS)
    }

    /// The UTC day, `2024-01-15`.
    pub fn day(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

/// How far a provider's clock may be ahead of ours, in seconds. Wide enough that the order of a clock which is minutes
/// fast is still its own; a local time that is marked as UTC is hours away.
pub const MAX_CLOCK_AHEAD_SECS: u64 = 300;

/// How far the clocks of two of our functions may disagree, in seconds.
pub const CLOCK_SKEW_SECS: u64 = 5;

/// The zone of a provider's times that name none: so many minutes east of UTC.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Zone(i32);

/// The zone furthest from UTC, in minutes: no zone ever was further than 18 hours.
const MAX_ZONE_MINUTES: i32 = 18 * 60;

impl Zone {
    /// UTC.
    pub const UTC: Self = Self(0);

    /// The zone so many minutes east of UTC; `None` where no zone can be.
    pub fn from_minutes(east: i32) -> Option<Self> {
        (-MAX_ZONE_MINUTES..=MAX_ZONE_MINUTES).contains(&east).then_some(Self(east))
    }

    /// Reads RFC 3339, or the same without a zone (`2024-01-15T10:30:00`, `2024-01-15 10:30:00`) as a time of this zone.
    pub fn read(self, text: &str) -> Option<UnixMs> {
        parse(text, Some(self))
    }
}

/// Civil times reach to the last second of the year 9999, which jiff's instants do not: so the offset is subtracted here.
fn parse(text: &str, zone: Option<Zone>) -> Option<UnixMs> {
    let text = text.trim();
    let parts = jiff::fmt::temporal::Pieces::parse(text).ok()?;
    let civil = parts.date().to_datetime(parts.time()?);
    let offset_secs = match (parts.to_numeric_offset(), zone) {
        (Some(offset), _) => i64::from(offset.seconds()),
        (None, Some(Zone(minutes))) => i64::from(minutes) * 60,
        (None, None) => return None,
    };
    let since_1970 = civil.duration_since(jiff::civil::date(1970, 1, 1).to_datetime(jiff::civil::Time::midnight()));
    let ms = i64::try_from(since_1970.as_millis()).ok()?;
    Some(UnixMs(ms.checked_sub(offset_secs.checked_mul(1000)?)?))
}

impl fmt::Display for UnixMs {
    /// RFC 3339 in UTC with milliseconds; an instant beyond the calendar prints as its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let start = jiff::civil::date(1970, 1, 1).to_datetime(jiff::civil::Time::midnight());
        match start.checked_add(jiff::SignedDuration::from_millis(self.0)) {
            Ok(civil) => write!(f, "{civil:.3}Z"),
            Err(_) => write!(f, "{}ms", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_read_and_print() {
        let instant = UnixMs::parse_rfc3339("2024-01-15T10:30:00.250Z").unwrap();
        assert_eq!(instant, UnixMs(1_705_314_600_250));
        assert_eq!(instant.to_string(), "2024-01-15T10:30:00.250Z");
        assert_eq!(instant.day(), "2024-01-15");
        assert_eq!(UnixMs::parse_rfc3339("2024-01-15T12:30:00.250+02:00"), Some(instant));
        let civil = |text: &str, minutes| {
            Zone::from_minutes(minutes).unwrap().read(text).map_or("none".into(), |at| at.to_string())
        };
        assert_eq!(civil("2020-03-06 12:46:33", 0), "2020-03-06T12:46:33.000Z");
        assert_eq!(civil("2020-03-06 12:46:33", 330), "2020-03-06T07:16:33.000Z");
        assert_eq!(civil("2020-03-06T12:46:33.5", 330), "2020-03-06T07:16:33.500Z");
        // A zone that is named is the one that counts.
        assert_eq!(civil("2020-03-06T12:46:33+01:00", 330), "2020-03-06T11:46:33.000Z");
        for no_time in ["2020-03-06", "", "soon", "1583498793"] {
            assert_eq!(civil(no_time, 0), "none", "{no_time}");
        }
        assert_eq!(UnixMs::parse_rfc3339("2020-03-06T12:46:33"), None, "RFC 3339 names a zone");
        assert_eq!(Zone::from_minutes(1_081), None);
        let last = UnixMs::parse_rfc3339("9999-12-31T23:59:59Z").unwrap();
        assert_eq!(last.to_string(), "9999-12-31T23:59:59.000Z");
        assert_eq!(UnixMs(i64::MAX).to_string(), format!("{}ms", i64::MAX));
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(UnixMs(i64::MAX).plus_secs(u64::MAX), UnixMs(i64::MAX));
        assert_eq!(UnixMs(0).since_ms(UnixMs(5)), 0);
        assert_eq!(UnixMs(-1).secs(), -1);
    }

    #[test]
    fn what_is_ahead_of_its_receipt_is_ordered_as_of_it() {
        let seen_at = UnixMs::from_secs(10_000);
        let at = |secs| UnixMs::from_secs(secs).not_after(seen_at);
        assert_eq!(
            [at(9_000), at(10_300), at(10_301), at(30_000)],
            [9_000, 10_300, 10_000, 10_000].map(UnixMs::from_secs)
        );
    }
}
