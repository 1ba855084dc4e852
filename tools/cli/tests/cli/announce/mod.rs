//! What is waited for, as a person announces it: one by one and by the file, on a table in this process. And what needs no
//! stack: listening, completions, the manual.

mod import;
mod listen;
mod town;

use hookledger_core::model::debt::ExpectationState;
use hookledger_core::model::time::UnixMs;

use crate::town::{CALLER, read_one_line};
use town::{Town, text};

#[tokio::test]
async fn one_is_announced_shown_and_ended() {
    let town = Town::new("one").await;
    // A person's table.
    let put = town.run(&["expect", "put", "rightfoot", "it's #1 / ü"]).await;
    let (shown, said) = (text(&put.stdout), text(&put.stderr));
    assert_eq!(put.status.code(), Some(0), "{said}");
    assert!(shown.contains("it's #1 / ü") && shown.contains("waiting"), "{shown}");
    assert!(said.contains("table ledger") && said.contains("expected from now on"), "{said}");
    // Once more: nothing changes, and it is told.
    let again = town.run(&["expect", "put", "rightfoot", "it's #1 / ü"]).await;
    assert!(again.status.success() && text(&again.stderr).contains("expected already"), "{}", text(&again.stderr));
    let same = |shown: &str| shown.lines().filter(|line| !line.starts_with("is_new")).collect::<String>();
    assert_eq!(same(&text(&again.stdout)), same(&shown), "with the same deadline");
    let (put, _) = town.json(&["expect", "put", "rightfoot", "it's #1 / ü"]).await;
    assert_eq!(put["is_new"], false);
    // A program's JSON: what the expectations function answers.
    let (got, code) = town.json(&["expect", "get", "rightfoot", "it's #1 / ü"]).await;
    let fields: Vec<&String> = got.as_object().unwrap().keys().collect();
    let expected = [
        "created_at",
        "deadline",
        "found",
        "next_poll_at",
        "polls",
        "provider",
        "reference",
        "state",
        "subject",
        "version",
    ];
    assert_eq!((code, fields.iter().map(|name| name.as_str()).collect::<Vec<_>>()), (Some(0), expected.to_vec()));
    assert_eq!(got["reference"], "it's #1 / ü");
    // Ended, and ended again.
    let (closed, code) = town.json(&["expect", "cancel", "rightfoot", "it's #1 / ü"]).await;
    assert_eq!((closed["state"].as_str(), closed["next_poll_at"].is_null(), code), (Some("closed"), true, Some(0)));
    let again = town.run(&["expect", "cancel", "rightfoot", "it's #1 / ü"]).await;
    assert_eq!(again.status.code(), Some(0));
    assert!(text(&again.stderr).contains("it ended closed"), "{}", text(&again.stderr));
    // Who did it stands in the row.
    let shown = text(&town.run(&["story", closed["subject"].as_str().unwrap()]).await.stdout);
    assert!(shown.contains("expect put") && shown.contains("expect cancel") && shown.contains(CALLER), "{shown}");
    // Announced anew, as over HTTP; for as long as it was told.
    let put = ["expect", "put", "rightfoot", "it's #1 / ü", "--deadline", "3d", "--why", "started by hand"];
    let (anew, _) = town.json(&put).await;
    assert_eq!((&anew["state"], &anew["is_new"]), (&"waiting".into(), &true.into()));
    let deadline = UnixMs::parse_rfc3339(anew["deadline"].as_str().unwrap()).unwrap();
    assert!(deadline.since_ms(town.now.plus_secs(3 * 24 * 3_600)) < 60_000, "{anew}");
    let shown = text(&town.run(&["story", closed["subject"].as_str().unwrap()]).await.stdout);
    assert!(shown.contains("started by hand"), "{shown}");
    town.waits("late", -60, 0).await;
    town.ends("late", ExpectationState::Expired).await;
    let expired = town.run(&["expect", "cancel", "rightfoot", "late"]).await;
    assert!(text(&expired.stderr).contains("it expired"), "{}", text(&expired.stderr));
}

