//! All that is served over HTTP: the control API, the hour, and each provider's API behind its faults.

use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware::from_fn_with_state;

use crate::faults::gate::gate;
use crate::hour::felt::witness;
use crate::sandbox::Sandbox;
use crate::{control, finbox, fynapse, hour, rightfoot, runpayments};

/// A request to the sandbox: a webhook of Lambda's full size, written in base64 inside JSON.
const REQUEST_LIMIT_BYTES: usize = 16 * 1024 * 1024;

/// Everything the sandbox serves.
pub(crate) fn router(sandbox: &Arc<Sandbox>) -> Router {
    // Taken apart by name: a provider without routes of its own does not compile.
    let [rightfoot, fynapse, finbox, runpayments] = sandbox.providers();
    let served = [
        (rightfoot, rightfoot::api::router(sandbox), rightfoot::control::router()),
        (fynapse, fynapse::api::router(sandbox), Router::new()),
        (finbox, finbox::api::router(sandbox), finbox::control::router()),
        (runpayments, runpayments::api::router(sandbox), runpayments::control::router()),
    ];
    let mut app = control::router().merge(hour::router());
    for (provider, api, control) in served {
        // Counting and faults go around its API; a test sets its state under `/control/<name>`.
        let watched = from_fn_with_state((sandbox.clone(), provider.name()), gate);
        let witnessed = from_fn_with_state((sandbox.clone(), provider.name()), witness);
        app = app
            .nest(provider.base(), api.route_layer(watched).route_layer(witnessed))
            .nest(&format!("/control/{}", provider.name()), control);
    }
    app.layer(DefaultBodyLimit::max(REQUEST_LIMIT_BYTES)).with_state(sandbox.clone())
}
