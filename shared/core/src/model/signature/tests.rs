//! Every signature case, by name.

use proptest::prelude::*;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::*;
use crate::model::identity::ProviderId;
use crate::model::secret::Secret;

const NOW: UnixMs = UnixMs(1_760_000_000_000);
const BODY: &[u8] = br#"{"event_id":"e1","data":{"amount":12.50}}"#;

fn tag(secret: &[u8], signed: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret).unwrap();
    mac.update(signed);
    hex::encode(mac.finalize().into_bytes())
}

fn timestamped() -> Scheme {
    Scheme::Timestamped {
        header: "webhook-signature",
        secret_encoding: Encoding::Utf8,
        past_secs: 600,
        future_secs: 300,
    }
}

fn prefixed() -> Scheme {
    Scheme::Prefixed {
        header: "x-webhook-signature-256",
        prefix: "sha256=",
        tag_encoding: Encoding::Hex,
        secret_encoding: Encoding::Utf8,
    }
}

fn secrets(json: &str) -> ProviderSecrets {
    ProviderSecrets::parse(json).unwrap()
}

fn two_secrets() -> ProviderSecrets {
    secrets(r#"{"signing_secrets":[{"id":"new","value":"the second secret"},{"id":"old","value":"the first secret"}]}"#)
}

fn delivery(headers: &[(&str, &str)], body: &[u8]) -> Delivery {
    let mut delivery = Delivery::new(ProviderId("test"), NOW, body.to_vec());
    delivery.headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect();
    delivery
}

fn outcome(scheme: &Scheme, delivery: Delivery, secrets: &ProviderSecrets) -> Result<String, Refusal> {
    scheme.verify(delivery, secrets, NOW).map(|v| v.proof().secret_id.clone()).map_err(|(refusal, _)| refusal)
}

#[test]
fn timestamped_signatures() {
    let at = |offset: i64| (NOW.secs() + offset).to_string();
    let sign = |secret: &str, t: &str| {
        let mut signed = format!("{t}.").into_bytes();
        signed.extend_from_slice(BODY);
        tag(secret.as_bytes(), &signed)
    };
    let header = |t: &str, tag: &str| format!("t={t},v1={tag}");
    let good = sign("the first secret", &at(0));
    let rows: Vec<(&str, Option<String>, Result<&str, Refusal>)> = vec![
        ("good", Some(header(&at(0), &good)), Ok("old")),
        ("second live secret", Some(header(&at(0), &sign("the second secret", &at(0)))), Ok("new")),
        ("two tags, the second matches", Some(format!("t={},v1={},v1={good}", at(0), "00".repeat(32))), Ok("old")),
        ("a tag that is no hex, before", Some(format!("t={},v1=zz,v1={good}", at(0))), Ok("old")),
        ("a tag that is no hex, behind", Some(format!("t={},v1={good},v1=not hex", at(0))), Ok("old")),
        ("more tags than are tried", Some(format!("t={},v1={good}{}", at(0), ",v1=00".repeat(9))), Ok("old")),
        ("unknown field passed over", Some(format!("t={},v0=zz,v1={good}", at(0))), Ok("old")),
        ("spaces after commas", Some(format!("t={}, v1={good}", at(0))), Ok("old")),
        ("upper-case hex", Some(header(&at(0), &good.to_uppercase())), Ok("old")),
        ("as old as allowed", Some(header(&at(-600), &sign("the first secret", &at(-600)))), Ok("old")),
        ("a second too old", Some(header(&at(-601), &sign("the first secret", &at(-601)))), Err(Refusal::Stale)),
        ("as far ahead as allowed", Some(header(&at(300), &sign("the first secret", &at(300)))), Ok("old")),
        ("a second too far ahead", Some(header(&at(301), &sign("the first secret", &at(301)))), Err(Refusal::Future)),
        ("wrong secret", Some(header(&at(0), &sign("third", &at(0)))), Err(Refusal::WrongSignature)),
        ("another instant than was signed", Some(header(&at(1), &good)), Err(Refusal::WrongSignature)),
        ("stale and forged is forged", Some(header(&at(-9999), &good)), Err(Refusal::WrongSignature)),
        ("truncated tag", Some(header(&at(0), &good[..62])), Err(Refusal::WrongSignature)),
        ("tag with more behind it", Some(header(&at(0), &format!("{good}00"))), Err(Refusal::WrongSignature)),
        ("empty tag", Some(header(&at(0), "")), Err(Refusal::WrongSignature)),
        ("no header", None, Err(Refusal::MissingSignature)),
        ("empty header", Some(String::new()), Err(Refusal::MalformedSignature)),
        ("no tag", Some(format!("t={}", at(0))), Err(Refusal::MalformedSignature)),
        ("no instant", Some(format!("v1={good}")), Err(Refusal::MalformedSignature)),
        ("two instants", Some(format!("t={0},t={0},v1={good}", at(0))), Err(Refusal::MalformedSignature)),
        ("a signed instant", Some(header("+1760000000", &good)), Err(Refusal::MalformedSignature)),
        ("an instant out of range", Some(header(&"9".repeat(30), &good)), Err(Refusal::MalformedSignature)),
        ("not hex", Some(header(&at(0), &"zz".repeat(32))), Err(Refusal::MalformedSignature)),
    ];
    for (name, value, expected) in rows {
        let headers: Vec<(&str, &str)> = value.iter().map(|v| ("Webhook-Signature", v.as_str())).collect();
        let got = outcome(&timestamped(), delivery(&headers, BODY), &two_secrets());
        assert_eq!(got, expected.map(str::to_string), "{name}");
    }
}

#[test]
fn prefixed_signatures() {
    let good = tag(b"the first secret", BODY);
    let rows: Vec<(&str, Option<String>, Result<&str, Refusal>)> = vec![
        ("good", Some(format!("sha256={good}")), Ok("old")),
        ("second live secret", Some(format!("sha256={}", tag(b"the second secret", BODY))), Ok("new")),
        ("upper-case hex", Some(format!("sha256={}", good.to_uppercase())), Ok("old")),
        ("wrong secret", Some(format!("sha256={}", tag(b"third", BODY))), Err(Refusal::WrongSignature)),
        ("truncated tag", Some(format!("sha256={}", &good[..32])), Err(Refusal::WrongSignature)),
        ("no prefix", Some(good.clone()), Err(Refusal::MalformedSignature)),
        ("another algorithm", Some(format!("sha1={good}")), Err(Refusal::MalformedSignature)),
        ("not hex", Some("sha256=xyz".into()), Err(Refusal::MalformedSignature)),
        ("sent twice", Some(format!("sha256={good},sha256={good}")), Err(Refusal::MalformedSignature)),
        ("missing", None, Err(Refusal::MissingSignature)),
    ];
    for (name, value, expected) in rows {
        let headers: Vec<(&str, &str)> = value.iter().map(|v| ("x-webhook-signature-256", v.as_str())).collect();
        let got = outcome(&prefixed(), delivery(&headers, BODY), &two_secrets());
        assert_eq!(got, expected.map(str::to_string), "{name}");
    }
}

#[test]
fn encodings_of_secret_and_tag() {
    let key = [0u8, 159, 146, 150].repeat(4);
    let signed = |encoding| Scheme::Prefixed {
        header: "s",
        prefix: "sha256=",
        tag_encoding: Encoding::Base64,
        secret_encoding: encoding,
    };
    let value = format!("sha256={}", BASE64_STANDARD.encode(hex::decode(tag(&key, BODY)).unwrap()));
    for (encoding, text) in [(Encoding::Hex, "009F9296".repeat(4)), (Encoding::Base64, BASE64_STANDARD.encode(&key))] {
        let secrets = secrets(&format!(r#"{{"signing_secrets":[{{"id":"k","value":"{text}"}}]}}"#));
        assert_eq!(outcome(&signed(encoding), delivery(&[("s", &value)], BODY), &secrets), Ok("k".into()));
    }
    // A secret that does not decode is no secret: nothing is checked with half a key.
    let broken = secrets(r#"{"signing_secrets":[{"id":"k","value":"no hexadecimal digits"}]}"#);
    assert_eq!(outcome(&signed(Encoding::Hex), delivery(&[("s", &value)], BODY), &broken), Err(Refusal::Unconfigured));
}

#[test]
fn no_secret_is_a_refusal_in_every_scheme() {
    let empty = ProviderSecrets::default();
    let ended = secrets(
        r#"{"signing_secrets":[{"id":"a","value":"the first secret","not_after":"2020-01-01T00:00:00Z"}],
            "url_tokens":[{"id":"a","value":"tok-a-0123456789abcdef","not_after":"2020-01-01T00:00:00Z"}]}"#,
    );
    let good = format!("sha256={}", tag(b"the first secret", BODY));
    let unsigned = Scheme::Unsigned { allowed_cidrs: vec![], static_header: None };
    for secrets in [&empty, &ended] {
        let signed = delivery(&[("x-webhook-signature-256", &good)], BODY);
        assert_eq!(outcome(&prefixed(), signed, secrets), Err(Refusal::Unconfigured));
        let mut tokened = delivery(&[], BODY);
        tokened.path_token = Some(Secret::new("tok-a-0123456789abcdef"));
        assert_eq!(outcome(&unsigned, tokened, secrets), Err(Refusal::Unconfigured));
        // An empty key must not be one that an empty secret "matches".
        let forged = format!("sha256={}", tag(b"", BODY));
        let forged = delivery(&[("x-webhook-signature-256", &forged)], BODY);
        assert_eq!(outcome(&prefixed(), forged, secrets), Err(Refusal::Unconfigured));
    }
}

#[test]
fn standard_webhooks() {
    // The example of the specification's own libraries.
    const KEY: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const ID: &str = "msg_p5jXN8AQM9LWM0D4loKWxJek";
    const TAG: &str = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
    const AT: i64 = 1_614_265_330;
    let scheme = Scheme::Standard { past_secs: 300, future_secs: 300 };
    let with = |key: &str| secrets(&format!(r#"{{"signing_secrets":[{{"id":"a","value":"{key}"}}]}}"#));
    let (whsec, other) = (with(&format!("whsec_{KEY}")), with("whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"));
    let at = AT.to_string();
    let both = format!("v1a,bm90IG91cnM= v1,AAAA {TAG}");
    let many = format!("{}{TAG}", "v1,AAAA ".repeat(8));
    type Row<'a> = (&'a str, Option<&'a str>, Option<&'a str>, Option<&'a str>, i64, Result<&'a str, Refusal>);
    let rows: [Row<'_>; 14] = [
        ("the published example", Some(ID), Some(&at), Some(TAG), 0, Ok("a")),
        ("one of several tags", Some(ID), Some(&at), Some(&both), 0, Ok("a")),
        ("more tags than are tried", Some(ID), Some(&at), Some(&many), 0, Err(Refusal::WrongSignature)),
        ("as old as allowed", Some(ID), Some(&at), Some(TAG), 300, Ok("a")),
        ("a second too old", Some(ID), Some(&at), Some(TAG), 301, Err(Refusal::Stale)),
        ("as far ahead as allowed", Some(ID), Some(&at), Some(TAG), -300, Ok("a")),
        ("a second too far ahead", Some(ID), Some(&at), Some(TAG), -301, Err(Refusal::Future)),
        ("another id", Some("msg_2"), Some(&at), Some(TAG), 0, Err(Refusal::WrongSignature)),
        ("another time than was signed", Some(ID), Some("1614265331"), Some(TAG), 0, Err(Refusal::WrongSignature)),
        ("no id", None, Some(&at), Some(TAG), 0, Err(Refusal::MissingSignature)),
        ("no time", Some(ID), None, Some(TAG), 0, Err(Refusal::MissingSignature)),
        ("no tag", Some(ID), Some(&at), None, 0, Err(Refusal::MissingSignature)),
        ("a time that is none", Some(ID), Some("+1614265330"), Some(TAG), 0, Err(Refusal::MalformedSignature)),
        ("another version alone", Some(ID), Some(&at), Some("v1a,AAAA v2,AAAA"), 0, Err(Refusal::MalformedSignature)),
    ];
    for (name, id, timestamp, signature, later, expected) in rows {
        let named = [(STANDARD_ID, id), (STANDARD_TIMESTAMP, timestamp), (STANDARD_SIGNATURE, signature)];
        let headers: Vec<(&str, &str)> = named.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let now = UnixMs::from_secs(AT + later);
        let verify = |secrets: &ProviderSecrets| {
            let delivery = delivery(&headers, br#"{"test": 2432232314}"#);
            scheme.verify(delivery, secrets, now).map(|known| known.proof().secret_id.clone()).map_err(|(why, _)| why)
        };
        assert_eq!(verify(&whsec), expected.map(str::to_string), "{name}");
        assert_eq!(verify(&with(KEY)), expected.map(str::to_string), "{name}, the key without its prefix");
        if expected.is_ok() {
            assert_eq!(verify(&other), Err(Refusal::WrongSignature), "{name}, by another key");
        }
    }
    let short = with("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaQ=");
    let refused = scheme.verify(
        delivery(&[(STANDARD_ID, ID), (STANDARD_TIMESTAMP, &at), (STANDARD_SIGNATURE, TAG)], b"{}"),
        &short,
        NOW,
    );
    assert_eq!(refused.map_err(|(why, _)| why).err(), Some(Refusal::Unconfigured), "a key of 23 bytes");
    // What is kept with a refusal proves it later.
    assert_eq!(scheme.headers(), [STANDARD_ID, STANDARD_TIMESTAMP, STANDARD_SIGNATURE]);
}

#[test]
fn unsigned_deliveries() {
    let secrets = secrets(
        r#"{"url_tokens":[{"id":"a","value":"tok-a-0123456789abcdef"},{"id":"b","value":"tok-b-0123456789abcdef"}],
            "static_header":[{"id":"h","value":"shared value of both"}]}"#,
    );
    let open = Scheme::Unsigned { allowed_cidrs: vec![], static_header: None };
    let strict = Scheme::Unsigned {
        allowed_cidrs: vec!["203.0.113.0/24".parse().unwrap(), "2001:db8::/32".parse().unwrap()],
        static_header: Some("x-secret-key".into()),
    };
    type Row<'a> = (&'a str, &'a Scheme, Option<&'a str>, Option<&'a str>, Option<&'a str>, Result<&'a str, Refusal>);
    let (good_ip, header) = (Some("203.0.113.9"), Some("shared value of both"));
    let rows: Vec<Row<'_>> = vec![
        ("token", &open, Some("tok-a-0123456789abcdef"), None, None, Ok("a")),
        ("other live token", &open, Some("tok-b-0123456789abcdef"), None, None, Ok("b")),
        ("wrong token", &open, Some("tok-c"), None, None, Err(Refusal::WrongToken)),
        ("longer token", &open, Some("tok-a-0123456789abcdeff"), None, None, Err(Refusal::WrongToken)),
        ("empty token", &open, Some(""), None, None, Err(Refusal::WrongToken)),
        ("no token", &open, None, None, None, Err(Refusal::WrongToken)),
        ("all layers", &strict, Some("tok-a-0123456789abcdef"), good_ip, header, Ok("a")),
        ("all layers, IPv6", &strict, Some("tok-a-0123456789abcdef"), Some("2001:db8::7"), header, Ok("a")),
        (
            "wrong network",
            &strict,
            Some("tok-a-0123456789abcdef"),
            Some("198.51.100.1"),
            header,
            Err(Refusal::SourceNotAllowed),
        ),
        ("no address", &strict, Some("tok-a-0123456789abcdef"), None, header, Err(Refusal::SourceNotAllowed)),
        (
            "unreadable address",
            &strict,
            Some("tok-a-0123456789abcdef"),
            Some("proxy"),
            header,
            Err(Refusal::SourceNotAllowed),
        ),
        (
            "wrong header",
            &strict,
            Some("tok-a-0123456789abcdef"),
            good_ip,
            Some("Shared value of both"),
            Err(Refusal::WrongStaticHeader),
        ),
        ("no header", &strict, Some("tok-a-0123456789abcdef"), good_ip, None, Err(Refusal::WrongStaticHeader)),
        ("header without token", &strict, None, good_ip, header, Err(Refusal::WrongToken)),
    ];
    for (name, scheme, token, ip, header, expected) in rows {
        let headers: Vec<(&str, &str)> = header.iter().map(|value| ("X-Secret-Key", *value)).collect();
        let mut delivery = delivery(&headers, BODY);
        delivery.path_token = token.map(Secret::new);
        delivery.source_ip = ip.map(str::to_string);
        assert_eq!(outcome(scheme, delivery, &secrets), expected.map(str::to_string), "{name}");
    }
}

proptest! {
    #[test]
    fn any_flipped_bit_is_refused(body in proptest::collection::vec(any::<u8>(), 1..200), at in any::<prop::sample::Index>(), bit in 0u8..8) {
        let value = format!("sha256={}", tag(b"the first secret", &body));
        let headers = [("x-webhook-signature-256", value.as_str())];
        prop_assert!(outcome(&prefixed(), delivery(&headers, &body), &two_secrets()).is_ok());
        let mut changed = body.clone();
        changed[at.index(body.len())] ^= 1 << bit;
        prop_assert_eq!(outcome(&prefixed(), delivery(&headers, &changed), &two_secrets()), Err(Refusal::WrongSignature));
    }

    #[test]
    fn no_header_text_panics_or_passes(value in ".{0,200}") {
        prop_assert!(outcome(&timestamped(), delivery(&[("webhook-signature", &value)], BODY), &two_secrets()).is_err());
        prop_assert!(outcome(&prefixed(), delivery(&[("x-webhook-signature-256", &value)], BODY), &two_secrets()).is_err());
    }
}
