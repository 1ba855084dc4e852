//! Signatures, tokens, and the documents that hold their secrets.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::secret::{ProviderSecrets, Secret, live};
use hookledger_core::model::signature::{Encoding, Scheme};
use hookledger_core::model::time::UnixMs;
use sha2::Sha256;

use super::super::target::Seen;

const NOW: UnixMs = UnixMs(1_760_000_000_000);
const PAST_SECS: u64 = 600;
const FUTURE_SECS: u64 = 300;
/// A text that is a key in all three encodings.
const SECRET: &str = "0123456789abcdef";
/// The URL token and the static header's value here: a token is longer than a secret has to be.
const TOKEN: &str = "0123456789abcdef01234567";
/// A key of Standard Webhooks, which has a least length.
const WHSEC: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
/// The message's id, where one is signed.
const ID: &str = "msg_1";
const ENCODINGS: [Encoding; 3] = [Encoding::Utf8, Encoding::Hex, Encoding::Base64];

fn key(encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => SECRET.as_bytes().to_vec(),
        Encoding::Hex => hex::decode(SECRET).unwrap(),
        Encoding::Base64 => BASE64_STANDARD.decode(SECRET).unwrap(),
    }
}

fn tag(encoding: Encoding, parts: &[&[u8]]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key(encoding)).unwrap();
    parts.iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn standard_tag(t: &str, body: &[u8]) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(&BASE64_STANDARD.decode(WHSEC).unwrap()).unwrap();
    [ID.as_bytes(), b".", t.as_bytes(), b".", body].iter().for_each(|part| mac.update(part));
    mac.finalize().into_bytes().to_vec()
}

fn timestamped(secret_encoding: Encoding) -> Scheme {
    Scheme::Timestamped { header: "h", secret_encoding, past_secs: PAST_SECS, future_secs: FUTURE_SECS }
}

fn prefixed(tag_encoding: Encoding, secret_encoding: Encoding) -> Scheme {
    Scheme::Prefixed { header: "h", prefix: "sha256=", tag_encoding, secret_encoding }
}

fn standard() -> Scheme {
    Scheme::Standard { past_secs: PAST_SECS, future_secs: FUTURE_SECS }
}

fn known_secrets() -> ProviderSecrets {
    let list = |value: &str| serde_json::json!([{ "id": "s", "value": value }]);
    let token = list(TOKEN);
    let secret = serde_json::json!([{ "id": "s", "value": SECRET }, { "id": "w", "value": format!("whsec_{WHSEC}") }]);
    let document = serde_json::json!({ "signing_secrets": secret, "url_tokens": token, "static_header": token });
    ProviderSecrets::parse(&document.to_string()).unwrap()
}

/// A delivery that says the same wherever a scheme looks; the three headers of Standard Webhooks say an id, what stands
/// before the first blank, and what stands behind it.
fn delivery(value: &str, body: &[u8]) -> Delivery {
    let mut delivery = Delivery::new(ProviderId("test"), NOW, body.to_vec());
    let (before, behind) = value.split_once(' ').unwrap_or((value, ""));
    for (name, value) in
        [("H", value), ("webhook-id", ID), ("webhook-timestamp", before), ("webhook-signature", behind)]
    {
        delivery.headers.push((name.into(), value.into()));
    }
    delivery.path_token = Some(Secret::new(value));
    delivery.source_ip = Some("192.0.2.1".into());
    delivery
}

fn outcome(scheme: &Scheme, value: &str, body: &[u8], secrets: &ProviderSecrets) -> Result<Vec<u8>, &'static str> {
    let verified = scheme.verify(delivery(value, body), secrets, NOW);
    verified.map(|verified| verified.body().to_vec()).map_err(|(refusal, _)| refusal.code())
}

/// The first line is the header's value, the rest the body.
pub(super) fn signature(input: &[u8]) -> Seen {
    let (value, body) = split(input);
    let value = value.as_str();
    let known = known_secrets();
    let mut seen = Vec::new();
    let mut check = |scheme: &Scheme, genuine: bool| {
        let got = outcome(scheme, value, body, &known);
        assert!(got.is_ok() == genuine, "accepted although nothing genuine is in the header, or the reverse: {got:?}");
        assert!(got.as_ref().is_err() || got.as_deref() == Ok(body), "accepted with another body");
        seen.push(got.map_or_else(|code| code, |_| "accepted"));
    };
    for encoding in ENCODINGS {
        check(&timestamped(encoding), genuine_timestamped(encoding, value, body));
        let hex_tag = value.strip_prefix("sha256=").and_then(|tag| hex::decode(tag).ok());
        check(&prefixed(Encoding::Hex, encoding), hex_tag.as_ref() == Some(&tag(encoding, &[body])));
        let base64_tag = format!("sha256={}", BASE64_STANDARD.encode(tag(encoding, &[body])));
        check(&prefixed(Encoding::Base64, encoding), value == base64_tag);
    }
    check(&standard(), genuine_standard(value, body));
    let open = Scheme::Unsigned { allowed_cidrs: vec![], static_header: None };
    let strict =
        Scheme::Unsigned { allowed_cidrs: vec!["192.0.2.0/24".parse().unwrap()], static_header: Some("h".into()) };
    check(&open, value == TOKEN);
    check(&strict, value == TOKEN);
    seen.join(" ")
}

