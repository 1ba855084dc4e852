//! A subject is erased: its rows, bodies and documents go. What stays is the identity of each event, so that no redelivery
//! brings it back, the facts of its status, which name nobody, and what people did.

use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use futures_util::stream::{self, StreamExt as _, TryStreamExt as _};
use hookledger_core::model::act::Act;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::StoreError;

use super::codec::Encoding;
use super::desk::{HISTORY, act_value};
use super::item::{Chunks, Item, Place, Reader, Stored, key_attributes, key_of, ms, s, ttl};
use super::read::{collection, walk};
use super::table::{DynamoLedger, store_error};
use super::write::Update;

/// The most rows of one subject.
const MAX_ROWS: usize = 1_000_000;
/// Rows under way at a time.
const AT_ONCE: usize = 16;
/// Why an entry is ignored whose content was erased.
const ERASED: &str = "erased by a person";
/// What is read of a row to erase it: no content.
const NAMES: [&str; 8] =
    ["pk", "sk", "state", "body_bytes", "body_digest", "body_chunks", "document_digest", "document_chunks"];

/// What there is of a subject, or was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Content {
    /// Entries, of which the identity stays.
    pub entries: usize,
    /// Result rows.
    pub rows: usize,
    /// Expectations and watches.
    pub expectations: usize,
    /// Pieces of bodies and documents that lie beside their rows.
    pub pieces: usize,
    /// Rows that are still owed: nothing may be erased before they are settled, or closed.
    pub owed: usize,
}

/// What becomes of a row.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Entry,
    Expectation,
    Result,
    /// It stays: a fact, a status, what people did.
    Stays,
}

struct Part {
    key: ItemKey,
    kind: Kind,
    is_owed: bool,
    chunks: Option<Chunks>,
}

impl DynamoLedger {
    /// Writes down what a person did that changes no row of the subject's own.
    pub async fn note(&self, subject: &str, act: &Act, expires_at: UnixMs) -> Result<(), StoreError> {
        let key = Subject::from_stored(subject.to_string()).item(HISTORY);
        // Person against person: both are added.
        let update = Update::only_if(&key, "attribute_exists(#pk) OR attribute_not_exists(#pk)");
        update.append(HISTORY, act_value(act)).set("expires_at", ttl(expires_at)).send(&self.table).await.map(drop)
    }

    /// What could be erased of a subject.
    pub async fn content(&self, subject: &str) -> Result<Content, StoreError> {
        Ok(sum(&self.parts(subject).await?))
    }

    /// Erases a subject, if nothing of it is owed. May be done again where it was cut short.
    pub async fn erase(&self, subject: &str, act: &Act, expires_at: UnixMs) -> Result<Content, StoreError> {
        let parts = self.parts(subject).await?;
        let content = sum(&parts);
        if content.owed > 0 {
            return Err(StoreError::Refused("something of this subject is still owed"));
        }
        // First, so that no row goes without a trace.
        self.note(subject, act, expires_at).await?;
        let erased = stream::iter(&parts).map(|part| self.erase_part(part, act, expires_at)).buffer_unordered(AT_ONCE);
        erased.try_collect::<()>().await?;
        Ok(content)
    }

    async fn parts(&self, subject: &str) -> Result<Vec<Part>, StoreError> {
        let mut query = collection(&self.table, subject, "");
        for name in NAMES {
            query = query.expression_attribute_names(format!("#{name}"), name);
        }
        let names: Vec<String> = NAMES.iter().map(|name| format!("#{name}")).collect();
        let items = walk(query.projection_expression(names.join(", ")), MAX_ROWS).await?;
        Ok(items.iter().filter_map(Part::of).collect())
    }

    async fn erase_part(&self, part: &Part, act: &Act, expires_at: UnixMs) -> Result<(), StoreError> {
        // The pieces first: what names them is still there if this is cut short.
        for key in part.chunks.iter().flat_map(|chunks| super::bodies::chunk_keys(&part.key, chunks)) {
            self.delete(&key, None).await?;
        }
        match part.kind {
            Kind::Stays => Ok(()),
            Kind::Result => self.delete(&part.key, None).await,
            // A person against an application that announces it anew: what waits is not touched.
            Kind::Expectation => self.delete(&part.key, Some("waiting")).await,
            Kind::Entry => self.empty(&part.key, act, expires_at).await,
        }
    }

    /// Leaves of an entry what makes its identity.
    async fn empty(&self, key: &ItemKey, act: &Act, expires_at: UnixMs) -> Result<(), StoreError> {
        let nothing = Stored { encoding: Encoding::Plain, length: 0, place: Place::Inline(Vec::new()) };
        let mut item = Item::new();
        nothing.put("body", &mut item);
        // A person against a delivery that opened it meanwhile: what is owed keeps its body.
        let mut update = Update::only_if(key, "#state <> :open").value("open", s(State::Open.as_str()));
        for (name, value) in item {
            update = update.set(&name, value);
        }
        let gone = ["body_digest", "body_chunks", "notes", "frozen_detail", "progress", "due_shard", "due_at"];
        update = gone.into_iter().fold(update, Update::remove);
        let written = update
            .set("state", s(State::Ignored.as_str()))
            .set("reason", s(ERASED))
            .set("settled_at", ms(act.at))
            .set("expires_at", ttl(expires_at))
            .append(HISTORY, act_value(act))
            .send(&self.table)
            .await?;
        if written.happened() { Ok(()) } else { Err(StoreError::Refused("an entry was delivered again meanwhile")) }
    }

    async fn delete(&self, key: &ItemKey, unless_state: Option<&str>) -> Result<(), StoreError> {
        let mut call = self.table.client.delete_item().table_name(&self.table.name);
        call = call.set_key(Some(key_attributes(key)));
        if let Some(state) = unless_state {
            call = call.condition_expression("#state <> :state").expression_attribute_names("#state", "state");
            call = call.expression_attribute_values(":state", s(state));
        }
        match call.send().await {
            Ok(_) => Ok(()),
            Err(error) => match error.as_service_error() {
                Some(DeleteItemError::ConditionalCheckFailedException(_)) => {
                    Err(StoreError::Refused("an expectation was announced again meanwhile"))
                }
                _ => Err(store_error(&error)),
            },
        }
    }
}

impl Part {
    fn of(item: &Item) -> Option<Self> {
        let key = key_of(item)?;
        let reader = Reader::new(item, &key);
        let kind = match key.sk.split('#').next()? {
            "event" => Kind::Entry,
            "expectation" | "watch" => Kind::Expectation,
            "fact" | "state" | HISTORY => Kind::Stays,
            _ => Kind::Result,
        };
        let state = reader.optional_text("state").unwrap_or_default();
        let is_owed = matches!((kind, state.as_str()), (Kind::Entry, "open") | (Kind::Expectation, "waiting"));
        let chunks = reader.chunks("body").or_else(|| reader.chunks("document"));
        Some(Self { kind, is_owed, chunks, key })
    }
}

fn sum(parts: &[Part]) -> Content {
    let count = |kind| parts.iter().filter(|part| part.kind == kind).count();
    Content {
        entries: count(Kind::Entry),
        rows: count(Kind::Result),
        expectations: count(Kind::Expectation),
        pieces: parts.iter().filter_map(|part| part.chunks.as_ref()).map(|chunks| chunks.count).sum(),
        owed: parts.iter().filter(|part| part.is_owed).count(),
    }
}
