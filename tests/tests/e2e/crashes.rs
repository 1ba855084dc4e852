//! A few rounds of `cargo xtask crash`: kills, a restart, refusals under load, and a hundred of the same at once.

use hookledger_tests::crash::identical::identical;
use hookledger_tests::crash::{Crash, crash};

use super::scene;

/// How often the rounds are played until a kill meets a call.
const MAX_TRIES: u64 = 4;

#[tokio::test]
async fn crashes_under_load_lose_nothing_and_double_nothing() {
    let (_guard, scene) = scene("crash").await;
    for seed in 1..=MAX_TRIES {
        let crashed = crash(&scene.local, Crash { seed, rounds: 6 }, |line| println!("{line}")).await;
        let crashed = crashed.unwrap_or_else(|error| panic!("{error}"));
        println!("{crashed}");
        assert!(crashed.is_as_it_should_be(), "lost {:#?}, doubled {:#?}", crashed.lost, crashed.doubled);
        let done = &crashed.done;
        assert!((done.rounds, done.restarts, done.faults) == (6, 1, 3), "{crashed}");
        assert!(crashed.deliveries >= crashed.events / 2 && crashed.events >= 40, "{crashed}");
        // Trouble that meets nobody would show nothing. A call takes milliseconds, so on some days no kill meets one.
        if done.in_mid_call > 0 {
            return;
        }
    }
    panic!("{MAX_TRIES} times six rounds, and no kill met a function in the middle of a call");
}

/// Once, of one provider: so many processes at once are as much as a busy machine's emulator bears.
#[tokio::test]
async fn a_hundred_at_once_are_one() {
    let (_guard, scene) = scene("same").await;
    let seen = identical(&scene.local, &scene.id("same"), 1, |line| println!("{line}")).await;
    let seen = seen.unwrap_or_else(|error| panic!("{error}"));
    println!("{seen}");
    assert!(seen.wrong.is_empty(), "{seen}: {:#?}", seen.wrong);
    assert_eq!((seen.deliveries, seen.entries, seen.effects), (100, 1, 1));
}
