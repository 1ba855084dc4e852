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
        let instant: jiff::Timestamp = text.parse().ok()?;
        Some(Self(instant.as_millisecond()))
    }

    /// Reads `YYYY-MM-DD HH:MM:SS` as local time `utc_offset_minutes` east of UTC.
    pub fn parse_civil(text: &str, utc_offset_minutes: i32) -> Option<Self> {
        let civil = jiff::civil::DateTime::strptime("%Y-%m-%d %H:%M:%S", text).ok()?;
        let offset = jiff::tz::Offset::from_seconds(utc_offset_minutes.checked_mul(60)?).ok()?;
        Some(Self(offset.to_timestamp(civil).ok()?.as_millisecond()))
    }

    /// The UTC day, `2024-01-15`.
    pub fn day(self) -> String {
        self.to_string().chars().take(10).collect()
    }
}

impl fmt::Display for UnixMs {
    /// RFC 3339 in UTC with milliseconds; an instant out of jiff's range prints as its number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_millisecond(self.0) {
            Ok(instant) => write!(f, "{instant:.3}"),
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
        assert_eq!(UnixMs::parse_civil("2020-03-06 12:46:33", 0).unwrap().to_string(), "2020-03-06T12:46:33.000Z");
        assert_eq!(UnixMs::parse_civil("2020-03-06 12:46:33", 330).unwrap().to_string(), "2020-03-06T07:16:33.000Z");
        assert_eq!(UnixMs::parse_civil("2020-03-06", 0), None);
        assert_eq!(UnixMs(i64::MAX).to_string(), format!("{}ms", i64::MAX));
    }

    #[test]
    fn arithmetic_saturates_instead_of_wrapping() {
        assert_eq!(UnixMs(i64::MAX).plus_secs(u64::MAX), UnixMs(i64::MAX));
        assert_eq!(UnixMs(0).since_ms(UnixMs(5)), 0);
        assert_eq!(UnixMs(-1).secs(), -1);
    }
}
