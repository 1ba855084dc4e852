//! Two random hours: everything goes wrong that can, and the ledger ends up equal to what happened.

use hookledger_tests::hour::judge::Tally;
use hookledger_tests::hour::{Hour, play};

use super::scene;

#[tokio::test]
async fn random_hour() {
    let (_guard, scene) = scene("hour").await;
    for seed in [1, 2] {
        let hour = Hour { seed, deliveries: 500, announced: true };
        let played = play(&scene.local, &hour).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        println!("{played}");
        let sum = |of: fn(&Tally) -> usize| -> usize { played.judgement.tallies.values().map(of).sum() };
        assert!(played.is_as_it_should_be(), "{played}");
        // Bad weather that nobody met would show nothing.
        assert!(played.failed_with(500..600) > 0 && played.failed_with(429..430) > 0, "{played}");
        for kind in ["html", "byte_order_mark", "page_without_flag", "page_in_camel_case", "refused_page_token"] {
            assert!(played.odd(kind) > 0, "nobody met {kind}: {played}");
        }
        assert!(sum(|tally| tally.happened) >= 500 && sum(|tally| tally.recovered) > 0, "{played}");
        assert!(sum(|tally| tally.reported) > 0, "{played}");
    }
}
