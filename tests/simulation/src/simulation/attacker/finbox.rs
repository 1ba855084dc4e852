//! What is posted at FinBox's door: of both flows, with ids that are, will be, or never were, in every combination.

use super::super::plot::TrueEvent;
use super::{Attacker, BOGUS, DOWN, quoted};

/// Names of a session's events, and what only looks like one. Two are joined as a page of FinBox's shows them.
const NAMES: [&str; 10] = [
    "\"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION\"",
    "\"SESSION_EXPIRY_NOTIFICATION\"",
    "\"SESSION_REQUIREMENT_COMPLETION_NOTIFICATION/SESSION_EXPIRY_NOTIFICATION\"",
    "\"ENRICHMENT_NOTIFICATION\"",
    "\"enrichment-notification\"",
    "\"ENRICHMENT_NOTIFICATION/SESSION_EXPIRY_NOTIFICATION\"",
    "\"SESSION_PROGRESS_COMPLETED\"",
    "{}",
    "[]",
    "true",
];
/// Accounts: of the genuine events, and claimed ones.
const ACCOUNTS: [&str; 6] = [
    "[]",
    r#"[{"account_id":"a1","status":"completed"}]"#,
    r#"[{"account_id":"a1","status":"failed"}]"#,
    r#"[{"account_id":"bogus","account_status":"completed"},{}]"#,
    "null",
    "\"bogus\"",
];

impl Attacker<'_> {
    pub(super) fn finbox(&mut self, event: Option<&TrueEvent>) -> String {
        let session = event.and_then(|event| event.key.pk.strip_prefix("finbox#session#")).map(str::to_string);
        match session {
            Some(session) => self.session(&session),
            None if self.dice.percent(20) => {
                let id = self.invent();
                self.session(&id)
            }
            None => self.entity(event),
        }
    }

    fn session(&mut self, id: &str) -> String {
        let dice = self.dice;
        let (name, accounts) = (dice.pick(&NAMES), dice.pick(&ACCOUNTS));
        // Of both flows at once: which one it is must not depend on who looks.
        let entity = if dice.percent(20) { r#","entity_id":"l1-e1","progress":"failed""# } else { "" };
        format!(r#"{{"event_name":{name},"session_id":"{id}","accounts":{accounts},"message":"{BOGUS}"{entity}}}"#)
    }

    fn entity(&mut self, event: Option<&TrueEvent>) -> String {
        let dice = self.dice;
        let known = event.and_then(|event| event.key.pk.strip_prefix("finbox#entity#")).unwrap_or("l1-e1").to_string();
        let entity = if dice.percent(25) { self.invent() } else { known.clone() };
        let of_entity = self.finbox.statements.iter().filter(|statement| statement.key().pk.ends_with(&known));
        let statements: Vec<String> = of_entity.map(|statement| statement.id().to_string()).collect();
        let statement = match dice.below(10) {
            0..3 => "".to_string(),
            3 => self.invent(),
            _ if statements.is_empty() => "".to_string(),
            _ => statements[dice.index(statements.len())].clone(),
        };
        let link = match dice.below(10) {
            0..3 => None,
            3..7 => Some(known.split('-').next().unwrap_or_default().to_string()),
            7 => Some("l2".to_string()),
            8 => Some(format!("l1{BOGUS}")),
            _ => Some(self.invent()),
        };
        let progress = dice.pick(&["completed", "completed", "failed", "failed", "FAILED", "Completed", "processing"]);
        let reason = match dice.below(6) {
            0 | 1 => BOGUS.to_string(),
            2 => "wrong login".to_string(),
            3 => "  wrong login ".to_string(),
            4 => format!("{BOGUS}-{}", dice.below(1000)),
            _ => String::new(),
        };
        let name = dice.pick(&["", "", "", r#""event_name":{},"#, r#""event_name":true,"#, r#""event_name":" ","#]);
        let (link, statement) = (quoted(link.as_deref()), quoted(Some(&statement)));
        let statement = if statement.contains(DOWN) { "[]".to_string() } else { statement };
        format!(
            r#"{{{name}"entity_id":"{entity}","statement_id":{statement},"link_id":{link},"progress":"{progress}","reason":"{reason}"}}"#
        )
    }
}
