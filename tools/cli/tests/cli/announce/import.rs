//! A file of references: twice, killed in its middle, with lines that are none, without a store.

use std::process::{Command, Stdio};
use std::time::Duration;

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::ports::Expectations as _;

use crate::town::environment;

use super::town::{Town, results, text};

/// So many batches, with a header.
fn csv(count: usize) -> String {
    let rows: String = (0..count).map(|n| format!("b{n},{n}.50\n")).collect();
    format!("reference,amount\n{rows}")
}

#[tokio::test]
async fn five_hundred_are_announced_once_by_two_runs() {
    let town = Town::new("twice").await;
    let file = town.file("batches.csv", &csv(500));
    let order = ["expect", "import", "rightfoot", &file, "--rate", "1000"];
    let first = town.run(&order).await;
    let said = text(&first.stderr);
    assert_eq!((first.status.code(), text(&first.stdout).as_str()), (Some(0), ""), "{said}");
    assert!(said.contains("500 lines: 500 expected"), "{said}");
    let result = format!("{file}.result.jsonl");
    let (rows, counts) = results(&result);
    assert_eq!(counts, [("expected".to_string(), 500)].into());
    let mut lines: Vec<u64> = rows.iter().map(|row| row["line"].as_u64().unwrap()).collect();
    lines.sort_unstable();
    assert_eq!(lines, (2..=501).collect::<Vec<u64>>(), "each line once, by its number in the file");
    let waiting = town.listed(&["--limit", "1000"]).await;
    assert_eq!(waiting.len(), 500);
    let before = town.ledger.expectation(&Town::key("b7")).await.unwrap().unwrap();
    // One came meanwhile, and one was closed by a person: the first is left alone, the second waits again.
    town.ends("b8", ExpectationState::Met).await;
    town.ends("b9", ExpectationState::Closed).await;
    let (document, code) = town.json(&order).await;
    assert_eq!((document["rows"].as_array().map(Vec::len), code), (Some(0), Some(0)));
    let (_, counts) = results(&result);
    let expected = [("expected", 1), ("met already", 1), ("waiting already", 498)];
    assert_eq!(counts, expected.map(|(word, count)| (word.to_string(), count)).into());
    assert_eq!(town.ledger.expectation(&Town::key("b7")).await.unwrap().unwrap(), before, "as it was");
    let met = town.ledger.expectation(&Town::key("b8")).await.unwrap().unwrap();
    assert_eq!(met.state, ExpectationState::Met);
}

