//! The gate that every API call passes: it counts the call, and lets it through, late, changed or not at all.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::Next;
use axum::response::{Html, IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};

use super::Instead;
use crate::lock::locked;
use crate::odd::mark;
use crate::provider::Provider;
use crate::sandbox::Sandbox;

/// What some servers write before their JSON.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// A page as those have it that stand before an API.
const MAINTENANCE: &str = "<!doctype html>\n<html><head><title>Maintenance</title></head>\
                           <body><h1>We will be back soon</h1></body></html>\n";

/// Counts the call, then lets it through, or not.
pub(crate) async fn gate(
    State((sandbox, name)): State<(Arc<Sandbox>, &'static str)>,
    path: MatchedPath,
    request: Request,
    next: Next,
) -> Response {
    let Some(provider) = sandbox.provider(name) else {
        return next.run(request).await;
    };
    let path = path.as_str().strip_prefix(provider.base()).unwrap_or(path.as_str());
    let route = format!("{} {path}", request.method());
    *locked(&sandbox.requests).entry(name).or_default().entry(route).or_default() += 1;

    let (slow_ms, late_ms, echo, instead) = {
        let mut faults = locked(&sandbox.faults);
        let faults = faults.entry(name).or_default();
        let instead = faults.next();
        let late_ms = if instead.is_none() { faults.under_way_ms() } else { 0 };
        (faults.slow_ms, late_ms, faults.echo, instead)
    };
    if slow_ms > 0 {
        tokio::time::sleep(Duration::from_millis(slow_ms)).await;
    }
    let mut response = match instead {
        None => next.run(request).await,
        Some(Instead::Html) => maintenance(),
        Some(Instead::Error(status, retry_after_secs)) => {
            let echoed = echo.then(|| format!(": {} {:?}", request.uri(), request.headers()));
            error(provider, status, retry_after_secs, &echoed.unwrap_or_default())
        }
    };
    if late_ms > 0 {
        // It is made already: what happens from now on is not in it.
        tokio::time::sleep(Duration::from_millis(late_ms)).await;
        mark(&mut response, "late");
    }
    // As it stands when the answer leaves.
    if sandbox.faults_of(provider).byte_order_mark { marked(response).await } else { response }
}

fn maintenance() -> Response {
    let mut response = Html(MAINTENANCE).into_response();
    mark(&mut response, "html");
    response
}

fn error(provider: &dyn Provider, status: u16, retry_after_secs: Option<u64>, echoed: &str) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::SERVICE_UNAVAILABLE);
    let message = format!("{}{echoed}", status.canonical_reason().unwrap_or("Error"));
    let mut response = provider.error(status, &message);
    if let Some(secs) = retry_after_secs {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(secs));
    }
    response
}

/// JSON behind a byte order mark; anything else as it was.
async fn marked(response: Response) -> Response {
    let json = HeaderValue::from_static("application/json");
    if response.headers().get(header::CONTENT_TYPE) != Some(&json) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    // Made here in memory, so reading it can't fail.
    let body = to_bytes(body, usize::MAX).await.unwrap_or_default();
    parts.headers.remove(header::CONTENT_LENGTH);
    let mut response = Response::from_parts(parts, Body::from(Bytes::from([BYTE_ORDER_MARK, &body].concat())));
    mark(&mut response, "byte_order_mark");
    response
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use http::Method;
    use serde_json::{Value, json};

    use crate::testing::{Running, parsed, start};

    const BATCH: &str = "/rightfoot/v1/balances?batchId=b-1";
    const KEY: (&str, &str) = ("authorization", "Bearer sandbox-rightfoot-key");

    async fn switched(api: Value) -> Running {
        let running = start(json!({})).await;
        running.control(Method::PUT, "faults", json!({ "provider": "rightfoot", "api": api })).await;
        running
    }

    #[tokio::test]
    async fn a_page_for_people_stands_before_the_api() {
        let running = switched(json!({ "html": true })).await;
        let reply = running.call(Method::GET, BATCH, &[KEY], "").await;
        assert_eq!((reply.status, &reply.headers["content-type"]), (200, &"text/html; charset=utf-8".parse().unwrap()));
        assert!(reply.body.starts_with(b"<!doctype html>"));
        running.control(Method::PUT, "faults", json!({ "provider": "rightfoot", "api": { "html": false } })).await;
        assert_eq!(running.get(BATCH, &[KEY]).await.0, 404);
    }

    #[tokio::test]
    async fn json_comes_behind_a_byte_order_mark() {
        let running = switched(json!({ "byte_order_mark": true })).await;
        let reply = running.call(Method::GET, BATCH, &[KEY], "").await;
        let rest = reply.body.strip_prefix(b"\xef\xbb\xbf".as_slice()).expect("the mark");
        assert_eq!(serde_json::from_slice::<Value>(rest).unwrap()["status_code"], 404);
        assert_eq!(reply.headers["content-length"], reply.body.len().to_string());
    }

    #[tokio::test]
    async fn a_quota_is_used_up_until_it_is_not() {
        let running = switched(json!({ "rate_limit": true, "retry_after_secs": 3 })).await;
        for _ in 0..3 {
            let reply = running.call(Method::GET, BATCH, &[KEY], "").await;
            assert_eq!((reply.status, &reply.headers["retry-after"]), (429, &"3".parse().unwrap()));
        }
        running
            .control(Method::PUT, "faults", json!({ "provider": "rightfoot", "api": { "rate_limit": false } }))
            .await;
        assert_eq!(running.get(BATCH, &[KEY]).await.0, 404);
    }

    #[tokio::test]
    async fn a_late_answer_shows_how_things_stood_and_is_overtaken() {
        let running = switched(json!({ "late_ms": 400 })).await;
        let begun = Instant::now();
        let late = async {
            let seen = parsed(running.call(Method::GET, BATCH, &[KEY], "").await);
            (seen.0, begun.elapsed())
        };
        let later = async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let complete = json!({ "state": "complete", "balances": [{ "authorizer_unique_id": "a" }] });
            running.control(Method::PUT, "rightfoot/batches/b-1", complete).await;
            let seen = parsed(running.call(Method::GET, BATCH, &[KEY], "").await);
            (seen.0, begun.elapsed())
        };
        let ((late, late_at), (later, later_at)) = tokio::join!(late, later);
        assert_eq!((late, later), (404, 200), "the first was made before the batch was complete");
        assert!(later_at < late_at && late_at >= Duration::from_millis(400), "{later_at:?} {late_at:?}");
    }
}
