//! API Gateway's envelope (HTTP API, payload format 2.0): an HTTP request as JSON, and the answer to it.
//!
//! `lambda_http` reads the event, out of the raw JSON and under a guard.
//!
//! **Rationale.** Given a typed event, `lambda_runtime` answers for what does not deserialise, and quotes it in a log line;
//! and `lambda_http` (1.3.2) panics where a body is not the base64 that it is said to be. The gateway would answer either
//! with a 500 that we did not choose. Here both are answered 503 with `Retry-After`: the fault is ours or the gateway's,
//! never the provider's. A header with a control character makes `lambda_http` refuse the whole event, and a query that is no
//! query makes it panic. What it refuses is read once more: without the query and the host, which nobody here looks at, and without such
//! headers, which are put back afterwards.

use std::collections::BTreeMap;
use std::panic::catch_unwind;

use hookledger_core::flows::receive::Answer;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::secret::Secret;
use hookledger_core::model::time::UnixMs;
use hookledger_core::providers::ALL;
use lambda_http::http::{HeaderName, HeaderValue};
use lambda_http::request::RequestContext;
use lambda_http::{Body, RequestExt as _};
use serde::Serialize;
use serde_json::Value;
use serde_json::value::RawValue;

/// The path parameter that holds a URL token.
const TOKEN: &str = "token";
/// What stands behind a provider's name where its own route does not match: a slash too many, or anything else.
const REST: &str = "rest";
/// What stands behind `/webhooks/` where no provider's route matches.
const ELSEWHERE: &str = "elsewhere";

/// The event as the runtime hands it over: JSON that nobody has looked into yet.
pub type RawEvent = lambda_runtime::LambdaEvent<Box<RawValue>>;

/// Why an envelope can't be read. Names the rule, quotes nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnvelopeError {
    /// Not the JSON that API Gateway sends.
    #[error("the event is not an HTTP request of payload format 2.0")]
    Shape,
    /// The body is said to be base64 and is not.
    #[error("the event's body is not the base64 it is said to be")]
    Base64,
}

/// A request out of its envelope.
#[derive(Clone, PartialEq, Eq)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// The client's address as the gateway saw it.
    pub source_ip: Option<String>,
    /// What the route's `{names}` stand for.
    pub path_parameters: BTreeMap<String, String>,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The exact bytes.
    pub body: Vec<u8>,
}

impl std::fmt::Debug for Request {
    /// No body, no header's value, and no path parameter: one of them is a secret.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Request").field("method", &self.method).finish_non_exhaustive()
    }
}

impl Request {
    /// Takes a request out of its envelope.
    pub fn parse(event: &RawValue) -> Result<Self, EnvelopeError> {
        let (read, odd) = match read(event.get()) {
            Ok(read) => (read, Vec::new()),
            Err(error) => {
                let (plain, odd) = plain(event).ok_or(error)?;
                (read(&plain)?, odd)
            }
        };
        let source_ip = match read.request_context_ref() {
            Some(RequestContext::ApiGatewayV2(context)) => context.http.source_ip.clone(),
            _ => None,
        };
        let path_parameters = read.path_parameters();
        let (head, body) = read.into_parts();
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            Some((name.to_string(), String::from_utf8(value.as_bytes().to_vec()).ok()?))
        };
        Ok(Self {
            method: head.method.as_str().to_string(),
            source_ip: source_ip.filter(|ip| !ip.is_empty()),
            path_parameters: path_parameters.iter().map(|(name, value)| (name.into(), value.into())).collect(),
            headers: head.headers.iter().filter_map(header).chain(odd).collect(),
            body: match body {
                Body::Text(text) => text.into_bytes(),
                Body::Binary(bytes) => bytes,
                _ => Vec::new(),
            },
        })
    }

    /// The request as a delivery to this provider, if it is one: a POST to `/webhooks/<provider>`, or where its URL
    /// carries a token, to `/webhooks/<provider>/<token>`. Slashes at the end make no difference: some who register a URL
    /// append one.
    pub fn into_delivery(
        mut self,
        provider: ProviderId,
        url_has_token: bool,
        received_at: UnixMs,
    ) -> Result<Delivery, Unrouted> {
        let path = self.behind(provider)?;
        let is_whole = !path.is_empty() && !path.contains('/');
        // Where the route itself has found the token it is one, whatever it is made of.
        let fits = if url_has_token { is_whole || self.path_parameters.contains_key(TOKEN) } else { path.is_empty() };
        if self.method != "POST" || !fits {
            return Err(Unrouted(Some(provider)));
        }
        let token = url_has_token.then(|| self.path_parameters.remove(TOKEN).unwrap_or(path));
        let mut delivery = Delivery::new(provider, received_at, self.body);
        delivery.source_ip = self.source_ip;
        delivery.path_token = token.map(Secret::new);
        delivery.headers = self.headers;
        Ok(delivery)
    }

    /// What stands in the path behind `/webhooks/<provider>/`, without slashes at its end.
    fn behind(&self, provider: ProviderId) -> Result<String, Unrouted> {
        let parameter = |name: &str| self.path_parameters.get(name).map(String::as_str);
        let path = match parameter(ELSEWHERE) {
            None => parameter(TOKEN).or(parameter(REST)).unwrap_or_default(),
            Some(path) => {
                let (name, path) = path.split_once('/').unwrap_or((path, ""));
                if name != provider.0 {
                    return Err(Unrouted(ALL.iter().map(|known| known.id).find(|known| known.0 == name)));
                }
                path
            }
        };
        Ok(path.trim_end_matches('/').to_string())
    }
}