#[tokio::test]
async fn a_run_that_was_killed_goes_on_when_it_is_run_again() {
    let town = Town::new("killed").await;
    let file = town.file("batches.csv", &csv(500));
    let result = format!("{file}.result.jsonl");
    let mut command = town.command(&["expect", "import", "rightfoot", &file, "--rate", "200"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let kept = || std::fs::read_to_string(&result).map_or(0, |text| text.lines().count());
    while kept() < 50 {
        assert!(child.try_wait().unwrap().is_none(), "it was over before it was killed");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let (_, counts) = results(&result);
    let waiting = town.listed(&["--limit", "1000"]).await.len();
    // What was written down was done; of what was on its way, nobody heard.
    let told = counts["expected"];
    assert!(told <= waiting && waiting <= told + 16 && waiting < 500, "{told} told, {waiting} waiting");
    let again = town.run(&["expect", "import", "rightfoot", &file, "--rate", "1000"]).await;
    assert_eq!(again.status.code(), Some(0), "{}", text(&again.stderr));
    let (_, counts) = results(&result);
    assert_eq!((counts["expected"], counts["waiting already"]), (500 - waiting, waiting));
    assert_eq!(town.listed(&["--limit", "1000"]).await.len(), 500);
}

#[tokio::test]
async fn ctrl_c_ends_a_run_with_word_of_what_was_done() {
    let town = Town::new("stopped").await;
    let file = town.file("batches.csv", &csv(500));
    let mut command = town.command(&["expect", "import", "rightfoot", &file, "--rate", "100"]);
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    while std::fs::read_to_string(format!("{file}.result.jsonl")).map_or(0, |text| text.lines().count()) < 10 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap().success());
    let output = tokio::task::spawn_blocking(move || child.wait_with_output().unwrap()).await.unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("stopped by you: 4") && said.contains("run it again"), "{said}");
}

#[tokio::test]
async fn a_line_at_fault_is_named_and_costs_no_other() {
    let town = Town::new("faults").await;
    let long = "x".repeat(300);
    let lines = format!(
        "reference,note\nit's #1,\n{long},\n\"a, b \"\"c\"\"\",\nb1,x\n,\n#2,\nb1,again\nb2\nsubmission:9,\n trailing ,\n\"open,\nlast,\n"
    );
    let file = town.file("faults.csv", &lines);
    let table = town.run(&["expect", "import", "rightfoot", &file, "--rate", "1000"]).await;
    let (shown, said) = (text(&table.stdout), text(&table.stderr));
    assert_eq!(table.status.code(), Some(5), "{said}");
    assert!(said.contains("12 lines: 6 expected, 1 repeated, 5 malformed"), "{said}");
    assert!(said.contains("taken with blanks at their ends, most likely a slip: 1"), "{said}");
    let (rows, _) = results(format!("{file}.result.jsonl"));
    let fault = |line: u64| {
        let row = rows.iter().find(|row| row["line"] == line).unwrap();
        (row["outcome"].as_str().unwrap(), row["field"].as_str().unwrap_or("line"), row["why"].as_str().unwrap_or(""))
    };
    let expected = [
        (2, "expected", "line", ""),
        (3, "malformed", "reference", "has an id of 300 bytes. A good one: batch-7"),
        (4, "expected", "line", ""),
        (6, "malformed", "reference", "is empty"),
        (7, "expected", "line", ""),
        (8, "repeated", "line", "line 5 has it"),
        (9, "malformed", "line", "must have the 2 columns of the header; it has 1"),
        (10, "malformed", "reference", "must not begin with submission:"),
        (11, "expected", "line", "with the blanks at its ends"),
        (12, "malformed", "line", "must close the quote that it opens"),
        (13, "expected", "line", ""),
    ];
    for (line, outcome, field, why) in expected {
        let told = fault(line);
        assert!(told.0 == outcome && told.1 == field && told.2.contains(why), "{line}: {told:?}");
    }
    // A person sees those at fault, by their lines; the rest waits.
    let numbers: Vec<&str> = shown.lines().skip(1).map(|line| line.split_whitespace().next().unwrap()).collect();
    assert_eq!(numbers, ["3", "6", "9", "10", "12"], "{shown}");
    let mut waiting = town.listed(&[]).await;
    waiting.sort();
    assert_eq!(waiting, [" trailing ", "#2", "a, b \"c\"", "b1", "it's #1", "last"]);
    // Where all are at fault, it failed.
    let none = town.file("none.jsonl", "{}\nno\n");
    let (document, code) = town.json(&["expect", "import", "rightfoot", &none]).await;
    assert_eq!(
        (document["rows"][0]["line"].as_u64(), document["rows"][0]["field"].as_str(), code),
        (Some(1), Some("reference"), Some(1))
    );
}

/// What `expect list` shows is what `expect import` reads: a list goes from one stack to another.
#[tokio::test]
async fn a_list_is_read_from_standard_input() {
    let (here, there) = (Town::new("here").await, Town::new("there").await);
    for id in ["it's #1", "b2"] {
        here.waits(id, 60, 900).await;
    }
    assert!(here.run(&["expect", "put", "finbox", "link:l1"]).await.status.success());
    let list = here.run(&["expect", "list", "-o", "jsonl"]).await.stdout;
    let mut command = there.command(&["expect", "import", "rightfoot", "-", "--result", "result.jsonl"]);
    let output = tokio::task::spawn_blocking(move || {
        let mut child = command.stdin(Stdio::piped()).stderr(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &list).unwrap();
        child.wait_with_output().unwrap()
    });
    let output = output.await.unwrap();
    // FinBox's link would be taken for a batch of Rightfoot's: the row itself says whose it is.
    assert_eq!(output.status.code(), Some(5), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("must be rightfoot"), "{}", text(&output.stdout));
    let mut waiting = there.listed(&[]).await;
    waiting.sort();
    assert_eq!(waiting, ["b2", "it's #1"]);
    assert_eq!(results(there.folder.join("result.jsonl")).0.len(), 3);
}

#[tokio::test]
async fn a_store_that_takes_nothing_is_not_tried_for_long() {
    let town = Town::new("down").await;
    let file = town.file("batches.csv", &csv(500));
    let mut command = town.command(&["expect", "import", "rightfoot", &file, "--rate", "1000"]);
    command.envs(environment("http://127.0.0.1:9"));
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("stopped, since 20 failed in a row: 480 lines were not tried"), "{said}");
    let (rows, counts) = results(format!("{file}.result.jsonl"));
    assert_eq!(counts, [("failed".to_string(), 20)].into());
    assert!(rows[0]["why"].as_str().unwrap().contains("not available"), "{rows:?}");
}
