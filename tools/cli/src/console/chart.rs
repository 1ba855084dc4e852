//! Bars of how many there were in each hour, stacked by what they are: drawn as SVG, and as the table beside it.

use std::collections::BTreeMap;

/// Units of the drawing: a bar with its gap, and the height of the highest.
pub(super) const STEP: u64 = 24;
pub(super) const GAP: u64 = 4;
pub(super) const HEIGHT: u64 = 160;
/// Below the bars: the hours.
pub(super) const FOOT: u64 = 24;
/// Beside the bars: how many the highest has.
pub(super) const LEFT: u64 = 44;

/// The drawing.
pub(crate) struct Chart {
    /// What is counted.
    pub(crate) title: &'static str,
    pub(crate) names: Vec<String>,
    pub(crate) bars: Vec<Bar>,
    pub(crate) most: u64,
    pub(crate) width: u64,
    pub(crate) height: u64,
    pub(crate) left: u64,
    pub(crate) base: u64,
}

/// An hour.
pub(crate) struct Bar {
    pub(crate) hour: String,
    /// Below the bar, where there is room for it.
    pub(crate) label: Option<String>,
    pub(crate) x: u64,
    pub(crate) middle: u64,
    pub(crate) width: u64,
    pub(crate) parts: Vec<Part>,
    pub(crate) counts: Vec<u64>,
    pub(crate) sum: u64,
}

/// A part of a bar.
pub(crate) struct Part {
    /// Which of the names, for its colour.
    pub(crate) nth: usize,
    pub(crate) y: u64,
    pub(crate) height: u64,
}

impl Chart {
    /// `counts`: how many, by hour and name, each as its place in its list.
    pub(crate) fn new(
        title: &'static str,
        hours: &[String],
        names: &[String],
        counts: &BTreeMap<(usize, usize), u64>,
    ) -> Self {
        let count = |hour, nth| counts.get(&(hour, nth)).copied().unwrap_or_default();
        let sum = |hour| (0..names.len()).map(|nth| count(hour, nth)).sum::<u64>();
        let most = (0..hours.len()).map(sum).max().unwrap_or_default();
        let bar = |(hour, name): (usize, &String)| {
            let x = LEFT + hour as u64 * STEP;
            // What came is seen, were it one of a million.
            let tall = |count: u64| if count == 0 { 0 } else { (count * HEIGHT / most.max(1)).max(1) };
            let (mut y, mut parts) = (HEIGHT, Vec::new());
            for nth in 0..names.len() {
                let height = tall(count(hour, nth)).min(y);
                y -= height;
                if height > 0 {
                    parts.push(Part { nth, y, height });
                }
            }
            Bar {
                hour: name.clone(),
                label: label(hour, name),
                x,
                middle: x + (STEP - GAP) / 2,
                width: STEP - GAP,
                parts,
                counts: (0..names.len()).map(|nth| count(hour, nth)).collect(),
                sum: sum(hour),
            }
        };
        Self {
            title,
            names: names.to_vec(),
            bars: hours.iter().enumerate().map(bar).collect(),
            most,
            width: LEFT + hours.len() as u64 * STEP,
            height: HEIGHT + FOOT,
            left: LEFT,
            base: HEIGHT,
        }
    }
}

/// Below each third hour there is room for its name.
pub(super) fn label(hour: usize, name: &str) -> Option<String> {
    hour.is_multiple_of(3).then(|| name.get(11..13).unwrap_or_default().to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_is_as_high_as_its_count_and_one_is_seen() {
        let hours = ["2026-11-27T10:00Z".to_string(), "2026-11-27T11:00Z".to_string()];
        let arrived = BTreeMap::from([((0, 0), 600), ((0, 1), 600), ((1, 1), 1)]);
        let chart = Chart::new("Arrivals", &hours, &["a".into(), "b".into()], &arrived);
        let heights: Vec<Vec<(usize, u64, u64)>> = chart
            .bars
            .iter()
            .map(|bar| bar.parts.iter().map(|part| (part.nth, part.y, part.height)).collect())
            .collect();
        assert_eq!(heights, [vec![(0, 80, 80), (1, 0, 80)], vec![(1, 159, 1)]]);
        assert_eq!((chart.most, chart.bars[1].sum), (1_200, 1));
        let nothing = Chart::new("Arrivals", &hours, &["a".into()], &BTreeMap::new());
        assert!(nothing.bars.iter().all(|bar| bar.parts.is_empty()));
    }
}
