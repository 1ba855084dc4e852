//! What the subjects are handed: the gateway's envelopes around signed bodies, and batches of messages.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use hmac::{Hmac, KeyInit, Mac};
use serde_json::{Value, json};
use sha2::Sha256;

/// The signing key and URL token of every provider here.
pub(crate) const SECRET: &str = "bench-secret-0123456789abcdefghijklmnopqrstuvwxyz";
/// The reference event: a card transaction as Run Payments reports it, 0.4 KB.
const REFERENCE: &str = include_str!("../../floor-sdk/src/reference-body.json");
/// What stands for the event's own number in it.
const NUMBER: &str = "00000000-0000-4000-8000-000000000000";

/// A provider's own way to say that something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Provider {
    /// Balance checks: a hint of 0.1 KB, and a token in the URL.
    Rightfoot,
    /// Balance extracts, signed.
    Fynapse,
    /// Bank statements, a token in the URL.
    FinBox,
    /// Transactions, signed.
    RunPayments,
}

impl Provider {
    /// All four.
    pub(crate) const ALL: [Self; 4] = [Self::Rightfoot, Self::Fynapse, Self::FinBox, Self::RunPayments];

    /// The function's name.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Rightfoot => "rightfoot",
            Self::Fynapse => "fynapse",
            Self::FinBox => "finbox",
            Self::RunPayments => "runpayments",
        }
    }

    /// The body of its `n`th event.
    pub(crate) fn body(self, n: u64) -> String {
        match self {
            Self::Rightfoot => {
                format!(r#"{{"event_uuid":"u-{n}","type":"BALANCE_BATCH_COMPLETED","batch_id":"bench-{n}"}}"#)
            }
            Self::Fynapse => format!(
                r#"{{"event_id":"00000000-0000-4000-8000-{n:012}","type":"balance.extracted","data":{{"balance":"1250.00","currency":"EUR"}}}}"#
            ),
            Self::FinBox => format!(
                r#"{{"entity_id":"entity-{n}","statement_id":"statement-{n}","link_id":"link-{n}","progress":"completed","reason":""}}"#
            ),
            Self::RunPayments => REFERENCE.replace(NUMBER, &format!("00000000-0000-4000-8000-{n:012}")),
        }
    }

    /// A delivery of this body as the gateway hands it over, signed as the provider does it.
    pub(crate) fn event(self, body: &[u8], forged: bool) -> Bytes {
        let key = if forged { "not-the-key" } else { SECRET };
        let (mut headers, mut path) = (json!({}), format!("/webhooks/{}", self.name()));
        let mut parameters = json!({});
        match self {
            Self::Rightfoot | Self::FinBox => {
                path = format!("{path}/{{token}}");
                parameters = json!({ "token": key });
            }
            Self::Fynapse => {
                let now =
                    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default().as_secs();
                let tag = tag(key, &[format!("{now}.").as_bytes(), body].concat());
                headers = json!({ "webhook-signature": format!("t={now},v1={tag}") });
            }
            Self::RunPayments => {
                headers = json!({ "x-webhook-signature-256": format!("sha256={}", tag(key, body)) });
            }
        }
        envelope(&path, &headers, &parameters, body)
    }
}

/// The HMAC-SHA256 tag in hex.
fn tag(key: &str, message: &[u8]) -> String {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key.as_bytes()) else { return String::new() };
    mac.update(message);
    hex::encode(mac.finalize().into_bytes())
}

fn envelope(path: &str, own: &Value, parameters: &Value, body: &[u8]) -> Bytes {
    let mut headers = json!({
        "accept": "*/*", "content-type": "application/json", "content-length": body.len().to_string(),
        "host": "b3nch.execute-api.us-east-1.amazonaws.com", "user-agent": "provider-webhooks/1",
        "x-amzn-trace-id": "Root=1-00000000-000000000000000000000000", "x-forwarded-for": "192.0.2.10",
        "x-forwarded-port": "443", "x-forwarded-proto": "https",
    });
    if let (Some(headers), Some(own)) = (headers.as_object_mut(), own.as_object()) {
        headers.extend(own.clone());
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
pub(crate) fn broken_envelope(provider: Provider) -> Bytes {
    let event = provider.event(b"{}", false);
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
