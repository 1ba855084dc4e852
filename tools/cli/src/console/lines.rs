//! How long work takes, hour by hour: the middle, and what 95 of a hundred are not above. Drawn as two lines of SVG, and as the
//! table beside it.

use super::chart::{FOOT, GAP, HEIGHT, LEFT, STEP, label};
use super::frame::lasted;
use crate::see::stats::percentile;

/// Above the highest point, so that it is seen whole.
const HEAD: u64 = 8;
/// The steps of the scale, in ms, all of one height: work takes a second as a rule, and a day once a person had to replay it.
/// Their names are short, as there is little room on a telephone.
const STEPS: [(u64, &str); 9] = [
    (0, "0"),
    (100, "0.1s"),
    (1_000, "1s"),
    (10_000, "10s"),
    (60_000, "1m"),
    (600_000, "10m"),
    (3_600_000, "1h"),
    (36_000_000, "10h"),
    (864_000_000, "10d"),
];

/// The drawing.
pub(crate) struct Lines {
    pub(crate) hours: Vec<Hour>,
    /// A line for each stretch of hours that have any.
    pub(crate) middle: Vec<String>,
    pub(crate) high: Vec<String>,
    pub(crate) most: Option<String>,
    /// The steps of the scale, each with its height.
    pub(crate) steps: Vec<(&'static str, u64)>,
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) left: u64,
    pub(crate) base: u64,
}

/// An hour.
pub(crate) struct Hour {
    pub(crate) hour: String,
    pub(crate) label: Option<String>,
    pub(crate) x: u64,
    /// How many entries it is made of.
    pub(crate) of: usize,
    /// Each with its height.
    pub(crate) middle: Option<(String, u64)>,
    pub(crate) high: Option<(String, u64)>,
}

impl Lines {
    /// `took`: how long each took, in ms, by hour.
    pub(crate) fn new(hours: &[String], mut took: Vec<Vec<u64>>) -> Self {
        took.iter_mut().for_each(|of_hour| of_hour.sort_unstable());
        let of = |percent: usize| took.iter().map(move |of_hour| percentile(of_hour, percent)).collect::<Vec<_>>();
        let (middle, high) = (of(50), of(95));
        let most = high.iter().flatten().copied().max();
        let top =
            STEPS.iter().position(|(step, _)| *step >= most.unwrap_or_default().max(1)).unwrap_or(STEPS.len() - 1);
        let y = |ms: u64| height(ms, top as u64);
        let at = |points: &[Option<u64>], nth: usize| points.get(nth).copied().flatten().map(|ms| (lasted(ms), y(ms)));
        let hour = |(nth, name): (usize, &String)| Hour {
            hour: name.clone(),
            label: label(nth, name),
            x: LEFT + nth as u64 * STEP + (STEP - GAP) / 2,
            of: took.get(nth).map_or(0, Vec::len),
            middle: at(&middle, nth),
            high: at(&high, nth),
        };
        let hours: Vec<Hour> = hours.iter().enumerate().map(hour).collect();
        Self {
            middle: stretches(&hours, |hour| hour.middle.as_ref().map(|(_, y)| *y)),
            high: stretches(&hours, |hour| hour.high.as_ref().map(|(_, y)| *y)),
            most: most.map(lasted),
            steps: STEPS.iter().take(top + 1).map(|(step, name)| (*name, y(*step))).collect(),
            width: LEFT + hours.len() as u64 * STEP,
            height: HEIGHT + FOOT,
            left: LEFT,
            base: HEIGHT,
            hours,
        }
    }
}

/// Where it stands, if the scale has so many steps.
fn height(ms: u64, top: u64) -> u64 {
    let each = (HEIGHT - HEAD) / top.max(1);
    let up = STEPS.windows(2).map(|step| match step {
        [(from, _), (to, _)] => (ms.clamp(*from, *to) - from) * each / (to - from),
        _ => 0,
    });
    HEIGHT - up.sum::<u64>().min(HEIGHT - HEAD)
}

/// The points of each stretch: where an hour has none, the line is broken.
fn stretches(hours: &[Hour], y: impl Fn(&Hour) -> Option<u64>) -> Vec<String> {
    let points: Vec<Option<String>> = hours.iter().map(|hour| Some(format!("{},{}", hour.x, y(hour)?))).collect();
    let runs = points.split(|point| point.is_none()).filter(|run| run.len() > 1);
    runs.map(|run| run.iter().flatten().cloned().collect::<Vec<_>>().join(" ")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_broken_where_an_hour_has_nothing() {
        let hours: Vec<String> = (10..15).map(|hour| format!("2026-11-27T{hour}:00Z")).collect();
        let took = vec![vec![400, 100, 200, 300], vec![1_000], vec![], vec![0], vec![500]];
        let lines = Lines::new(&hours, took);
        let told: Vec<_> = lines.hours.iter().map(|hour| (hour.of, hour.middle.clone(), hour.high.clone())).collect();
        let point = |text: &str, y| Some((text.to_string(), y));
        assert_eq!(told[0], (4, point("200 ms", 76), point("400 ms", 59)));
        assert_eq!(told[1], (1, point("1 s", 8), point("1 s", 8)));
        assert_eq!((&told[2], lines.most.as_deref()), (&(0, None, None), Some("1 s")));
        assert_eq!(lines.steps, [("0", 160), ("0.1s", 84), ("1s", 8)]);
        assert_eq!(lines.high, ["54,59 78,8", "126,160 150,51"]);
        let long = Lines::new(&hours[..1], vec![vec![u64::MAX]]);
        assert_eq!((long.hours[0].high.as_ref().unwrap().1, long.steps.last().unwrap().0), (8, "10d"));
        assert!(Lines::new(&hours, vec![Vec::new(); 5]).most.is_none());
    }
}
