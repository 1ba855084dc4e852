//! The path of a subject's statuses: what it came to be, in the order in which that happened, whatever came when.

use std::collections::BTreeMap;

use hookledger_aws::ports::ledger::StoryLine;
use hookledger_core::model::time::UnixMs;
use serde_json::Value;

use super::frame::lasted;

/// The sort key of the current status, and how those of the facts begin that it is folded from.
const STATUS: &str = "state";
const FACT: &str = "fact#";

/// A status that it had, or was told to have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Step {
    pub(crate) status: String,
    /// When it happened, says the provider; or when the list was looked at.
    pub(crate) at: UnixMs,
    /// It is the present one.
    pub(crate) is_now: bool,
    /// It moved nothing: it was over when it came.
    pub(crate) is_passed_over: bool,
    /// It came behind one that happened later.
    pub(crate) is_late: bool,
    /// How it is known, in words.
    pub(crate) how: String,
}

impl Step {
    /// What it is, for its sign and its look.
    pub(crate) fn kind(&self) -> &'static str {
        match self {
            Self { is_now: true, .. } => "now",
            Self { is_passed_over: true, .. } => "passed",
            Self { is_late: true, .. } => "late",
            _ => "was",
        }
    }

    pub(crate) fn icon(&self) -> &'static str {
        match self.kind() {
            "now" => "●",
            "passed" => "✕",
            "late" => "▲",
            _ => "○",
        }
    }

    /// What is to be said of it beside its time.
    pub(crate) fn words(&self) -> &'static str {
        match self {
            Self { is_now: true, is_late: true, .. } => "now; it came late",
            Self { is_now: true, .. } => "now",
            Self { is_passed_over: true, .. } => "came too late: not applied",
            Self { is_late: true, .. } => "came late",
            _ => "",
        }
    }
}

/// The path, the earliest first; empty where the subject has no status.
pub(crate) fn path(lines: &[StoryLine]) -> Vec<Step> {
    let Some(current) = lines.iter().find(|line| line.key.sk == STATUS) else { return Vec::new() };
    let entries: BTreeMap<(&str, &str), &StoryLine> =
        lines.iter().map(|line| ((line.key.pk.as_str(), line.key.sk.as_str()), line)).collect();
    let owner = |fact: &StoryLine| entries.get(&(text(fact, "owner_pk")?, text(fact, "owner_sk")?)).copied();
    // When it happened, and when it came in.
    let times = |fact: &StoryLine| Some((at(fact, "occurred_at")?, at(owner(fact)?, "received_at")?));
    let facts: Vec<&StoryLine> = lines.iter().filter(|line| line.key.sk.starts_with(FACT)).collect();
    let step = |fact: &&StoryLine| {
        let happened = at(fact, "occurred_at")?;
        let came = owner(fact).and_then(|owner| at(owner, "received_at"));
        let is_behind = |came: UnixMs| {
            let others = facts.iter().filter_map(|other| times(other));
            others.into_iter().any(|(other_happened, other_came)| other_happened > happened && other_came < came)
        };
        let is_polled = text(fact, "origin") == Some("poll");
        let how = match (is_polled, text(fact, "matched_sk"), came) {
            (true, Some(_), _) => "found by asking; its webhook came after all".into(),
            (true, None, _) => "found by asking; its webhook has not come".into(),
            (false, _, Some(came)) if came > happened => format!("came {} later", lasted(came.since_ms(happened))),
            _ => String::new(),
        };
        Some(Step {
            status: text(fact, "status")?.to_string(),
            at: happened,
            is_now: false,
            is_passed_over: owner(fact).is_some_and(|owner| !is_applied(owner)),
            is_late: !is_polled && came.is_some_and(is_behind),
            how,
        })
    };
    let mut steps: Vec<Step> = facts.iter().filter_map(step).collect();
    steps.sort_by(|a, b| (a.at, &a.status).cmp(&(b.at, &b.status)));
    let (name, since) = (text(current, "status").unwrap_or_default(), at(current, "occurred_at"));
    // A push that was taken for what a list had shown gives the status its own time, and has no fact.
    let exact = steps.iter().rposition(|step| step.status == name && Some(step.at) == since);
    let now = exact.or_else(|| steps.iter().rposition(|step| step.status == name));
    match now.and_then(|now| steps.get_mut(now)) {
        Some(step) => (step.is_now, step.is_passed_over) = (true, false),
        None => steps.push(Step {
            status: name.into(),
            at: since.unwrap_or(UnixMs(0)),
            is_now: true,
            is_passed_over: false,
            is_late: false,
            how: String::new(),
        }),
    }
    if let (Some(held), Some(at)) = (text(current, "held_back"), at(current, "held_back_at")) {
        for step in steps.iter_mut().filter(|step| step.status == held && step.at == at) {
            step.how = "held back: it can't be told whether it came before what the list shows".into();
        }
    }
    steps
}

