//! Fynapse's API: access tokens, and what they open.

use std::sync::Arc;

use axum::extract::rejection::FormRejection;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Form, Json, Router};
use http::StatusCode;
use serde::Deserialize;
use serde_json::json;

use super::admin;
use crate::lock::locked;
use crate::oauth::dead;
use crate::sandbox::Sandbox;

const CLIENT_ID: &str = "sandbox-fynapse-client";
const CLIENT_SECRET: &str = "sandbox-fynapse-secret";

pub(crate) fn router(sandbox: &Arc<Sandbox>) -> Router<Arc<Sandbox>> {
    let guarded = admin::router().route_layer(from_fn_with_state(sandbox.clone(), token_holder));
    Router::new().route("/auth/token", post(issue_token)).nest("/api/v1/event-deliveries", guarded)
}

#[derive(Deserialize)]
struct Credentials {
    grant_type: String,
    client_id: String,
    client_secret: String,
}

async fn issue_token(State(sandbox): State<Arc<Sandbox>>, form: Result<Form<Credentials>, FormRejection>) -> Response {
    let Ok(Form(form)) = form else {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "invalid_request" }))).into_response();
    };
    if form.grant_type != "client_credentials" {
        return (StatusCode::BAD_REQUEST, Json(json!({ "error": "unsupported_grant_type" }))).into_response();
    }
    if (form.client_id.as_str(), form.client_secret.as_str()) != (CLIENT_ID, CLIENT_SECRET) {
        return (StatusCode::UNAUTHORIZED, Json(json!({ "error": "invalid_client" }))).into_response();
    }
    let token = locked(&sandbox.dice).token();
    let expires_in =
        sandbox.providers.fynapse.tokens.issue(&token, sandbox.faults_of(&sandbox.providers.fynapse).token_life_ms);
    let answer = json!({ "access_token": token, "token_type": "Bearer", "expires_in": expires_in });
    Json(answer).into_response()
}

async fn token_holder(State(sandbox): State<Arc<Sandbox>>, request: Request, next: Next) -> Response {
    if sandbox.providers.fynapse.tokens.admits(request.headers()) {
        return next.run(request).await;
    }
    let status = sandbox.faults_of(&sandbox.providers.fynapse).dead_token_status;
    dead(&sandbox.providers.fynapse, status, "The access token is missing or no longer valid")
}
