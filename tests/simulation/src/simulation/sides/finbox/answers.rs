//! What FinBox's API answers, as things stand at a moment.

use std::collections::BTreeSet;

use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;

use super::{ALONE, FinBox, Statement, pushed};
use crate::memory::answer;

impl FinBox {
    /// Everything below `/bank-connect/v1/`.
    pub(super) fn answer_at(&self, path: &str, now: UnixMs) -> Result<ApiResponse, ApiError> {
        if let Some(link) = path.strip_prefix("entity/webhook_payloads/?link_id=") {
            return answer(200, self.payloads(link, now));
        }
        if let Some(link) = path.strip_prefix("entity/?link_id=") {
            return answer(200, self.mapping(link.split('&').next().unwrap_or_default(), now));
        }
        let mut parts = path.split('/');
        match (parts.next(), parts.next(), parts.next()) {
            (Some("entity"), Some(entity), Some("transactions")) => self.transactions(entity, now),
            (Some("entity"), Some(entity), Some("accounts")) => {
                answer(200, format!(r#"{{"entity_id":"{entity}","accounts":[{{"balance":"1.10"}}]}}"#))
            }
            (Some("session_data"), Some(session), Some(asked)) => {
                self.session_answer(session, asked == "progress", now)
            }
            _ => answer(404, "{}"),
        }
    }

    /// Every payload of a link so far, newest first, dated to the second.
    fn payloads(&self, link: &str, now: UnixMs) -> String {
        let mut sent: Vec<(UnixMs, String)> = Vec::new();
        let listed = |statement: &&Statement| statement.link() == Some(link) && statement.is_listed();
        for statement in self.statements.iter().filter(listed) {
            let body = pushed(&statement.entity, &statement.id, Some(link), statement.progress, statement.reason());
            sent.push((statement.ended_at, body));
        }
        for alike in self.alike.iter().filter(|alike| alike.link == link) {
            let body = pushed(&alike.entity, "", Some(link), "failed", alike.reason);
            sent.extend(alike.at.iter().map(|at| (*at, body.clone())));
        }
        sent.retain(|(at, _)| *at <= now);
        sent.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        let dated = |(at, body): &(UnixMs, String)| {
            let date_time = at.to_string().chars().take(19).collect::<String>().replace('T', " ");
            body.replacen('{', &format!(r#"{{"date_time":"{date_time}","#), 1)
        };
        format!(r#"{{"payloads":[{}]}}"#, sent.iter().map(dated).collect::<Vec<_>>().join(","))
    }

    /// The entities of a link so far. There are never as many as would fill a page.
    fn mapping(&self, link: &str, now: UnixMs) -> String {
        let of_link = |statement: &&Statement| statement.link() == Some(link) && statement.started_at <= now;
        let entities: BTreeSet<&str> =
            self.statements.iter().filter(of_link).map(|statement| statement.entity.as_str()).collect();
        let rows: Vec<String> =
            entities.into_iter().map(|entity| format!(r#"{{"entity_id":"{entity}","link_id":"{link}"}}"#)).collect();
        format!(r#"{{"count":{},"next":null,"previous":null,"results":[{}]}}"#, rows.len(), rows.join(","))
    }

    fn transactions(&self, entity: &str, now: UnixMs) -> Result<ApiResponse, ApiError> {
        let started = |statement: &&Statement| statement.entity == entity && statement.started_at <= now;
        let mut progress: Vec<String> = self
            .statements
            .iter()
            .filter(started)
            .map(|statement| {
                let status = match statement.completed_at {
                    Some(at) if at <= now => "completed",
                    _ if statement.ended_at <= now => statement.progress,
                    _ => "processing",
                };
                format!(r#"{{"status":"{status}","statement_id":"{}","source":"pdf","message":null}}"#, statement.id)
            })
            .collect();
        if let Some(alone) = self.alone.as_ref().filter(|alone| entity == ALONE && alone.at <= now) {
            let (status, message) = ("failed", alone.message);
            progress.push(format!(r#"{{"status":"{status}","statement_id":null,"source":"","message":"{message}"}}"#));
        }
        let failed = self.alike.iter().any(|alike| alike.entity == entity && alike.at.iter().any(|at| *at <= now));
        if progress.is_empty() && !failed {
            return answer(404, "{}");
        }
        let progress = progress.join(",");
        answer(
            200,
            format!(r#"{{"entity_id":"{entity}","progress":[{progress}],"transactions":[{{"amount":-1.10}}]}}"#),
        )
    }

    /// What a session's progress or upload is answered with: before it is processed, its progress is an error.
    fn session_answer(&self, id: &str, progress: bool, now: UnixMs) -> Result<ApiResponse, ApiError> {
        let Some(session) = self.sessions.iter().find(|session| session.id == id) else { return answer(404, "{}") };
        let is_over = session.ended_at <= now;
        if session.expired && session.deleted && is_over {
            return answer(410, "{}");
        }
        if progress {
            return match session.processed_at <= now {
                true if !session.expired => answer(200, r#"{"session_progress":"completed"}"#),
                _ => answer(400, r#"{"error":{"code":"PROCESSING_NOT_REQUESTED"}}"#),
            };
        }
        let status = match (session.expired, is_over) {
            (_, false) => "PENDING",
            (true, true) => "EXPIRED",
            (false, true) => "COMPLETED",
        };
        answer(200, format!(r#"{{"session_id":"{id}","upload_status":"{status}","accounts":[]}}"#))
    }
}
