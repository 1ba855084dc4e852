//! How evenly events fall onto DynamoDB's partitions, by the key and shard functions that ship.
//!
//! `shard_skew [--events N]`: N events are drawn as a busy day may bring them: most of one provider, whose merchants are
//! of very different sizes, each with events of its own. They are put where the ledger would put them: under their
//! subject, into a shard of the index `due`, into a shard of the index `recent`. Printed is the load of the fullest of
//! each beside the mean, and the rate of events at which the fullest meets what one partition takes. The draw is the
//! same every time.

use std::collections::HashMap;
use std::process::ExitCode;

use hookledger_core::model::debt::{DUE_SHARDS, due_shard};
use hookledger_core::model::entry::RECENT_SHARDS;
use hookledger_core::model::identity::{Identity, ItemKey, ProviderId, Subject, digest_hex};

/// What one partition of a table or an index takes, in write units a second.
const PARTITION_UNITS: f64 = 1000.0;
/// Units that an event writes to `due`: into it and out of it.
const DUE_UNITS: f64 = 2.0;
/// Units that an event writes to `recent`.
const RECENT_UNITS: f64 = 1.0;
/// How many events are drawn, unless told otherwise.
const EVENTS: u64 = 1_000_000;
/// Merchants of the busiest provider. The r-th has a share of 1/r: a hot one, and a long tail.
const MERCHANTS: u32 = 20_000;

fn main() -> ExitCode {
    let given: Vec<String> = std::env::args().skip(1).collect();
    let events = match given.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => Some(EVENTS),
        ["--events", number] => number.parse().ok().filter(|events| *events > 0),
        _ => None,
    };
    let Some(events) = events else {
        eprintln!("usage: shard_skew [--events N]");
        return ExitCode::from(2);
    };
    println!("{events} events of each kind\n");
    println!(
        "{:<34} {:<18} {:>9} {:>10} {:>10} {:>9} {:>14}",
        "events", "partition key of", "in use", "mean", "fullest", "max/mean", "events/s fit"
    );
    for kind in KINDS {
        let mut loads = [HashMap::new(), HashMap::new(), HashMap::new()];
        for n in 0..events {
            let key = (kind.key)(n);
            let places = [key.pk.clone(), due_shard(&key), key.shard(RECENT_SHARDS).to_string()];
            loads.iter_mut().zip(places).for_each(|(load, place)| *load.entry(place).or_insert(0u64) += 1);
        }
        let names = ["table (subject)", "due (64 shards)", "recent (8 shards)"];
        for ((load, name), units) in loads.iter().zip(names).zip([kind.row_units, DUE_UNITS, RECENT_UNITS]) {
            row(kind.name, name, load, events, units);
        }
    }
    println!(
        "\nthe shards in use are {DUE_SHARDS} and {RECENT_SHARDS}; a partition takes {PARTITION_UNITS} units a second"
    );
    ExitCode::SUCCESS
}

fn row(kind: &str, name: &str, load: &HashMap<String, u64>, events: u64, units: f64) {
    let fullest = load.values().copied().max().unwrap_or(0);
    let mean = events as f64 / load.len() as f64;
    let share = fullest as f64 / events as f64;
    let fit = PARTITION_UNITS / (units * share);
    println!(
        "{kind:<34} {name:<18} {:>9} {mean:>10.1} {fullest:>10} {:>9.2} {fit:>14.0}",
        load.len(),
        fullest as f64 / mean
    );
}

/// A kind of traffic.
struct Kind {
    name: &'static str,
    key: fn(u64) -> ItemKey,
    /// Units that an event writes under its subject: put and settle, and what its work writes there.
    row_units: f64,
}

static KINDS: &[Kind] = &[
    Kind { name: "fynapse: an event a subject", key: extract, row_units: 3.0 },
    Kind { name: "rightfoot: a batch a subject", key: batch, row_units: 4.0 },
    Kind { name: "finbox: three events an entity", key: entity, row_units: 5.0 },
    Kind { name: "run: transactions", key: transaction, row_units: 2.0 },
    Kind { name: "run: merchants, one of them hot", key: merchant, row_units: 5.0 },
    // The fullest partition of the mixture is a merchant's.
    Kind { name: "all: nine in ten are run's", key: mixed, row_units: 5.0 },
];

/// Numbers that look drawn, the same every time.
fn drawn(n: u64, of: &str) -> u64 {
    let digest = digest_hex(format!("{of}{n}").as_bytes());
    u64::from_str_radix(digest.get(..15).unwrap_or("0"), 16).unwrap_or(0)
}

/// A UUID's text.
fn uuid(n: u64, of: &str) -> String {
    let digits = digest_hex(format!("{of}{n}").as_bytes());
    [0..8, 8..12, 12..16, 16..20, 20..32].map(|part| digits.get(part).unwrap_or_default()).join("-")
}

fn entry(provider: &'static str, kind: &str, id: &str, identity: &[&str]) -> ItemKey {
    ItemKey::entry(&Subject::new(ProviderId(provider), kind, id), &Identity::new(identity))
}

fn extract(n: u64) -> ItemKey {
    let id = uuid(n, "extract");
    entry("fynapse", "event", &id, &[&id])
}

fn batch(n: u64) -> ItemKey {
    let id = uuid(n, "batch");
    entry("rightfoot", "batch", &id, &["BALANCE_BATCH_COMPLETED", &id])
}

fn entity(n: u64) -> ItemKey {
    let (entity, statement) = (uuid(n / 3, "entity"), uuid(n, "statement"));
    entry("finbox", "entity", &entity, &["statement", &statement, "completed"])
}

fn transaction(n: u64) -> ItemKey {
    // Numbered one after the other, as sources are.
    entry("runpayments", "transaction", &(10_000_000 + n).to_string(), &[&uuid(n, "key")])
}

fn merchant(n: u64) -> ItemKey {
    // The shares 1/1, 1/2, 1/3 … by the inverse of their sum, which grows as a logarithm.
    let drawn = (drawn(n, "merchant") % 1_000_000_007) as f64 / 1_000_000_007.0;
    let merchant = f64::from(MERCHANTS + 1).powf(drawn).floor() as u64;
    entry("runpayments", "merchant", &merchant.to_string(), &[&uuid(n, "key")])
}

fn mixed(n: u64) -> ItemKey {
    match drawn(n, "mixed") % 100 {
        0..30 => merchant(n),
        30..90 => transaction(n),
        90..95 => extract(n),
        95..98 => batch(n),
        _ => entity(n),
    }
}