/// What the scheme's page says, spelled out another way: one `t` of digits, one of the first eight readable `v1` right,
/// and the instant near.
fn genuine_timestamped(encoding: Encoding, value: &str, body: &[u8]) -> bool {
    let fields: Vec<(&str, &str)> = match value.split(',').map(|field| field.trim().split_once('=')).collect() {
        Some(fields) => fields,
        None => return false,
    };
    let of = |name: &str| fields.iter().filter(|(key, _)| *key == name).map(|(_, text)| *text).collect::<Vec<_>>();
    let (instants, tags) = (of("t"), of("v1"));
    let [t] = instants[..] else { return false };
    let digits = !t.is_empty() && t.bytes().all(|byte| byte.is_ascii_digit());
    let Some(at) = t.parse::<i64>().ok().filter(|_| digits) else { return false };
    let decoded: Vec<Vec<u8>> = tags.iter().filter_map(|tag| hex::decode(tag).ok()).take(8).collect();
    let wanted = tag(encoding, &[t.as_bytes(), b".", body]);
    let near = (NOW.secs() - PAST_SECS as i64..=NOW.secs() + FUTURE_SECS as i64).contains(&at);
    near && decoded.contains(&wanted)
}

/// The same for Standard Webhooks, by its specification: one of the first eight readable `v1` right, and the instant near.
fn genuine_standard(value: &str, body: &[u8]) -> bool {
    let Some((t, tags)) = value.split_once(' ') else { return false };
    let digits = !t.is_empty() && t.bytes().all(|byte| byte.is_ascii_digit());
    let Some(at) = t.parse::<i64>().ok().filter(|_| digits) else { return false };
    let decoded = tags.split(' ').filter_map(|tag| BASE64_STANDARD.decode(tag.strip_prefix("v1,")?).ok());
    let decoded: Vec<Vec<u8>> = decoded.take(8).collect();
    let wanted = standard_tag(t, body);
    let near = (NOW.secs() - PAST_SECS as i64..=NOW.secs() + FUTURE_SECS as i64).contains(&at);
    near && decoded.contains(&wanted)
}

fn split(input: &[u8]) -> (String, &[u8]) {
    let end = input.iter().position(|byte| *byte == b'\n').unwrap_or(input.len());
    let body = input.get(end + 1..).unwrap_or_default();
    (String::from_utf8_lossy(&input[..end]).into_owned(), body)
}

/// One genuine delivery for each scheme and encoding, at times near and far.
pub(super) fn signature_samples() -> Vec<Vec<u8>> {
    let body = br#"{"event_id":"e1","type":"balance.extracted","data":{"amount":12.50}}"#;
    let mut values = vec![TOKEN.to_string()];
    for offset in [0, -600, -601, 300, 301] {
        let t = (NOW.secs() + offset).to_string();
        let tag = standard_tag(&t, body);
        values.push(format!("{t} v1a,AAAA v1,{}", BASE64_STANDARD.encode(tag)));
    }
    for encoding in ENCODINGS {
        for offset in [0, -600, -601, 300, 301] {
            let t = (NOW.secs() + offset).to_string();
            values.push(format!("t={t},v1={}", hex::encode(tag(encoding, &[t.as_bytes(), b".", body]))));
        }
        values.push(format!("sha256={}", hex::encode(tag(encoding, &[body]))));
        values.push(format!("sha256={}", BASE64_STANDARD.encode(tag(encoding, &[body]))));
    }
    values.iter().map(|value| [value.as_bytes(), b"\n", body].concat()).collect()
}

/// A secret document is read, or refused without a word of it.
pub(super) fn secrets(input: &[u8]) -> Seen {
    let Ok(text) = std::str::from_utf8(input) else { return "not text".into() };
    match ProviderSecrets::parse(text) {
        Ok(read) => {
            let printed = format!("{read:?}");
            let all = read.signing_secrets.iter().chain(&read.url_tokens).chain(&read.static_header);
            let names: String = read.api.keys().map(String::as_str).chain(all.clone().map(|s| s.id.as_str())).collect();
            // What is printed of every document is no secret of this one.
            let always = format!("{:?} {names}", known_secrets());
            for secret in all.map(|named| &named.value).chain(read.api.values()) {
                let value = secret.reveal();
                let shown = value.len() > 12 && !always.contains(value) && printed.contains(value);
                assert!(!shown, "a secret was printed");
            }
            let lists = [&read.signing_secrets, &read.url_tokens, &read.static_header];
            let usable =
                |list: &Vec<_>| live(list, NOW).inspect(|s| assert!(s.value.reveal().len() >= 16)).count().min(3);
            format!("read {:?}", lists.map(usable))
        }
        Err(error) => {
            let message = error.to_string();
            let rest: String = message.chars().filter(|c| !c.is_ascii_digit()).collect();
            let fixed = "the secret document is not usable (line , column ): see ProviderSecrets for its shape";
            assert!(rest == fixed, "the error says more than where");
            "refused".into()
        }
    }
}

pub(super) fn secret_samples() -> Vec<Vec<u8>> {
    let full = r#"{"signing_secrets":[{"id":"2026-11","value":"correct horse battery","not_after":"2027-01-01T00:00:00Z"},{"id":"old","value":""}],"url_tokens":[{"id":"a","value":"tok-0123456789abcdef01"}],"static_header":[{"id":"h","value":"shared value of both"}],"api":{"api_key":"key-0123456789abcdef"}}"#;
    [full, "{}"].map(|text| text.as_bytes().to_vec()).to_vec()
}
