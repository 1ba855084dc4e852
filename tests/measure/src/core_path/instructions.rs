//! Instructions instead of time: the same program under callgrind, where another load on the machine changes nothing.
//!
//! The count of a side is what the program needs with it less what it needs without it, for one event. Callgrind's
//! processor has no instructions for SHA-256, so both sides pay for it in ordinary ones; what a reader learns from is
//! the difference, which is what the core path does on top of its floor.

use std::process::{Command, Output};

use super::bodies::{CASES, Case};
use super::side::{Bench, Side};

/// Events that one count is taken from.
const EVENTS: u64 = 20;

/// Prints the counts, or why there are none.
pub(crate) fn table(sizes: &[usize]) {
    match Command::new("valgrind").arg("--version").output() {
        Ok(found) if found.status.success() => {}
        _ => {
            println!("valgrind is not installed: no instructions are counted (time and bytes above need nothing)");
            return;
        }
    }
    println!("instructions for one event, under callgrind\n");
    println!("{:<24} {:>9} {:>12} {:>12} {:>14}", "case", "body", "floor", "core path", "on top, each");
    for case in CASES {
        for &bytes in sizes {
            let counted = |side| count(case, bytes, side);
            let (Some(nothing), Some(floor), Some(path)) =
                (counted(Side::Nothing), counted(Side::Floor), counted(Side::CorePath))
            else {
                println!("{:<24} callgrind gave no count", case.name);
                continue;
            };
            let each = |count: u64| count.saturating_sub(nothing) / EVENTS;
            let (floor, path) = (each(floor), each(path));
            let (body, more) = (Bench::new(case, bytes).bytes(), path.saturating_sub(floor));
            println!("{:<24} {body:>9} {floor:>12} {path:>12} {more:>14}", case.name);
        }
    }
}

/// The instructions that the program needs for its events, from start to end.
fn count(case: &Case, bytes: usize, side: Side) -> Option<u64> {
    let program = std::env::current_exe().ok()?;
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(program);
    command.args(["--once", case.name, &bytes.to_string(), side.name(), &EVENTS.to_string()]);
    let Output { status, stderr, .. } = command.output().ok()?;
    let text = String::from_utf8_lossy(&stderr);
    let collected = text.lines().find_map(|line| line.split_once("Collected :"))?.1;
    status.success().then(|| collected.trim().parse().ok()).flatten()
}
