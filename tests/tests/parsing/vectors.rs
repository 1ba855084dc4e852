//! Verification against signatures that others made: the cases of a public test suite, the published example of a
//! public scheme, and what Python, Node and OpenSSL sign. All of it goes through `Scheme::verify`, as a delivery does.

use std::process::Command;

use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::secret::ProviderSecrets;
use hookledger_core::model::signature::{Encoding, Refusal, Scheme};
use hookledger_core::model::time::UnixMs;
use hookledger_core::providers;
use serde::Deserialize;

const PROVIDER: ProviderId = ProviderId("test");
const FOLDER: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/vectors");

fn read<T: for<'a> Deserialize<'a>>(name: &str) -> T {
    let path = format!("{FOLDER}/{name}");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn delivery(at: UnixMs, header: &str, value: &str, body: Vec<u8>) -> Delivery {
    let mut delivery = Delivery::new(PROVIDER, at, body);
    delivery.headers.push((header.into(), value.into()));
    delivery
}

fn secrets(value: &str) -> ProviderSecrets {
    let document = serde_json::json!({ "signing_secrets": [{ "id": "only", "value": value }] });
    ProviderSecrets::parse(&document.to_string()).unwrap()
}

/// Accepted with the body untouched, or the reason why not.
fn verify(scheme: &Scheme, delivery: Delivery, secret: &str) -> Result<Vec<u8>, Refusal> {
    let at = delivery.received_at;
    scheme.verify(delivery, &secrets(secret), at).map(|v| v.body().to_vec()).map_err(|(refusal, _)| refusal)
}

/// The tag alone in a header, over the body alone: the plainest shape that `Scheme` has.
fn plain(prefix: &'static str, tag_encoding: Encoding, secret_encoding: Encoding) -> Scheme {
    Scheme::Prefixed { header: "signature", prefix, tag_encoding, secret_encoding }
}

#[derive(Deserialize)]
struct Wycheproof {
    cases: Vec<WycheproofCase>,
}

#[derive(Deserialize)]
struct WycheproofCase {
    id: u32,
    about: String,
    tag_bits: u32,
    key: String,
    message: String,
    tag: String,
    valid: bool,
}

/// Every case of Project Wycheproof. The suite calls the first half of a tag valid where 128 bits were agreed on; here
/// nothing but the whole tag was, so those are refused like the modified ones.
#[test]
fn wycheproofs_cases() {
    let suite: Wycheproof = read("wycheproof-hmac-sha256.json");
    let scheme = plain("", Encoding::Hex, Encoding::Hex);
    let (mut whole, mut refused) = (0, 0);
    for case in suite.cases {
        let message = hex::decode(&case.message).unwrap();
        let got = verify(&scheme, delivery(UnixMs(0), "signature", &case.tag, message.clone()), &case.key);
        if case.valid && case.tag_bits == 256 {
            assert_eq!(got, Ok(message), "{}: {}", case.id, case.about);
            whole += 1;
        } else {
            assert_eq!(got, Err(Refusal::WrongSignature), "{}: {}", case.id, case.about);
            refused += 1;
        }
    }
    assert_eq!((whole, refused), (33, 141), "cases are missing");
}

/// A tag that is right as far as it goes is refused at every length but its own.
#[test]
fn no_part_of_a_tag_is_a_tag() {
    let suite: Wycheproof = read("wycheproof-hmac-sha256.json");
    let scheme = plain("", Encoding::Hex, Encoding::Hex);
    let case = suite.cases.into_iter().find(|case| case.valid && case.tag_bits == 256).unwrap();
    let message = hex::decode(&case.message).unwrap();
    for digits in (0..=case.tag.len()).step_by(2) {
        let got = verify(&scheme, delivery(UnixMs(0), "signature", &case.tag[..digits], message.clone()), &case.key);
        assert_eq!(got.is_ok(), digits == 64, "{digits} digits: {got:?}");
    }
}

#[derive(Deserialize)]
struct StandardWebhooks {
    secret: String,
    id: String,
    timestamp: i64,
    body: String,
    signature: String,
    invalid: String,
}

/// The example that the scheme's own libraries are tested with.
#[test]
fn the_published_standard_webhooks_example() {
    let example: StandardWebhooks = read("standard-webhooks.json");
    let scheme = Scheme::Standard { past_secs: 300, future_secs: 300 };
    let given = |id: &str, signature: &str, body: &str| {
        let mut delivery = Delivery::new(PROVIDER, UnixMs::from_secs(example.timestamp), body.as_bytes().to_vec());
        let timestamp = example.timestamp.to_string();
        let headers = [("webhook-id", id), ("webhook-timestamp", &timestamp), ("webhook-signature", signature)];
        delivery.headers = headers.map(|(name, value)| (name.to_string(), value.to_string())).to_vec();
        verify(&scheme, delivery, &example.secret)
    };
    let (id, signature, body) = (&example.id, &example.signature, &example.body);
    assert_eq!(given(id, signature, body), Ok(body.clone().into_bytes()));
    assert_eq!(given(id, &example.invalid, body), Err(Refusal::WrongSignature));
    assert_eq!(given("another", signature, body), Err(Refusal::WrongSignature));
    assert_eq!(given(id, signature, &format!("{body} ")), Err(Refusal::WrongSignature));
    assert_eq!(given(id, &signature.replace("v1,", "v2,"), body), Err(Refusal::MalformedSignature));
}

#[derive(Deserialize)]
struct Independent {
    signed_at: i64,
    cases: Vec<IndependentCase>,
}

#[derive(Deserialize)]
struct IndependentCase {
    about: String,
    provider: String,
    tag_encoding: String,
    secret_encoding: String,
    secret: String,
    body_hex: String,
    times: usize,
    header: String,
}

/// What Python, Node and OpenSSL sign is let in by the providers' own settings, byte for byte, and nothing near it is.
#[test]
fn what_others_sign_is_let_in() {
    let made: Independent = read("signatures.json");
    let at = UnixMs::from_secs(made.signed_at);
    assert_eq!(made.cases.len(), 108, "cases are missing");
    for case in made.cases {
        let lookup = |name: &str| match name {
            "FYNAPSE_SECRET_ENCODING" | "RUNPAYMENTS_SECRET_ENCODING" => Some(case.secret_encoding.clone()),
            "RUNPAYMENTS_SIGNATURE_ENCODING" => Some(case.tag_encoding.clone()),
            _ => None,
        };
        let provider = (providers::definition(&case.provider).unwrap().build)(&lookup).unwrap();
        let scheme = provider.scheme();
        let header = scheme.headers()[0].to_string();
        let body = hex::decode(&case.body_hex).unwrap().repeat(case.times);
        let given =
            |value: &str, body: &[u8]| verify(scheme, delivery(at, &header, value, body.to_vec()), &case.secret);
        assert!(given(&case.header, &body) == Ok(body.clone()), "{}", case.about);
        for (what, near) in [("one byte more", [&body[..], b"\n"].concat()), ("one byte less", shorter(&body))] {
            assert_eq!(given(&case.header, &near).err(), Some(Refusal::WrongSignature), "{}: {what}", case.about);
        }
        let other_secret = verify(scheme, delivery(at, &header, &case.header, body), "0123456789abcdef");
        assert_eq!(other_secret.err(), Some(Refusal::WrongSignature), "{}: another secret", case.about);
    }
}

/// The body without its last byte; of an empty one, another body.
fn shorter(body: &[u8]) -> Vec<u8> {
    body.split_last().map_or(vec![0], |(_, rest)| rest.to_vec())
}

/// The generator prints the committed file, whoever signs. A machine without one of the three checks the others.
#[test]
fn signatures_are_made_again() {
    let committed = std::fs::read(format!("{FOLDER}/signatures.json")).unwrap();
    let installed = |program: &&str| Command::new(program).arg(version_flag(program)).output().is_ok();
    if !installed(&"python3") {
        println!("python3 is not installed: the committed signatures were not made again");
        return;
    }
    for (by, program) in [("python", "python3"), ("node", "node"), ("openssl", "openssl")] {
        if !installed(&program) {
            println!("{program} is not installed: it signed nothing here");
            continue;
        }
        let made = Command::new("python3").args([&format!("{FOLDER}/generate.py"), "--by", by]).output().unwrap();
        assert!(made.status.success(), "{by}: {}", String::from_utf8_lossy(&made.stderr));
        assert!(made.stdout == committed, "{by} signs otherwise than the committed signatures.json");
    }
}

fn version_flag(program: &str) -> &'static str {
    if program == "openssl" { "version" } else { "--version" }
}

