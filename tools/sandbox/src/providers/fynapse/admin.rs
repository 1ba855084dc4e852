//! Fynapse's configuration API: secrets, subscriptions and the audit of deliveries.
//!
//! Activating a subscription makes it the one events go to, with its endpoint and its secret: the sandbox sends to one
//! receiver, so the last activation wins.

use std::sync::Arc;

use axum::extract::{Path, Query, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use bytes::Bytes;
use http::StatusCode;
use serde::Deserialize;

use super::page::{PageQuery, found, page};
use super::state::{ACTIVE, INACTIVE, Row, Secret, Subscription};
use crate::config::loopback;
use crate::deliveries::now;
use crate::lock::locked;
use crate::provider::Provider;
use crate::sandbox::Sandbox;

pub(super) fn router() -> Router<Arc<Sandbox>> {
    Router::new()
        .route("/secrets", post(create_secret).get(list_secrets))
        .route("/secrets/{id}", get(get_secret).delete(delete_secret))
        .route("/secrets/{id}/rotate", post(rotate_secret))
        .route("/subscriptions", post(create_subscription).get(list_subscriptions))
        // Which method an update and the other two take is not public.
        .route("/subscriptions/{id}", get(get_subscription).put(update_subscription).patch(update_subscription))
        .route("/subscriptions/{id}/activate", post(activate).put(activate).patch(activate))
        .route("/subscriptions/{id}/deactivate", post(deactivate).put(deactivate).patch(deactivate))
        .route("/subscriptions/{id}/deliveries", get(subscription_deliveries))
        .route("/deliveries", get(deliveries))
        .route("/deliveries/{id}", get(delivery))
}

#[derive(Deserialize)]
struct NewSecret {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewSubscription {
    name: String,
    endpoint_url: String,
    secret_ref: Option<String>,
    #[serde(default)]
    event_types: Vec<String>,
    description: Option<String>,
}

async fn create_secret(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let Ok(new) = serde_json::from_slice::<NewSecret>(&body) else {
        return sandbox.providers.fynapse.error(StatusCode::BAD_REQUEST, "name is required");
    };
    let (id, value) = {
        let mut dice = locked(&sandbox.dice);
        (dice.uuid(), dice.token())
    };
    let secret = Secret { id, name: new.name, value: Some(value), previous: None, created_at: now() };
    locked(&sandbox.providers.fynapse.secrets).put(&secret.id, secret.clone());
    (StatusCode::CREATED, Json(secret)).into_response()
}

async fn list_secrets(State(sandbox): State<Arc<Sandbox>>, Query(query): Query<PageQuery>) -> Response {
    let secrets = locked(&sandbox.providers.fynapse.secrets).iter().map(|(_, secret)| secret.without_value()).collect();
    page(&sandbox, secrets, &query)
}

async fn get_secret(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    let secret = locked(&sandbox.providers.fynapse.secrets).get(&id).map(Secret::without_value);
    found(&sandbox, secret)
}

async fn delete_secret(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    match locked(&sandbox.providers.fynapse.secrets).remove(&id) {
        Some(_) => StatusCode::NO_CONTENT.into_response(),
        None => found(&sandbox, None::<Secret>),
    }
}

/// A new value; the one before it keeps signing beside it.
async fn rotate_secret(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    let value = locked(&sandbox.dice).token();
    let rotated = locked(&sandbox.providers.fynapse.secrets).get_mut(&id).map(|secret| {
        secret.previous = secret.value.replace(value);
        secret.clone()
    });
    let current = {
        let subscriptions = locked(&sandbox.providers.fynapse.subscriptions);
        subscriptions.rows.get(&subscriptions.current).cloned()
    };
    if let Some(current) = current.filter(|current| current.secret_ref.as_deref() == Some(id.as_str())) {
        point_to(&sandbox, &current);
    }
    found(&sandbox, rotated)
}

async fn create_subscription(State(sandbox): State<Arc<Sandbox>>, body: Bytes) -> Response {
    let new = match new_subscription(&sandbox, &body) {
        Ok(new) => new,
        Err(refused) => return *refused,
    };
    let subscription = Subscription {
        id: locked(&sandbox.dice).uuid(),
        name: new.name,
        endpoint_url: Some(new.endpoint_url),
        secret_ref: new.secret_ref,
        event_types: new.event_types,
        description: new.description,
        status: INACTIVE,
        created_at: now(),
    };
    locked(&sandbox.providers.fynapse.subscriptions).rows.put(&subscription.id, subscription.clone());
    (StatusCode::CREATED, Json(subscription)).into_response()
}

/// Everything is replaced, whatever was left out included.
async fn update_subscription(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>, body: Bytes) -> Response {
    let new = match new_subscription(&sandbox, &body) {
        Ok(new) => new,
        Err(refused) => return *refused,
    };
    let (row, current) = {
        let mut subscriptions = locked(&sandbox.providers.fynapse.subscriptions);
        let current = subscriptions.current == id;
        let row = subscriptions.rows.get_mut(&id).map(|row| {
            (row.name, row.endpoint_url, row.secret_ref) = (new.name, Some(new.endpoint_url), new.secret_ref);
            (row.event_types, row.description) = (new.event_types, new.description);
            row.clone()
        });
        (row, current)
    };
    if let Some(row) = row.as_ref().filter(|row| current && row.is_active()) {
        point_to(&sandbox, row);
    }
    found(&sandbox, row)
}

/// Reads a subscription as it is to be, or says what is wrong with it.
fn new_subscription(sandbox: &Sandbox, body: &[u8]) -> Result<NewSubscription, Box<Response>> {
    let refused = |message: &str| Box::new(sandbox.providers.fynapse.error(StatusCode::BAD_REQUEST, message));
    let new: NewSubscription =
        serde_json::from_slice(body).map_err(|_| refused("name and endpointUrl are required"))?;
    loopback(&new.endpoint_url).map_err(|message| refused(&message))?;
    if new.secret_ref.as_ref().is_some_and(|id| locked(&sandbox.providers.fynapse.secrets).get(id).is_none()) {
        return Err(refused("secretRef names no secret"));
    }
    Ok(new)
}

async fn list_subscriptions(State(sandbox): State<Arc<Sandbox>>, Query(query): Query<PageQuery>) -> Response {
    let rows = locked(&sandbox.providers.fynapse.subscriptions).rows.iter().map(|(_, row)| row.clone()).collect();
    page(&sandbox, rows, &query)
}

async fn get_subscription(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    let row = locked(&sandbox.providers.fynapse.subscriptions).rows.get(&id).cloned();
    found(&sandbox, row)
}

async fn activate(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    let row = set_status(&sandbox, &id, ACTIVE);
    if let Some(row) = &row {
        locked(&sandbox.providers.fynapse.subscriptions).current = id;
        point_to(&sandbox, row);
    }
    found(&sandbox, row)
}

/// What still waits on the subscription is cancelled.
async fn deactivate(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    let row = set_status(&sandbox, &id, INACTIVE);
    let mut audit = locked(&sandbox.providers.fynapse.audit);
    let ids: Vec<String> = audit.iter().map(|(id, _)| id.to_owned()).collect();
    for waiting in ids {
        if let Some(row) = audit.get_mut(&waiting)
            && (row.subscription_id.as_str(), row.status.as_str()) == (id.as_str(), "PENDING")
        {
            "CANCELLED".clone_into(&mut row.status);
        }
    }
    drop(audit);
    found(&sandbox, row)
}

fn set_status(sandbox: &Sandbox, id: &str, status: &'static str) -> Option<Subscription> {
    let mut subscriptions = locked(&sandbox.providers.fynapse.subscriptions);
    let row = subscriptions.rows.get_mut(id)?;
    row.status = status;
    Some(row.clone())
}

/// From now on, webhooks go to this subscription's endpoint, signed with its secret. The default one has neither and
/// leaves the configuration as it is.
fn point_to(sandbox: &Sandbox, subscription: &Subscription) {
    let secret =
        subscription.secret_ref.as_ref().and_then(|id| locked(&sandbox.providers.fynapse.secrets).get(id).cloned());
    let name = sandbox.providers.fynapse.name();
    let mut config = locked(&sandbox.config);
    if let Some(target) = subscription.endpoint_url.as_deref().and_then(|url| loopback(url).ok()) {
        config.targets.insert(name.to_owned(), target);
    }
    if let Some(secret) = secret {
        config.signing_secrets.insert(name.to_owned(), secret.value.into_iter().chain(secret.previous).collect());
    }
}

async fn deliveries(State(sandbox): State<Arc<Sandbox>>, Query(query): Query<PageQuery>) -> Response {
    let wanted = query.filters.get("subscriptionId").cloned();
    page(&sandbox, audit(&sandbox, wanted.as_deref(), &query), &query)
}

async fn subscription_deliveries(
    State(sandbox): State<Arc<Sandbox>>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Response {
    if locked(&sandbox.providers.fynapse.subscriptions).rows.get(&id).is_none() {
        return found(&sandbox, None::<Subscription>);
    }
    page(&sandbox, audit(&sandbox, Some(&id), &query), &query)
}

async fn delivery(State(sandbox): State<Arc<Sandbox>>, Path(id): Path<String>) -> Response {
    let row = locked(&sandbox.providers.fynapse.audit).get(&id).cloned();
    found(&sandbox, row)
}

/// Newest first, of one subscription or all, in one state or any.
fn audit(sandbox: &Sandbox, subscription: Option<&str>, query: &PageQuery) -> Vec<Row> {
    let audit = locked(&sandbox.providers.fynapse.audit);
    let status = query.filters.get("status");
    let rows = audit.iter().rev().map(|(_, row)| row);
    let rows = rows.filter(|row| subscription.is_none_or(|id| row.subscription_id == id));
    rows.filter(|row| status.is_none_or(|status| row.status == *status)).cloned().collect()
}
