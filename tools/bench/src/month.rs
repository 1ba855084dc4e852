//! `cost --events N`: what a month costs with one's own numbers.

use anyhow::{Context as _, Result};

use crate::cost::{self, Prices};
use crate::paths::{Path, TICK};

/// Kilobytes of an event, indexes included.
const EVENT_KB: f64 = 1.5;
const DAYS_OF_A_MONTH: f64 = 30.4;
const COLUMNS: [&str; 7] = ["new", "again", "refused", "found", "kept", "metrics", "a month"];

/// A month.
#[derive(clap::Args)]
pub(crate) struct Month {
    /// Events a month
    #[arg(long)]
    events: Option<u32>,
    /// Deliveries that come again, for a hundred events
    #[arg(long, default_value_t = 10.0, requires = "events")]
    again: f64,
    /// Deliveries that are refused, for a hundred events
    #[arg(long, default_value_t = 1.0, requires = "events")]
    refused: f64,
    /// Events that are found by asking, of a hundred
    #[arg(long, default_value_t = 1.0, requires = "events")]
    found: f64,
    /// Days for which an event is kept: the template's `RetentionDays`
    #[arg(long, default_value_t = 400.0, requires = "events")]
    kept_days: f64,
}

/// What a month comes to, in dollars, if all of its events are of one provider.
struct Sum {
    new: f64,
    again: f64,
    refused: f64,
    found: f64,
    kept: f64,
    metrics: f64,
}

impl Month {
    /// Prints the month for each provider. False: no number of events is asked for.
    pub(crate) fn print(&self, paths: &[Path], template: &str) -> Result<bool> {
        let Some(events) = self.events else { return Ok(false) };
        let (prices, events) = (cost::prices()?, f64::from(events));
        let nothing = cost::standing_of(paths, &prices, template)?;
        println!(
            "{events} events a month; for a hundred: {} again, {} refused, {} found",
            self.again, self.refused, self.found
        );
        println!(
            "Dollars a month, list prices of {} as of {}; a stack at rest included: {nothing:.2}\n",
            prices.region, prices.as_of
        );
        let [new, again, refused, found, kept, metrics, month] = COLUMNS;
        println!("{:<14} {new:>8} {again:>8} {refused:>8} {found:>8} {kept:>8} {metrics:>8} {month:>9}", "all from");
        let mut providers: Vec<&str> =
            paths.iter().filter(|path| path.path != TICK).map(|path| path.provider.as_str()).collect();
        providers.dedup();
        for provider in providers {
            let Sum { new, again, refused, found, kept, metrics } =
                self.sum(events, provider, paths, &prices, template)?;
            let month = nothing + new + again + refused + found + kept + metrics;
            println!(
                "{provider:<14} {new:>8.2} {again:>8.2} {refused:>8.2} {found:>8.2} {kept:>8.2} {metrics:>8.2} {month:>9.2}"
            );
        }
        println!(
            "\nThe ledger grows for {} days; from then on it costs what stands under `kept`. Not in it: what the",
            self.kept_days
        );
        println!("providers take for their APIs, your consumers, data that leaves the region, and AWS's free tier.");
        Ok(true)
    }

    /// The metrics of its own that a provider has with these numbers: each by the stack, and by the provider.
    fn metrics(&self) -> u32 {
        // DeliveriesReceived, EntriesSettled, SettleMs; DeliveriesDuplicate; DeliveriesRefused; EventsFound, EventsLate,
        // DeliveriesLost.
        let more = [(self.again, 1), (self.refused, 1), (self.found, 3)];
        2 * more.iter().filter(|(share, _)| *share > 0.0).fold(3, |sum, (_, more)| sum + more)
    }

    fn sum(&self, events: f64, provider: &str, paths: &[Path], prices: &Prices, template: &str) -> Result<Sum> {
        let of = |name: &str| paths.iter().find(|path| path.provider == provider && path.path == name);
        let dollars = |path: &Path| Ok::<_, anyhow::Error>(cost::bill(path, prices, template)?.total() / 1e6);
        let must = |name: &str| dollars(of(name).with_context(|| format!("{provider}, {name} was not counted"))?);
        // Whose events no asking can bring pays for them as for any other.
        let found = of("recovered by poll").map_or_else(|| must("new"), dollars)?;
        let share = |of_a_hundred: f64| events * of_a_hundred / 100.0;
        Ok(Sum {
            new: (events - share(self.found)).max(0.0) * must("new")?,
            again: share(self.again) * must("duplicate, settled")?,
            refused: share(self.refused) * must("refused")?,
            found: share(self.found) * found,
            metrics: cost::metrics(self.metrics(), prices),
            kept: cost::storage(events * EVENT_KB / 1e6 * self.kept_days / DAYS_OF_A_MONTH, prices),
        })
    }
}

#[cfg(test)]
mod tests {
    use hookledger_kit::Kit;

    use super::*;

    const COUNTED: &str = include_str!("../counted.json");
    const TEMPLATE: &str = include_str!("../../../template.yaml");

    fn paths() -> Vec<Path> {
        serde_json::from_str::<crate::paths::Counted>(COUNTED).unwrap().paths
    }

    /// What is recorded is of this template's functions and of providers that there are. One that came since is not counted
    /// yet.
    #[test]
    fn a_months_parts_grow_with_their_numbers() {
        let (paths, prices) = (paths(), cost::prices().unwrap());
        let month = Month { events: Some(0), again: 10.0, refused: 1.0, found: 2.0, kept_days: 400.0 };
        let of_providers = paths.iter().filter(|path| path.path != TICK);
        let unknown = of_providers.clone().find(|path| hookledger_kit::find(&path.provider).is_none());
        assert!(unknown.is_none(), "{:?} is of no provider", unknown.map(|path| &path.provider));
        let counted = |kit: &&&Kit| of_providers.clone().any(|path| path.provider == kit.name);
        assert!(hookledger_kit::ALL.iter().any(|kit| counted(&kit)), "nothing is counted");
        for kit in hookledger_kit::ALL.iter().filter(counted) {
            let of = |events| month.sum(events, kit.name, &paths, &prices, TEMPLATE).unwrap();
            let (one, ten) = (of(100_000.0), of(1_000_000.0));
            assert!(one.new > 0.0 && one.kept > 0.0, "{}", kit.name);
            for (one, ten) in [(one.new, ten.new), (one.again, ten.again), (one.found, ten.found), (one.kept, ten.kept)]
            {
                assert!((ten - 10.0 * one).abs() < 1e-9 * ten, "{}: {one} {ten}", kit.name);
            }
            // A million events kept for 400 days are those of thirteen months.
            assert!((ten.kept - 1.5 * 0.25 * 400.0 / 30.4).abs() < 1e-6, "{}", ten.kept);
        }
    }
}
