//! A delivery's fields, before it is decided which flow it belongs to.

use serde::Deserialize;

use crate::providers::contract::Unreadable;
use crate::providers::json::{Field, object};

use super::attempt::Attempt;

/// Both flows arrive at one URL; `event_name` tells the session flow.
#[derive(Deserialize)]
pub(super) struct Body<'a> {
    #[serde(borrow)]
    pub(super) event_name: Field<'a>,
    #[serde(borrow)]
    pub(super) session_id: Field<'a>,
    #[serde(borrow)]
    pub(super) accounts: Field<'a>,
}

/// A delivery, with the fields of both flows.
#[derive(Deserialize)]
pub(super) struct Pushed<'a> {
    #[serde(borrow)]
    pub(super) event_name: Field<'a>,
    #[serde(borrow)]
    pub(super) session_id: Field<'a>,
    #[serde(borrow)]
    pub(super) accounts: Field<'a>,
    #[serde(borrow)]
    pub(super) entity_id: Field<'a>,
    #[serde(borrow)]
    pub(super) statement_id: Field<'a>,
    #[serde(borrow)]
    pub(super) link_id: Field<'a>,
    #[serde(borrow)]
    pub(super) progress: Field<'a>,
    #[serde(borrow)]
    pub(super) reason: Field<'a>,
}

/// Reads a delivery as both flows have it. Each is read by itself where the two together can't be: a flaw in one flow's
/// fields is none of the other's.
pub(super) fn pushed(body: &[u8]) -> Result<(Body<'_>, Result<Attempt<'_>, Unreadable>), Unreadable> {
    let Ok(read) = object::<Pushed<'_>>(body) else { return Ok((object(body)?, object(body))) };
    let Pushed { event_name, session_id, accounts, entity_id, statement_id, link_id, progress, reason } = read;
    let attempt = Attempt { entity_id, statement_id, link_id, progress, reason };
    Ok((Body { event_name, session_id, accounts }, Ok(attempt)))
}
