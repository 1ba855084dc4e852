//! Fynapse's part of the control API. What it knows, it is told over its own API, or by what it sends.

use std::sync::Arc;

use axum::Router;

use crate::sandbox::Sandbox;

pub(crate) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
}
