//! Lambda's Runtime API, for one process: hands out events one after the other and takes the answers, with the times.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, mpsc};

/// What an invocation may take before the bench gives the subject up.
const LIMIT: Duration = Duration::from_secs(30);

/// One process' Runtime API.
pub(crate) struct Runtime {
    /// `127.0.0.1:…`, as the process is told it.
    pub(crate) address: String,
    events: mpsc::Sender<Bytes>,
    notes: mpsc::Receiver<Note>,
}

enum Note {
    /// The process asked for its next event.
    Next,
    /// It was handed one.
    Handed(Instant),
    /// It answered.
    Answered(Instant, Bytes),
    /// It reported a failure.
    Failed(Bytes),
}

struct Shared {
    events: Mutex<mpsc::Receiver<Bytes>>,
    notes: mpsc::Sender<Note>,
    serial: AtomicU64,
}

/// An answer, and how long it took.
pub(crate) struct Answer {
    /// The process' own JSON.
    pub(crate) body: Bytes,
    /// From handing the event over to having the answer.
    pub(crate) took: Duration,
}

impl Runtime {
    /// Starts listening.
    pub(crate) async fn start() -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let address = listener.local_addr()?.to_string();
        let (events, receiver) = mpsc::channel(1);
        let (sender, notes) = mpsc::channel(16);
        let shared = Arc::new(Shared { events: Mutex::new(receiver), notes: sender, serial: AtomicU64::new(0) });
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let _ = stream.set_nodelay(true);
                let shared = shared.clone();
                tokio::spawn(async move {
                    let service = service_fn(move |request| respond(shared.clone(), request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(stream), service)
                        .await;
                });
            }
        });
        Ok(Self { address, events, notes })
    }

    /// Waits until the process asks for its first event.
    pub(crate) async fn ready(&mut self) -> Result<Instant> {
        match self.note().await? {
            Note::Next => Ok(Instant::now()),
            Note::Failed(why) => bail!("the function could not start: {}", String::from_utf8_lossy(&why)),
            Note::Handed(_) | Note::Answered(..) => bail!("the function answered before it asked"),
        }
    }

    /// Hands over one event and waits for its answer. The process must have asked for it.
    pub(crate) async fn invoke(&mut self, event: Bytes) -> Result<Answer> {
        self.events.send(event).await.map_err(|_| anyhow::anyhow!("the runtime has ended"))?;
        let mut handed = None;
        let mut answer = None;
        loop {
            match self.note().await? {
                Note::Handed(at) => handed = Some(at),
                Note::Answered(at, body) => {
                    let took = at - handed.context("an answer to nothing")?;
                    answer = Some(Answer { body, took });
                }
                Note::Failed(why) => bail!("the function failed: {}", String::from_utf8_lossy(&why)),
                // It is done with this event when it asks for another: what it does after its answer counts too.
                Note::Next => match answer {
                    Some(answer) => return Ok(answer),
                    None => bail!("the function asked again without an answer"),
                },
            }
        }
    }

    async fn note(&mut self) -> Result<Note> {
        let note = tokio::time::timeout(LIMIT, self.notes.recv()).await.context("the function took too long")?;
        note.context("the runtime has ended")
    }
}

async fn respond(
    shared: Arc<Shared>,
    request: http::Request<Incoming>,
) -> Result<http::Response<Full<Bytes>>, Infallible> {
    let path = request.uri().path().to_string();
    if path.ends_with("/invocation/next") {
        let _ = shared.notes.send(Note::Next).await;
        // Held until there is an event, or for ever: the process is ended by the bench.
        let Some(event) = shared.events.lock().await.recv().await else { return std::future::pending().await };
        let _ = shared.notes.send(Note::Handed(Instant::now())).await;
        return Ok(handed(&shared, event));
    }
    let body = request.into_body().collect().await.map(|body| body.to_bytes()).unwrap_or_default();
    let note = if path.ends_with("/response") { Note::Answered(Instant::now(), body) } else { Note::Failed(body) };
    let _ = shared.notes.send(note).await;
    let mut response = http::Response::new(Full::new(Bytes::from_static(b"{\"status\":\"OK\"}")));
    *response.status_mut() = http::StatusCode::ACCEPTED;
    Ok(response)
}

fn handed(shared: &Shared, event: Bytes) -> http::Response<Full<Bytes>> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let deadline = (now + Duration::from_secs(60)).as_millis().to_string();
    let id = format!("00000000-0000-4000-8000-{:012}", shared.serial.fetch_add(1, Ordering::Relaxed));
    let mut response = http::Response::new(Full::new(event));
    let headers = [
        ("content-type", "application/json".to_string()),
        ("lambda-runtime-aws-request-id", id),
        ("lambda-runtime-deadline-ms", deadline),
        ("lambda-runtime-invoked-function-arn", "arn:aws:lambda:us-east-1:000000000000:function:bench".to_string()),
        (
            "lambda-runtime-trace-id",
            "Root=1-00000000-000000000000000000000000;Parent=0000000000000000;Sampled=0".to_string(),
        ),
    ];
    for (name, value) in headers {
        if let Ok(value) = http::HeaderValue::from_str(&value) {
            response.headers_mut().insert(name, value);
        }
    }
    response
}
