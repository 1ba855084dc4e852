//! AWS, as far as the functions can tell: one endpoint that answers DynamoDB (a real engine behind it), SQS, Secrets
//! Manager and EventBridge, and counts what it is asked.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tls::Tls;

/// The table of every subject.
pub(crate) const TABLE: &str = "ledger";
/// The table that Powertools' idempotency keeps its records in.
pub(crate) const IDEMPOTENCY_TABLE: &str = "idempotency";

/// How many merchants Run Payments' list holds.
pub(crate) const MERCHANTS: usize = 100;

/// What was asked since the counts were last taken.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Counts {
    /// Calls by operation: `DynamoDB.PutItem`.
    pub(crate) calls: BTreeMap<String, u64>,
    /// Connections that were opened.
    pub(crate) connections: u64,
    /// Bytes of request bodies.
    pub(crate) bytes: u64,
    /// Write request units as DynamoDB bills them: the table's and each index'.
    pub(crate) write_units: BTreeMap<String, f64>,
    /// Read request units.
    pub(crate) read_units: f64,
    /// Calls to the providers' APIs.
    pub(crate) provider_calls: u64,
}

/// The endpoint. Plain and TLS listeners share one state.
pub(crate) struct Aws {
    /// `http://127.0.0.1:…`
    pub(crate) plain_url: String,
    /// `https://localhost:…`
    pub(crate) tls_url: String,
    state: Arc<State>,
}

struct State {
    engine: String,
    client: Client<HttpConnector, Full<Bytes>>,
    counts: Mutex<Counts>,
    /// Messages sent and not yet taken.
    messages: Mutex<Vec<String>>,
    /// Secrets by ARN.
    secrets: Mutex<BTreeMap<String, String>>,
    /// Whether units are asked for: it costs the engine's time, so only where nothing is timed.
    units: AtomicBool,
    serial: AtomicU64,
}

impl Aws {
    /// Starts the engine and both listeners.
    pub(crate) async fn start(tls: &Tls) -> Result<Self> {
        let engine = TcpListener::bind("127.0.0.1:0").await?;
        let engine_url = format!("http://{}", engine.local_addr()?);
        let database = dynoxide::Database::memory().context("the engine could not be started")?;
        tokio::spawn(dynoxide::server::serve_on(engine, database));
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let state = Arc::new(State {
            engine: engine_url,
            client: Client::builder(TokioExecutor::new()).build(connector),
            counts: Mutex::default(),
            messages: Mutex::default(),
            secrets: Mutex::default(),
            units: AtomicBool::new(false),
            serial: AtomicU64::new(0),
        });
        let plain = TcpListener::bind("127.0.0.1:0").await?;
        let secure = TcpListener::bind("127.0.0.1:0").await?;
        let aws = Self {
            plain_url: format!("http://127.0.0.1:{}", plain.local_addr()?.port()),
            tls_url: format!("https://localhost:{}", secure.local_addr()?.port()),
            state: state.clone(),
        };
        tokio::spawn(serve(plain, state.clone(), None));
        tokio::spawn(serve(secure, state, Some(tls.acceptor())));
        aws.create_tables().await?;
        Ok(aws)
    }

    /// Empties the tables.
    pub(crate) async fn start_anew(&self) -> Result<()> {
        for table in [TABLE, IDEMPOTENCY_TABLE] {
            self.dynamodb("DeleteTable", &json!({ "TableName": table })).await?;
        }
        self.create_tables().await
    }

    async fn create_tables(&self) -> Result<()> {
        let text = |name: &str| json!({ "AttributeName": name, "AttributeType": "S" });
        let number = |name: &str| json!({ "AttributeName": name, "AttributeType": "N" });
        let key = |hash: &str, range: &str| json!([{ "AttributeName": hash, "KeyType": "HASH" }, { "AttributeName": range, "KeyType": "RANGE" }]);
        let index = |name: &str, hash: &str, range: &str, projection: Value| json!({ "IndexName": name, "KeySchema": key(hash, range), "Projection": projection });
        let listed =
            json!({ "ProjectionType": "INCLUDE", "NonKeyAttributes": ["provider", "event_type", "origin", "proof"] });
        let ledger = json!({
            "TableName": TABLE, "BillingMode": "PAY_PER_REQUEST", "KeySchema": key("pk", "sk"),
            "AttributeDefinitions": [text("pk"), text("sk"), text("due_shard"), number("due_at"),
                                     text("recent_shard"), number("received_at")],
            "GlobalSecondaryIndexes": [index("due", "due_shard", "due_at", json!({ "ProjectionType": "KEYS_ONLY" })), index("recent", "recent_shard", "received_at", listed)],
        });
        let idempotency = json!({
            "TableName": IDEMPOTENCY_TABLE, "BillingMode": "PAY_PER_REQUEST",
            "KeySchema": [{ "AttributeName": "id", "KeyType": "HASH" }], "AttributeDefinitions": [text("id")],
        });
        for table in [ledger, idempotency] {
            self.dynamodb("CreateTable", &table).await?;
        }
        Ok(())
    }

