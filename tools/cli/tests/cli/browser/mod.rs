//! The operator's page in a real browser: what only a browser can show. `cargo xtask test browser` runs these, with Debian's
//! chromium and the Python environment of `tools/xtask/python/browser.txt`; `cargo test` alone leaves them out.
//!
//! `checks.py` drives the browser and says what is wrong; what came of an act is looked up in the table here.

mod aws;
mod lived;

use std::path::Path;
use std::process::{Command, Stdio};

use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Desk as _;

use self::lived::{Lived, MARK};
use crate::console::Browser;
use crate::town::{CALLER, text};

/// Set by `cargo xtask test browser`: the interpreter that has Playwright.
const PYTHON: &str = "HOOKLEDGER_BROWSER_PYTHON";

/// Starts a console on this ledger and has the browser make one of its checks there.
async fn check(lived: &Lived, arguments: &[&str], name: &str, told: &[&str]) {
    let python = std::env::var(PYTHON).expect("`cargo xtask test browser` runs this, and says which Python to take");
    let mut console = lived.town.command(&[&["console"], arguments].concat());
    console.env("AWS_ENDPOINT_URL", &lived.endpoint).env("HOOKLEDGER_SECRET_FINBOX", "arn:finbox");
    let console = Browser::of(console).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/browser/checks.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).args([name, &format!("http://{}{}", console.host(), console.first)]).args(told);
    command.stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let (said, errors) = (text(&output.stdout), text(&output.stderr));
    assert!(output.status.success(), "{name}:\n{said}{errors}");
}

async fn acts(lived: &Lived, key: &ItemKey) -> Vec<(String, String, Option<String>)> {
    let acts = lived.town.ledger.history(key).await.unwrap();
    acts.into_iter().map(|act| (act.by, act.what, act.why)).collect()
}

fn act(what: &str, why: &str) -> Vec<(String, String, Option<String>)> {
    vec![(CALLER.into(), what.into(), Some(why.into()))]
}

/// Nothing on the console of the browser, nothing from elsewhere, nothing that axe-core finds against WCAG 2.2 AA in light and
/// in dark, and nothing wider than a telephone. Pictures of all of it are left below `target/local/browser`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn each_page_is_sound() {
    let lived = Lived::with_many().await;
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/local/browser");
    std::fs::create_dir_all(&folder).unwrap();
    let folder = folder.canonicalize().unwrap();
    check(&lived, &["--write"], "sound", &[folder.to_str().unwrap(), &lived.subject, &lived.large, &lived.merchant])
        .await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn a_parked_event_is_replayed_by_clicking() {
    let lived = Lived::new().await;
    check(&lived, &["--write"], "clicking", &["with script"]).await;
    assert_eq!(acts(&lived, &lived.alone).await, act("replay", "they are back"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn groups_are_replayed_and_closed_by_keyboard_alone() {
    let lived = Lived::new().await;
    check(&lived, &["--write"], "keyboard", &[]).await;
    for key in &lived.together {
        assert_eq!(acts(&lived, key).await, act("replay", "the API is back"));
    }
    assert_eq!(acts(&lived, &lived.alone).await, act("close", "known by telephone"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn all_of_it_works_without_script() {
    let lived = Lived::new().await;
    check(&lived, &["--write"], "clicking", &["without script"]).await;
    assert_eq!(acts(&lived, &lived.alone).await, act("replay", "they are back"));
}

/// An act of many rows goes on by itself, and can be stopped: with script and without.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn an_act_under_way_is_seen_stopped_and_begun_again() {
    for script in ["with script", "without script"] {
        let lived = Lived::with_many().await;
        check(&lived, &["--write"], "under way", &[script]).await;
        for key in &lived.many {
            assert_eq!(acts(&lived, key).await.len(), 1, "{key} {script}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn what_was_refused_is_verified_again_by_clicking() {
    let lived = Lived::new().await;
    check(&lived, &["--write"], "again", &[]).await;
    let [key]: [ItemKey; 1] =
        lived.town.ledger.entries_of("finbox#session#session-2701").await.unwrap().try_into().unwrap();
    assert_eq!(acts(&lived, &key).await, act("reverify", "the token was mistyped"));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn a_console_that_only_shows_has_no_form_and_says_why() {
    let lived = Lived::new().await;
    check(&lived, &[], "read-only", &[&lived.subject]).await;
    assert!(acts(&lived, &lived.alone).await.is_empty());
}

/// What would run in a page that writes it as it came.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn what_others_wrote_is_not_run() {
    let lived = Lived::hostile().await;
    check(&lived, &["--write"], "hostile", &[&lived.subject, MARK]).await;
}

/// They move and find, and do nothing in a field, nor once they are turned off.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "cargo xtask test browser"]
async fn keys_help_and_can_be_turned_off() {
    let lived = Lived::new().await;
    check(&lived, &[], "keys", &[]).await;
}