fn read(event: &str) -> Result<lambda_http::Request, EnvelopeError> {
    let request = catch_unwind(|| lambda_http::request::from_str(event));
    request.map_err(|_panic| EnvelopeError::Base64)?.map_err(|_| EnvelopeError::Shape)
}

/// What `lambda_http` makes a URI of, beside the path. Nobody here looks at it.
const FOR_THE_URI: [&str; 4] = ["host", "x-forwarded-host", "x-forwarded-port", "x-forwarded-proto"];

/// The event without what `lambda_http` may stumble on, and the headers that were taken out because it takes none such;
/// `None` where there is nothing of the kind.
fn plain(event: &RawValue) -> Option<(String, Vec<(String, String)>)> {
    let mut event: Value = serde_json::from_str(event.get()).ok()?;
    let fields = event.as_object_mut()?;
    let mut is_changed = fields.remove("rawQueryString").is_some();
    is_changed |= fields.remove("queryStringParameters").is_some();
    let mut odd = Vec::new();
    if let Some(headers) = fields.get_mut("headers").and_then(Value::as_object_mut) {
        let all = headers.len();
        headers.retain(|name, value| {
            let is_odd = value.as_str().is_some_and(|value| value.parse::<HeaderValue>().is_err());
            if is_odd && let Some(value) = value.as_str() {
                odd.push((name.to_ascii_lowercase(), value.to_string()));
            }
            !is_odd && !FOR_THE_URI.contains(&name.to_ascii_lowercase().as_str())
        });
        is_changed |= headers.len() < all;
    }
    is_changed.then(|| (event.to_string(), odd))
}

/// A request below `/webhooks/` that is no delivery: another method, no token or something behind it, or no provider's
/// path. Names the provider whose path it was below, if any, and nothing of the path: a token may stand in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unrouted(pub Option<ProviderId>);

/// The answer, in the gateway's shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Response {
    status_code: u16,
    headers: BTreeMap<&'static str, String>,
    body: String,
    is_base64_encoded: bool,
}

impl Response {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: impl Into<String>) -> Self {
        let headers = BTreeMap::from([("content-type", "application/json".to_string())]);
        Self { status_code: status, headers, body: body.into(), is_base64_encoded: false }
    }

    /// Asks the caller to come again after this many seconds, if any.
    pub fn retry_after(mut self, secs: Option<u32>) -> Self {
        if let Some(secs) = secs {
            self.headers.insert("retry-after", secs.to_string());
        }
        self
    }

    /// The answer to a request that is no delivery: the gateway's own where it has no route. Never 405, which ends
    /// Fynapse's retries for good.
    pub fn unrouted() -> Self {
        Self::json(404, r#"{"message":"Not Found"}"#)
    }

    /// The answer to an envelope that can't be read.
    pub fn unreadable_envelope() -> Self {
        Answer::unavailable().into()
    }

    /// The HTTP status.
    pub fn status(&self) -> u16 {
        self.status_code
    }
}

