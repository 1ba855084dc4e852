//! The envelope of Run Payments' webhooks.

use serde::Deserialize;

use crate::providers::contract::Unreadable;
use crate::providers::json::{Field, Part, object, object_text};

#[derive(Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(borrow)]
    pub(super) event_type: Field<'a>,
    #[serde(borrow)]
    pub(super) source_id: Field<'a>,
    #[serde(borrow)]
    pub(super) timestamp: Field<'a>,
    #[serde(borrow)]
    pub(super) payload: Field<'a>,
    #[serde(borrow)]
    pub(super) metadata: Field<'a>,
}

/// The same, read to the ends that say which event it is. Not every envelope is one: its parts may have any shape.
#[derive(Deserialize)]
pub(super) struct Delivered<'a> {
    #[serde(borrow)]
    pub(super) event_type: Field<'a>,
    #[serde(borrow)]
    pub(super) source_id: Field<'a>,
    #[serde(borrow)]
    pub(super) timestamp: Field<'a>,
    #[serde(borrow)]
    pub(super) payload: Option<Part<BoardingPayload<'a>>>,
    #[serde(borrow)]
    pub(super) metadata: Option<Part<Metadata<'a>>>,
}

impl<'a> Delivered<'a> {
    pub(super) fn read(body: &'a [u8]) -> Result<Self, Unreadable> {
        let in_one_pass = std::str::from_utf8(body).ok().and_then(|text| object_text(text).ok());
        if let Some(read) = in_one_pass {
            return Ok(read);
        }
        let Envelope { event_type, source_id, timestamp, payload, metadata } = object(body)?;
        let (payload, metadata) = (Some(Part(part(payload))), Some(Part(part(metadata))));
        Ok(Self { event_type, source_id, timestamp, payload, metadata })
    }
}

#[derive(Default, Deserialize)]
pub(super) struct Metadata<'a> {
    #[serde(borrow)]
    pub(super) idempotency_key: Field<'a>,
    #[serde(borrow)]
    pub(super) webhook_id: Field<'a>,
}

/// The ids a boarding payload may name its merchant by; older ones say `event_table_pk`.
#[derive(Default, Deserialize)]
pub(super) struct BoardingPayload<'a> {
    #[serde(borrow)]
    pub(super) merchant_id: Field<'a>,
    #[serde(borrow)]
    pub(super) event_table_pk: Field<'a>,
}

/// Parts of a body that need not be there: an object of another shape counts as absent.
fn part<'a, T: Deserialize<'a> + Default>(field: Field<'a>) -> T {
    field.said().and_then(|raw| object(raw.get().as_bytes()).ok()).unwrap_or_default()
}
