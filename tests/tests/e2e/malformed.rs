//! The table of malformed requests against the deployed stack.

use hookledger_aws::ports::clock::SystemClock;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::{Identity, ProviderId, Subject, digest_hex};
use hookledger_core::model::refused::MAX_QUARANTINED_PER_SOURCE;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Entries, Quarantine};
use hookledger_core::providers::ALL;
use hookledger_kit as kit;
use hookledger_tests::local::{Answered, Local};
use hookledger_tests::malformed::rows::rows;
use hookledger_tests::malformed::{Kept, Keys, Row, Way};
use serde_json::Value;

use super::scene;

/// Every row is answered as the table says, and kept as it says.
#[tokio::test]
async fn every_row_of_the_table() {
    let (_guard, scene) = scene("malformed").await;
    let local = &scene.local;
    let keys = Keys {
        secrets: kit::names().map(|name| (name, local.stack.proof(name).unwrap().to_string())).collect(),
        run: scene.run.clone(),
        now_secs: SystemClock::new().now().secs(),
    };
    let mut wrong = Vec::new();
    let rows = rows(&keys);
    for row in &rows {
        let at = SystemClock::new().now();
        let seen = match send(local, row).await {
            Ok((status, body)) => check(local, row, at, status, &body).await,
            Err(error) => Err(error),
        };
        if let Err(error) = seen {
            wrong.push(format!("{}: {}: {error}", row.provider, row.about));
        }
    }
    assert!(wrong.is_empty(), "{} of {} rows:\n{}", wrong.len(), rows.len(), wrong.join("\n"));
}

/// Sends a row its way. The function's own answer has the gateway's shape.
async fn send(local: &Local, row: &Row) -> Result<(u16, Value), String> {
    let json = |body: &[u8]| serde_json::from_slice(body).map_err(|_| "the answer is no JSON".to_string());
    match &row.way {
        Way::Http { method, path, headers, body } => {
            let url = format!("{}{path}", local.stack.base());
            let headers: Vec<(&str, &str)> =
                headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let answered: Answered = local.http.send(method, &url, &headers, body.clone()).await?;
            Ok((answered.status, json(&answered.body)?))
        }
        Way::Event(event) => {
            let path = format!("/2015-03-31/functions/{}/invocations", local.stack.function(row.provider)?);
            let answered =
                local.http.aws("lambda", "POST", &path, &[], event.clone().into_bytes()).await?.expect(200)?;
            let answer = json(&answered.body)?;
            let status = answer["statusCode"].as_u64().and_then(|status| u16::try_from(status).ok());
            let body = answer["body"].as_str().unwrap_or_default();
            Ok((status.ok_or_else(|| format!("the function failed: {answer}"))?, json(body.as_bytes())?))
        }
    }
}

async fn check(local: &Local, row: &Row, sent_at: UnixMs, status: u16, body: &Value) -> Result<(), String> {
    let (member, text) = row.answer();
    // FinBox is not told that something was taken which found no room.
    if status == 503 && row.status == 200 && row.kept == Kept::Unreadable {
        return quarantined(local, row, sent_at, "unreadable").await;
    }
    if status != row.status || body[member] != text {
        return Err(format!("answered {status} {body}"));
    }
    match &row.kept {
        Kept::NoRoute | Kept::Unrouted | Kept::NoEnvelope => Ok(()),
        Kept::Refused(code) => quarantined(local, row, sent_at, code).await,
        Kept::Unreadable => quarantined(local, row, sent_at, "unreadable").await,
        Kept::Parked => {
            // The day may have changed between sending and looking.
            for day in [sent_at.day(), SystemClock::new().now().day()] {
                let identity = Identity::new(&["sha256", &digest_hex(&row.body())]);
                let key = Subject::unreadable(id(row), &day).item(identity.as_str());
                let kept = local.ledger.entry(&key).await.map_err(|error| error.to_string())?;
                if let Some((entry, body)) = kept {
                    let whole = entry.state == State::Parked && body == row.body();
                    return if whole { Ok(()) } else { Err(format!("kept as {}", entry.state.as_str())) };
                }
            }
            Err("it is not kept".into())
        }
        Kept::Ignored => {
            let key = hookledger_tests::samples::event_of(row.provider, row.body()).key();
            match local.ledger.entry(&key).await.map_err(|error| error.to_string())? {
                Some((entry, body)) if entry.state == State::Ignored && body == row.body() => Ok(()),
                Some((entry, _)) => Err(format!("kept as {}, or not byte for byte", entry.state.as_str())),
                None => Err("it is not kept".into()),
            }
        }
    }
}

fn id(row: &Row) -> ProviderId {
    ALL.iter().map(|definition| definition.id).find(|id| id.0 == row.provider).unwrap()
}

/// In quarantine under this code, or one of a minute that is full.
async fn quarantined(local: &Local, row: &Row, sent_at: UnixMs, code: &str) -> Result<(), String> {
    let kept = local.ledger.kept(id(row), &sent_at.day(), None, 5_000).await.map_err(|error| error.to_string())?;
    let digest = digest_hex(&row.body());
    let kept: Vec<_> = kept.into_iter().map(|kept| kept.refused).collect();
    if let Some(refused) = kept.iter().find(|refused| refused.digest == digest && refused.code == code) {
        let start = row.body().len().min(refused.body.len());
        let whole = refused.body[..] == row.body()[..start] && refused.body_bytes == row.body().len();
        return if whole { Ok(()) } else { Err("other bytes are in quarantine".into()) };
    }
    let minute = |at: UnixMs| at.secs().div_euclid(60);
    let same =
        kept.iter().filter(|refused| (minute(sent_at)..=minute(sent_at) + 1).contains(&minute(refused.at))).count();
    if same >= usize::from(MAX_QUARANTINED_PER_SOURCE) { Ok(()) } else { Err(format!("not in quarantine as {code}")) }
}