    /// Asks the engine directly, uncounted.
    pub(crate) async fn dynamodb(&self, operation: &str, body: &Value) -> Result<Value> {
        let target = format!("DynamoDB_20120810.{operation}");
        let (status, answer) = self.state.engine(&target, Bytes::from(body.to_string())).await?;
        if status != 200 {
            bail!("the engine answered {operation} with {status}: {}", String::from_utf8_lossy(&answer));
        }
        Ok(serde_json::from_slice(&answer)?)
    }

    /// How many items the ledger holds.
    pub(crate) async fn items(&self) -> Result<u64> {
        let answer = self.dynamodb("Scan", &json!({ "TableName": TABLE, "Select": "COUNT" })).await?;
        answer.get("Count").and_then(Value::as_u64).context("a scan without a count")
    }

    /// Sets a secret.
    pub(crate) fn set_secret(&self, arn: &str, document: &Value) {
        lock(&self.state.secrets).insert(arn.to_string(), document.to_string());
    }

    /// Takes the counts, and starts from zero.
    pub(crate) fn take_counts(&self) -> Counts {
        std::mem::take(&mut *lock(&self.state.counts))
    }

    /// Takes the messages that wait.
    pub(crate) fn take_messages(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.state.messages))
    }

    /// Whether units are counted.
    pub(crate) fn count_units(&self, on: bool) {
        self.state.units.store(on, Ordering::Relaxed);
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn serve(listener: TcpListener, state: Arc<State>, tls: Option<tokio_rustls::TlsAcceptor>) {
    while let Ok((stream, _)) = listener.accept().await {
        // Small answers must not wait for a full packet.
        let _ = stream.set_nodelay(true);
        lock(&state.counts).connections += 1;
        let (state, tls) = (state.clone(), tls.clone());
        tokio::spawn(async move {
            let service = service_fn(move |request| answer(state.clone(), request));
            let http = hyper::server::conn::http1::Builder::new();
            // A subject that ends breaks its connections: that is no failure of the bench.
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => http.serve_connection(TokioIo::new(stream), service).await,
                    Err(_) => return,
                },
                None => http.serve_connection(TokioIo::new(stream), service).await,
            };
        });
    }
}

async fn answer(
    state: Arc<State>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let header = |name| request.headers().get(name).and_then(|value| value.to_str().ok()).unwrap_or("").to_string();
    let (target, path) = (header("x-amz-target"), request.uri().path().to_string());
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let (status, body) =
        state.answer(&target, &path, body).await.unwrap_or_else(|error| (500, error.to_string().into()));
    let mut response = http::Response::new(Full::new(body));
    *response.status_mut() = http::StatusCode::from_u16(status).unwrap_or(http::StatusCode::INTERNAL_SERVER_ERROR);
    let json = http::HeaderValue::from_static("application/x-amz-json-1.0");
    response.headers_mut().insert(http::header::CONTENT_TYPE, json);
    Ok(response)
}

impl State {
    async fn answer(&self, target: &str, path: &str, body: Bytes) -> Result<(u16, Bytes)> {
        if let Some(path) = path.strip_prefix("/provider") {
            lock(&self.counts).provider_calls += 1;
            return Ok(provider(path));
        }
        let (service, operation) = target.split_once('.').context("a request without a target")?;
        let name = service.split('_').next().unwrap_or(service);
        {
            let mut counts = lock(&self.counts);
            *counts.calls.entry(format!("{name}.{operation}")).or_default() += 1;
            counts.bytes += body.len() as u64;
        }
        let answer = match name {
            "DynamoDB" if self.units.load(Ordering::Relaxed) => return self.measured(target, &body).await,
            "DynamoDB" => return self.engine(target, body).await,
            "AmazonSQS" => self.queue(operation, &body)?,
            "secretsmanager" => {
                let arn = field(&body, "SecretId")?;
                let value = lock(&self.secrets).get(&arn).cloned().context("no such secret")?;
                json!({ "ARN": arn, "Name": arn, "SecretString": value, "VersionId": "00000000-0000-4000-8000-000000000000" })
            }
            "AWSEvents" => {
                let request: Value = serde_json::from_slice(&body)?;
                let entries = request.get("Entries").and_then(Value::as_array).map_or(0, Vec::len);
                let ids: Vec<Value> = (0..entries).map(|_| json!({ "EventId": self.id() })).collect();
                json!({ "FailedEntryCount": 0, "Entries": ids, "Name": "bus" })
            }
            _ => bail!("no such service: {name}"),
        };
        Ok((200, answer.to_string().into()))
    }

