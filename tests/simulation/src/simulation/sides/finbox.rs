//! FinBox's half of the history: links, their statements and failed attempts, and sessions. Sent once, or not at all.

mod answers;

use hookledger_core::model::identity::{ItemKey, digest_hex};
use hookledger_core::model::provider_call::{ApiError, ApiResponse};
use hookledger_core::model::time::UnixMs;

use crate::memory::StoredEntry;
use crate::simulation::author::Author;
use crate::simulation::engine::seen::Violations;
use crate::simulation::plot::{Announced, Effect, FORGED, Forgery, Forging, LEAKED, OVERTAKEN, Plot, key};
use crate::simulation::send::{NETWORKS, STATIC_HEADER};
use crate::simulation::side::{Drawn, Held, Look, RESULTS, SHORT, Side};

const NAME: &str = "finbox";
/// The entity of an attempt that names neither statement nor link.
pub(crate) const ALONE: &str = "alone";
const ENRICHMENT: &str = "ENRICHMENT_NOTIFICATION";

/// One upload of a statement.
pub(crate) struct Statement {
    entity: String,
    link: Option<String>,
    id: String,
    started_at: UnixMs,
    ended_at: UnixMs,
    progress: &'static str,
    /// When a failed one was completed after all.
    pub(crate) completed_at: Option<UnixMs>,
}

/// Attempts that look the same when they are pushed: only the link's list tells how many there were.
pub(crate) struct Alike {
    pub(crate) entity: String,
    pub(crate) link: String,
    pub(crate) reason: &'static str,
    pub(crate) at: Vec<UnixMs>,
}

/// An attempt that failed before there was a statement, without a link. Its entity tells of it, in words of its own.
pub(crate) struct Alone {
    pub(crate) at: UnixMs,
    /// What the API says of it.
    pub(crate) message: &'static str,
}

impl Alike {
    /// The entry of the `n`th of them.
    pub(crate) fn key(&self, n: usize) -> ItemKey {
        let digits = if self.reason.is_empty() { 0 } else { 32 };
        let mark: String = digest_hex(self.reason.as_bytes()).chars().take(digits).collect();
        key(NAME, "entity", &self.entity, &["attempt", &self.link, "failed", &mark, &n.to_string()])
    }
}

pub(crate) struct Session {
    pub(crate) id: String,
    /// When its upload was complete, or the session over.
    pub(crate) ended_at: UnixMs,
    /// When it is processed, which nobody can ask for before its upload is complete.
    pub(crate) processed_at: UnixMs,
    pub(crate) expired: bool,
    /// Of an expired one: whether it is gone.
    deleted: bool,
}

/// Everything FinBox knows.
#[derive(Default)]
pub(crate) struct FinBox {
    pub(crate) statements: Vec<Statement>,
    pub(crate) alike: Vec<Alike>,
    pub(crate) sessions: Vec<Session>,
    /// The attempts that name neither statement nor link.
    pub(crate) alone: Option<Alone>,
    /// The entries that tell of a session that was processed.
    pub(crate) enrichments: Vec<ItemKey>,
}

impl Statement {
    fn reason(&self) -> &'static str {
        if self.progress == "failed" { "password" } else { "" }
    }

    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// The link it belongs to.
    pub(crate) fn link(&self) -> Option<&str> {
        self.link.as_deref()
    }

    /// Whether it ended well.
    pub(crate) fn completed(&self) -> bool {
        self.progress == "completed"
    }

    /// Every second statement of an entity never gets a payload, as if FinBox had failed before it made one: only the
    /// link's entities tell of it.
    fn is_listed(&self) -> bool {
        !self.id.ends_with("s2")
    }

    /// The entry of this upload.
    pub(crate) fn key(&self) -> ItemKey {
        key(NAME, "entity", &self.entity, &["statement", &self.id, self.progress])
    }

    /// The entry of what overtook it.
    pub(crate) fn completion(&self) -> ItemKey {
        key(NAME, "entity", &self.entity, &["statement", &self.id, "completed"])
    }
}

