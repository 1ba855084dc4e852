//! Requests that nobody should send, as a table: what is sent, what is answered, and what is kept of it.
//!
//! The same rows are played twice: in memory, where every count can be seen (`tests/parsing`), and over HTTP on the
//! deployed stack (`tests/e2e`). `docs/malformed.md` is this table in words, and a test holds it to it.
//!
//! Two things the local stack's gateway does not do as AWS's does. It turns what is no UTF-8 in a text body into
//! U+FFFD before the function sees it, and it enforces no size. So rows about bytes, sizes and envelopes go to the
//! function directly, as the event that AWS's gateway would make of them.

mod bodies;
pub mod rows;

use std::collections::BTreeMap;

use hookledger_kit::{self as kit, Kit};
use serde_json::{Value, json};

/// The secrets a table is made with, and what makes its events its own.
pub struct Keys {
    /// A live URL token or signing secret, by provider.
    pub secrets: BTreeMap<&'static str, String>,
    /// A part of every id.
    pub run: String,
    /// Now, in Unix seconds.
    pub now_secs: i64,
}

impl Keys {
    /// The provider's URL token or signing secret.
    pub fn of(&self, provider: &str) -> &str {
        &self.secrets[provider]
    }
}

/// How a request travels.
#[derive(Clone, Debug)]
pub enum Way {
    /// Over HTTP, through the gateway.
    Http {
        /// `POST`.
        method: &'static str,
        /// From `/webhooks` on.
        path: String,
        /// Names and values.
        headers: Vec<(String, String)>,
        /// The body.
        body: Vec<u8>,
    },
    /// As the gateway's event, handed to the function directly.
    Event(String),
}

/// What is kept of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kept {
    /// Nothing: the gateway has no such route, and the function is not called.
    NoRoute,
    /// Nothing: it is below `/webhooks/` and no delivery, and counted.
    Unrouted,
    /// Nothing: what the gateway sent can't be read, which is not the sender's fault, and it is asked to come again.
    NoEnvelope,
    /// The bytes, in quarantine under this code, counted as refused.
    Refused(&'static str),
    /// The bytes, in quarantine as unreadable, counted as unreadable.
    Unreadable,
    /// An entry that waits for a person, byte for byte, counted as unreadable and as parked.
    Parked,
    /// The event, byte for byte, as one of a type nobody works on.
    Ignored,
}

impl Kept {
    fn words(&self) -> String {
        match self {
            Self::NoRoute => "nothing; the gateway has no such route".into(),
            Self::Unrouted => "nothing; counted as `RequestsUnrouted`".into(),
            Self::NoEnvelope => "nothing; a log line, and the sender comes again".into(),
            Self::Refused(code) => format!("quarantined as `{code}`, counted"),
            Self::Unreadable => "quarantined as `unreadable`, counted".into(),
            Self::Parked => "parked as `unreadable`, byte for byte, counted".into(),
            Self::Ignored => "the event, byte for byte, as `ignored`".into(),
        }
    }
}

/// Those that one and the same is sent to, each of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// Nobody else.
    One,
    /// Every provider.
    All,
    /// Every provider that signs.
    Signing,
    /// Every provider that signs a time.
    SigningTime,
    /// Every provider with a token in its URL.
    Tokened,
}

impl Group {
    /// Who proves its deliveries as this one does.
    pub fn of(kit: &Kit) -> Self {
        if kit.is_signed() { Self::Signing } else { Self::Tokened }
    }

    /// In words, if these are all of the group; otherwise their names.
    fn words(self, providers: &[&str]) -> String {
        let is_in = |kit: &&&Kit| match self {
            Self::One => false,
            Self::All => true,
            Self::Signing => kit.is_signed(),
            Self::SigningTime => kit.signs_time(),
            Self::Tokened => !kit.is_signed(),
        };
        let all: Vec<&str> = kit::ALL.iter().filter(is_in).map(|kit| kit.name).collect();
        if all != providers {
            return providers.join(", ");
        }
        match self {
            Self::One => String::new(),
            Self::All => "each provider".into(),
            Self::Signing => "each that signs".into(),
            Self::SigningTime => "each that signs a time".into(),
            Self::Tokened => "each with a token in its URL".into(),
        }
    }
}

/// One request, and what becomes of it.
#[derive(Clone, Debug)]
pub struct Row {
    /// What is wrong with it.
    pub about: String,
    /// At whose URL, or whose function.
    pub provider: &'static str,
    /// Whom else it is sent to.
    pub group: Group,
    /// How it travels.
    pub way: Way,
    /// The status it is answered with.
    pub status: u16,
    /// What is kept.
    pub kept: Kept,
}

