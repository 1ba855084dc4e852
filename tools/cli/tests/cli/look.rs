//! The command as a person uses it at night to look: what each form shows, and how each command ends.

use hookledger_core::model::entry::State;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Entries as _, Settlement};
use serde_json::{Value, json};

use crate::town::{FYNAPSE, RIGHTFOOT, Town, read_one_line, text};

#[tokio::test]
async fn what_is_filtered_is_filtered_before_it_is_cut() {
    let town = Town::new().await;
    for n in 0..30 {
        town.came(RIGHTFOOT, "batch", &format!("b{n}"), "BALANCE_BATCH_COMPLETED", 1_000 + n).await;
    }
    let old = town.came(FYNAPSE, "event", "e1", "balance.extracted", 90_000).await;
    let settlement = Settlement {
        state: hookledger_core::model::entry::State::Done,
        reason: None,
        at: town.now,
        expires_at: town.now,
    };
    assert!(town.ledger.settle(&old, &settlement).await.unwrap());
    let count = async |arguments: &[&str]| town.rows(&[&["events"], arguments].concat()).await.0.len();
    assert_eq!(count(&[]).await, 30, "a day, unless it is told");
    assert_eq!(count(&["--since", "3d"]).await, 31);
    assert_eq!(count(&["--since", "3d", "--provider", "fynapse", "--limit", "1"]).await, 1);
    assert_eq!(count(&["--since", "3d", "--state", "done", "--limit", "1"]).await, 1);
    assert_eq!(count(&["--type", "balance.extracted", "--since", "3d"]).await, 1);
    assert_eq!(count(&["--origin", "poll"]).await, 0);
    assert_eq!(count(&["--subject", "rightfoot#batch#b7"]).await, 1);
    // What is left out is said, and how to see it.
    let cut = town.run(&["events", "--limit", "10"]).await;
    assert!(text(&cut.stderr).contains("10 shown, more: --cursor "), "{}", text(&cut.stderr));
    assert_eq!(text(&cut.stdout).lines().count(), 11, "a header and ten rows: {}", text(&cut.stdout));
}

/// More at one instant than are read at a time, and one that is wanted behind them.
#[tokio::test]
async fn none_is_left_out_or_shown_twice_where_many_came_at_once() {
    let town = Town::new().await;
    for n in 0..40 {
        town.came(RIGHTFOOT, "batch", &format!("b{n}"), "BALANCE_BATCH_COMPLETED", 100).await;
    }
    let wanted = town.parked("wanted", "answered 422", 200).await;
    let subjects = async |arguments: &[&str]| {
        let (rows, _) = town.rows(&[&["events"], arguments].concat()).await;
        rows.iter().map(|row| row["subject"].as_str().unwrap().to_string()).collect::<Vec<_>>()
    };
    assert_eq!(subjects(&["--state", "parked", "--limit", "1"]).await, [wanted.pk]);
    let all = subjects(&["--limit", "100"]).await;
    assert_eq!((all.len(), all.iter().collect::<std::collections::BTreeSet<_>>().len()), (41, 41));
    assert_eq!(subjects(&["--limit", "40"]).await.len(), 40);
}

/// A long time is read in stretches, and no stretch is over midnight: what stands where one ends is counted once.
#[tokio::test]
async fn what_stands_where_a_stretch_ends_is_counted_once() {
    let town = Town::new().await;
    let since_midnight = u64::try_from(town.now.secs()).unwrap() % 86_400;
    // From 23 o'clock yesterday the first stretch is an hour, each further one twice as long.
    let until = since_midnight + 3_600;
    let midnights = [since_midnight + 86_400, since_midnight + 2 * 86_400];
    let ends = [until + 3_600, until + 3 * 3_600, until + 7 * 3_600, until + 15 * 3_600].into_iter().chain(midnights);
    let mut came = 0;
    for ago in ends.flat_map(|end| end - 2..=end + 2) {
        town.came(RIGHTFOOT, "batch", &format!("b{ago}"), "BALANCE_BATCH_COMPLETED", ago).await;
        came += 1;
    }
    let until = town.now.minus_secs(until).to_string();
    for by in ["provider", "day"] {
        let (rows, _) = town.rows(&["stats", "--since", "4d", "--until", &until, "--by", by]).await;
        let seen: u64 = rows.iter().map(|row| row["seen"].as_u64().unwrap()).sum();
        assert_eq!(seen, came, "{by}: {rows:?}");
    }
}