impl Side for FinBox {
    fn provider(&self) -> &'static str {
        NAME
    }

    fn settings(&self, drawn: &Drawn) -> Vec<(&'static str, &'static str)> {
        let held = |setting| if drawn.held { setting } else { "" };
        vec![("FINBOX_ALLOWED_CIDRS", held(NETWORKS)), ("FINBOX_STATIC_HEADER", held(STATIC_HEADER))]
    }

    fn answer(&self, url: &str, look: &Look<'_>) -> Option<Result<ApiResponse, ApiError>> {
        let (_, path) = url.split_once("/bank-connect/v1/")?;
        Some(self.answer_at(path, look.seen_at))
    }

    fn lists(&self) -> &'static [&'static str] {
        &[]
    }

    fn forget_page(&self) {}

    fn passed_over(&self, _: Option<u64>, _: &Held<'_>) -> Option<String> {
        None
    }

    fn results(&self, held: &Held<'_>) -> Violations {
        let mut found = Vec::new();
        for statement in &self.statements {
            let Some(StoredEntry { entry, .. }) = held.done(&statement.key()) else { continue };
            if entry.reason.as_ref().is_some_and(|reason| reason.starts_with(OVERTAKEN)) {
                // It was overtaken because the provider said so, and this is told.
                let told = statement.completed_at.is_none() || held.memory.holds(&statement.completion());
                if !told {
                    found.push(("what overtakes is told", format!("{} is overtaken, by what?", statement.key())));
                }
                continue;
            }
            let wanted: &[&str] = if statement.completed() { &["transactions", "accounts"] } else { &["failure#"] };
            if !held.has_rows(&statement.key(), wanted) {
                found.push((RESULTS, format!("{} has no rows", statement.key())));
            }
        }
        let done = self.enrichments.iter().filter(|key| held.done(key).is_some());
        let short = done.filter(|key| !held.has_rows(key, &["progress", "upload"]));
        found.extend(short.map(|key| (SHORT, format!("{key} has not all its rows"))));
        found
    }
}

impl FinBox {
    pub(crate) fn new(author: &Author<'_>, plot: &mut Plot) -> Self {
        let dice = author.dice;
        let mut finbox = Self::default();
        for link in 1..=dice.between(1, 2) {
            finbox.link(author, plot, &format!("l{link}"));
        }
        if dice.percent(50) {
            finbox.statement(author, plot, "manual", None, "s-manual");
        }
        for n in 0..dice.below(3) {
            finbox.session(author, plot, &format!("x{n}"));
        }
        if author.held {
            let how = dice.pick(&[Forging::Elsewhere, Forging::Headless]);
            let body = pushed(&format!("{FORGED}-held"), &format!("{FORGED}-held"), None, "completed", "");
            plot.forgeries.push(Forgery { provider: NAME, at: author.moment(), how, body });
        }
        for n in 0..dice.below(3) {
            let how = dice.pick(&[Forging::Bare, Forging::Guessed, Forging::Cut]);
            let body = pushed(&format!("{FORGED}-{n}"), &format!("{FORGED}-{n}"), None, "completed", "");
            plot.forgeries.push(Forgery { provider: NAME, at: author.moment(), how, body });
        }
        if dice.percent(30) {
            // A statement that is none, of an entity that may be; or a true statement's opposite.
            // What is claimed of one that comes true later is early, not forged.
            let statement = finbox.statements.first().filter(|s| s.completed_at.is_none()).filter(|_| dice.percent(50));
            let id = statement.map_or(format!("{LEAKED}-1"), |statement| statement.id.clone());
            let progress =
                statement.map_or("completed", |s| if s.progress == "failed" { "completed" } else { "failed" });
            let entity = statement.map_or("l1-e1".to_string(), |statement| statement.entity.clone());
            let body = pushed(&entity, &id, Some("l1"), progress, LEAKED);
            plot.forgeries.push(Forgery { provider: NAME, at: author.moment(), how: Forging::Leaked, body });
        }
        finbox
    }

    fn link(&mut self, author: &Author<'_>, plot: &mut Plot, link: &str) {
        let dice = author.dice;
        for e in 1..=dice.between(1, 2) {
            let entity = format!("{link}-e{e}");
            for s in 1..=dice.below(3) {
                self.statement(author, plot, &entity, Some(link), &format!("{entity}-s{s}"));
            }
            if dice.percent(45) {
                self.alike(author, plot, &entity, link);
            }
            if dice.percent(40) {
                let of_entity = || self.statements.iter().filter(|statement| statement.entity == entity);
                let complete_at = of_entity().map(|statement| statement.ended_at).max();
                let at = author.around(complete_at.unwrap_or(author.start));
                plot.announced.push(Announced {
                    provider: NAME,
                    reference: format!("entity:{entity}"),
                    at,
                    closed_at: author.closed(at),
                    complete_at,
                });
            }
        }
        if dice.percent(50) {
            let (reference, at) = (format!("link:{link}"), author.around(author.start));
            let closed_at = author.closed(at);
            plot.announced.push(Announced { provider: NAME, reference, at, closed_at, complete_at: None });
        }
    }

