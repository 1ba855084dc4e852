//! How each provider is reached: its circuit, its queue, and when its secrets were last used.

use std::collections::BTreeMap;
use std::sync::Arc;

use askama::Template;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use hookledger_core::model::time::UnixMs;

use super::frame::{Failure, Frame, html, tried};
use super::state::Console;
use crate::mend::dead::waiting;
use crate::said;
use crate::see::events::{self, Wanted};
use crate::see::status::{OfProvider, of_provider};

/// The latest events that are looked at for the last use of a secret.
const LOOKED_AT: usize = 300;

#[derive(Template)]
#[template(path = "providers.html")]
struct ProvidersPage {
    frame: Frame,
    rows: Vec<Row>,
    stopped: Vec<(String, String)>,
    secrets: Result<Secrets, Failure>,
    dead: Result<(u64, u64), Failure>,
    looked_at: usize,
}

struct Row {
    name: String,
    reached: Result<OfProvider, Failure>,
    /// What AWS said where the queue could not be asked.
    said: Vec<String>,
}

struct Secrets {
    last_uses: BTreeMap<(String, String), UnixMs>,
    since: UnixMs,
}

/// Shows it.
pub(crate) async fn page(State(console): State<Arc<Console>>) -> Response {
    let frame = Frame::new(&console, "/providers", "Providers");
    let (stack, inbox) = (&console.stack, &console.inbox);
    let mut rows = Vec::new();
    for id in stack.providers.iter().map(|provider| provider.id()) {
        let reached = tried("This provider", of_provider(stack, inbox, id)).await;
        let is_silent = reached.as_ref().is_ok_and(|reached| reached.depth.is_err());
        let said = if is_silent { said::take() } else { Vec::new() };
        rows.push(Row { name: id.to_string(), reached, said });
    }
    let stopped = stack.providers.all_stopped().map(|(id, error)| (id.to_string(), error.to_string())).collect();
    let latest = Wanted { limit: LOOKED_AT, ..Default::default() };
    let (found, dead) = tokio::join!(
        tried("The last use of each secret", events::find(stack, inbox, &latest)),
        tried("The dead letters", waiting(stack)),
    );
    let secrets = found.map(|found| Secrets { last_uses: found.last_uses, since: found.since });
    html(StatusCode::OK, &ProvidersPage { frame, rows, stopped, secrets, dead, looked_at: LOOKED_AT })
}