#[tokio::test]
async fn each_way_to_end_has_its_code() {
    let town = Town::new().await;
    let key = town.came(RIGHTFOOT, "batch", "it's #1 / ü", "BALANCE_BATCH_COMPLETED", 10).await;
    let long = "x".repeat(300);
    town.came(FYNAPSE, "event", &long, "balance.extracted", 10).await;
    let rows: [(&[&str], i32, &str); 17] = [
        // No queue answers here, which is a person's to mend.
        (&["status"], 4, "table ledger"),
        (&["find", "it's #1 / ü"], 0, "story"),
        (&["find", &long], 0, "story"),
        (&["find", "nothing"], 3, "knows nothing of"),
        (&["story", "rightfoot#batch#none"], 3, "knows nothing of"),
        (&["show", &key.pk, "event#none"], 3, "has no entry"),
        (&["replay", &key.pk, &key.sk], 1, "1 failed"),
        (&["replay", &key.pk, "event#none"], 3, "1 failed"),
        (&["show", &key.pk, "expectation"], 2, "begins with event#"),
        (&["--region", "eu-west-1", "parked"], 2, "which stack?"),
        (&["parked", "--until", "1h"], 0, "0 of the 0"),
        (&["events", "--since", "2026-02-30"], 2, "2026-11-27T10:00Z"),
        (&["events", "--since", "1h", "--until", "2h"], 2, "later than"),
        (&["refused", "fynapse", "--day", "2026-13-01"], 2, "is no time"),
        (&["events", "--provider", "nobody"], 2, "there is no provider"),
        (&["rightfoot", "submit", "-"], 1, "RIGHTFOOT_API_BASE_URL is not set"),
        (&["events", "-o", "yaml"], 2, "possible values"),
    ];
    for (arguments, code, said) in rows {
        let output = town.run(arguments).await;
        let all = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
        assert!(text(&output.stderr).contains(said), "{arguments:?}: {all}");
        assert!(!all.contains("000-12-3456"), "{arguments:?} shows a body: {all}");
    }
    // The reconciler left word of its last run; long ago, that is a person's to look into.
    let report = hookledger_core::flows::reconcile::Report { due: 7, carried_out: 7, ..Default::default() };
    town.ledger.record_run(&(0..=63), town.now, &report).await.unwrap();
    let run = |rows: &[Value]| rows.iter().find(|row| row["what"] == "reconciler").cloned().unwrap();
    let (rows, _) = town.rows(&["status"]).await;
    assert!(run(&rows)["is"].as_str().unwrap().contains("7 due, 7 carried out"), "{rows:?}");
    assert_eq!(run(&rows)["verdict"], "ok");
    // What waits for a person is a status of its own.
    town.parked("b9", "answered 422", 60).await;
    let output = town.run(&["status"]).await;
    assert_eq!(output.status.code(), Some(4), "{}", text(&output.stderr));
    assert!(text(&output.stdout).contains("answered 422"));
    // A body is shown to whoever asks for it, and whole.
    let body = town.run(&["show", &key.pk, &key.sk, "--body"]).await;
    assert_eq!(text(&body.stdout), r#"{"ssn":"000-12-3456"}"#);
}

#[tokio::test]
async fn nobody_who_stops_reading_is_answered_with_an_error() {
    let town = Town::new().await;
    for n in 0..200 {
        town.came(RIGHTFOOT, "batch", &format!("b{n}"), "BALANCE_BATCH_COMPLETED", 60).await;
    }
    for form in ["table", "jsonl"] {
        let ended = read_one_line(town.command(&["events", "--limit", "200", "-o", form])).await;
        assert_eq!((ended.status.code(), text(&ended.stderr).contains("panic")), (Some(0), false), "{form}");
    }
}

#[tokio::test]
async fn without_a_stack_it_says_how_to_name_one() {
    let town = Town::new().await;
    let mut command = town.command(&["status"]);
    command.env_remove("HOOKLEDGER_TABLE").current_dir("/");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--stack NAME"), "{}", text(&output.stderr));
    // One that is not there: what was asked, where, and which right it takes.
    let both = town.run(&["--stack", "none", "status"]).await;
    assert!(text(&both.stderr).contains("name a table each"), "{}", text(&both.stderr));
    let mut command = town.command(&["--stack", "none", "status"]);
    command.env_remove("HOOKLEDGER_TABLE");
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1));
    let named = ["none-worker", "us-east-1", "lambda:GetFunctionConfiguration"];
    assert!(named.iter().all(|name| said.contains(name)), "{said}");
}

