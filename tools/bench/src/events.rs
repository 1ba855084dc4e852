//! What the subjects are handed: the gateway's envelopes around signed bodies, and batches of messages.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hookledger_kit::Kit;
use serde_json::{Map, Value, json};

/// The signing key and URL token of every provider here.
pub(crate) const SECRET: &str = "be4c0123456789abcdefbe4c0123456789abcdefbe4c0123";
/// The reference event: a card transaction as Run Payments reports it, 0.4 KB.
const REFERENCE: &str = include_str!("../../floor-sdk/src/reference-body.json");
/// What stands for the event's own number in it.
const NUMBER: &str = "00000000-0000-4000-8000-000000000000";

/// The provider of the reference event.
pub(crate) fn reference() -> &'static Kit {
    hookledger_kit::of("runpayments")
}

/// The body of a provider's `n`th event.
pub(crate) fn body(kit: &Kit, n: u64) -> String {
    let id = format!("00000000-0000-4000-8000-{n:012}");
    if kit == reference() { REFERENCE.replace(NUMBER, &id) } else { (kit.event)(&id) }
}

/// A delivery of this body as the gateway hands it over, proved as the provider does it.
pub(crate) fn delivery(kit: &Kit, body: &[u8], forged: bool) -> Bytes {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
    let secret = if forged { "not-the-key" } else { SECRET };
    let proof = (kit.prove)(body, secret, i64::try_from(now).unwrap_or_default());
    let headers = proof.headers.into_iter().map(|(name, value)| (name.to_owned(), value.into())).collect();
    let parameters = proof.path_token.as_ref().map_or_else(|| json!({}), |token| json!({ "token": token }));
    envelope(&kit.path(proof.path_token.map(|_| "{token}")), headers, &parameters, body)
}

fn envelope(path: &str, own: Map<String, Value>, parameters: &Value, body: &[u8]) -> Bytes {
    let mut headers = json!({
        "accept": "*/*", "content-type": "application/json", "content-length": body.len().to_string(),
        "host": "b3nch.execute-api.us-east-1.amazonaws.com", "user-agent": "provider-webhooks/1",
        "x-amzn-trace-id": "Root=1-00000000-000000000000000000000000", "x-forwarded-for": "192.0.2.10",
        "x-forwarded-port": "443", "x-forwarded-proto": "https",
    });
    if let Some(headers) = headers.as_object_mut() {
        headers.extend(own);
    }
    let (text, encoded) = match std::str::from_utf8(body) {
        Ok(text) => (text.to_string(), false),
        Err(_) => (BASE64_STANDARD.encode(body), true),
    };
    let event = json!({
        "version": "2.0", "routeKey": format!("POST {path}"), "rawPath": path, "rawQueryString": "",
        "headers": headers, "pathParameters": parameters,
        "requestContext": {
            "accountId": "000000000000", "apiId": "b3nch", "domainName": "b3nch.execute-api.us-east-1.amazonaws.com",
            "domainPrefix": "b3nch", "requestId": "bench=", "routeKey": format!("POST {path}"), "stage": "$default",
            "time": "22/Nov/2026:09:30:00 +0000", "timeEpoch": 1_795_339_800_000_u64,
            "http": { "method": "POST", "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.10",
                      "userAgent": "provider-webhooks/1" },
        },
        "body": text, "isBase64Encoded": encoded,
    });
    Bytes::from(event.to_string())
}

/// An envelope whose base64 is broken: no receiver may fall over it.
pub(crate) fn broken_envelope(kit: &Kit) -> Bytes {
    let event = delivery(kit, b"{}", false);
    let text = String::from_utf8_lossy(&event);
    Bytes::from(text.replace(r#""isBase64Encoded":false"#, r#""isBase64Encoded":true"#))
}

/// A batch of messages as SQS hands it over.
pub(crate) fn batch(messages: &[String]) -> Bytes {
    let records: Vec<Value> = messages
        .iter()
        .enumerate()
        .map(|(n, body)| {
            json!({
                "messageId": format!("00000000-0000-4000-8000-{n:012}"), "receiptHandle": "bench", "body": body,
                "attributes": { "ApproximateReceiveCount": "1", "SentTimestamp": "1795339800000",
                                "SenderId": "bench", "ApproximateFirstReceiveTimestamp": "1795339800001" },
                "messageAttributes": {}, "md5OfBody": "", "eventSource": "aws:sqs",
                "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:work", "awsRegion": "us-east-1",
            })
        })
        .collect();
    Bytes::from(json!({ "Records": records }).to_string())
}

/// What the schedule sends.
pub(crate) fn tick() -> Bytes {
    Bytes::from_static(
        br#"{"version":"0","id":"bench","detail-type":"Scheduled Event","source":"aws.scheduler","detail":{}}"#,
    )
}
