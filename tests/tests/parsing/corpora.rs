//! Every fuzz target over its corpus, and over so many inputs made of it: always the same ones. `cargo xtask fuzz` goes
//! on from there for as long as it is told to.

use std::collections::BTreeSet;

use hookledger_kit as kit;
use hookledger_tests::fuzz::{Campaign, Corpus, TARGETS, Until, run, target};

const SEED: u64 = 20_261_122;

fn promises_hold(name: &str, executions: u64) {
    let target = target(name).unwrap_or_else(|| panic!("there is no target {name}"));
    let report = run(target, &Campaign { seed: SEED, until: Until::Executions(executions), current: None });
    for failure in &report.failures {
        println!("{name}: {}\nthe input: {:?}\n", failure.message, String::from_utf8_lossy(&failure.input));
    }
    assert!(report.failures.is_empty(), "{name}: {} promises broken", report.failures.len());
    // Inputs that all end the same way reach nothing.
    assert!(report.seen.len() >= 3, "{name}: all there is to see is {:?}", report.seen);
}

#[test]
fn deliveries_of_each_provider() {
    for name in kit::names() {
        promises_hold(name, 300);
    }
}

macro_rules! targets {
    ($($name:ident: $executions:literal,)+) => {
        $(
            #[test]
            fn $name() {
                promises_hold(stringify!($name), $executions);
            }
        )+

        #[test]
        fn no_target_is_left_out() {
            let here: BTreeSet<&str> = [$(stringify!($name)),+].into_iter().chain(kit::names()).collect();
            let all: BTreeSet<&str> = TARGETS.iter().map(|target| target.name).collect();
            assert_eq!(here, all);
            for target in TARGETS.iter() {
                assert!(Corpus::of(target).committed > 0, "{}: nothing is committed under tests/corpora", target.name);
            }
        }
    };
}

targets! {
    signature: 300,
    secrets: 1_000,
    gateway: 500,
    sqs: 200,
    items: 60,
    answers: 60,
    references: 1_000,
    requests: 500,
}
