//! `hookledger listen`: what a provider's test button sends, shown as it comes. It listens on this machine alone, verifies
//! nothing and keeps nothing.

use std::convert::Infallible;
use std::net::Ipv4Addr;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use anyhow::Context as _;
use bytes::Bytes;
use clap::Args;
use hookledger_aws::ports::clock::SystemClock;
use hookledger_core::ports::Clock as _;
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::{Map, Value, json};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

use crate::out::{self, Ended, Format};

/// The longest body that is taken.
const MAX_BODY_BYTES: usize = 10_000_000;
/// Connections at a time.
const MAX_CONNECTIONS: usize = 16;
/// The most requests that one JSON document holds.
const MAX_ROWS: usize = 1_000;
/// The most that it holds of their bodies.
const MAX_HELD_BYTES: usize = 100_000_000;
/// How long a request may take to come in.
const TIMEOUT: Duration = Duration::from_secs(30);
/// A URL token has so many characters at least.
const TOKEN_CHARS: usize = 22;
const MASKED: &str = "***";

/// How to listen.
#[derive(Args)]
pub(crate) struct Listen {
    /// The port of 127.0.0.1; 0 takes one that is free.
    #[arg(long, default_value_t = 0)]
    port: u16,
    /// What to answer.
    #[arg(long, default_value_t = 200, value_parser = clap::value_parser!(u16).range(200..=599))]
    status: u16,
    /// End after so many requests; without it, ctrl-c ends it.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    count: Option<u32>,
    /// Show the bodies too. They may hold personal data.
    #[arg(long)]
    body: bool,
}

/// What all connections share.
struct Shared {
    /// How many requests are shown.
    wanted: usize,
    /// How many have begun.
    begun: AtomicUsize,
    status: StatusCode,
    with_bodies: bool,
}

/// Listens.
pub(crate) async fn run(format: Format, order: &Listen) -> anyhow::Result<Ended> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, order.port)).await;
    let listener = bound.with_context(|| format!("127.0.0.1:{} can't be listened on", order.port))?;
    let asked = order.count.map_or(usize::MAX, |count| count as usize);
    let wanted = if format == Format::Json { asked.min(MAX_ROWS) } else { asked };
    let status = StatusCode::from_u16(order.status)?;
    let shared = Arc::new(Shared { wanted, begun: AtomicUsize::new(0), status, with_bodies: order.body });
    let end = order.count.map(|count| format!("{count} came, or ")).unwrap_or_default();
    out::note(format!("http://{} answers {} until {end}ctrl-c", listener.local_addr()?, order.status));
    let (mut rows, mut seen, mut held) = (Vec::new(), 0, 0);
    let mut connections: JoinSet<Option<Value>> = JoinSet::new();
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    while seen < wanted && held < MAX_HELD_BYTES {
        let row = tokio::select! {
            accepted = listener.accept(), if connections.len() < MAX_CONNECTIONS => {
                if let Ok((stream, _)) = accepted {
                    connections.spawn(serve(stream, shared.clone()));
                }
                None
            }
            Some(ended) = connections.join_next() => ended.unwrap_or_default(),
            _ = &mut interrupted => break,
        };
        let Some(row) = row else { continue };
        seen += 1;
        match format {
            Format::Table => tell(&row),
            Format::Jsonl => format.rows(&[], &[row], None),
            Format::Json => {
                held += row.get("body").or(row.get("body_hex")).and_then(Value::as_str).map_or(0, str::len);
                rows.push(row);
            }
        }
    }
    if format == Format::Json {
        let is_full = held >= MAX_HELD_BYTES || asked > wanted && seen == wanted;
        let more = is_full.then(|| format!("{seen} shown, more than one document holds: -o jsonl"));
        format.rows(&[], &rows, more.as_deref());
    }
    out::note(format!("requests that came: {seen}"));
    Ok(if order.count.is_some() && seen < wanted { Ended::InPart } else { Ended::Well })
}

/// Answers one request, and tells what it was once the answer is on its way.
async fn serve(stream: TcpStream, shared: Arc<Shared>) -> Option<Value> {
    let row = Arc::new(Mutex::new(None));
    let seen = row.clone();
    let service = service_fn(move |request: Request<Incoming>| {
        let (shared, seen) = (shared.clone(), seen.clone());
        async move {
            let (status, came) = take(request, &shared).await;
            if let (Some(came), Ok(mut seen)) = (came, seen.lock()) {
                *seen = Some(came);
            }
            Ok::<_, Infallible>(answer(status))
        }
    });
    let mut http = hyper::server::conn::http1::Builder::new();
    // One request on each connection: so it is over when its answer is sent.
    http.keep_alive(false).timer(TokioTimer::new()).header_read_timeout(TIMEOUT);
    let served = tokio::time::timeout(TIMEOUT * 2, http.serve_connection(TokioIo::new(stream), service)).await;
    if let Ok(Err(error)) = served
        && error.is_parse()
    {
        out::note(format!("what came was no HTTP request ({error}); is it https? This is plain http"));
    }
    row.lock().ok()?.take()
}

