//! All that is served over HTTP: the control API, the hour, and each provider's API behind its faults.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;

use crate::faults::gate::gate;
use crate::hour::felt::witness;
use crate::provider::Provider;
use crate::providers::with_providers;
use crate::sandbox::Sandbox;
use crate::{control, hour};

/// A request to the sandbox: a webhook of Lambda's full size, written in base64 inside JSON.
const REQUEST_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// A provider, its API, and what a test may set of its state.
type Served<'a> = (&'a dyn Provider, Router<Arc<Sandbox>>, Router<Arc<Sandbox>>);

macro_rules! routes {
    ($($name:ident $State:ident),+) => {
        fn routes(sandbox: &Arc<Sandbox>) -> Vec<Served<'_>> {
            vec![$((
                &sandbox.providers.$name,
                crate::providers::$name::api::router(sandbox),
                crate::providers::$name::control::router(),
            )),+]
        }
    };
}

with_providers!(routes);

/// Everything the sandbox serves.
pub(crate) fn router(sandbox: &Arc<Sandbox>) -> Router {
    let mut app = control::router().merge(hour::router());
    for (provider, api, control) in routes(sandbox) {
        // Counting and faults go around its API; a test sets its state under `/control/<name>`.
        let watched = from_fn_with_state((sandbox.clone(), provider.name()), gate);
        let witnessed = from_fn_with_state((sandbox.clone(), provider.name()), witness);
        app = app
            .nest(provider.base(), api.route_layer(watched).route_layer(witnessed))
            .nest(&format!("/control/{}", provider.name()), control);
    }
    app.layer(DefaultBodyLimit::max(REQUEST_LIMIT_BYTES)).with_state(sandbox.clone())
}
