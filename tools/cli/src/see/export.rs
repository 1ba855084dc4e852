//! `export`: everything that is kept about a subject, unpacked, each part with its digest. It may hold personal data, so who
//! took it is written down first.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hookledger_core::model::identity::{ItemKey, digest_hex};
use hookledger_core::ports::{Clock as _, Entries as _};
use serde_json::{Map, Value, json};

use crate::out::{self, Ended};
use crate::stack::Stack;

/// The version of the document.
const VERSION: u32 = 1;

/// Writes the document.
pub(crate) async fn run(stack: &Stack, subject: &str, why: Option<String>) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let lines = inbox.ledger.story(subject).await?;
    if lines.is_empty() {
        out::note(format!("{} knows nothing of {subject}: `hookledger find ID` looks for an id", stack.title));
        return Ok(Ended::NotFound);
    }
    let by = super::show::note(stack, &inbox, subject, "export", why).await?;
    let mut rows = Vec::with_capacity(lines.len());
    for line in lines {
        let mut row = Map::new();
        row.insert("key".into(), Value::String(line.key.sk.clone()));
        row.insert("state".into(), json!(line.state));
        row.insert("columns".into(), line.columns.iter().map(|(name, value)| (name.clone(), json!(value))).collect());
        if let Some((name, bytes)) = content(&inbox, &line.key, &line.columns).await? {
            row.insert(name.into(), text_or_base64(&bytes));
            row.insert("bytes".into(), json!(bytes.len()));
            row.insert("sha256".into(), json!(digest_hex(&bytes)));
        }
        rows.push(Value::Object(row));
    }
    out::note(format!("{} rows", rows.len()));
    out::document(&json!({
        "version": VERSION,
        "subject": subject,
        "stack": stack.title,
        "exported_at": inbox.clock.now().to_string(),
        "by": by,
        "rows": rows,
    }));
    Ok(Ended::Well)
}

/// The body of an entry, or the document of a result row.
async fn content(
    inbox: &hookledger_aws::AwsInbox,
    key: &ItemKey,
    columns: &[(String, String)],
) -> anyhow::Result<Option<(&'static str, Vec<u8>)>> {
    if key.sk.starts_with("event#") {
        return Ok(inbox.ledger.entry(key).await?.map(|(_, body)| ("body", body)));
    }
    if columns.iter().any(|(name, _)| name == "document_bytes") {
        return Ok(super::show::document(inbox, key).await?.map(|document| ("document", document)));
    }
    Ok(None)
}

/// Text as it is; what is none, in base64.
fn text_or_base64(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => json!({ "text": text }),
        Err(_) => json!({ "base64": BASE64_STANDARD.encode(bytes) }),
    }
}