    fn queue(&self, operation: &str, body: &[u8]) -> Result<Value> {
        Ok(match operation {
            "SendMessage" => {
                let message = field(body, "MessageBody")?;
                // The clients check the digest of what they sent.
                let digest = md5(message.as_bytes());
                lock(&self.messages).push(message);
                json!({ "MessageId": self.id(), "MD5OfMessageBody": digest })
            }
            "GetQueueAttributes" => json!({ "Attributes": { "ApproximateNumberOfMessages": "0" } }),
            _ => bail!("the queue knows no {operation}"),
        })
    }

    fn id(&self) -> String {
        format!("00000000-0000-4000-8000-{:012}", self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// Asks the engine what the request costs, and keeps that from the subject.
    async fn measured(&self, target: &str, body: &[u8]) -> Result<(u16, Bytes)> {
        let mut request: Value = serde_json::from_slice(body)?;
        if let Some(request) = request.as_object_mut() {
            request.insert("ReturnConsumedCapacity".into(), "INDEXES".into());
        }
        let (status, answer) = self.engine(target, request.to_string().into()).await?;
        let mut answer: Value = serde_json::from_slice(&answer)?;
        let refused = answer.get("__type").and_then(Value::as_str).unwrap_or_default();
        if refused.ends_with("ConditionalCheckFailedException") {
            // AWS bills a refused write for the row it looked at. On these paths that is less than 1 KB.
            *lock(&self.counts).write_units.entry("table".into()).or_default() += 1.0;
        }
        let reads = target.ends_with("GetItem") || target.ends_with("Query") || target.ends_with("Scan");
        if let Some(consumed) = answer.as_object_mut().and_then(|answer| answer.remove("ConsumedCapacity")) {
            let mut counts = lock(&self.counts);
            let consumed = if consumed.is_array() { consumed } else { json!([consumed]) };
            for table in consumed.as_array().into_iter().flatten() {
                if reads {
                    counts.read_units += units(Some(table));
                    continue;
                }
                *counts.write_units.entry("table".into()).or_default() += units(table.get("Table"));
                for (index, consumed) in
                    table.get("GlobalSecondaryIndexes").and_then(Value::as_object).into_iter().flatten()
                {
                    *counts.write_units.entry(index.clone()).or_default() += units(Some(consumed));
                }
            }
        }
        Ok((status, answer.to_string().into()))
    }

    async fn engine(&self, target: &str, body: Bytes) -> Result<(u16, Bytes)> {
        let request = http::Request::post(&self.engine)
            .header("x-amz-target", target)
            .header(http::header::CONTENT_TYPE, "application/x-amz-json-1.0")
            .header(http::header::AUTHORIZATION, "AWS4-HMAC-SHA256 Credential=test/20261122/us-east-1/dynamodb/aws4_request, SignedHeaders=host, Signature=0")
            .header("x-amz-date", "20261122T000000Z")
            .body(Full::new(body))?;
        let response = self.client.request(request).await?;
        let status = response.status().as_u16();
        Ok((status, response.into_body().collect().await?.to_bytes()))
    }
}

/// The providers' APIs, as far as the paths that are counted ask them: every batch and statement is complete.
fn provider(path: &str) -> (u16, Bytes) {
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let answer = match segments.as_slice() {
        ["v1", "balances"] => json!({ "total_processed": 1, "has_more": false, "next_page_token": null, "balances": [
            { "authorizer_unique_id": "a-1", "balance": 1250.5, "balance_status_code": 0, "timestamp": "2026-11-22T09:30:00Z" }] }),
        ["v1", "entity", entity, "transactions"] => {
            json!({ "progress": [{ "status": "completed", "statement_id": entity, "source": "pdf", "message": null }],
                    "accounts": [], "transactions": [] })
        }
        ["v1", "entity", _, "accounts"] => json!({ "progress": [], "accounts": [{ "account_id": "1" }] }),
        ["token"] => json!({ "access_token": "bench", "token_type": "bearer", "expires_in": 3600 }),
        ["relay", "api", "boarding", "v1", "merchants"] => {
            let merchant = |n| json!({ "merchant_id": n, "merchant_status": "live", "mid": null, "dba_name": "bench" });
            json!({ "items": (0..MERCHANTS).map(merchant).collect::<Vec<_>>(), "hasMore": false, "limit": 200, "offset": 0 })
        }
        _ => return (404, Bytes::from_static(b"{}")),
    };
    (200, Bytes::from(answer.to_string()))
}

fn units(consumed: Option<&Value>) -> f64 {
    consumed.and_then(|consumed| consumed.get("CapacityUnits")).and_then(Value::as_f64).unwrap_or(0.0)
}

fn field(body: &[u8], name: &str) -> Result<String> {
    let body: Value = serde_json::from_slice(body)?;
    body.get(name).and_then(Value::as_str).map(str::to_string).with_context(|| format!("a request without {name}"))
}

fn md5(bytes: &[u8]) -> String {
    use md5::Digest as _;
    hex::encode(md5::Md5::digest(bytes))
}