/// Tags and the digests of tokens are compared in `signature` in two places, both in constant time. Time can't be measured well
/// enough in a test; that nothing else there compares can be read off the source.
#[test]
fn tags_and_tokens_are_compared_in_constant_time_only() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../shared/core/src/model");
    let files = ["signature.rs", "signature/bytes.rs", "signature/header.rs", "signature/refusal.rs"];
    let source: String =
        files.iter().map(|file| std::fs::read_to_string(format!("{folder}/{file}")).unwrap()).collect();
    let code: Vec<&str> =
        source.lines().map(|line| line.split("//").next().unwrap().trim()).filter(|line| !line.is_empty()).collect();
    let holding = |what: &str| code.iter().filter(|line| line.contains(what)).copied().collect::<Vec<_>>();
    assert_eq!(holding(".verify_slice("), ["if tags.iter().any(|tag| mac.clone().verify_slice(tag).is_ok()) {"]);
    assert_eq!(holding(".ct_eq("), ["if bool::from(expected.as_bytes().ct_eq(given.as_bytes())) && found.is_none() {"]);
    // Field names of the header are no secret.
    assert_eq!([holding("=="), holding("!=")].concat(), [r#"Some((key, _)) if key != "t" => {}"#]);
    let compares = ["verify_truncated", ".eq(", ".ne(", ".cmp(", "starts_with(", "ends_with(", "memcmp", ".position("];
    for other in compares {
        assert_eq!(holding(other), Vec::<&str>::new(), "compares without constant time");
    }
    // `contains` is asked of networks and of no secret.
    assert_eq!(holding("contains("), ["if !allowed_cidrs.iter().any(|network| network.contains(&source)) {"]);
    // A secret's text leaves it as a key, or as what is hashed before it is compared.
    assert_eq!(holding("secret.value.reveal()").len(), 2);
}

/// And as it behaves: wherever a tag or token goes wrong, the answer is the same, and it is refused.
#[test]
fn where_a_tag_goes_wrong_makes_no_difference() {
    let suite: Wycheproof = read("wycheproof-hmac-sha256.json");
    let scheme = plain("", Encoding::Hex, Encoding::Hex);
    let case = suite.cases.into_iter().find(|case| case.valid && case.tag_bits == 256).unwrap();
    let message = hex::decode(&case.message).unwrap();
    let tag = hex::decode(&case.tag).unwrap();
    for bit in 0..tag.len() * 8 {
        let mut changed = tag.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let value = hex::encode(changed);
        let got = verify(&scheme, delivery(UnixMs(0), "signature", &value, message.clone()), &case.key);
        assert_eq!(got, Err(Refusal::WrongSignature), "bit {bit}");
    }
    let token = "0123456789abcdef0123456789abcdef";
    let unsigned = Scheme::Unsigned { allowed_cidrs: vec![], static_header: None };
    let document = serde_json::json!({ "url_tokens": [{ "id": "t", "value": token }] }).to_string();
    let known = ProviderSecrets::parse(&document).unwrap();
    for at in 0..token.len() {
        let mut wrong = token.as_bytes().to_vec();
        wrong[at] ^= 1;
        for given in [String::from_utf8(wrong).unwrap(), token[..at].to_string(), format!("{token}{}", &token[..=at])] {
            let mut tokened = Delivery::new(PROVIDER, UnixMs(0), Vec::new());
            tokened.path_token = Some(hookledger_core::model::secret::Secret::new(given));
            let got = unsigned.verify(tokened, &known, UnixMs(0)).map(drop).map_err(|(refusal, _)| refusal);
            assert_eq!(got, Err(Refusal::WrongToken), "position {at}");
        }
    }
}
