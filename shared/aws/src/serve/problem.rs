//! What is answered to an order that can't be carried out.

use serde_json::json;

use crate::enter::gateway::Response;

pub(super) fn problem(status: u16, what: &str) -> Response {
    Response::json(status, json!({ "error": what }).to_string())
}
