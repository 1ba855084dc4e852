//! Many seeds, on every processor. Each seed lives on one thread; only the sums are shared.

use std::ops::Range;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use super::outcome::{Outcome, Totals};
use super::seed::guarded;

/// Runs these seeds and adds them up. Each that breaks an invariant is handed to `found`. No seed is begun after
/// `until`.
pub fn many(seeds: Range<u64>, until: Option<Instant>, found: impl Fn(&Outcome) + Sync) -> Totals {
    let next = AtomicU64::new(seeds.start);
    let totals = Mutex::new(Totals::default());
    let in_time = || until.is_none_or(|until| Instant::now() < until);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(1, usize::from) {
            scope.spawn(|| {
                while in_time() {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= seeds.end {
                        return;
                    }
                    let outcome = guarded(seed, false);
                    // One at a time: what is found may be printed.
                    let mut totals = totals.lock().expect("no thread panics while it adds");
                    totals.add(&outcome);
                    if !outcome.violations.is_empty() {
                        found(&outcome);
                    }
                }
            });
        }
    });
    totals.into_inner().expect("no thread panics while it adds")
}