    fn statement(&mut self, author: &Author<'_>, plot: &mut Plot, entity: &str, link: Option<&str>, id: &str) {
        let dice = author.dice;
        let (sent_at, progress) = (author.moment(), dice.pick(&["completed", "completed", "completed", "failed"]));
        // The API may show the end a little after the webhook was sent.
        let ended_at = sent_at.plus_ms(if dice.percent(30) { dice.below(60_000) } else { 0 });
        let started_at = UnixMs(sent_at.0 - i64::try_from(dice.between(1_000, 300_000)).unwrap());
        let (entity, link, id) = (entity.to_string(), link.map(str::to_string), id.to_string());
        // Only where no list holds both: what is overtaken is told by its webhook alone.
        let overtaken = link.is_none() && progress == "failed" && dice.percent(70);
        let completed_at = overtaken.then(|| ended_at.plus_ms(dice.between(1_000, 600_000)));
        let statement = Statement { entity, link, id, started_at, ended_at, progress, completed_at };
        plot.found_by_asking.push((statement.key(), sent_at));
        let body = pushed(&statement.entity, &statement.id, statement.link.as_deref(), progress, statement.reason());
        // A name that is empty is none: this is no session.
        let body = if dice.percent(20) { body.replacen('{', r#"{"event_name":"","#, 1) } else { body };
        author.tell(plot, NAME, statement.key(), sent_at, body, Effect::Own);
        if let Some(at) = completed_at {
            let (entity, id) = (statement.entity.as_str(), statement.id.as_str());
            let completed = statement.completion();
            plot.found_by_asking.push((completed.clone(), at));
            author.tell(plot, NAME, completed, at, pushed(entity, id, None, "completed", ""), Effect::Own);
        }
        self.statements.push(statement);
    }

    fn alike(&mut self, author: &Author<'_>, plot: &mut Plot, entity: &str, link: &str) {
        let dice = author.dice;
        let mut at = author.moment();
        let (entity, link, reason) = (entity.to_string(), link.to_string(), dice.pick(&["wrong login", ""]));
        let mut alike = Alike { entity, link, reason, at: Vec::new() };
        for n in 1..=dice.between(1, 3) {
            alike.at.push(at);
            plot.found_by_asking.push((alike.key(usize::try_from(n).unwrap()), at));
            let body = pushed(&alike.entity, "", Some(&alike.link), "failed", alike.reason);
            author.tell(plot, NAME, alike.key(1), at, body, Effect::Alike(self.alike.len()));
            at = at.plus_ms(if dice.percent(30) { dice.below(900) } else { dice.between(2_000, 600_000) });
        }
        self.alike.push(alike);
    }

    /// An attempt that fails without a link, before there is a statement.
    pub(crate) fn alone(&mut self, author: &Author<'_>, plot: &mut Plot) {
        if author.dice.percent(50) {
            return;
        }
        let (at, message) = (author.moment(), author.dice.pick(&["no such bank", "no such bank", ""]));
        let mark: String =
            digest_hex(message.as_bytes()).chars().take(if message.is_empty() { 0 } else { 32 }).collect();
        let entry = key(NAME, "entity", ALONE, &["attempt", "", "failed", &mark, "1"]);
        author.tell(plot, NAME, entry, at, pushed(ALONE, "", None, "failed", message), Effect::Own);
        self.alone = Some(Alone { at, message });
    }

    fn session(&mut self, author: &Author<'_>, plot: &mut Plot, id: &str) {
        let dice = author.dice;
        let (ended_at, expired) = (author.moment(), dice.percent(30));
        let name = if expired { "SESSION_EXPIRY_NOTIFICATION" } else { "SESSION_REQUIREMENT_COMPLETION_NOTIFICATION" };
        let accounts = if expired { "[]" } else { r#"[{"account_id":"a1","status":"completed"}]"# };
        let states = if expired { String::new() } else { r#"{"account_id":"a1","status":"completed"}"#.to_string() };
        let states: String = digest_hex(states.as_bytes()).chars().take(32).collect();
        let body = format!(r#"{{"event_name":"{name}","session_id":"{id}","accounts":{accounts},"message":"x"}}"#);
        author.tell(plot, NAME, key(NAME, "session", id, &[name, id, &states]), ended_at, body, Effect::Own);
        let processed_at = ended_at.plus_ms(dice.between(1_000, 300_000));
        if !expired {
            plot.found_by_asking.push((key(NAME, "session", id, &["SESSION_PROGRESS_COMPLETED", id]), processed_at));
            let body =
                format!(r#"{{"event_name":"{ENRICHMENT}","session_id":"{id}","accounts":{accounts},"message":"x"}}"#);
            let enriched = key(NAME, "session", id, &[ENRICHMENT, id, &states]);
            author.tell(plot, NAME, enriched.clone(), processed_at, body, Effect::Own);
            self.enrichments.push(enriched);
        }
        if dice.percent(50) {
            let complete_at = (!expired).then_some(processed_at);
            let (reference, at) = (format!("session:{id}"), author.around(processed_at));
            let closed_at = author.closed(at);
            plot.announced.push(Announced { provider: NAME, reference, at, closed_at, complete_at });
        }
        let deleted = dice.percent(50);
        self.sessions.push(Session { id: id.to_string(), ended_at, processed_at, expired, deleted });
    }
}

fn pushed(entity: &str, statement: &str, link: Option<&str>, progress: &str, reason: &str) -> String {
    let link = link.map_or("null".to_string(), |link| format!("\"{link}\""));
    format!(
        r#"{{"entity_id":"{entity}","statement_id":"{statement}","link_id":{link},"progress":"{progress}","reason":"{reason}"}}"#
    )
}
