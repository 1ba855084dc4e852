//! Canaries: secrets and personal data that are random enough to be recognised wherever they turn up, and the search
//! for them in whatever the stack has written.

pub mod evidence;
pub mod state;

use base64::engine::general_purpose::{STANDARD, URL_SAFE};

/// A value that must not turn up where it does not belong.
#[derive(Clone, Debug)]
pub struct Canary {
    /// What it stands for.
    pub kind: &'static str,
    /// The value.
    pub value: String,
    needles: Vec<Needle>,
}

/// A canary as it looks in one encoding.
#[derive(Clone, Debug)]
struct Needle {
    encoding: &'static str,
    text: String,
}

impl Canary {
    /// A canary of this value.
    pub fn new(kind: &'static str, value: impl Into<String>) -> Self {
        let value = value.into();
        let needles = needles(&value);
        Self { kind, value, needles }
    }

    /// A social security number of an area that is never assigned, an account number, a signing secret, an API key, and
    /// a token that fits a URL.
    pub fn flock() -> [Self; 5] {
        let digits = random_digits();
        let (serial, account) = digits.split_at(6);
        let (group, number) = serial.split_at(2);
        [
            Self::new("SSN", format!("666-{group}-{number}")),
            Self::new("account number", account),
            Self::new("signing secret", format!("whsec+{}/{}==", random_hex(), random_hex())),
            Self::new("API key", format!("key+{}/{}", random_hex(), random_hex())),
            Self::new("URL token", format!("token-{}", random_hex())),
        ]
    }

    /// The encodings in which the canary is in this text.
    pub fn encodings_in(&self, text: &str) -> Vec<&'static str> {
        self.needles.iter().filter(|needle| text.contains(&needle.text)).map(|needle| needle.encoding).collect()
    }
}

fn random_bytes() -> [u8; 16] {
    let mut bytes = [0; 16];
    getrandom::fill(&mut bytes).expect("the system gives randomness");
    bytes
}

/// 32 hex digits.
pub fn random_hex() -> String {
    hex::encode(random_bytes())
}

/// 6 digits for the serial of a number and 17 for an account.
fn random_digits() -> String {
    let digits: String =
        random_bytes().iter().chain(&random_bytes()).map(|byte| char::from(b'0' + byte % 10)).collect();
    digits.chars().take(23).collect()
}

/// The value as it may have been written: as it is, escaped, in hex, or inside something that was made base64.
fn needles(value: &str) -> Vec<Needle> {
    let each = |write: &dyn Fn(u8) -> String| value.bytes().map(write).collect::<String>();
    let unreserved = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let mut all = vec![
        ("plain", value.to_string()),
        ("URL", each(&|byte| if unreserved(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })),
        ("URL, every byte", each(&|byte| format!("%{byte:02X}"))),
        ("url, every byte", each(&|byte| format!("%{byte:02x}"))),
        ("JSON", value.replace('/', r"\/")),
        ("JSON, every byte", each(&|byte| format!("\\u{byte:04x}"))),
        ("JSON, every BYTE", each(&|byte| format!("\\u{byte:04X}"))),
        ("hex", hex::encode(value)),
        ("HEX", hex::encode_upper(value)),
    ];
    for (offset, encoding) in ["base64", "base64 + 1", "base64 + 2"].into_iter().enumerate() {
        all.push((encoding, inside_base64(value, offset, &STANDARD)));
        all.push((encoding, inside_base64(value, offset, &URL_SAFE)));
    }
    all.dedup_by(|a, b| a.1 == b.1);
    all.into_iter().map(|(encoding, text)| Needle { encoding, text }).collect()
}

/// The part of a base64 text that the value alone decides, where `offset` bytes beyond whole groups of three stand
/// before it.
fn inside_base64(value: &str, offset: usize, engine: &impl base64::Engine) -> String {
    let before = vec![0; offset];
    let encoded = engine.encode([before.as_slice(), value.as_bytes()].concat());
    let first = (offset * 8).div_ceil(6);
    let end = (offset + value.len()) * 8 / 6;
    encoded.chars().take(end).skip(first).collect()
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;

    use super::*;

    #[test]
    fn a_canary_is_seen_in_every_disguise() {
        for canary in Canary::flock() {
            let value = canary.value.as_str();
            let seen = |text: String| !canary.encodings_in(&text).is_empty();
            for before in ["", "a", "ab", "abc", "abcd"] {
                let written = format!("{before}{value}\",\"after\":1");
                let disguises = [
                    ("plain", written.clone()),
                    ("hex", hex::encode(&written)),
                    ("HEX", hex::encode_upper(&written)),
                    ("base64", STANDARD.encode(&written)),
                    ("base64 for URLs", URL_SAFE.encode(&written)),
                    ("JSON", serde_json::to_string(&written).unwrap()),
                    ("JSON twice", serde_json::to_string(&serde_json::to_string(&written).unwrap()).unwrap()),
                    ("URL", written.bytes().map(|byte| format!("%{byte:02X}")).collect()),
                    ("query", written.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D")),
                ];
                for (name, disguise) in disguises {
                    assert!(seen(disguise.clone()), "{}, {name}, after {before:?}: {disguise}", canary.kind);
                }
            }
            let other = Canary::flock().map(|other| other.value).join(" ");
            for innocent in [String::new(), other, value.chars().rev().collect()] {
                assert!(!seen(innocent.clone()), "{}: {innocent}", canary.kind);
            }
        }
    }
}
