//! The one place that opens connections: plain HTTP to this machine.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;

/// How long an answer is waited for. The providers don't say; a cold function on a small machine can take a while.
const TIMEOUT: Duration = Duration::from_secs(30);

/// An answer longer than this is nobody's receiver.
const ANSWER_LIMIT_BYTES: usize = 1024 * 1024;

/// A client without a pool: a kept connection that the other side closed would look like a failed delivery.
pub(crate) struct Post {
    client: Client<HttpConnector, Full<Bytes>>,
}

/// What came back.
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Post {
    pub(crate) fn new() -> Self {
        Self { client: Client::builder(TokioExecutor::new()).pool_max_idle_per_host(0).build_http() }
    }

    /// Sends one request. The target has been through [`crate::config::loopback`].
    pub(crate) async fn send(
        &self,
        method: Method,
        target: &Uri,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Reply, String> {
        match tokio::time::timeout(TIMEOUT, self.exchange(method, target, headers, body)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(format!("no answer within {} s", TIMEOUT.as_secs())),
        }
    }

    async fn exchange(&self, method: Method, target: &Uri, headers: HeaderMap, body: Bytes) -> Result<Reply, String> {
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.clone();
        *request.headers_mut() = headers;
        request.headers_mut().entry(header::USER_AGENT).or_insert(header::HeaderValue::from_static("sandbox"));
        let response = self.client.request(request).await.map_err(|error| format!("not delivered: {error}"))?;
        let (parts, body) = response.into_parts();
        // The status is what counts: an answer that breaks off or is too long is kept as an empty one.
        let body = Limited::new(body, ANSWER_LIMIT_BYTES).collect().await.map(|all| all.to_bytes()).unwrap_or_default();
        Ok(Reply { status: parts.status.as_u16(), headers: parts.headers, body })
    }
}
