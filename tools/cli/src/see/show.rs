//! `show`: one entry, with its body where that is asked for.

use anyhow::Context as _;
use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_core::model::act::Act;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::{Clock as _, Desk as _, Entries as _};
use serde_json::{Value, json};

use crate::out::{self, Ended, Format};
use crate::stack::Stack;

/// Refuses the key of any other row.
pub(crate) fn is_entry(key: &ItemKey) -> anyhow::Result<()> {
    if key.sk.starts_with("event#") {
        return Ok(());
    }
    Err(out::typed_wrongly(format!("{} is no entry: an entry's sort key begins with event#", key.sk)))
}

/// What to show.
#[derive(Args)]
pub(crate) struct Which {
    /// The subject: the partition key, such as rightfoot#batch#b1.
    subject: String,
    /// The row's sort key: event#… for an entry.
    entry: String,
    /// Its body instead, byte for byte. It may hold personal data, so that you read it is written down.
    #[arg(long, conflicts_with = "document")]
    body: bool,
    /// The provider's own document of a result row instead, byte for byte; likewise.
    #[arg(long)]
    document: bool,
    /// Why you read it, for whoever asks later.
    #[arg(long, value_name = "TEXT", value_parser = crate::mend::why)]
    why: Option<String>,
}

/// Shows an entry, or the bytes of a row alone.
pub(crate) async fn run(stack: &Stack, format: Format, which: &Which) -> anyhow::Result<Ended> {
    let key = &ItemKey { pk: which.subject.clone(), sk: which.entry.clone() };
    let inbox = stack.inbox()?;
    if which.document {
        let Some(document) = document(&inbox, key).await? else {
            out::note(format!("{} has no result row {key}: `hookledger story` lists them", stack.title));
            return Ok(Ended::NotFound);
        };
        note(stack, &inbox, &key.pk, &format!("read document {}", key.sk), which.why.clone()).await?;
        out::bytes(&document);
        return Ok(Ended::Well);
    }
    is_entry(key)?;
    let Some((entry, bytes)) = inbox.ledger.entry(key).await? else {
        out::note(format!("{} has no entry {key}: `hookledger find ID` looks for its subject", stack.title));
        return Ok(Ended::NotFound);
    };
    if which.body {
        note(stack, &inbox, &key.pk, &format!("read body {}", key.sk), which.why.clone()).await?;
        out::bytes(&bytes);
        return Ok(Ended::Well);
    }
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
        "proof": entry.proof,
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

/// Writes down who reads what, before it is shown; who it is.
pub(super) async fn note(
    stack: &Stack,
    inbox: &AwsInbox,
    subject: &str,
    what: &str,
    why: Option<String>,
) -> anyhow::Result<String> {
    let act = stack.order(why).await?.act(what, inbox.clock.now());
    let expires_at = act.at.plus_secs(stack.env.timing.retention_secs());
    inbox.ledger.note(subject, &act, expires_at).await.context("nothing was shown: it could not be written down")?;
    Ok(act.by)
}

/// The document of a result row.
pub(super) async fn document(inbox: &AwsInbox, key: &ItemKey) -> anyhow::Result<Option<Vec<u8>>> {
    if !inbox
        .ledger
        .story_of(key)
        .await?
        .is_some_and(|row| row.columns.iter().any(|(name, _)| name == "document_bytes"))
    {
        return Ok(None);
    }
    let rows = inbox.ledger.rows(&key.pk, &key.sk).await?;
    Ok(rows.into_iter().find(|row| row.sk == key.sk).map(|row| row.document))
}
