//! Times as a person types them.

use clap::Args;
use hookledger_core::model::time::UnixMs;

use crate::out::typed_wrongly;

const SECS: [(char, u64); 4] = [('s', 1), ('m', 60), ('h', 3_600), ('d', 24 * 3_600)];
/// How far back a list looks, unless it is told.
const DAY_SECS: u64 = 24 * 3_600;

/// A span of time.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct Span {
    /// From when on: 2h, 3d, 2026-11-27 or 2026-11-27T10:00Z.
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Up to when: likewise.
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

impl Span {
    /// From words as they are typed.
    pub(crate) fn new(since: Option<String>, until: Option<String>) -> Self {
        Self { since, until }
    }

    /// From when on, as it was typed.
    pub(crate) fn since(&self) -> Option<&str> {
        self.since.as_deref()
    }

    /// Whether nobody said when.
    pub(crate) fn is_open(&self) -> bool {
        self.since.is_none() && self.until.is_none()
    }

    /// The bounds: the day before `until`, which is now, where they are not told.
    pub(crate) fn bounds(&self, now: UnixMs) -> anyhow::Result<(UnixMs, UnixMs)> {
        let until = self.until.as_deref().map_or(Ok(now), |text| read(text, now))?;
        self.bounds_from(until.minus_secs(DAY_SECS), now)
    }

    /// The bounds, within what is kept: before, and after the present, there is nothing to look for.
    pub(crate) fn bounds_kept(&self, now: UnixMs, kept_secs: u64) -> anyhow::Result<(UnixMs, UnixMs)> {
        let (since, until) = self.bounds(now)?;
        Ok((since.max(now.minus_secs(kept_secs)), until.min(now)))
    }

    /// The bounds, from this time on where no other is told.
    pub(crate) fn bounds_from(&self, first: UnixMs, now: UnixMs) -> anyhow::Result<(UnixMs, UnixMs)> {
        let until = self.until.as_deref().map_or(Ok(now), |text| read(text, now))?;
        let since = self.since.as_deref().map_or(Ok(first), |text| read(text, now))?;
        if since > until {
            return Err(typed_wrongly(format!("--since {since} is later than --until {until}")));
        }
        Ok((since, until))
    }
}

/// The first instant of a time's UTC day.
pub(crate) fn start_of_day(at: UnixMs) -> UnixMs {
    UnixMs::parse_rfc3339(&format!("{}T00:00:00Z", at.day())).unwrap_or(at)
}

/// The UTC days of a span, each from its first instant in the span to its last; the latest first.
pub(crate) fn days(since: UnixMs, until: UnixMs) -> impl Iterator<Item = (UnixMs, UnixMs)> {
    let day = move |until: UnixMs| (start_of_day(until).max(since), until);
    let before = move |(begin, _): &(UnixMs, UnixMs)| Some(day(UnixMs(begin.0.saturating_sub(1))));
    std::iter::successors(Some(day(until)), before).take_while(move |(_, until)| *until >= since)
}

/// Reads a span of time, in seconds: 90m, 72h, 3d.
pub(crate) fn span(text: &str) -> Result<u64, String> {
    let secs = SECS.iter().find_map(|(letter, secs)| {
        let count: u64 = text.strip_suffix(*letter)?.parse().ok()?;
        count.checked_mul(*secs)
    });
    secs.ok_or_else(|| "write 90m, 72h or 3d".to_string())
}

/// A span of time as people say it: its two largest units.
pub(crate) fn words(secs: u64) -> String {
    let (minutes, hours, days) = (secs / 60, secs / 3_600, secs / (24 * 3_600));
    match secs {
        0..120 => format!("{secs} s"),
        120..3_600 => format!("{minutes} min"),
        3_600..172_800 => format!("{hours} h {} min", minutes % 60),
        _ => format!("{days} d {} h", hours % 24),
    }
}

/// Reads a time that is to come: in so long, a day (its first instant, UTC), or an instant.
pub(crate) fn to_come(text: &str, now: UnixMs) -> anyhow::Result<UnixMs> {
    match span(text) {
        Ok(secs) => Ok(now.plus_secs(secs)),
        Err(_) => read(text, now),
    }
}