impl From<Answer> for Response {
    fn from(answer: Answer) -> Self {
        Self::json(answer.status, answer.body).retry_after(answer.retry_after_secs)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn parse(event: &str) -> Result<Request, EnvelopeError> {
        Request::parse(&RawValue::from_string(event.to_string()).unwrap())
    }

    fn event(more: serde_json::Value) -> String {
        let mut event = json!({
            "version": "2.0",
            "routeKey": "POST /webhooks/finbox/{token}",
            "headers": { "Content-Type": "application/json", "x-secret-key": "a,b" },
            "pathParameters": { "token": "t-1" },
            "requestContext": { "http": { "method": "POST", "sourceIp": "192.0.2.7", "path": "/x" }, "accountId": "1" },
            "isBase64Encoded": false,
        });
        let fields = more.as_object().unwrap().clone();
        event.as_object_mut().unwrap().extend(fields);
        event.to_string()
    }

    #[test]
    fn a_request_becomes_a_delivery() {
        let request = parse(&event(json!({ "body": "{\"a\":1}" }))).unwrap();
        assert!(!format!("{request:?}").contains("t-1"));
        let delivery = request.into_delivery(ProviderId("finbox"), true, UnixMs(5)).unwrap();
        assert_eq!(delivery.digest(), hookledger_core::model::identity::digest_hex(b"{\"a\":1}"));
        assert_eq!(delivery.source_ip.as_deref(), Some("192.0.2.7"));
        assert_eq!(delivery.path_token.as_ref().map(Secret::reveal), Some("t-1"));
        assert_eq!(delivery.header("X-Secret-Key"), Some("a,b"));
        assert!(delivery.headers.iter().any(|(name, _)| name == "content-type"));
        assert_eq!(delivery.received_at, UnixMs(5));
    }

    /// Who was asked for, what the routes caught, and whether that is a delivery, with which token.
    #[test]
    fn a_slash_at_the_end_makes_no_difference_and_all_else_is_no_delivery() {
        const FYNAPSE: ProviderId = ProviderId("fynapse");
        const FINBOX: ProviderId = ProviderId("finbox");
        type Row<'a> = (&'a str, ProviderId, &'a str, serde_json::Value, Result<Option<&'a str>, Option<&'a str>>);
        let rows: [Row<'_>; 25] = [
            ("signed", FYNAPSE, "POST", json!({}), Ok(None)),
            ("signed, by AWS's greedy route", FYNAPSE, "POST", json!({ "rest": "" }), Ok(None)),
            ("signed, two slashes", FYNAPSE, "POST", json!({ "rest": "/" }), Ok(None)),
            ("signed, by the route for all else", FYNAPSE, "POST", json!({ "elsewhere": "fynapse/" }), Ok(None)),
            ("a token", FINBOX, "POST", json!({ "token": "t" }), Ok(Some("t"))),
            ("a token with a slash in it", FINBOX, "POST", json!({ "token": "t/" }), Ok(Some("t/"))),
            ("a token and a slash", FINBOX, "POST", json!({ "rest": "t/" }), Ok(Some("t"))),
            ("a token and slashes", FINBOX, "POST", json!({ "rest": "t///" }), Ok(Some("t"))),
            ("a token whose slash the gateway cut off", FINBOX, "POST", json!({ "rest": "t" }), Ok(Some("t"))),
            ("a token, elsewhere", FINBOX, "POST", json!({ "elsewhere": "finbox/t/" }), Ok(Some("t"))),
            ("another method", FYNAPSE, "GET", json!({}), Err(Some("fynapse"))),
            ("another method, and a slash", FYNAPSE, "PUT", json!({ "rest": "" }), Err(Some("fynapse"))),
            ("another method, with a token", FINBOX, "GET", json!({ "rest": "t" }), Err(Some("finbox"))),
            ("a method in lower case", FYNAPSE, "post", json!({}), Err(Some("fynapse"))),
            ("a token where none belongs", FYNAPSE, "POST", json!({ "rest": "t" }), Err(Some("fynapse"))),
            ("no token", FINBOX, "POST", json!({}), Err(Some("finbox"))),
            ("no token but a slash", FINBOX, "POST", json!({ "rest": "" }), Err(Some("finbox"))),
            ("no token but slashes", FINBOX, "POST", json!({ "rest": "//" }), Err(Some("finbox"))),
            ("more behind the token", FINBOX, "POST", json!({ "rest": "t/more" }), Err(Some("finbox"))),
            ("a slash before the token", FINBOX, "POST", json!({ "rest": "/t" }), Err(Some("finbox"))),
            ("another provider's path", FYNAPSE, "POST", json!({ "elsewhere": "finbox/" }), Err(Some("finbox"))),
            ("its name alone", FYNAPSE, "GET", json!({ "elsewhere": "finbox" }), Err(Some("finbox"))),
            ("nobody's path", FYNAPSE, "POST", json!({ "elsewhere": "nobody/t" }), Err(None)),
            ("a path that begins alike", FYNAPSE, "POST", json!({ "elsewhere": "fynapse2" }), Err(None)),
            ("another case", FYNAPSE, "POST", json!({ "elsewhere": "Fynapse" }), Err(None)),
        ];
        for (name, provider, method, parameters, expected) in rows {
            let http = json!({ "http": { "method": method } });
            let request = parse(&event(json!({ "pathParameters": parameters, "requestContext": http }))).unwrap();
            let seen = request.into_delivery(provider, provider == FINBOX, UnixMs(5));
            let seen = seen.as_ref().map(|delivery| delivery.path_token.as_ref().map(Secret::reveal));
            assert_eq!(seen.map_err(|unrouted| unrouted.0.map(|id| id.0)), expected, "{name}");
        }
        let answer = serde_json::to_value(Response::unrouted()).unwrap();
        assert_eq!((&answer["statusCode"], &answer["body"]), (&json!(404), &json!(r#"{"message":"Not Found"}"#)));
    }

    #[test]
    fn the_signed_bytes_come_through_untouched() {
        let rows = [
            ("plain", json!({ "body": "  {\"ü\": 1.10}\n" }), "  {\"ü\": 1.10}\n".as_bytes().to_vec()),
            ("base64", json!({ "body": "eyJhIjoxfQ==", "isBase64Encoded": true }), b"{\"a\":1}".to_vec()),
            ("not UTF-8", json!({ "body": "AP+A", "isBase64Encoded": true }), vec![0, 0xff, 0x80]),
            ("empty", json!({ "body": "", "isBase64Encoded": true }), vec![]),
            ("absent", json!({}), vec![]),
            ("null", json!({ "body": null }), vec![]),
        ];
        for (name, more, bytes) in rows {
            assert_eq!(parse(&event(more)).unwrap().body, bytes, "{name}");
        }
    }

    #[test]
    fn what_lambda_http_stumbles_on_costs_no_request() {
        let odd = json!({ "x-secret-key": "a,b", "User-Agent": "Zahlungen für Sie", "x-mark": "a\u{7f}" });
        let rows = [
            (
                "odd headers",
                json!({ "headers": odd }),
                vec![("x-secret-key", "a,b"), ("user-agent", "Zahlungen für Sie"), ("x-mark", "a\u{7f}")],
            ),
            (
                "a query that is none",
                json!({ "headers": { "x-secret-key": "a" }, "rawQueryString": "a=<b> \u{7f}" }),
                vec![("x-secret-key", "a")],
            ),
            (
                "a host that is none",
                json!({ "headers": { "host": "a b", "x-secret-key": "a" } }),
                vec![("host", "a b"), ("x-secret-key", "a")],
            ),
        ];
        for (name, more, headers) in rows {
            let mut more = more;
            more["body"] = "{ \"a\": 1.10 }".into();
            let request = parse(&event(more)).unwrap_or_else(|error| panic!("{name}: {error}"));
            let mut seen: Vec<(&str, &str)> =
                request.headers.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
            let mut headers = headers;
            if !seen.iter().any(|(name, _)| *name == "host") {
                headers.retain(|(name, _)| *name != "host");
            }
            seen.sort_unstable();
            headers.sort_unstable();
            assert_eq!(seen, headers, "{name}");
            assert_eq!((request.body.as_slice(), request.method.as_str()), (b"{ \"a\": 1.10 }".as_slice(), "POST"));
        }
    }

    #[test]
    fn what_is_not_sent_is_not_needed() {
        let bare = r#"{"requestContext":{"http":{"method":"GET"}},"headers":null,"pathParameters":null}"#;
        let request = parse(bare).unwrap();
        assert_eq!((request.method.as_str(), request.source_ip), ("GET", None));
        assert!(request.headers.is_empty() && request.path_parameters.is_empty() && request.body.is_empty());
    }

    #[test]
    fn a_broken_envelope_is_named_and_answered_with_come_again() {
        let base64 = ["a", "%%%%", "eyJhIjoxfQ", "e30=\n"];
        for body in base64 {
            let broken = event(json!({ "body": body, "isBase64Encoded": true }));
            assert_eq!(parse(&broken).unwrap_err(), EnvelopeError::Base64, "{body}");
        }
        let shapes = [
            "null",
            "[]",
            "{}",
            r#"{"requestContext":{}}"#,
            r#"{"requestContext":{"http":{"method":5}}}"#,
            r#"{"requestContext":{"http":{"method":"POST"}},"body":{"a":1}}"#,
            r#"{"version":"1.0","httpMethod":"POST","requestContext":{"identity":{"sourceIp":"192.0.2.7"}}}"#,
        ];
        for shape in shapes {
            assert_eq!(parse(shape).unwrap_err(), EnvelopeError::Shape, "{shape}");
        }
        let answer = serde_json::to_value(Response::unreadable_envelope()).unwrap();
        assert_eq!((&answer["statusCode"], &answer["headers"]["retry-after"]), (&json!(503), &json!("30")));
    }

    #[test]
    fn an_answer_has_the_gateways_shape() {
        let answer = Response::json(200, r#"{"status":"received"}"#).retry_after(None);
        let expected = json!({
            "statusCode": 200,
            "headers": { "content-type": "application/json" },
            "body": "{\"status\":\"received\"}",
            "isBase64Encoded": false,
        });
        assert_eq!(serde_json::to_value(answer).unwrap(), expected);
    }
}