/// What was published of it says whether it moved the status. Of one that is not published yet nothing is known.
fn is_applied(entry: &StoryLine) -> bool {
    let detail = text(entry, "frozen_detail").and_then(|detail| serde_json::from_str::<Value>(detail).ok());
    detail.and_then(|detail| detail.get("applied")?.as_bool()).unwrap_or(true)
}

fn text<'a>(line: &'a StoryLine, name: &str) -> Option<&'a str> {
    line.columns.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
}

fn at(line: &StoryLine, name: &str) -> Option<UnixMs> {
    text(line, name)?.parse().ok().map(UnixMs)
}

#[cfg(test)]
mod tests {
    use hookledger_core::model::identity::ItemKey;

    use super::*;

    fn line(sk: &str, columns: &[(&str, &str)]) -> StoryLine {
        let columns = columns.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
        StoryLine { key: ItemKey { pk: "p#merchant#m".into(), sk: sk.into() }, state: None, columns }
    }

    fn fact(status: &str, origin: &str, occurred: &str, matched: bool) -> StoryLine {
        let owner = format!("event#{status}");
        let mut columns = vec![("status", status), ("occurred_at", occurred), ("origin", origin)];
        columns.extend([("owner_pk", "p#merchant#m"), ("owner_sk", &*owner)]);
        columns.extend(matched.then_some(("matched_sk", "event#x")));
        line(&format!("fact#{status}#000001"), &columns)
    }

    fn event(status: &str, received: &str, applied: &str) -> StoryLine {
        let detail = format!("{{\"applied\":{applied}}}");
        line(&format!("event#{status}"), &[("received_at", received), ("frozen_detail", &detail)])
    }

    #[test]
    fn the_path_stands_in_the_order_in_which_it_happened() {
        let lines = [
            event("boarded", "9000", "false"),
            event("live", "5000", "true"),
            event("new", "1500", "true"),
            fact("boarded", "push", "3000", false),
            fact("live", "push", "4000", false),
            fact("new", "push", "1000", false),
            fact("signed", "poll", "2000", true),
            line("state", &[("status", "live"), ("occurred_at", "4000"), ("moved_at", "5100")]),
        ];
        let path = path(&lines);
        let told: Vec<_> =
            path.iter().map(|step| (step.status.as_str(), step.kind(), step.words(), &*step.how)).collect();
        let expected = [
            ("new", "was", "", "came 500 ms later"),
            ("signed", "was", "", "found by asking; its webhook came after all"),
            ("boarded", "passed", "came too late: not applied", "came 6 s later"),
            ("live", "now", "now", "came 1 s later"),
        ];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_status_without_a_fact_is_shown_and_facts_alone_are_no_path() {
        let state = line("state", &[("status", "live"), ("occurred_at", "4000")]);
        assert_eq!(path(&[state]).iter().map(Step::kind).collect::<Vec<_>>(), ["now"]);
        assert!(path(&[fact("once", "push", "1", false)]).is_empty());
    }

    #[test]
    fn what_a_push_gave_its_own_time_is_the_present_one_and_what_is_held_back_says_so() {
        let mut state = vec![("status", "live"), ("occurred_at", "3900"), ("held_back", "boarded")];
        state.push(("held_back_at", "3950"));
        let lines = [
            fact("boarded", "push", "3950", false),
            fact("live", "poll", "4000", true),
            event("boarded", "4100", "false"),
            line("state", &state),
        ];
        let path = path(&lines);
        assert_eq!(path.iter().map(Step::kind).collect::<Vec<_>>(), ["passed", "now"]);
        assert!(path[0].how.starts_with("held back"), "{path:?}");
    }
}