/// Reads a time: so long ago, a day (its first instant, UTC), or an instant.
pub(crate) fn read(text: &str, now: UnixMs) -> anyhow::Result<UnixMs> {
    let ago = SECS.iter().find_map(|(letter, secs)| {
        let count: u64 = text.strip_suffix(*letter)?.parse().ok()?;
        Some(now.minus_secs(count.saturating_mul(*secs)))
    });
    let seconds = || text.strip_suffix('Z').map(|minutes| format!("{minutes}:00Z"));
    let instant = || UnixMs::parse_rfc3339(text).or_else(|| UnixMs::parse_rfc3339(&seconds()?));
    let day = || UnixMs::parse_rfc3339(&format!("{text}T00:00:00Z"));
    ago.or_else(instant).or_else(day).ok_or_else(|| {
        typed_wrongly(format!("{text:?} is no time: write 2h or 3d for so long ago, 2026-11-27, or 2026-11-27T10:00Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_or_refused_with_a_good_one() {
        let now = UnixMs::parse_rfc3339("2026-11-27T12:00:00Z").unwrap();
        let rows = [
            ("90s", "2026-11-27T11:58:30.000Z"),
            ("2h", "2026-11-27T10:00:00.000Z"),
            ("3d", "2026-11-24T12:00:00.000Z"),
            ("2026-11-26", "2026-11-26T00:00:00.000Z"),
            ("2026-11-27T10:00Z", "2026-11-27T10:00:00.000Z"),
            ("2026-11-27T10:00:01.5+01:00", "2026-11-27T09:00:01.500Z"),
        ];
        for (text, expected) in rows {
            assert_eq!(read(text, now).unwrap().to_string(), expected, "{text}");
        }
        for text in ["yesterday", "2026-02-30", "2026-13-01", "2h30", "", "-2h", "10:00", "2026-11-27T10:00"] {
            let error = read(text, now).unwrap_err().to_string();
            assert!(error.contains("2026-11-27T10:00Z"), "{text}: {error}");
        }
    }

    #[test]
    fn a_span_is_said_in_its_two_largest_units() {
        let rows = [
            (0, "0 s"),
            (119, "119 s"),
            (120, "2 min"),
            (3_599, "59 min"),
            (10_680, "2 h 58 min"),
            (172_799, "47 h 59 min"),
            (277_200, "3 d 5 h"),
        ];
        for (secs, expected) in rows {
            assert_eq!(words(secs), expected);
        }
    }

    #[test]
    fn what_is_to_come_is_in_so_long_or_at_a_time() {
        let now = UnixMs::parse_rfc3339("2026-11-27T12:00:00Z").unwrap();
        assert_eq!(to_come("3d", now).unwrap(), now.plus_secs(3 * 24 * 3_600));
        assert_eq!(to_come("2026-12-04T10:00Z", now).unwrap().to_string(), "2026-12-04T10:00:00.000Z");
        assert!(to_come("soon", now).is_err());
    }

    #[test]
    fn a_span_is_cut_into_its_days() {
        let at = |text: &str| UnixMs::parse_rfc3339(text).unwrap();
        let (since, until) = (at("2026-11-25T22:00:00Z"), at("2026-11-27T01:00:00Z"));
        let expected = [
            (at("2026-11-27T00:00:00Z"), until),
            (at("2026-11-26T00:00:00Z"), at("2026-11-26T23:59:59.999Z")),
            (since, at("2026-11-25T23:59:59.999Z")),
        ];
        assert_eq!(days(since, until).collect::<Vec<_>>(), expected);
        assert_eq!(days(since, since).collect::<Vec<_>>(), [(since, since)]);
        assert_eq!(days(until, since).count(), 0);
    }

    #[test]
    fn a_span_is_a_day_unless_it_is_told() {
        let now = UnixMs::parse_rfc3339("2026-11-27T12:00:00Z").unwrap();
        let (since, until) = Span::default().bounds(now).unwrap();
        assert_eq!((since, until), (now.minus_secs(DAY_SECS), now));
        let turned = Span { since: Some("1h".into()), until: Some("2h".into()) };
        assert!(turned.bounds(now).unwrap_err().to_string().contains("later than"));
    }
}
