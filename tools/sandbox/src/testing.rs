//! For the tests: a sandbox and a receiver on ephemeral loopback ports, and calls to them.

use std::collections::{BTreeMap, VecDeque};
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::lock::locked;
use crate::post::{Post, Reply};
use crate::sandbox::{SLOTS, Sandbox};
use crate::serve::router;

/// A sandbox that answers on a port of its own.
pub(crate) struct Running {
    pub(crate) sandbox: Arc<Sandbox>,
    pub(crate) url: String,
}

/// A receiver that answers as scripted, then 200, and shows what reached it.
pub(crate) struct Receiver {
    pub(crate) url: String,
    pub(crate) arrivals: mpsc::UnboundedReceiver<Arrival>,
}

pub(crate) struct Arrival {
    pub(crate) path: String,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

/// A status, and the seconds of its `Retry-After`.
pub(crate) type Scripted = (u16, Option<u64>);

pub(crate) async fn start(config: Value) -> Running {
    let sandbox = Sandbox::new(serde_json::from_value(config).unwrap()).unwrap();
    let url = serve(router(&sandbox)).await;
    Running { sandbox, url }
}

/// A sandbox pointed at a receiver, with time fast enough for retries not to take any.
pub(crate) async fn start_with_receiver(provider: &str, script: &[Scripted]) -> (Running, Receiver) {
    let receiver = receive(script).await;
    let target = format!("{}/webhooks/{provider}/token", receiver.url);
    let signed = hookledger_kit::ALL.iter().filter(|kit| kit.is_signed());
    let secrets: BTreeMap<&str, String> = signed.map(|kit| (kit.name, format!("whsec-{}", kit.name))).collect();
    let config = json!({"targets": {provider: target}, "signing_secrets": secrets, "time_scale": 1e9});
    (start(config).await, receiver)
}

pub(crate) async fn receive(script: &[Scripted]) -> Receiver {
    let (sender, arrivals) = mpsc::unbounded_channel();
    let script = Arc::new(Mutex::new(VecDeque::from(script.to_vec())));
    let app = Router::new().fallback(arrive).with_state((script, sender));
    Receiver { url: serve(app).await, arrivals }
}

type ReceiverState = (Arc<Mutex<VecDeque<Scripted>>>, mpsc::UnboundedSender<Arrival>);

async fn arrive(State((script, sender)): State<ReceiverState>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    sender.send(Arrival { path: uri.path().to_owned(), headers, body }).unwrap();
    let (status, retry_after) = locked(&script).pop_front().unwrap_or((200, None));
    let mut response = (StatusCode::from_u16(status).unwrap(), r#"{"status":"received"}"#).into_response();
    if let Some(secs) = retry_after {
        response.headers_mut().insert("retry-after", HeaderValue::from(secs));
    }
    response
}

async fn serve(app: Router) -> String {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(axum::serve(listener, app).into_future());
    url
}

impl Running {
    pub(crate) async fn call(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.insert(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let uri = format!("{}{path}", self.url).parse().unwrap();
        Post::new().send(method, &uri, map, Bytes::from(body.to_owned())).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str, headers: &[(&str, &str)]) -> (u16, Value) {
        parsed(self.call(Method::GET, path, headers, "").await)
    }

    /// A control call, which must succeed.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let (status, answer) = parsed(self.call(method, &format!("/control/{path}"), &[], &body.to_string()).await);
        assert!((200..300).contains(&status), "{status} {answer}");
        answer
    }

    pub(crate) async fn send(&self, request: Value) -> Value {
        self.control(Method::POST, "send", request).await
    }

    /// Waits until no delivery is under way.
    pub(crate) async fn settle(&self) {
        drop(self.sandbox.slots.acquire_many(SLOTS).await.unwrap());
    }

    pub(crate) async fn delivery(&self, delivery_id: &str) -> Value {
        self.get(&format!("/control/deliveries/{delivery_id}"), &[]).await.1
    }
}

impl Receiver {
    /// Everything that has arrived so far.
    pub(crate) fn arrived(&mut self) -> Vec<Arrival> {
        std::iter::from_fn(|| self.arrivals.try_recv().ok()).collect()
    }
}

pub(crate) fn parsed(reply: Reply) -> (u16, Value) {
    (reply.status, serde_json::from_slice(&reply.body).unwrap_or(Value::Null))
}