/// What a person may have to mend is named: the action, the resource, the region, and AWS's own words.
#[tokio::test]
async fn a_call_that_fails_is_named() {
    let town = Town::new().await;
    for (setting, value, named) in [
        (
            "HOOKLEDGER_TABLE",
            "elsewhere",
            &["dynamodb:Query of elsewhere in us-east-1", "ResourceNotFoundException"][..],
        ),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", &["dynamodb:Query of ledger in us-east-1: no answer"]),
    ] {
        let mut command = town.command(&["parked"]);
        command.env(setting, value);
        let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(named.iter().all(|name| said.contains(name)), "{said}");
    }
}

#[tokio::test]
async fn what_came_in_is_counted() {
    let town = Town::new().await;
    for n in 0..100 {
        let key = town.came(RIGHTFOOT, "batch", &format!("b{n}"), "BALANCE_BATCH_COMPLETED", 1_000).await;
        // One took a minute, six took ten seconds, the others one.
        let secs = match n {
            0 => 60,
            1..7 => 10,
            _ => 1,
        };
        let at = UnixMs(town.now.minus_secs(1_000).0 + secs * 1_000);
        let settlement = Settlement { state: State::Done, reason: None, at, expires_at: town.now.plus_secs(9_000) };
        assert!(town.ledger.settle(&key, &settlement).await.unwrap());
    }
    let found: Vec<_> = [town.found("f1", 500).await, town.found("f2", 500).await].into();
    assert!(town.ledger.came_after_all(&found[0], town.now).await.unwrap());
    town.parked("p1", "answered 422", 100).await;
    town.refused(3).await;
    let (rows, code) = town.rows(&["stats"]).await;
    let expected = json!({
        "from": "", "provider": "rightfoot", "seen": 103, "pushed": 101, "found": 2, "late": 1, "lost": 1,
        "lost_percent": 0.97, "open": 2, "parked": 1, "refused": 3, "p50_ms": 1_000, "p95_ms": 10_000,
    });
    assert_eq!((rows, code), (vec![expected], Some(0)));
    // Cut by the hour, it is as many in all.
    let (rows, _) = town.rows(&["stats", "--by", "hour", "--provider", "rightfoot"]).await;
    assert_eq!(rows.iter().map(|row| row["seen"].as_u64().unwrap()).sum::<u64>(), 103);
    assert!(rows.iter().all(|row| row["from"].as_str().unwrap().ends_with(":00Z")), "{rows:?}");
    assert_eq!(town.rows(&["stats", "--provider", "fynapse"]).await.0, Vec::<Value>::new());
    let said = text(&town.run(&["stats"]).await.stderr);
    assert!(said.contains("1  rightfoot  parked  answered 422") && said.contains("103 entries from"), "{said}");
}

#[tokio::test]
async fn what_was_refused_is_summed_up_over_all_providers() {
    let town = Town::new().await;
    town.refused(3).await;
    town.refused_by(FYNAPSE, "missing_signature", Some("198.51.100.4"), 30).await;
    let (rows, ended) = town.rows(&["refused"]).await;
    assert_eq!((rows.len(), ended), (23, Some(0)), "a network has twenty slots of a minute");
    let (sums, _) = town.rows(&["refused", "--sums"]).await;
    let sum = |row: &Value| (row["count"].as_u64(), row["provider"].as_str().map(String::from), row["from"].clone());
    assert_eq!(
        sums.iter().map(sum).collect::<Vec<_>>(),
        [
            (Some(20), Some("fynapse".into()), json!("198.51.100.4")),
            (Some(3), Some("rightfoot".into()), json!("192.0.2.7"))
        ]
    );
    let shown = text(&town.run(&["refused", "--limit", "5"]).await.stderr);
    for said in ["5 shown, there are more", "20  fynapse: missing_signature, from 198.51.100.4", "23 of all providers"]
    {
        assert!(shown.contains(said), "{said}: {shown}");
    }
    // Ten found no room: told is half of them at least.
    let beyond = shown.lines().find_map(|line| line.split_once(" more at least")?.0.parse::<u64>().ok());
    assert!(matches!(beyond, Some(5..=10)), "{shown}");
    assert_eq!(town.rows(&["refused", "rightfoot"]).await.0.len(), 3);
    assert_eq!(town.run(&["refused", "nobody"]).await.status.code(), Some(2));
}

