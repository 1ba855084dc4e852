//! The weather as it was felt: which calls of the providers' APIs failed in an hour, and which were answered oddly.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::StatusCode;
use tokio::time::Instant;

use super::playing::{Act, Playing};
use super::weather::{Trouble, Weather};
use crate::lock::locked;
use crate::odd::marks;
use crate::sandbox::Sandbox;

/// The longest that trouble which nobody has met goes on past its end, in the hour's own time.
const UNMET_LIMIT_MS: u64 = 24 * 60_000;
/// How often it is looked whether anybody has.
const GLANCE: Duration = Duration::from_millis(50);

/// Counts the calls of the providers' APIs that fail while an hour is played: the weather as it was felt. "Not yet" is no
/// failure. What is answered oddly is counted until the next hour: a batch is as odd for whoever asks late.
pub(crate) async fn witness(
    State((sandbox, name)): State<(Arc<Sandbox>, &'static str)>,
    request: Request,
    next: Next,
) -> Response {
    let response = next.run(request).await;
    let status = response.status();
    let hour = locked(&sandbox.hour).clone();
    let Some(hour) = hour.filter(|hour| !hour.is(Act::Planned)) else { return response };
    let mut progress = locked(&hour.progress);
    let failed = status.is_server_error() || status.is_client_error() && status != StatusCode::NOT_FOUND;
    if failed && progress.stage == Act::Playing {
        *progress.failed_calls.entry(name).or_default().entry(status.as_u16()).or_default() += 1;
    }
    for kind in marks(&response) {
        *progress.odd_answers.entry(name).or_default().entry(kind).or_default() += 1;
    }
    response
}

/// On a busy machine trouble of seconds may pass before anybody asks, and would show nothing: what has to be seen lasts
/// until a call has met it, but not for ever.
pub(super) async fn met(hour: &Playing, weather: &Weather) {
    let limit = Instant::now() + hour.real(UNMET_LIMIT_MS);
    let is_met = || {
        let progress = locked(&hour.progress);
        match weather.ends() {
            None => true,
            Some(Trouble::Outage) => {
                let calls = progress.failed_calls.get(weather.provider);
                calls.is_some_and(|calls| calls.keys().any(|status| *status >= 500))
            }
            Some(Trouble::Odd(kind)) => {
                progress.odd_answers.get(weather.provider).is_some_and(|odd| odd.contains_key(kind))
            }
        }
    };
    while !is_met() && Instant::now() < limit {
        tokio::time::sleep(GLANCE).await;
    }
}
