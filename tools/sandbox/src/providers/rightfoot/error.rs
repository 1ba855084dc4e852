//! How Rightfoot writes an error.

use axum::Json;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::json;

use crate::deliveries::now;

/// The error object of the API reference.
pub(super) fn error(status: StatusCode, message: &str, batch_id: Option<&str>) -> Response {
    let code = status.canonical_reason().unwrap_or("Error").to_uppercase().replace(' ', "_");
    coded(status, &code, message, batch_id)
}

/// The same with a code of its own.
pub(super) fn coded(status: StatusCode, code: &str, message: &str, batch_id: Option<&str>) -> Response {
    let body = json!({
        "status": "error",
        "status_code": status.as_u16(),
        "error": {
            "code": code,
            "message": message,
            "timestamp": now(),
            "suggestion": "See the documentation of this call",
        },
        "batch_id": batch_id,
        "documentation_url": "https://docs.rightfoot.com",
    });
    (status, Json(body)).into_response()
}
