//! HTTP on loopback, plain and signed with SigV4.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;

use super::outcome::Outcome;
use super::stack::Stack;

/// No call on this machine takes longer.
const CALL_LIMIT: Duration = Duration::from_secs(90);

/// A client for loopback.
#[derive(Clone)]
pub struct Http {
    client: Client<HttpConnector, Full<Bytes>>,
    endpoint: String,
    region: String,
    credentials: Credentials,
}

/// A delivery that is to be sent.
pub struct Post {
    /// The provider's webhook.
    pub url: String,
    /// What proves it, and its content type.
    pub headers: Vec<(&'static str, String)>,
    /// The body.
    pub body: String,
}

/// An answer.
#[derive(Clone, Debug)]
pub struct Answered {
    /// HTTP status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Answered {
    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON, of an answer that says all is well.
    pub fn json(&self) -> Outcome<Value> {
        if !(200..300).contains(&self.status) {
            return Err(format!("answered {}: {}", self.status, self.text()));
        }
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&self.body).map_err(|error| format!("answered no JSON ({error}): {}", self.text()))
    }

    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// This answer, if its status is the one expected.
    pub fn expect(self, status: u16) -> Outcome<Self> {
        if self.status == status {
            return Ok(self);
        }
        Err(format!("answered {} instead of {status}: {}", self.status, self.text()))
    }
}

impl Http {
    /// A client that signs as the stack's administrator.
    pub fn new(stack: &Stack) -> Self {
        let (id, secret) = (&stack.access_key_id, &stack.secret_access_key);
        Self {
            client: Client::builder(TokioExecutor::new()).build_http(),
            endpoint: stack.endpoint.clone(),
            region: stack.region.clone(),
            credentials: Credentials::new(id, secret, None, None, "stack.json"),
        }
    }

    /// Sends a plain request.
    pub async fn send(&self, method: &str, url: &str, headers: &[(&str, &str)], body: Vec<u8>) -> Outcome<Answered> {
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Full::new(Bytes::from(body))).map_err(|error| format!("{url}: {error}"))?;
        self.call(request).await
    }

    /// Sends JSON.
    pub async fn json(&self, method: &str, url: &str, body: &Value) -> Outcome<Answered> {
        self.send(method, url, &[("content-type", "application/json")], body.to_string().into_bytes()).await
    }

    /// Calls an AWS service of the stack.
    pub async fn aws(
        &self,
        service: &str,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Outcome<Answered> {
        self.signed(service, method, &format!("{}{path}", self.endpoint), headers, body).await
    }

    /// Calls a service that speaks JSON and names its actions in a header.
    pub async fn action(&self, service: &str, action: &str, version: &str, question: Value) -> Outcome<Value> {
        let headers = [("content-type", version), ("x-amz-target", action)];
        self.aws(service, "POST", "/", &headers, question.to_string().into_bytes()).await?.json()
    }

    /// Sends a request signed for a service.
    pub async fn signed(
        &self,
        service: &str,
        method: &str,
        url: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Outcome<Answered> {
        let identity = self.credentials.clone().into();
        let params = v4::SigningParams::builder()
            .identity(&identity)
            .region(&self.region)
            .name(service)
            .time(SystemTime::now())
            .settings(SigningSettings::default())
            .build()
            .map_err(|error| error.to_string())?
            .into();
        let signable = SignableRequest::new(method, url, headers.iter().copied(), SignableBody::Bytes(&body))
            .map_err(|error| error.to_string())?;
        let (instructions, _) = sign(signable, &params).map_err(|error| error.to_string())?.into_parts();
        let mut request = http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut request = request.body(Full::new(Bytes::from(body))).map_err(|error| format!("{url}: {error}"))?;
        instructions.apply_to_request_http1x(&mut request);
        self.call(request).await
    }

    async fn call(&self, request: http::Request<Full<Bytes>>) -> Outcome<Answered> {
        let what = format!("{} {}", request.method(), request.uri().path());
        let answer = async {
            let response = match self.client.request(request.clone()).await {
                // A connection that was kept open may be closed just as it is used again.
                Err(_) if request.method().is_idempotent() => self.client.request(request).await,
                answered => answered,
            };
            let response = response.map_err(|error| format!("{what}: {error}"))?;
            let (parts, body) = response.into_parts();
            let body = body.collect().await.map_err(|error| format!("{what}: {error}"))?.to_bytes().to_vec();
            let text = |value: &http::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
            let headers = parts.headers.iter().map(|(name, value)| (name.as_str().to_string(), text(value))).collect();
            Ok(Answered { status: parts.status.as_u16(), headers, body })
        };
        tokio::time::timeout(CALL_LIMIT, answer).await.map_err(|_| format!("{what}: no answer in {CALL_LIMIT:?}"))?
    }
}

/// A text as it stands in a form, every byte escaped.
pub(super) fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}
