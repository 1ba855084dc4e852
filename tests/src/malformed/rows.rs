//! The rows.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hookledger_core::providers::ALL;

use super::bodies::{LAMBDA_BYTES, deep, doubled, genuine, listed, with};
use super::{Kept, Keys, Row, Way, event};

/// Every row. Each is its own event: none is another's duplicate.
pub fn rows(keys: &Keys) -> Vec<Row> {
    let mut table = Table { keys, rows: Vec::new() };
    table.routes();
    table.envelopes();
    for definition in ALL {
        table.unreadable(definition.id.0);
    }
    for definition in ALL {
        table.odd_but_readable(definition.id.0);
    }
    table.signatures();
    table.sizes();
    for at in ALL {
        for of in ALL {
            table.credentials_of_another(of.id.0, at.id.0);
        }
    }
    table.rows
}

struct Table<'a> {
    keys: &'a Keys,
    rows: Vec<Row>,
}

fn is_signed(provider: &str) -> bool {
    matches!(provider, "fynapse" | "runpayments")
}

fn path_of(provider: &str, token: Option<&str>) -> String {
    token.map_or_else(|| format!("/webhooks/{provider}"), |token| format!("/webhooks/{provider}/{token}"))
}

impl Table<'_> {
    fn id(&self) -> String {
        format!("malformed-{}-{}", self.rows.len(), self.keys.run)
    }

    fn add(&mut self, about: impl Into<String>, provider: &'static str, way: Way, status: u16, kept: Kept) {
        self.rows.push(Row { about: about.into(), provider, way, status, kept });
    }

    /// What a provider proves itself with: a token in its URL, or a signed header.
    fn proof(&self, provider: &str, body: &[u8], at_secs: i64) -> (Option<String>, Vec<(String, String)>) {
        let header = |name: &str, value: String| (None, vec![(name.to_string(), value)]);
        match provider {
            "fynapse" => {
                let tag = self.keys.tag(provider, &[format!("{at_secs}.").as_bytes(), body].concat());
                header("webhook-signature", format!("t={at_secs},v1={tag}"))
            }
            "runpayments" => header("x-webhook-signature-256", format!("sha256={}", self.keys.tag(provider, body))),
            _ => (Some(self.keys.of(provider)), Vec::new()),
        }
    }

    /// A genuine request of these bytes over HTTP.
    fn http(&self, provider: &str, body: String) -> Way {
        let (token, headers) = self.proof(provider, body.as_bytes(), self.keys.now_secs);
        post(path_of(provider, token.as_deref()), headers, body)
    }

    /// The same as the gateway's event.
    fn event(&self, provider: &str, body: &[u8]) -> Way {
        let (token, headers) = self.proof(provider, body, self.keys.now_secs);
        let path = path_of(provider, token.as_deref());
        Way::Event(event(&path, token.as_deref(), &headers, &BASE64_STANDARD.encode(body), true))
    }

    fn routes(&mut self) {
        let body = || br#"{"event_uuid":"u","type":"T","batch_id":"b"}"#.to_vec();
        let way = |method, path: String| Way::Http { method, path, headers: Vec::new(), body: body() };
        let live = path_of("rightfoot", Some(&self.keys.of("rightfoot")));
        for (about, method, path, kept) in [
            ("the method is GET", "GET", live.clone(), Kept::Unrouted),
            ("the method is PUT", "PUT", live.clone(), Kept::Unrouted),
            ("the path has no token", "POST", path_of("rightfoot", None), Kept::Unrouted),
            ("the path has a slash in place of a token", "POST", path_of("rightfoot", Some("")), Kept::Unrouted),
            ("the path goes on behind the token", "POST", format!("{live}/more"), Kept::Unrouted),
            ("the path names another provider", "POST", path_of("nobody", Some("x")), Kept::Unrouted),
            ("the path is another case", "POST", live.replace("/webhooks/", "/Webhooks/"), Kept::NoRoute),
        ] {
            self.add(about, "rightfoot", way(method, path), 404, kept);
        }
        let token = way("POST", path_of("fynapse", Some("x")));
        self.add("a token where none belongs", "fynapse", token, 404, Kept::Unrouted);
        let get = way("GET", path_of("fynapse", None));
        self.add("the method is GET", "fynapse", get, 404, Kept::Unrouted);
        for (about, slashes) in [("a slash at the path's end", "/"), ("two slashes at the path's end", "//")] {
            for provider in ALL.iter().map(|definition| definition.id.0) {
                let Way::Http { method, path, headers, body } = self.http(provider, genuine(provider, &self.id()))
                else {
                    continue;
                };
                let way = Way::Http { method, path: format!("{path}{slashes}"), headers, body };
                self.add(about, provider, way, 200, Kept::Ignored);
            }
        }
    }

    fn envelopes(&mut self) {
        let token = self.keys.of("finbox");
        let path = path_of("finbox", Some(&token));
        let broken = |body: &str| Way::Event(event(&path, Some(&token), &[], body, true));
        self.add("a body said to be base64 that is not", "finbox", broken("%%%%"), 503, Kept::NoEnvelope);
        self.add("base64 without its padding", "finbox", broken("e30"), 503, Kept::NoEnvelope);
        let object = event(&path, Some(&token), &[], "@", false).replace("\"@\"", "{\"a\":1}");
        self.add("an event whose body is an object", "finbox", Way::Event(object), 503, Kept::NoEnvelope);
        let old = r#"{"version":"1.0","httpMethod":"POST","requestContext":{"identity":{"sourceIp":"192.0.2.9"}}}"#;
        self.add("an event of payload format 1.0", "finbox", Way::Event(old.into()), 503, Kept::NoEnvelope);
        // Not deeper: the emulator reads the event before the function does, and gives up at a thousand levels.
        let (open, close) = ("[".repeat(500), "]".repeat(500));
        let nested = format!("{{\"extra\":{open}{close},\"requestContext\":5}}");
        self.add("an event 500 levels deep", "finbox", Way::Event(nested), 503, Kept::NoEnvelope);
    }

    /// Genuine, and no JSON object with the fields that make an event.
    fn unreadable(&mut self, provider: &'static str) {
        let (status, kept) = match provider {
            "rightfoot" => (400, Kept::Unreadable),
            "finbox" => (200, Kept::Unreadable),
            _ => (200, Kept::Parked),
        };
        // Each its own bytes: of the same bytes, the second would be the first one's duplicate.
        let run = self.keys.run.clone();
        let not_utf8 = [b"\xff\xfe\x00", run.as_bytes()].concat();
        let bytes = self.event(provider, &not_utf8);
        self.add("a body that is not UTF-8", provider, bytes, status, kept.clone());
        let id = self.id();
        let texts = [
            ("a body that is no JSON", format!("nonsense {id}")),
            ("the fields of an event in a JSON array", listed(provider, &id)),
            ("two JSON documents", format!("{}{{}}", genuine(provider, &id))),
            ("a field that is there twice", doubled(provider, &id)),
        ];
        for (about, body) in texts {
            let way = self.http(provider, body);
            self.add(about, provider, way, status, kept.clone());
        }
        let way = self.http(provider, format!("{} {id}", deep()));
        self.add("nothing but 10,000 pairs of brackets", provider, way, status, kept);
    }

    /// Genuine and strange, and still an event.
    fn odd_but_readable(&mut self, provider: &'static str) {
        let fields = [
            ("10,000 levels of nesting in a field nobody reads".to_string(), deep()),
            ("a number of 5,000 digits".to_string(), "9".repeat(5_000)),
            ("a number no machine holds".to_string(), "-1e999999".into()),
        ];
        for (about, field) in fields {
            let way = self.http(provider, with(provider, &self.id(), &field));
            self.add(about, provider, way, 200, Kept::Ignored);
        }
        let way = self.http(provider, format!("\u{feff}{}", genuine(provider, &self.id())));
        self.add("a byte order mark before the JSON", provider, way, 200, Kept::Ignored);
        let way = self.http(provider, genuine(provider, &format!("{}#event#{}", self.id(), "x".repeat(3_000))));
        self.add("an id of 3,000 bytes with separators in it", provider, way, 200, Kept::Ignored);
        let marked = with(provider, &self.id(), "\"\u{1f}\"");
        let bytes: Vec<u8> = marked.bytes().map(|byte| if byte == 0x1f { 0xff } else { byte }).collect();
        let way = self.event(provider, &bytes);
        self.add("bytes that are not UTF-8 in a field nobody reads", provider, way, 200, Kept::Ignored);
    }

    fn signatures(&mut self) {
        let now = self.keys.now_secs;
        let refused = |code| Kept::Refused(code);
        for (provider, header) in [("fynapse", "webhook-signature"), ("runpayments", "x-webhook-signature-256")] {
            let signed = |table: &Self| {
                let body = genuine(provider, &table.id());
                let (_, proof) = table.proof(provider, body.as_bytes(), now);
                (proof.into_iter().next().map(|(_, value)| value).unwrap_or_default(), body)
            };
            type Spoil = fn(String) -> String;
            let spoilt: [(&str, Spoil, &'static str); 5] = [
                ("a signature of other bytes", |value| value, "wrong_signature"),
                ("half a signature", |value| value[..value.len() - 32].into(), "wrong_signature"),
                ("a signature that is not hexadecimal", |value| value.replace('=', "=z"), "malformed_signature"),
                ("an empty signature header", |_| String::new(), "malformed_signature"),
                ("a signature header of 9,000 bytes", |_| "z".repeat(9_000), "malformed_signature"),
            ];
            for (about, spoil, code) in spoilt {
                let (value, mut body) = signed(self);
                if about.ends_with("other bytes") {
                    body.push(' ');
                }
                let headers = vec![(header.to_string(), spoil(value))];
                self.add(about, provider, post(path_of(provider, None), headers, body), 403, refused(code));
            }
            let (value, body) = signed(self);
            let none = post(path_of(provider, None), Vec::new(), body.clone());
            self.add("no signature header", provider, none, 403, refused("missing_signature"));
            let twice = vec![(header.to_string(), format!("{value},{value}"))];
            let twice = Way::Event(event(&path_of(provider, None), None, &twice, &body, false));
            self.add("the signature header twice, as joined", provider, twice, 403, refused("malformed_signature"));
        }
        for (about, at, code) in
            [("signed 74 hours ago", now - 74 * 3600, "stale"), ("signed an hour ahead", now + 3600, "future")]
        {
            let body = genuine("fynapse", &self.id());
            let (_, headers) = self.proof("fynapse", body.as_bytes(), at);
            self.add(about, "fynapse", post(path_of("fynapse", None), headers, body), 403, refused(code));
        }
        for provider in ["rightfoot", "finbox"] {
            let token = self.keys.of(provider);
            for (about, given) in
                [("a guessed token", "guessed".to_string()), ("a token and more", format!("{token}0"))]
            {
                let way = post(path_of(provider, Some(&given)), Vec::new(), genuine(provider, &self.id()));
                self.add(about, provider, way, 403, refused("wrong_token"));
            }
        }
    }

    /// An event of exactly so many bytes. FinBox's function, since its deliveries come once.
    fn sizes(&mut self) {
        for (about, bytes) in [
            ("an event one byte below Lambda's 6 MB", LAMBDA_BYTES - 1),
            ("an event of Lambda's 6 MB", LAMBDA_BYTES),
            ("an event one byte above (on AWS the gateway refuses it)", LAMBDA_BYTES + 1),
        ] {
            let (token, id) = (self.keys.of("finbox"), self.id());
            let sized = |padding: usize| {
                let body = with("finbox", &id, &format!("\"{}\"", "a".repeat(padding)));
                event(&path_of("finbox", Some(&token)), Some(&token), &[], &body, false)
            };
            let way = Way::Event(sized(bytes - sized(0).len()));
            self.add(about, "finbox", way, 200, Kept::Ignored);
        }
    }

    /// One provider's genuine token or signature at another's URL.
    fn credentials_of_another(&mut self, of: &'static str, at: &'static str) {
        let body = genuine(at, &self.id());
        let (token, headers) = self.proof(of, body.as_bytes(), self.keys.now_secs);
        let about = format!("what proves {of}");
        if of == at {
            let way = post(path_of(at, token.as_deref()), headers, body);
            return self.add(format!("{about}, at its own URL: the control"), at, way, 200, Kept::Ignored);
        }
        // A URL that takes a token gets one of the other provider's, or none that is live.
        let token = if is_signed(at) { None } else { Some(token.unwrap_or_else(|| self.keys.of(of))) };
        let code = if is_signed(at) { "missing_signature" } else { "wrong_token" };
        let way = post(path_of(at, token.as_deref()), headers, body.clone());
        self.add(about, at, way, 403, Kept::Refused(code));
        if is_signed(at) {
            let (_, headers) = self.proof(at, body.as_bytes(), self.keys.now_secs);
            let own = headers.into_iter().map(|(name, value)| {
                let genuine = self.keys.tag(at, body.as_bytes());
                let signed = [format!("{}.", self.keys.now_secs).as_bytes(), body.as_bytes()].concat();
                let value = value.replace(&genuine, &self.keys.tag(of, body.as_bytes()));
                (name, value.replace(&self.keys.tag(at, &signed), &self.keys.tag(of, &signed)))
            });
            let way = post(path_of(at, None), own.collect(), body.clone());
            self.add(
                format!("the header of {at}, signed with the secret of {of}"),
                at,
                way,
                403,
                Kept::Refused("wrong_signature"),
            );
        }
    }
}

fn post(path: String, mut headers: Vec<(String, String)>, body: String) -> Way {
    headers.push(("content-type".into(), "application/json".into()));
    Way::Http { method: "POST", path, headers, body: body.into_bytes() }
}
