//! What a person sees of the ledger.

use std::collections::BTreeMap;

use hookledger_aws::AwsInbox;
use hookledger_aws::ports::ledger::StoryLine;
use hookledger_core::model::debt::Debt;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Debts;

use crate::out;

pub(crate) async fn parked(inbox: &AwsInbox, limit: usize) -> anyhow::Result<()> {
    let parked = inbox.ledger.list_parked(limit).await?;
    for due in &parked {
        let reason = match inbox.ledger.debt(&due.key).await? {
            Some(Debt::Entry(entry)) => entry.reason.unwrap_or_default(),
            Some(Debt::Expectation(expectation)) => format!("{}: never completed", expectation.state.as_str()),
            _ => continue,
        };
        out::line(format!("{}  {}  {}  {reason}", due.due_at, due.key.pk, due.key.sk));
    }
    out::line(format!("{} parked", parked.len()));
    Ok(())
}

pub(crate) async fn recent(inbox: &AwsInbox, day: &str, limit: usize) -> anyhow::Result<()> {
    let recent = inbox.ledger.list_recent(day, limit).await?;
    // The latest come first, so the first use of a secret that is seen is its last.
    let mut last_uses = BTreeMap::new();
    for pointer in &recent {
        let Some((entry, proof)) = inbox.ledger.proved_header(&pointer.key).await? else { continue };
        let (state, origin) = (entry.state.as_str(), entry.origin.as_str());
        let by = proof.as_ref().map(|id| format!("  by {id}")).unwrap_or_default();
        out::line(format!("{}  {state:<7}  {origin}  {}  {}{by}", pointer.received_at, pointer.key.pk, pointer.key.sk));
        if let Some(id) = proof {
            last_uses.entry((entry.provider, id)).or_insert(pointer.received_at);
        }
    }
    for ((provider, id), at) in last_uses {
        out::line(format!("last use of {provider}'s {id}: {at}"));
    }
    out::line(format!("{} on {day}", recent.len()));
    Ok(())
}

pub(crate) async fn story(inbox: &AwsInbox, subject: &str) -> anyhow::Result<()> {
    let lines = inbox.ledger.story(subject).await?;
    for StoryLine { key, state, columns } in &lines {
        out::line(format!("{}  {}", key.sk, state.as_deref().unwrap_or("")));
        for (name, value) in columns {
            out::line(format!("    {name}: {}", readable(name, value)));
        }
    }
    out::line(format!("{} rows", lines.len()));
    Ok(())
}

/// Instants are stored as milliseconds; people read dates.
fn readable(name: &str, value: &str) -> String {
    match value.parse() {
        Ok(ms) if name.ends_with("_at") && name != "expires_at" => UnixMs(ms).to_string(),
        Ok(secs) if name == "expires_at" => UnixMs::from_secs(secs).to_string(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_as_dates() {
        assert_eq!(readable("received_at", "1705314600250"), "2024-01-15T10:30:00.250Z");
        assert_eq!(readable("expires_at", "1705314600"), "2024-01-15T10:30:00.000Z");
        assert_eq!(readable("attempts", "3"), "3");
        assert_eq!(readable("received_at", "unknown"), "unknown");
    }
}