impl Row {
    /// The member of the answer's body, and its text.
    pub fn answer(&self) -> (&'static str, &'static str) {
        match (self.status, &self.kept) {
            (_, Kept::NoRoute | Kept::Unrouted) => ("message", "Not Found"),
            (503, _) => ("error", "temporarily unavailable, please send again"),
            (200, _) => ("status", "received"),
            (400, _) => ("error", "the body is not a JSON object"),
            _ => ("error", "refused"),
        }
    }

    /// The bytes a provider would have signed, where there are any.
    pub fn body(&self) -> Vec<u8> {
        match &self.way {
            Way::Http { body, .. } => body.clone(),
            Way::Event(event) => bodies::body_of(event),
        }
    }
}

/// The gateway's event for a genuine path: a POST with these bytes.
pub fn event(path: &str, token: Option<&str>, headers: &[(String, String)], body: &str, is_base64: bool) -> String {
    caught_event("POST", path, token.map(|token| json!({ "token": token })), headers, body, is_base64)
}

/// The gateway's event for any request below `/webhooks/`, as the template's routes catch it.
pub fn routed_event(method: &str, path: &str, headers: &[(String, String)], body: &str, is_base64: bool) -> String {
    let below = path.strip_prefix("/webhooks/").unwrap_or_default();
    let (provider, rest) = below.split_once('/').map_or((below, None), |(name, rest)| (name, Some(rest)));
    let is_signed = kit::find(provider).map(kit::Kit::is_signed);
    let caught = match (rest, method) {
        (None, "POST") if is_signed == Some(true) => None,
        (Some(token), "POST") if is_signed == Some(false) && !token.is_empty() && !token.contains('/') => {
            Some(json!({ "token": token }))
        }
        (Some(rest), _) if is_signed.is_some() => Some(json!({ "rest": rest })),
        _ => Some(json!({ "elsewhere": below })),
    };
    caught_event(method, path, caught, headers, body, is_base64)
}

fn caught_event(
    method: &str,
    path: &str,
    caught: Option<Value>,
    headers: &[(String, String)],
    body: &str,
    is_base64: bool,
) -> String {
    let headers: serde_json::Map<String, Value> =
        headers.iter().map(|(name, value)| (name.to_ascii_lowercase(), json!(value))).collect();
    let http = json!({ "method": method, "path": path, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.9" });
    let mut event = json!({
        "version": "2.0", "rawPath": path, "headers": headers, "requestContext": { "http": http },
        "body": body, "isBase64Encoded": is_base64,
    });
    if let (Some(caught), Some(event)) = (caught, event.as_object_mut()) {
        event.insert("pathParameters".into(), caught);
    }
    event.to_string()
}

/// The table in words. Rows that differ in their provider alone are one line.
pub fn page(rows: &[Row]) -> String {
    let mut lines: Vec<(&str, Group, Vec<&str>, String)> = Vec::new();
    for row in rows {
        let (member, text) = row.answer();
        let by = if matches!(row.way, Way::Event(_)) { "the function" } else { "HTTP" };
        let outcome = format!("{by} | {} `{{\"{member}\":\"{text}\"}}` | {}", row.status, row.kept.words());
        match lines.iter_mut().find(|(about, _, _, known)| *about == row.about && *known == outcome) {
            Some((_, _, providers, _)) if providers.contains(&row.provider) => {}
            Some((_, _, providers, _)) => providers.push(row.provider),
            None => lines.push((&row.about, row.group, vec![row.provider], outcome)),
        }
    }
    lines.into_iter().fold(String::from(PREFACE), |page, (about, group, providers, outcome)| {
        page + &format!("| {about} | {} | {outcome} |\n", group.words(&providers))
    })
}

const PREFACE: &str = "# Malformed requests

What is answered to requests that nobody should send, and what is kept of them. The rows are those of
`tests/src/malformed/rows.rs`; every one is played in memory by `cargo test` and against the deployed stack by
`cargo xtask test e2e`, and this page is compared with them.

Whoever is refused learns nothing but that: the code is in the quarantine (`hookledger refused <provider>`), which keeps
4 KB of each body, 16 KB of one that is genuine and unreadable, and twenty refusals of a kind from each network in a
minute, forty in all, for each provider. All are counted.

What is below `/webhooks/` and no delivery reaches a receiver, which counts it: a slash at a path's end is forgiven,
nothing else is. Of such a request nothing is kept, since a token may stand anywhere in its path.

Rows that go to *the function* are sent as the event that API Gateway makes of a request. The emulator's gateway turns
bytes that are no UTF-8 into U+FFFD and enforces no size, so they could not be shown over its HTTP. On AWS the gateway
itself refuses a body whose event would be larger than Lambda's 6 MB (`TooLargeAlarm`), and more than 10,240 bytes of
request line and headers; of a repeated header it makes one, joined by commas. Hookledger has no smaller limit of its
own: whatever is let in is kept whole.

| what is sent | to | by | answered | kept |
|---|---|---|---|---|
";
