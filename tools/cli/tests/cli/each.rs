//! Each command that shows something, under each condition that a person meets: who stops reading, a narrow terminal, odd ids,
//! what is not there, a place that is wrong. And what none of them shows.

use std::io::Read as _;
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Command, Output, Stdio};

use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::row::{Row, Snapshot};
use hookledger_core::ports::{Entries as _, Results as _, Settlement};
use serde_json::Value;

use crate::send::{KEY, Stack, TOKEN};
use crate::town::{FYNAPSE, RIGHTFOOT, Town, read_one_line, text};

/// What is in the bodies and documents here.
const SSN: &str = "000-12-3456";

/// A town with something of each kind in it.
async fn busy() -> (Town, ItemKey) {
    let town = Town::new().await;
    let key = town.parked("b-7", "tried 8 times: answered 422", 600).await;
    let done = town.came(FYNAPSE, "event", "e1", "balance.extracted", 500).await;
    let state = hookledger_core::model::entry::State::Done;
    let at = town.now.minus_secs(498);
    let settlement = Settlement { state, reason: None, at, expires_at: town.now.plus_secs(9_999) };
    assert!(town.ledger.settle(&done, &settlement).await.unwrap());
    let subject = hookledger_core::model::identity::Subject::new(RIGHTFOOT, "batch", "b-7");
    let row = Row {
        sk: "balance#cust-1".into(),
        columns: vec![("amount", "1250.10".into()), ("currency", "USD".into())],
        document: format!(r#"{{"ssn":"{SSN}"}}"#).into_bytes(),
    };
    town.ledger.put_rows(&subject, &[row], &Snapshot::delivered(town.now.minus_secs(400))).await.unwrap();
    town.waits("b-9").await;
    town.refused(2).await;
    (town, key)
}

/// What shows something, and how it ends.
fn shown(key: &ItemKey) -> Vec<(&'static str, Vec<&str>, i32)> {
    vec![
        ("status", vec!["status"], 4),
        ("events", vec!["events"], 0),
        ("events of a state", vec!["events", "--state", "parked"], 0),
        ("find", vec!["find", "b-7"], 0),
        ("story", vec!["story", &key.pk], 0),
        ("show", vec!["show", &key.pk, &key.sk], 0),
        ("owed", vec!["owed"], 0),
        ("parked", vec!["parked"], 0),
        ("refused", vec!["refused"], 0),
        ("refused sums", vec!["refused", "--sums"], 0),
        ("stats", vec!["stats"], 0),
        ("expect get", vec!["expect", "get", "rightfoot", "b-9"], 0),
        ("expect list", vec!["expect", "list"], 0),
        ("replay plan", vec!["replay"], 0),
        ("close plan", vec!["close", "--why", "asked them"], 0),
        ("erase plan", vec!["erase", &key.pk, "--why", "asked to"], 0),
    ]
}

async fn output(mut command: Command) -> Output {
    tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap()
}

/// Runs it on a terminal of so many columns, and gives what came there.
fn on_a_terminal(mut command: Command, columns: u16) -> (String, Option<i32>) {
    use rustix::pty::{OpenptFlags, grantpt, ioctl_tiocgptpeer, openpt, unlockpt};
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&ours).unwrap();
    unlockpt(&ours).unwrap();
    let theirs: OwnedFd = ioctl_tiocgptpeer(&ours, OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    let size = rustix::termios::Winsize { ws_row: 40, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    rustix::termios::tcsetwinsize(theirs.as_fd(), size).unwrap();
    let mut child = command.stdout(Stdio::from(theirs)).stderr(Stdio::null()).spawn().unwrap();
    // The command still holds the other end.
    drop(command);
    let mut seen = Vec::new();
    // At the end of the other side, Linux answers with an error.
    let _ = std::fs::File::from(ours).read_to_end(&mut seen);
    (text(&seen).replace('\r', ""), child.wait().unwrap().code())
}

#[tokio::test]
async fn nobody_who_stops_reading_is_answered_with_an_error() {
    let (town, key) = busy().await;
    for (what, arguments, _) in shown(&key) {
        for form in ["table", "json", "jsonl"] {
            let arguments = [&arguments[..], &["-o", form]].concat();
            let ended = read_one_line(town.command(&arguments)).await;
            let said = text(&ended.stderr);
            assert!(
                !said.contains("panic") && !matches!(ended.status.code(), None | Some(101)),
                "{what} {form}: {said}"
            );
            // A reader who is gone before the first line.
            let mut command = town.command(&arguments);
            let gone = tokio::task::spawn_blocking(move || {
                let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
                drop(child.stdout.take());
                child.wait_with_output().unwrap()
            });
            let gone = gone.await.unwrap();
            assert!(!text(&gone.stderr).contains("panic"), "{what} {form}: {}", text(&gone.stderr));
            assert!(gone.status.code().is_some_and(|code| code < 6), "{what} {form}: {:?}", gone.status);
        }
    }
}

#[tokio::test]
async fn lines_fit_the_terminal_and_nothing_is_coloured() {
    let (town, key) = busy().await;
    for (what, arguments, code) in shown(&key) {
        for columns in [60, 200] {
            let mut command = town.command(&arguments);
            command.env("NO_COLOR", "1").env("TERM", "xterm");
            let ended = tokio::task::spawn_blocking(move || on_a_terminal(command, columns)).await.unwrap();
            assert_eq!(ended.1, Some(code), "{what} on {columns} columns");
            assert!(!ended.0.contains('\u{1b}'), "{what}: {}", ended.0);
            // What is no table is broken by the terminal itself.
            let is_table = ended.0.lines().next().is_some_and(|line| line == line.to_uppercase() && line.len() > 8);
            let widest = ended.0.lines().map(|line| line.chars().count()).max().unwrap_or(0);
            assert!(!is_table || widest <= usize::from(columns), "{what}: {widest} of {columns}\n{}", ended.0);
        }
    }
}

#[tokio::test]
async fn any_id_is_named_as_its_provider_writes_it() {
    let town = Town::new().await;
    for id in ["it's #1 / ü", "#", "a b  c", "-x", "\"quoted\"", &"x".repeat(300)] {
        let key = town.came(RIGHTFOOT, "batch", id, "BALANCE_BATCH_COMPLETED", 10).await;
        for (arguments, wanted) in [
            (vec!["find", "--", id], "rightfoot#batch#"),
            (vec!["story", "--", &key.pk], "event#"),
            (vec!["show", "--", &key.pk, &key.sk], "BALANCE_BATCH_COMPLETED"),
            (vec!["export", "--", &key.pk], "BALANCE_BATCH_COMPLETED"),
            (vec!["events", "--subject", &key.pk], "BALANCE_BATCH_COMPLETED"),
        ] {
            let output = town.run(&arguments).await;
            assert_eq!(output.status.code(), Some(0), "{arguments:?}: {}", text(&output.stderr));
            assert!(text(&output.stdout).contains(wanted), "{arguments:?}: {}", text(&output.stdout));
        }
    }
}

#[tokio::test]
async fn what_is_not_there_or_can_t_be_reached_is_said_and_has_its_code() {
    let (town, key) = busy().await;
    let rows: [(&[&str], i32); 14] = [
        (&["events", "--since", "2026-02-30"], 2),
        (&["events", "--until", "2026-13-01"], 2),
        (&["parked", "--since", "tomorrow"], 2),
        (&["stats", "--since", "2026-02-30"], 2),
        (&["refused", "--day", "2026-02-30"], 2),
        (&["refused", "reverify", "finbox", "--day", "2026-02-30"], 1),
        (&["refused", "nobody"], 2),
        (&["parked", "--provider", "nobody"], 2),
        (&["find", "nothing has this id"], 3),
        (&["story", "rightfoot#batch#none"], 3),
        (&["show", "rightfoot#batch#none", "event#none"], 3),
        (&["export", "rightfoot#batch#none"], 3),
        (&["erase", "rightfoot#batch#none", "--why", "asked to"], 3),
        (&["expect", "get", "rightfoot", "none"], 3),
    ];
    for (arguments, code) in rows {
        let output = town.run(arguments).await;
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", text(&output.stderr));
        assert!(output.stdout.is_empty() && !output.stderr.is_empty(), "{arguments:?}: {output:?}");
    }
    let closed = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    // At once: a place that does not answer is tried several times.
    let each = shown(&key);
    let looks = each.iter().map(async |(what, arguments, _)| {
        let mut elsewhere = town.command(arguments);
        elsewhere.env("AWS_ENDPOINT_URL", &closed);
        let mut nobody = town.command(arguments);
        nobody.env_remove("AWS_ACCESS_KEY_ID");
        let mut nowhere = town.command(arguments);
        nowhere.env_remove("AWS_REGION");
        for (fault, command, said) in [
            ("no such place", elsewhere, "us-east-1"),
            ("no credentials", nobody, "AWS_ACCESS_KEY_ID"),
            ("no region", nowhere, "AWS_REGION"),
        ] {
            let output = output(command).await;
            let shown = text(&output.stderr);
            assert_eq!(output.status.code(), Some(1), "{what}, {fault}: {shown}");
            assert!(shown.contains(said) && !shown.contains("panic"), "{what}, {fault}: {shown}");
            assert!(output.stdout.is_empty(), "{what}, {fault}: {}", text(&output.stdout));
        }
    });
    futures_util::future::join_all(looks).await;
}

/// No body, token, secret or document on any screen, or in any JSON, but where a person asks for one.
#[tokio::test(flavor = "multi_thread")]
async fn no_content_and_no_secret_is_shown_unless_it_is_asked_for() {
    let (town, key) = busy().await;
    let url = Stack::up(&town, true);
    let mut all: Vec<Vec<&str>> = shown(&key).into_iter().map(|(_, arguments, _)| arguments).collect();
    all.extend([
        vec!["secret", "list"],
        vec!["doctor", "secrets"],
        vec!["send", "rightfoot", "balance-batch-completed"],
        vec!["send", "fynapse", "balance-extracted", "--forged"],
        vec!["refused", "reverify", "rightfoot"],
        vec!["replay", &key.pk, &key.sk],
        vec!["expect", "put", "rightfoot", "b-10"],
        vec!["expect", "cancel", "rightfoot", "b-10"],
        vec!["dead", "list"],
    ]);
    for form in ["table", "json", "jsonl"] {
        for arguments in &all {
            let mut command = town.command(&[&arguments[..], &["-o", form]].concat());
            command.env("AWS_ENDPOINT_URL", &url).env("WEBHOOK_BASE_URL", &url);
            for provider in ["FINBOX", "FYNAPSE", "RIGHTFOOT", "RUNPAYMENTS"] {
                command.env(format!("HOOKLEDGER_SECRET_{provider}"), format!("arn:{provider}"));
            }
            let output = output(command).await;
            let shown = text(&output.stdout) + &text(&output.stderr);
            assert!(!shown.is_empty(), "{arguments:?}");
            for hidden in [SSN, KEY, TOKEN] {
                assert!(!shown.contains(hidden), "{arguments:?} {form} shows {hidden}: {shown}");
            }
        }
    }
    // Where it is asked for, it is shown: what is looked for above is there.
    for arguments in [
        vec!["show", &key.pk, &key.sk, "--body"],
        vec!["show", &key.pk, "balance#cust-1", "--document"],
        vec!["export", &key.pk],
    ] {
        let shown = town.run(&arguments).await;
        assert!(text(&shown.stdout).contains(SSN), "{arguments:?}: {}", text(&shown.stderr));
    }
}

/// What each command shows, as a table and as JSON: the second is what scripts are written against.
#[tokio::test]
async fn each_form_is_as_it_was() {
    let (town, key) = busy().await;
    for (what, arguments, _) in shown(&key) {
        for form in ["table", "json"] {
            let output = town.run(&[&arguments[..], &["-o", form]].concat()).await;
            let stdout = of_one_provider(&text(&output.stdout));
            let shown = format!("{stdout}--- stderr\n{}", text(&output.stderr));
            insta::assert_snapshot!(format!("{}_{form}", what.replace(' ', "_")), redacted(&shown, &town));
        }
    }
}

/// Where each provider has a row for its queue, the first one's: a provider more changes nothing here.
fn of_one_provider(shown: &str) -> String {
    let others = || hookledger_core::providers::ALL.iter().skip(1).map(|of| format!("queue {}", of.id));
    if !others().any(|queue| shown.contains(&queue)) {
        return shown.to_string();
    }
    if let Ok(mut json) = serde_json::from_str::<Value>(shown) {
        let rows = json.get_mut("rows").and_then(Value::as_array_mut).unwrap();
        rows.retain(|row| !others().any(|queue| row["what"] == queue));
        return format!("{json}\n");
    }
    let lines = shown.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    // The columns are as wide as the longest of their names.
    lines.filter(|line| !others().any(|queue| line.starts_with(&format!("{queue} ")))).map(|line| line + "\n").collect()
}

/// With what differs from run to run written out in as many letters, so that columns stay where they are.
fn redacted(shown: &str, town: &Town) -> String {
    const INSTANT: &str = "0000-00-00T00:00:00.000Z";
    const LETTERS: &str = "YYYY-MM-DDThh:mm:ss.mmmZ";
    let fits = |text: &[char], length: usize| {
        let form = INSTANT.chars().take(length);
        text.len() >= length
            && text.iter().zip(form).all(|(c, form)| if form == '0' { c.is_ascii_digit() } else { *c == form })
    };
    let shown: Vec<char> = shown.replace(&town.url, "http://table").chars().collect();
    let (mut redacted, mut at) = (String::new(), 0);
    while at < shown.len() {
        let length = [INSTANT.len(), "0000-00-00".len()]
            .into_iter()
            .find(|length| fits(shown.get(at..).unwrap_or_default(), *length));
        match length {
            Some(length) => redacted.extend(LETTERS.chars().take(length)),
            None => redacted.extend(shown.get(at)),
        }
        at += length.unwrap_or(1);
    }
    redacted
}
