//! What is posted at Rightfoot's door: completions and alerts of batches that are, will be, or never were.

use super::super::plot::TrueEvent;
use super::Attacker;

impl Attacker<'_> {
    pub(super) fn rightfoot(&mut self, event: Option<&TrueEvent>) -> String {
        let dice = self.dice;
        let known = event.and_then(|event| event.key.pk.strip_prefix("rightfoot#batch#")).map(str::to_string);
        let batches = &self.rightfoot.batches;
        let any = || batches[dice.index(batches.len())].id.clone();
        let id = match dice.below(10) {
            0..3 => self.invent(),
            3 => any(),
            _ => known.unwrap_or_else(any),
        };
        let event_type = dice.pick(&[
            "BALANCE_BATCH_COMPLETED",
            "BALANCE_BATCH_COMPLETED",
            "BALANCE_BATCH_COMPLETED",
            "balance batch-completed",
            "BALANCE_BATCH_COMPLETED/BALANCE_THRESHOLD_ALERT",
            "MONITORING_SCHEDULE_RUN",
            "BALANCE_THRESHOLD_ALERT",
            "BALANCE_THRESHOLD_ALERT",
            "BALANCE_THRESHOLD_ALERT",
        ]);
        let uuid = match dice.below(3) {
            // As the genuine alert of this batch has it.
            0 => format!("alert-{id}"),
            1 => format!("uuid-{}", dice.below(1_000_000)),
            _ => "uuid".into(),
        };
        let mut body = format!(r#"{{"event_uuid":"{uuid}","type":"{event_type}","batch_id":"{id}""#);
        if dice.percent(40) {
            let said = ["\"2001-01-01T00:00:00Z\"", "\"2099-01-01T00:00:00Z\"", "\"1\"", "null", "{}"];
            body.push_str(&format!(r#","timestamp":{}"#, dice.pick(&said)));
        }
        if event_type.ends_with("ALERT") || dice.percent(10) {
            let schedule = dice.pick(&["\"s1\"", "\"s2\"", "null", "{}", "[]"]);
            let alerts: Vec<String> = (0..dice.between(0, 3)).map(|_| self.alert(&id)).collect();
            body.push_str(&format!(r#","schedule_id":{schedule},"alerts":[{}]"#, alerts.join(",")));
        }
        body + "}"
    }

    /// A claim about an authorizer of this batch, or of none.
    fn alert(&self, batch: &str) -> String {
        let dice = self.dice;
        let batch = self.rightfoot.batches.iter().find(|known| known.id == batch);
        let authorizer = batch.map(|batch| batch.balances[dice.index(batch.balances.len())].0.clone());
        let authorizer = authorizer.filter(|_| dice.percent(75)).unwrap_or("nobody".into());
        let number = || dice.pick(&["666.66", "-666.66", "\"666\"", "null", "{}", "\"\""]);
        format!(r#"{{"authorizer_unique_id":"{authorizer}","balance":{},"threshold_amount":{}}}"#, number(), number())
    }
}
