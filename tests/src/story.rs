//! The story that `cargo xtask run` plays: events come in from every provider, and everything that goes wrong with
//! webhooks goes wrong once. Every row looks at the deployed stack and says what it saw.

mod arriving;
mod failing;
mod missing;
mod scene;

use std::time::{Duration, Instant};

use hookledger_kit::ALL;

use crate::local::Outcome;
pub use scene::Scene;

/// One row, told.
#[derive(Clone, Debug)]
pub struct Told {
    /// What the row is about.
    pub title: String,
    /// What was seen, or what was not as expected.
    pub seen: Outcome<String>,
    /// How long it took.
    pub took: Duration,
}

/// Runs one row and takes the time.
async fn row(title: impl Into<String>, seen: impl Future<Output = Outcome<String>>) -> Told {
    let started = Instant::now();
    Told { title: title.into(), seen: seen.await, took: started.elapsed() }
}

/// Tells one row after the other.
macro_rules! rows {
    ($scene:expr, $tell:expr, $($title:literal => $row:path,)+) => {
        $($tell(row($title, $row($scene)).await);)+
    };
}

/// Plays all rows in order, telling each as it ends.
pub async fn play(scene: &Scene, tell: impl Fn(&Told)) -> Vec<Told> {
    let mut all = Vec::new();
    let mut next = |told: Told| {
        tell(&told);
        all.push(told);
    };
    for kit in ALL {
        next(row(format!("every sample event of {}", kit.title), arriving::samples_of(scene, kit)).await);
    }
    rows!(scene, next,
        "the same delivery five times at once" => arriving::five_at_once,
        "a forged signature and a wrong token" => arriving::forged,
        "a genuine signature, but stale" => arriving::stale,
        "the queue is down while an event arrives" => failing::queue_down,
        "the table is down while FinBox delivers" => failing::table_down,
        "a provider's API fails during the work" => failing::api_fails,
        "a parked event is delivered again" => failing::parked_and_reopened,
        "Rightfoot's webhook never comes" => missing::rightfoot_lost,
        "FinBox sent while nobody listened" => missing::finbox_lost,
        "a merchant's events out of order" => missing::out_of_order,
        "a status listed first, pushed afterwards" => missing::listed_then_pushed,
        "all of this, as the event bus saw it" => arriving::nothing_published_twice,
    );
    all
}
