//! What happened to a subject, in the order of time, out of the rows that are kept of it.

use hookledger_aws::ports::ledger::StoryLine;
use hookledger_core::model::time::UnixMs;

use super::frame::lasted;

/// Something that happened, or is to happen.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    pub(crate) at: UnixMs,
    /// In a word: its sign and its colour.
    pub(crate) kind: &'static str,
    pub(crate) text: String,
    /// The row it is about.
    pub(crate) of: String,
    /// So is the moment before it.
    pub(crate) is_same_row: bool,
    /// How long after the one before it.
    pub(crate) after: Option<String>,
}

impl Moment {
    pub(crate) fn icon(&self) -> &'static str {
        match self.kind {
            "occurred" => "○",
            "arrived" => "●",
            "worked" => "✓",
            "published" => "➤",
            "person" => "✎",
            "parked" => "▲",
            "next" => "◷",
            _ => "•",
        }
    }
}

/// The moments of all rows, the earliest first.
pub(crate) fn moments(lines: &[StoryLine], now: UnixMs) -> Vec<Moment> {
    let mut moments: Vec<Moment> = lines.iter().flat_map(of_row).collect();
    moments.sort_by_key(|moment| moment.at);
    let (mut last, mut row): (Option<UnixMs>, Option<String>) = (None, None);
    for moment in &mut moments {
        moment.is_same_row = row.as_ref() == Some(&moment.of);
        row = Some(moment.of.clone());
        let is_over = moment.at <= now;
        moment.after = last.filter(|last| is_over && *last < moment.at).map(|last| lasted(moment.at.since_ms(last)));
        last = Some(moment.at);
    }
    moments
}

fn of_row(StoryLine { key, state, columns }: &StoryLine) -> Vec<Moment> {
    let text = |name: &str| columns.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
    let at = |name: &str| text(name)?.parse().ok().map(UnixMs);
    let mut found = Vec::new();
    let mut add = |at: Option<UnixMs>, kind: &'static str, text: String| {
        found.extend(at.map(|at| Moment { at, kind, text, of: key.sk.clone(), is_same_row: false, after: None }));
    };
    let state = state.as_deref().unwrap_or_default();
    let because = text("reason").map(|reason| format!(": {reason}")).unwrap_or_default();
    match key.sk.split('#').next() {
        Some("event") => {
            let event_type = text("event_type").unwrap_or_default();
            add(at("occurred_at"), "occurred", format!("{event_type} occurred, says the provider"));
            let how = match (text("origin"), text("proof")) {
                (Some("poll"), _) => "found by asking, and stored".to_string(),
                (_, Some(proof)) => format!("arrived, verified by {proof}, and stored"),
                _ => "arrived, and stored".to_string(),
            };
            add(at("received_at"), "arrived", format!("{event_type} {how}"));
            if text("origin") == Some("poll") {
                add(at("pushed_at"), "arrived", "its webhook came after all".into());
            }
            let tries =
                text("attempts").filter(|count| *count != "0").map(|count| format!(" after {count} failed attempts"));
            let tries = tries.unwrap_or_default();
            match state {
                "done" => {
                    add(at("settled_at"), "worked", format!("worked on: done{tries}"));
                    if text("frozen_detail").is_some() {
                        add(at("settled_at"), "published", format!("published, id {}", key.stable_id()));
                    }
                }
                "parked" => add(at("due_at"), "parked", format!("parked{because}")),
                "open" => add(at("due_at"), "next", format!("next try{tries}{because}")),
                state => add(at("settled_at"), "worked", format!("{state}{because}")),
            }
        }
        Some("expectation" | "watch") => {
            add(at("created_at"), "person", "announced: it is waited for".into());
            match state {
                "waiting" => {
                    add(at("due_at"), "next", "it is asked for next".into());
                    add(at("deadline"), "next", "the end of the wait".into());
                }
                "expired" => add(at("due_at"), "parked", "expired: never completed".into()),
                state => add(at("ended_at"), "worked", format!("the wait ended: {state}")),
            }
        }
        _ => {
            if let Some(status) = text("status") {
                add(at("moved_at"), "worked", format!("its status is {status}"));
                let is_fact = text("moved_at").is_none();
                add(at("occurred_at").filter(|_| is_fact), "occurred", format!("it came to be {status}"));
            }
        }
    }
    // An act stands as one line that begins with its time.
    for (_, act) in columns.iter().filter(|(name, _)| name.starts_with("history ")) {
        if let Some((when, act)) = act.split_once(' ') {
            add(UnixMs::parse_rfc3339(when), "person", act.to_string());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use hookledger_core::model::identity::ItemKey;

    use super::*;

    #[test]
    fn what_happened_stands_in_the_order_of_time() {
        let columns = [
            ("attempts", "2"),
            ("event_type", "T"),
            ("frozen_detail", "{}"),
            ("history 1", "1970-01-01T00:00:05.000Z replay by arn: why not"),
            ("occurred_at", "1000"),
            ("origin", "push"),
            ("proof", "2026-11"),
            ("received_at", "2000"),
            ("settled_at", "9000"),
        ];
        let line = StoryLine {
            key: ItemKey { pk: "rightfoot#batch#b1".into(), sk: "event#T#b1".into() },
            state: Some("done".into()),
            columns: columns.map(|(name, value)| (name.to_string(), value.to_string())).into(),
        };
        let id = line.key.stable_id();
        let moments = moments(&[line], UnixMs(60_000));
        let told: Vec<_> = moments.iter().map(|of| (of.kind, of.text.as_str(), of.after.as_deref())).collect();
        let published = format!("published, id {id}");
        let expected = [
            ("occurred", "T occurred, says the provider", None),
            ("arrived", "T arrived, verified by 2026-11, and stored", Some("1 s")),
            ("person", "replay by arn: why not", Some("3 s")),
            ("worked", "worked on: done after 2 failed attempts", Some("4 s")),
            ("published", published.as_str(), None),
        ];
        assert_eq!(told, expected);
    }
}
