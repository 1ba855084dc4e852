//! What the ledger has to hold for each event of the truth.
//!
//! The keys are spelled out here as ARCHITECTURE.md documents them, and not derived by the code that wrote them: a
//! mistake there would otherwise be made on both sides.

pub mod facts;

use hookledger_core::model::identity::ItemKey;
use serde_json::Value;

use super::held::{Held, Row};

/// How an entry is settled whose provider says something else by now.
const OVERTAKEN: &str = "overtaken: ";

/// Where one event is looked for.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The subject's partition key.
    pub subject: String,
    /// The entry of its webhook.
    pub pushed: SortKey,
    /// The entry of its own that asking makes, where asking can't make the same one.
    pub polled: Option<String>,
    /// The result rows.
    pub rows: Vec<(String, Content)>,
    /// Rows that may be there or not: which of two ways came first decides.
    pub may_hold: &'static [&'static str],
    /// The status fact that carries its effect, if it is not the entry.
    pub fact: Option<String>,
    /// What may be told once more: the entry of a list's row, and its fact. Where a stamp can't be believed, a status may
    /// seem to come after the one that followed it; the list then tells of that one again.
    pub again: Option<(String, String)>,
    /// Whether its stamp lies hours ahead.
    pub is_ahead: bool,
    /// What the summary of the published detail has to say.
    pub summary: Vec<(&'static str, Value)>,
    /// Whether it may be settled without an effect: the provider had overtaken it by the time it was asked about.
    pub may_be_overtaken: bool,
    /// The row that reports its loss, where the provider's audit tells of losses.
    pub loss: Option<String>,
}

/// A sort key, and what decides between several.
#[derive(Clone, Debug)]
pub enum SortKey {
    /// All of it.
    Whole(String),
    /// Its start; what follows is a digest.
    Start(String),
    /// The key of two events that share one: whoever came first has it, the second has its type behind it.
    OfType(String, String),
    /// The key of two contents under one identity: the first has it, the second is kept beside it. This content is meant.
    Content(String, String),
}

/// What must be in a result row.
#[derive(Clone, Debug)]
pub enum Content {
    /// It has to be there.
    Any,
    /// This column has this text, or is absent.
    Column(&'static str, Option<String>),
    /// The document is this text.
    Document(String),
    /// The document shows this statement as completed: whatever was asked for later does, and no older answer may take
    /// its place.
    Completed(String),
}

impl Content {
    /// Whether the row has it.
    pub fn is_in(&self, row: &Row) -> bool {
        match self {
            Self::Any => true,
            Self::Column(name, text) => row.columns.get(*name) == text.as_ref(),
            Self::Document(text) => row.document.as_ref() == Some(text),
            Self::Completed(statement) => row.document.as_ref().is_some_and(|text| is_completed(text, statement)),
        }
    }
}

/// Whether an entity's answer shows this statement as completed.
fn is_completed(document: &str, statement: &str) -> bool {
    let shown: Value = serde_json::from_str(document).unwrap_or_default();
    let progress = shown["progress"].as_array().into_iter().flatten();
    progress.into_iter().any(|row| row["statement_id"] == statement && row["status"] == "completed")
}

impl Wanted {
    /// The keys of those of its entries that are held, and whether each is the webhook's.
    pub fn carriers(&self, held: &Held) -> Vec<(ItemKey, bool)> {
        let whole = |sk: &String| {
            let key = self.row(sk);
            held.entries.contains_key(&key).then_some(key)
        };
        let holds = |key: &ItemKey, data: &String| {
            held.entries.get(key).and_then(|entry| entry.body.as_ref()).is_some_and(|body| body.contains(data))
        };
        let pushed = match &self.pushed {
            SortKey::Whole(sk) => whole(sk),
            SortKey::Start(start) => self.starting_with(start, held).next(),
            SortKey::OfType(sk, event_type) => {
                let first = whole(sk).filter(|key| held.entries[key].event_type == *event_type);
                first.or_else(|| whole(&format!("{sk}#{event_type}")))
            }
            SortKey::Content(sk, data) => {
                let first = whole(sk).filter(|key| holds(key, data));
                first.or_else(|| self.starting_with(&format!("{sk}#other#"), held).find(|key| holds(key, data)))
            }
        };
        let polled = self.polled.as_ref().and_then(whole);
        pushed.map(|key| (key, true)).into_iter().chain(polled.map(|key| (key, false))).collect()
    }

    fn starting_with(&self, start: &str, held: &Held) -> impl Iterator<Item = ItemKey> {
        let keys = held.entries.range(self.row(start)..).map(|(key, _)| key);
        let (subject, start) = (self.subject.clone(), start.to_string());
        keys.take_while(move |key| key.pk == subject && key.sk.starts_with(&start)).cloned()
    }

    /// Whether this is the key of what is kept beside the first content, and without an effect.
    pub fn is_beside(&self, key: &ItemKey) -> bool {
        matches!(&self.pushed, SortKey::Content(sk, _) if *sk != key.sk)
    }

    /// Whether it was settled without an effect, as its provider says something else by now.
    pub fn is_overtaken(&self, held: &Held) -> bool {
        let settled = |key: &ItemKey| held.entries[key].reason.starts_with(OVERTAKEN);
        self.may_be_overtaken && self.carriers(held).iter().any(|(key, _)| settled(key))
    }

    /// In which odd ways it came out.
    pub fn oddities(&self, held: &Held) -> Vec<&'static str> {
        let carriers = self.carriers(held);
        let shares = matches!(&self.pushed, SortKey::OfType(sk, _) if carriers.iter().any(|(key, _)| {
            key.sk.strip_prefix(sk).is_some_and(|rest| rest.starts_with('#'))
        }));
        let again = self.again.as_ref();
        let second = |sk: &String| sk.starts_with("balance#") && sk.ends_with("#2");
        let kinds = [
            ("kept beside the first content", carriers.iter().any(|(key, _)| self.is_beside(key))),
            ("told apart by its type", shares),
            ("overtaken", self.is_overtaken(held)),
            ("told once more by the list", again.is_some_and(|(_, fact)| held.facts.contains(&self.row(fact)))),
            ("two balances of one authorizer", self.rows.iter().any(|(sk, _)| second(sk))),
            ("stamped ahead", self.is_ahead),
        ];
        kinds.into_iter().filter_map(|(kind, is)| is.then_some(kind)).collect()
    }

    /// The key of one of the subject's rows.
    pub fn row(&self, sk: &str) -> ItemKey {
        ItemKey { pk: self.subject.clone(), sk: sk.to_string() }
    }
}