/// What to answer, and what came.
async fn take(request: Request<Incoming>, shared: &Shared) -> (StatusCode, Option<Value>) {
    if shared.begun.fetch_add(1, Ordering::Relaxed) >= shared.wanted {
        return (StatusCode::SERVICE_UNAVAILABLE, None);
    }
    let at = SystemClock::new().now();
    let (head, body) = request.into_parts();
    let headers: Vec<&str> = head.headers.keys().map(|name| name.as_str()).collect();
    let mut row = Map::new();
    let mut say = |name: &str, value: Value| drop(row.insert(name.into(), value));
    say("at", json!(at.to_string()));
    say("method", json!(head.method.as_str()));
    say("path", json!(masked(head.uri.path(), head.uri.query())));
    say("headers", json!(headers));
    let body = tokio::time::timeout(TIMEOUT, Limited::new(body, MAX_BODY_BYTES).collect()).await;
    let status = match body {
        Ok(Ok(body)) => {
            let body = body.to_bytes();
            say("bytes", json!(body.len()));
            if shared.with_bodies {
                match std::str::from_utf8(&body) {
                    Ok(text) => say("body", json!(text)),
                    Err(_) => say("body_hex", json!(body.iter().map(|byte| format!("{byte:02x}")).collect::<String>())),
                }
            }
            shared.status
        }
        Ok(Err(error)) if error.is::<LengthLimitError>() => {
            say("fault", json!(format!("more than {MAX_BODY_BYTES} bytes: answered 413")));
            StatusCode::PAYLOAD_TOO_LARGE
        }
        Ok(Err(_)) => {
            say("fault", json!("broken off before its end"));
            StatusCode::BAD_REQUEST
        }
        Err(_) => {
            say("fault", json!(format!("not here whole after {} s: answered 408", TIMEOUT.as_secs())));
            StatusCode::REQUEST_TIMEOUT
        }
    };
    (status, Some(row.into()))
}

fn answer(status: StatusCode) -> Response<Full<Bytes>> {
    let is_bare = matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
    let body = if is_bare { Bytes::new() } else { Bytes::from_static(b"{}") };
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = status;
    if !is_bare {
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    response
}

fn tell(row: &Value) {
    let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
    let bytes = row.get("bytes").map(|bytes| format!("{bytes} bytes"));
    let size = bytes.unwrap_or_else(|| text("fault").to_string());
    let headers = row.get("headers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
    let headers = headers.collect::<Vec<_>>().join(", ");
    out::line(format!("{}  {}  {}  {size}  {headers}", text("at"), text("method"), text("path")));
    for line in text("body").lines().chain(text("body_hex").lines()) {
        out::line(format!("    {line}"));
    }
}

/// The path without what may be a token: all that is behind a provider's name, whatever else is as long as one, and the
/// values of the query.
fn masked(path: &str, query: Option<&str>) -> String {
    let segments: Vec<&str> = path.split('/').collect();
    let behind = segments.iter().position(|segment| *segment == "webhooks").map(|at| at.saturating_add(2));
    let has_token = |at: usize| behind.is_some_and(|behind| at >= behind && behind < segments.len());
    let hidden = |word: &str| if word.chars().count() < TOKEN_CHARS { word.to_string() } else { MASKED.to_string() };
    let mut shown: Vec<String> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        match has_token(at) {
            false => shown.push(hidden(segment)),
            true if segments.get(at..).is_some_and(|rest| rest.iter().all(|segment| segment.is_empty())) => {
                shown.push(String::new());
            }
            true => {
                shown.push(MASKED.into());
                break;
            }
        }
    }
    let of_query =
        |pair: &str| pair.split_once('=').map_or(MASKED.into(), |(name, _)| format!("{}={MASKED}", hidden(name)));
    let query = query.map(|query| format!("?{}", query.split('&').map(of_query).collect::<Vec<_>>().join("&")));
    shown.join("/") + &query.unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_token_is_shown_wherever_it_stands() {
        let long = "0123456789abcdefghijkl";
        let rows = [
            ("/webhooks/finbox/short".to_string(), None, "/webhooks/finbox/***"),
            (format!("/prod/webhooks/finbox/{long}/more"), None, "/prod/webhooks/finbox/***"),
            ("/webhooks/fynapse".into(), None, "/webhooks/fynapse"),
            ("/webhooks/fynapse/".into(), None, "/webhooks/fynapse/"),
            ("/webhooks/finbox//t".into(), None, "/webhooks/finbox/***"),
            (format!("/webhooks/{long}"), None, "/webhooks/***"),
            (format!("/in/{long}"), None, "/in/***"),
            ("/".into(), Some("key=t&t&a=1=2"), "/?key=***&***&a=***"),
        ];
        for (path, query, expected) in rows {
            assert_eq!(masked(&path, query), expected, "{path}");
        }
    }
}
