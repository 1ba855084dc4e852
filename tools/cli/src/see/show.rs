//! `show`: one entry, with its body where that is asked for.

use hookledger_core::model::act::Act;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::{Desk as _, Entries as _};
use serde_json::{Value, json};

use crate::out::{self, Ended, Format};
use crate::stack::Stack;

/// Refuses the key of any other row.
pub(crate) fn is_entry(key: &ItemKey) -> anyhow::Result<()> {
    anyhow::ensure!(key.sk.starts_with("event#"), "{} is no entry: an entry's sort key begins with event#", key.sk);
    Ok(())
}

/// Shows an entry, or its body alone.
pub(crate) async fn run(stack: &Stack, format: Format, key: &ItemKey, body: bool) -> anyhow::Result<Ended> {
    is_entry(key)?;
    let inbox = stack.inbox()?;
    let Some((entry, bytes)) = inbox.ledger.entry(key).await? else {
        out::note(format!("{} has no entry {key}: `hookledger find ID` looks for its subject", stack.title));
        return Ok(Ended::NotFound);
    };
    if body {
        out::bytes(&bytes);
        return Ok(Ended::Well);
    }
    let proof = inbox.ledger.proved_header(key).await?.and_then(|(_, proof)| proof);
    let acts = inbox.ledger.history(key).await?;
    let history = acts
        .iter()
        .map(|Act { at, by, what, why }| json!({ "at": at.to_string(), "by": by, "what": what, "why": why }));
    let history: Vec<Value> = history.collect();
    let time = |at: Option<hookledger_core::model::time::UnixMs>| at.map(|at| at.to_string());
    let detail = entry.frozen.as_deref().and_then(|detail| serde_json::from_str::<serde_json::Value>(detail).ok());
    format.fields(&json!({
        "subject": key.pk,
        "entry": key.sk,
        "id": key.stable_id(),
        "provider": entry.provider,
        "type": entry.event_type,
        "state": entry.state.as_str(),
        "origin": entry.origin.as_str(),
        "proof": proof,
        "received_at": entry.received_at.to_string(),
        "occurred_at": time(entry.occurred_at),
        "due_at": time(entry.due_at),
        "attempts": entry.attempts,
        "waits": entry.waits,
        "reason": entry.reason,
        "body_bytes": bytes.len(),
        "detail": detail,
        "history": history,
    }));
    Ok(Ended::Well)
}
