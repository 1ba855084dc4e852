//! Plays the story on the running local stack and prints it as a table. Exits 0 only if every row is as expected.
//!
//! `story [--no-forging]`: with forging switched off in the sandbox, what should be forged arrives genuine, and the row
//! about forgeries must fail. It shows that the story observes and does not recite.

use std::process::ExitCode;

use hookledger_tests::local::Outcome;
use hookledger_tests::story::{Scene, Told, play};
use serde_json::json;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let no_forging = std::env::args().skip(1).any(|argument| argument == "--no-forging");
    match tell(no_forging).await {
        Ok(0) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("the story could not be told: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn tell(no_forging: bool) -> Outcome<usize> {
    let scene = Scene::open().await?;
    for provider in hookledger_kit::names() {
        let switch = json!({ "provider": provider, "forging": !no_forging });
        scene.local.sandbox.control("PUT", "faults", &switch).await?;
    }
    println!("{:<42}  {:>6}  {:<8}  what was seen", "what happens", "secs", "verdict");
    println!("{}", "─".repeat(120));
    let told = play(&scene, print_row).await;
    let failed = told.iter().filter(|row| row.seen.is_err()).count();
    println!("{}", "─".repeat(120));
    println!("{} rows, {} as expected, {failed} not", told.len(), told.len() - failed);
    Ok(failed)
}

fn print_row(row: &Told) {
    let (verdict, seen) = match &row.seen {
        Ok(seen) => ("ok", seen),
        Err(error) => ("NOT OK", error),
    };
    println!("{:<42}  {:>6.1}  {verdict:<8}  {seen}", row.title, row.took.as_secs_f64());
}