#[tokio::test]
async fn each_way_to_end_has_its_code() {
    let town = Town::new("codes").await;
    let long = format!("link:{}", "x".repeat(300));
    let empty = town.file("empty.csv", "reference\n");
    let other = town.file("other.csv", "batch,amount\nb1,2\n");
    let kept = town.file("kept.txt", "not to be lost\n");
    let rows: [(&[&str], i32, &str); 22] = [
        (&["expect", "get", "rightfoot", "none"], 3, "nobody announced none"),
        (&["expect", "cancel", "rightfoot", "none"], 3, "nobody announced none"),
        (&["expect", "put", "finbox", "abc"], 2, "link:<link_id>"),
        (&["expect", "put", "finbox", "abc"], 2, "A good one: link:abc"),
        (&["expect", "put", "finbox", &long], 2, "an id of 300 bytes"),
        (&["expect", "put", "rightfoot", "a\tb"], 2, "control character"),
        (&["expect", "put", "rightfoot", ""], 2, "A good one: batch-7"),
        (&["expect", "put", "rightfoot", "submission:1"], 2, "must not begin with submission:"),
        (&["expect", "cancel", "rightfoot", "submission:1"], 2, "must not begin with submission:"),
        (&["expect", "put", "fynapse", "e1"], 1, "cannot be polled"),
        (&["expect", "put", "nobody", "b1"], 2, "there is no provider nobody"),
        (&["expect", "put", "rightfoot"], 2, "required"),
        (&["expect", "put", "rightfoot", "b1", "--deadline", "soon"], 2, "is no time"),
        (&["expect", "put", "rightfoot", "b1", "--deadline", "1s"], 2, "before the first poll"),
        (&["expect", "put", "rightfoot", "b1", "--deadline", "9999d"], 2, "nor after"),
        (&["expect", "list", "--state", "met"], 2, "possible values"),
        (&["expect", "import", "rightfoot", "none.csv"], 1, "none.csv can't be read"),
        (&["expect", "import", "rightfoot", &empty], 3, "holds no reference"),
        (&["expect", "import", "rightfoot", &other], 1, "no column `reference`"),
        (&["expect", "import", "rightfoot", "-"], 2, "--result"),
        (&["expect", "import", "fynapse", &other], 1, "cannot be polled"),
        (&["expect", "import", "rightfoot", &other, "--rate", "0"], 2, "--rate"),
    ];
    for (arguments, code, said) in rows {
        let output = town.run(arguments).await;
        let told = text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(said), "{arguments:?}: {told}");
        assert!(output.stdout.is_empty(), "{arguments:?}: {}", text(&output.stdout));
    }
    assert!(town.listed(&[]).await.is_empty(), "nothing that was refused waits");
    // What is no result is not written over, whoever names it.
    let one = town.file("one.jsonl", "{\"reference\":\"b1\"}\n");
    for taken in [&kept, &one] {
        let output = town.run(&["expect", "import", "rightfoot", &one, "--result", taken]).await;
        assert!(output.status.code() == Some(1) && text(&output.stderr).contains("--result"), "{output:?}");
    }
    assert_eq!(std::fs::read_to_string(&kept).unwrap(), "not to be lost\n");
    assert!(std::fs::read_to_string(&one).unwrap().contains("b1"));
}

#[tokio::test]
async fn what_waits_is_listed_by_its_deadline() {
    let town = Town::new("list").await;
    town.waits("second", 60, 900).await;
    town.waits("first", -90, 300).await;
    town.waits("third", 10, 3_600).await;
    town.waits("gone", 10, 10).await;
    town.ends("gone", ExpectationState::Met).await;
    town.waits("expired", -10, 0).await;
    town.ends("expired", ExpectationState::Expired).await;
    assert!(town.run(&["expect", "put", "finbox", "link:l1"]).await.status.success());
    assert_eq!(town.listed(&[]).await, ["first", "second", "third", "link:l1"]);
    assert_eq!(town.listed(&["--provider", "finbox"]).await, ["link:l1"]);
    assert_eq!(town.listed(&["--late"]).await, ["first"]);
    assert_eq!(town.listed(&["--state", "waiting", "--provider", "rightfoot"]).await.len(), 3);
    assert_eq!(town.listed(&["--state", "expired"]).await, ["expired"]);
    // Cut after it was put in order, and told.
    let (document, _) = town.json(&["expect", "list", "--limit", "1"]).await;
    assert_eq!(
        (document["rows"][0]["reference"].as_str(), document["rows"][0]["polls"].as_u64()),
        (Some("first"), Some(3))
    );
    assert!((90..120).contains(&document["rows"][0]["late_secs"].as_u64().unwrap()), "{document}");
    assert_eq!(document["more"], "1 of 4 shown, more: --limit");
    let table = town.run(&["expect", "list"]).await;
    let (shown, said) = (text(&table.stdout), text(&table.stderr));
    assert!(shown.starts_with(" DEADLINE") && shown.lines().count() == 5, "{shown}");
    assert!(said.contains("4 waiting, 1 of them late"), "{said}");
}

#[tokio::test]
async fn nobody_who_stops_reading_is_answered_with_an_error() {
    let town = Town::new("pipe").await;
    for n in 0..300 {
        town.waits(&format!("b{n}"), 60, 900).await;
    }
    for form in ["table", "jsonl"] {
        let ended = read_one_line(town.command(&["expect", "list", "--limit", "300", "-o", form])).await;
        assert_eq!((ended.status.code(), text(&ended.stderr).contains("panic")), (Some(0), false), "{form}");
    }
}
