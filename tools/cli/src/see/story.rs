//! `story`: all that is known about a subject.

use hookledger_aws::ports::ledger::{MAX_STORY, StoryLine};
use hookledger_core::model::time::UnixMs;
use serde_json::{Map, Value, json};

use crate::out::{self, Ended, Format};
use crate::stack::Stack;

/// Tells it.
pub(crate) async fn run(stack: &Stack, format: Format, subject: &str) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let lines = inbox.ledger.story(subject).await?;
    if lines.is_empty() {
        out::note(format!("{} knows nothing of {subject}: `hookledger find ID` looks for an id", stack.title));
        return Ok(Ended::NotFound);
    }
    match format {
        Format::Table => lines.iter().for_each(tell),
        _ => format.rows(&[], &lines.iter().map(row).collect::<Vec<_>>(), None),
    }
    out::note(format!("{} rows", lines.len()));
    if lines.len() >= MAX_STORY {
        out::note("there are more rows than one story has: the others are not shown");
    }
    Ok(Ended::Well)
}

fn tell(StoryLine { key, state, columns }: &StoryLine) {
    out::line(format!("{}  {}", key.sk, state.as_deref().unwrap_or("")));
    for (name, value) in columns {
        out::line(format!("    {}: {}", named(name, state.as_deref()), readable(name, value)));
    }
}

fn row(StoryLine { key, state, columns }: &StoryLine) -> Value {
    let columns = columns
        .iter()
        .map(|(name, value)| (named(name, state.as_deref()).to_string(), Value::String(readable(name, value))));
    json!({ "key": key.sk, "state": state, "columns": columns.collect::<Map<_, _>>() })
}

/// What waits for a person owes nothing: its `due_at` is since when it waits.
pub(crate) fn named<'a>(name: &'a str, state: Option<&str>) -> &'a str {
    match (name, state) {
        ("due_at", Some("parked")) => "parked_at",
        ("due_at", Some("expired")) => "expired_at",
        (name, _) => name,
    }
}

/// Instants are stored as numbers; people read dates.
pub(crate) fn readable(name: &str, value: &str) -> String {
    let is_instant = name.ends_with("_at") || ["deadline", "open_until", "walk"].contains(&name);
    match value.parse() {
        Ok(secs) if name == "expires_at" => UnixMs::from_secs(secs).to_string(),
        Ok(ms) if is_instant => UnixMs(ms).to_string(),
        _ => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn instants_are_shown_as_dates() {
        for name in ["received_at", "deadline", "created_at", "due_at", "open_until"] {
            assert_eq!(readable(name, "1705314600250"), "2024-01-15T10:30:00.250Z", "{name}");
        }
        assert_eq!(readable("expires_at", "1705314600"), "2024-01-15T10:30:00.000Z");
        assert_eq!(readable("attempts", "3"), "3");
        assert_eq!(readable("received_at", "unknown"), "unknown");
        assert_eq!(named("due_at", Some("parked")), "parked_at");
        assert_eq!(named("due_at", Some("open")), "due_at");
    }
}