/// Pages that are read while more comes in: each once, none left out, whatever has the same instant.
#[tokio::test]
async fn a_cursor_goes_on_where_its_page_ended() {
    let town = Town::new().await;
    for n in 0..25 {
        // Ten at one instant, and a page ends among them.
        let secs_ago = if n < 10 { 500 } else { 500 + n };
        town.came(RIGHTFOOT, "batch", &format!("it's #{n}"), "BALANCE_BATCH_COMPLETED", secs_ago).await;
    }
    for filters in [&[][..], &["--state", "open"], &["--provider", "rightfoot"]] {
        let (mut subjects, mut cursor) = (Vec::new(), None::<String>);
        for page in 0..10 {
            let mut arguments = [&["events", "--limit", "4", "-o", "json"], filters].concat();
            if let Some(cursor) = &cursor {
                arguments.extend(["--cursor", cursor]);
            }
            let output = town.run(&arguments).await;
            let document: Value = serde_json::from_slice(&output.stdout).unwrap();
            let rows = document["rows"].as_array().unwrap();
            subjects.extend(rows.iter().map(|row| row["subject"].as_str().unwrap().to_string()));
            // What comes meanwhile is on no later page.
            let new = format!("new {page} {}", filters.len());
            town.came(RIGHTFOOT, "batch", &new, "BALANCE_BATCH_COMPLETED", 1).await;
            let Some(more) = document["more"].as_str() else { break };
            cursor = Some(more.rsplit(' ').next().unwrap().to_string());
        }
        subjects.retain(|subject| subject.contains("it's"));
        let each: std::collections::BTreeSet<_> = subjects.iter().collect();
        assert_eq!((subjects.len(), each.len()), (25, 25), "{filters:?}");
    }
    let wrong = town.run(&["events", "--cursor", "2026-11-27"]).await;
    assert_eq!(wrong.status.code(), Some(2));
    assert!(text(&wrong.stderr).contains("copy it whole"), "{}", text(&wrong.stderr));
}

/// What comes in is shown once, and ctrl-c or a reader who leaves ends it well.
#[tokio::test(flavor = "multi_thread")]
async fn what_comes_in_is_followed_until_somebody_ends_it() {
    use std::io::{BufRead as _, BufReader};
    let town = Town::new().await;
    town.came(RIGHTFOOT, "batch", "before", "BALANCE_BATCH_COMPLETED", 100).await;
    for leaves in [false, true] {
        let mut command = town.command(&["events", "--follow", "--since", "120s", "--every", "1", "-o", "jsonl"]);
        let mut child = command.stdout(std::process::Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut next = |id: &str| {
            let line = tokio::task::block_in_place(|| lines.next().unwrap().unwrap());
            assert!(line.contains(id), "{id}: {line}");
        };
        next("before");
        if leaves {
            next("meanwhile");
            drop(lines);
        } else {
            town.came(RIGHTFOOT, "batch", "meanwhile", "BALANCE_BATCH_COMPLETED", 0).await;
            next("meanwhile");
            let id = child.id().to_string();
            assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        }
        let ended = tokio::task::spawn_blocking(move || child.wait().unwrap());
        let ended = tokio::time::timeout(std::time::Duration::from_secs(20), ended).await.expect("it ends").unwrap();
        assert_eq!(ended.code(), Some(0), "leaves: {leaves}");
    }
    assert_eq!(town.run(&["events", "--follow", "-o", "json"]).await.status.code(), Some(2));
}
