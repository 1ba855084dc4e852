//! Two random hours: everything goes wrong that can, and the ledger ends up equal to what happened.

use std::collections::BTreeMap;
use std::time::{SystemTime, UNIX_EPOCH};

use hookledger_core::ports::Metric;
use hookledger_tests::hour::judge::Tally;
use hookledger_tests::hour::truth::Fact;
use hookledger_tests::hour::{Hour, Played, play};
use hookledger_tests::local::{Local, Outcome};
use serde_json::Value;

use super::operator::by_name;
use super::scene;

#[tokio::test]
async fn random_hour() {
    let (_guard, scene) = scene("hour").await;
    for seed in [1, 2] {
        let hour = Hour { seed, deliveries: 500, announced: true };
        let begun = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
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
        let begun_ms = u64::try_from(begun.as_millis()).unwrap();
        the_loss_rate_is_the_true_one(&scene.local, &played, begun_ms).await.unwrap();
    }
}

/// Found and late, by provider.
type Found = BTreeMap<String, (u64, u64)>;

/// What was lost on the way is told alike by the providers, by the command and by the metrics.
async fn the_loss_rate_is_the_true_one(local: &Local, played: &Played, begun_ms: u64) -> Outcome<()> {
    let (stats, counted) = (by_stats(local, begun_ms)?, by_metrics(local, begun_ms).await?);
    assert_eq!(stats, counted, "the command and the metrics disagree");
    for (provider, tally) in &played.judgement.tallies {
        let (found, late) = stats.get(provider).copied().unwrap_or_default();
        let (told, truly) = (usize::try_from(found - late).unwrap(), tally.recovered + tally.reported);
        // What can't be told: of failures of one look which of them was pushed, and a status that the list tells once more.
        let own = || played.truth.iter().filter(|told| told.provider == *provider);
        let fewer = own().filter(|told| matches!(told.fact, Fact::Attempt { .. }) && !told.acknowledged).count();
        let has_list = own().any(|told| matches!(told.fact, Fact::Status { .. }));
        let listed_again = played.judgement.odd.get("told once more by the list").filter(|_| has_list);
        let more = listed_again.copied().unwrap_or_default();
        assert!(
            (truly.saturating_sub(fewer)..=truly + more).contains(&told),
            "{provider}: {told} lost, truly {truly}: {stats:?}"
        );
    }
    Ok(())
}

/// As an operator sees it.
fn by_stats(local: &Local, begun_ms: u64) -> Outcome<Found> {
    let begun = hookledger_core::model::time::UnixMs(begun_ms as i64).to_string();
    let output = by_name(local, &["stats", "--since", &begun, "-o", "json"])?;
    let told: Value = serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())?;
    let rows = told["rows"].as_array().ok_or("no rows")?;
    let number = |row: &Value, name: &str| row[name].as_u64().unwrap_or_default();
    let rows = rows.iter().filter(|row| number(row, "found") > 0);
    Ok(rows
        .map(|row| (row["provider"].as_str().unwrap_or_default().into(), (number(row, "found"), number(row, "late"))))
        .collect())
}

/// As an alarm sees it.
async fn by_metrics(local: &Local, begun_ms: u64) -> Outcome<Found> {
    let mut counted = Found::new();
    for function in local.stack.functions.keys() {
        for (provider, found) in local.counted_since(function, Metric::EventsFound, begun_ms).await? {
            counted.entry(provider).or_default().0 += found;
        }
        for (provider, late) in local.counted_since(function, Metric::EventsLate, begun_ms).await? {
            counted.entry(provider).or_default().1 += late;
        }
    }
    Ok(counted)
}
