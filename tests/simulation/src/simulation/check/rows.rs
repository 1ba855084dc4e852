//! Every row of the two providers that sign nothing is what their APIs say: no text and no number of a delivery's own,
//! but for an alert's, which are called claims.

use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::row::Row;

use super::super::attacker::BOGUS;
use super::super::sides::finbox::{ALONE, Statement};
use super::super::sides::rightfoot::Batch;
use super::super::world::Glass;
use super::Check;

/// The columns of an alert's row.
const OF_ALERTS: [&str; 3] = ["claimed_balance", "claimed_threshold_amount", "balance"];

fn column<'r>(row: &'r Row, name: &str) -> Option<&'r str> {
    row.columns.iter().find(|(known, _)| *known == name).map(|(_, value)| value.as_str())
}

impl<L: Glass> Check<'_, L> {
    pub(super) fn rows_of_the_unsigned(&mut self) {
        let mut found = Vec::new();
        for (key, stored) in self.world.memory().all_rows() {
            let row = stored.row;
            let is_said = match key.pk.split_once('#') {
                Some(("rightfoot", subject)) => self.is_of_batch(subject, &row),
                Some(("finbox", subject)) => self.is_of_finbox(subject, &key, &row),
                _ => continue,
            };
            if !is_said {
                found.push(("every row is what the API said", format!("{key}: {row:?}")));
            }
        }
        self.violations.extend(found);
    }

    fn is_of_batch(&self, subject: &str, row: &Row) -> bool {
        let batches = &self.world.truth.sides.rightfoot.batches;
        let batch = subject.strip_prefix("batch#").and_then(|id| batches.iter().find(|batch| batch.id == id));
        let Some(batch) = batch.filter(|batch| batch.shown_from().is_some()) else { return false };
        match row.sk.split_once('#') {
            Some(("balance", of)) => {
                let amount = column(row, "balance").unwrap_or("null");
                batch.rows().get(of).is_some_and(|known| known == amount)
            }
            Some(("alert", of)) => is_alert(batch, of, row),
            _ => false,
        }
    }

    fn is_of_finbox(&self, subject: &str, key: &ItemKey, row: &Row) -> bool {
        let finbox = &self.world.truth.sides.finbox;
        let document = String::from_utf8_lossy(&row.document);
        if document.contains(BOGUS) || row.columns.iter().any(|(_, value)| value.contains(BOGUS)) {
            return false;
        }
        if let Some(id) = subject.strip_prefix("session#") {
            let known = finbox.sessions.iter().any(|session| session.id == id);
            let said = document.starts_with(r#"{"session_progress":"completed"}"#)
                || document.starts_with(&format!(r#"{{"session_id":"{id}","upload_status":""#));
            return known && said && ["progress", "upload"].contains(&row.sk.as_str());
        }
        let Some(entity) = subject.strip_prefix("entity#") else { return false };
        let statements = || finbox.statements.iter().filter(|statement| statement.key().pk == key.pk);
        let completes = |statement: &Statement| statement.completed() || statement.completed_at.is_some();
        match row.sk.split_once('#') {
            None if row.sk == "transactions" || row.sk == "accounts" => {
                statements().any(completes) && document.starts_with(&format!(r#"{{"entity_id":"{entity}""#))
            }
            Some(("failure", of)) => {
                let reason = column(row, "reason").unwrap_or_default();
                let of_statement = |statement: &Statement| statement.id() == of && !statement.completed();
                let alone = finbox.alone.as_ref().filter(|_| entity == ALONE);
                let mut alike = finbox.alike.iter().filter(|alike| alike.entity == entity);
                match of.starts_with("none#") {
                    false => statements().any(of_statement) && reason.is_empty(),
                    true => {
                        alike.any(|alike| alike.reason == reason) || alone.is_some_and(|alone| alone.message == reason)
                    }
                }
            }
            _ => false,
        }
    }
}

/// An alert's row names an authorizer that the API names in this batch; what it calls the balance is the API's.
fn is_alert(batch: &Batch, of: &str, row: &Row) -> bool {
    let authorizer = of.rsplit('#').find(|part| part.contains("-a")).unwrap_or_default();
    let mut balances = batch.balances.iter().filter(|(name, _)| name == authorizer);
    let said = column(row, "balance").unwrap_or("null");
    balances.any(|(_, amount)| amount == said) && row.columns.iter().all(|(name, _)| OF_ALERTS.contains(name))
}
