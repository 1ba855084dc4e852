//! How soon a browser has each page of the console, on the same ledger.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use hookledger_aws::ports::ledger::DynamoLedger;
use hookledger_core::model::entry::{Event, NewEntry, OnDuplicate, Origin, Start};
use hookledger_core::model::identity::{Identity, ProviderId, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Entries as _;

/// As large as a delivery gets.
const LARGE_BYTES: usize = 4_500_000;
/// They stand on the first page of the lists.
const LARGE: usize = 20;
const PAGES: [&str; 17] = [
    "/",
    "/events",
    "/events?provider=finbox",
    "/events?state=parked",
    "/events?type=no.such.type",
    "/parked",
    "/parked?reason=422&provider=finbox",
    "/parked/plan?provider=rightfoot&reason=answered%20422",
    "/refused",
    "/refused/plan?provider=finbox",
    "/merchants",
    "/doctor",
    "/owed",
    "/expectations",
    "/providers",
    "/subject?pk=rightfoot%23batch%23large-0",
    "/find?id=no-such-id",
];

/// Bytes that no compression makes smaller.
fn noise() -> Vec<u8> {
    let mut state = 7_u64;
    let next = |_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    (0..LARGE_BYTES).map(next).collect()
}

async fn large(ledger: &DynamoLedger, now: UnixMs, n: usize) {
    let (provider, id) = (ProviderId("rightfoot"), format!("large-{n}"));
    let event = Event {
        event_type: "BALANCE_BATCH_COMPLETED".into(),
        subject: Subject::new(provider, "batch", &id),
        identity: Identity::new(&["large", &id]),
        occurred_at: None,
        known: true,
        on_duplicate: OnDuplicate::Same,
        notes: Vec::new(),
    };
    let mut body = noise();
    body.extend(id.as_bytes());
    let (start, proof) = (Start::Parked { reason: "too large to work on".into() }, None);
    let new = NewEntry { provider, event, origin: Origin::Push, received_at: now, start, proof, body };
    ledger.admit(&new).await.unwrap();
}

/// Has a browser open each page, and prints how long that took.
pub(crate) async fn measure(ledger: &DynamoLedger, now: UnixMs, environment: Vec<(String, String)>) {
    let Ok(python) = std::env::var("HOOKLEDGER_BROWSER_PYTHON") else {
        println!("the pages were not measured: HOOKLEDGER_BROWSER_PYTHON names no Python with a browser");
        return;
    };
    for n in 0..LARGE {
        large(ledger, now, n).await;
    }
    let mut command = Command::new(env!("CARGO_BIN_EXE_hookledger"));
    command.env_clear().envs(environment).arg("console").stdout(Stdio::piped()).stderr(Stdio::null());
    let mut console = command.spawn().unwrap();
    let mut first = String::new();
    BufReader::new(console.stdout.take().unwrap()).read_line(&mut first).unwrap();
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli/browser/checks.py");
    let mut command = Command::new(python);
    command.arg("-B").arg(script).args(["paint", first.trim()]).args(PAGES);
    let status = tokio::task::spawn_blocking(move || command.status().unwrap()).await.unwrap();
    console.kill().unwrap();
    console.wait().unwrap();
    assert!(status.success());
}
