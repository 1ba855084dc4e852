//! The rows.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use hookledger_kit::{ALL, Kit, Proof, Unreadable, of};

use super::bodies::{LAMBDA_BYTES, deep, doubled, with};
use super::{Group, Kept, Keys, Row, Way, event};

/// Every row. Each is its own event: none is another's duplicate.
pub fn rows(keys: &Keys) -> Vec<Row> {
    let mut table = Table { keys, group: Group::One, rows: Vec::new() };
    table.routes();
    table.envelopes();
    for kit in ALL {
        table.unreadable(kit);
    }
    for kit in ALL {
        table.odd_but_readable(kit);
    }
    table.signatures();
    table.sizes();
    for at in ALL {
        for of in ALL {
            table.credentials_of_another(of, at);
        }
    }
    table.rows
}

struct Table<'a> {
    keys: &'a Keys,
    /// Whom the rows that come next are sent to.
    group: Group,
    rows: Vec<Row>,
}

impl Table<'_> {
    fn id(&self) -> String {
        format!("malformed-{}-{}", self.rows.len(), self.keys.run)
    }

    fn add(&mut self, about: impl Into<String>, provider: &'static str, way: Way, status: u16, kept: Kept) {
        self.rows.push(Row { about: about.into(), provider, group: self.group, way, status, kept });
    }

    /// A body of the table's own for each row.
    fn genuine(&self, kit: &Kit) -> String {
        (kit.unknown)(&self.id())
    }

    /// What proves these bytes.
    fn proof(&self, kit: &Kit, body: &[u8], at_secs: i64) -> Proof {
        (kit.prove)(body, self.keys.of(kit.name), at_secs)
    }

    /// A genuine request of these bytes over HTTP.
    fn http(&self, kit: &Kit, body: String) -> Way {
        proved(kit, self.proof(kit, body.as_bytes(), self.keys.now_secs), body)
    }

    /// The same as the gateway's event.
    fn event(&self, kit: &Kit, body: &[u8]) -> Way {
        let Proof { headers, path_token } = self.proof(kit, body, self.keys.now_secs);
        let (path, body) = (kit.path(path_token.as_deref()), BASE64_STANDARD.encode(body));
        Way::Event(event(&path, path_token.as_deref(), &owned(headers), &body, true))
    }

    fn routes(&mut self) {
        let body = || br#"{"event_uuid":"u","type":"T","batch_id":"b"}"#.to_vec();
        let way = |method, path: String| Way::Http { method, path, headers: Vec::new(), body: body() };
        let (rightfoot, fynapse) = (of("rightfoot"), of("fynapse"));
        let live = rightfoot.path(Some(self.keys.of("rightfoot")));
        for (about, method, path, kept) in [
            ("the method is GET", "GET", live.clone(), Kept::Unrouted),
            ("the method is PUT", "PUT", live.clone(), Kept::Unrouted),
            ("the path has no token", "POST", rightfoot.path(None), Kept::Unrouted),
            ("the path has a slash in place of a token", "POST", rightfoot.path(Some("")), Kept::Unrouted),
            ("the path goes on behind the token", "POST", format!("{live}/more"), Kept::Unrouted),
            ("the path names another provider", "POST", "/webhooks/nobody/x".into(), Kept::Unrouted),
            ("the path is another case", "POST", live.replace("/webhooks/", "/Webhooks/"), Kept::NoRoute),
        ] {
            self.add(about, "rightfoot", way(method, path), 404, kept);
        }
        let token = way("POST", fynapse.path(Some("x")));
        self.add("a token where none belongs", "fynapse", token, 404, Kept::Unrouted);
        let get = way("GET", fynapse.path(None));
        self.add("the method is GET", "fynapse", get, 404, Kept::Unrouted);
        self.group = Group::All;
        for (about, slashes) in [("a slash at the path's end", "/"), ("two slashes at the path's end", "//")] {
            for kit in ALL {
                let mut way = self.http(kit, self.genuine(kit));
                if let Way::Http { path, .. } = &mut way {
                    path.push_str(slashes);
                }
                self.add(about, kit.name, way, 200, Kept::Ignored);
            }
        }
    }

    fn envelopes(&mut self) {
        self.group = Group::One;
        let token = self.keys.of("finbox");
        let path = of("finbox").path(Some(token));
        let broken = |body: &str| Way::Event(event(&path, Some(token), &[], body, true));
        self.add("a body said to be base64 that is not", "finbox", broken("%%%%"), 503, Kept::NoEnvelope);
        self.add("base64 without its padding", "finbox", broken("e30"), 503, Kept::NoEnvelope);
        let object = event(&path, Some(token), &[], "@", false).replace("\"@\"", "{\"a\":1}");
        self.add("an event whose body is an object", "finbox", Way::Event(object), 503, Kept::NoEnvelope);
        let old = r#"{"version":"1.0","httpMethod":"POST","requestContext":{"identity":{"sourceIp":"192.0.2.9"}}}"#;
        self.add("an event of payload format 1.0", "finbox", Way::Event(old.into()), 503, Kept::NoEnvelope);
        // Not deeper: the emulator reads the event before the function does, and gives up at a thousand levels.
        let (open, close) = ("[".repeat(500), "]".repeat(500));
        let nested = format!("{{\"extra\":{open}{close},\"requestContext\":5}}");
        self.add("an event 500 levels deep", "finbox", Way::Event(nested), 503, Kept::NoEnvelope);
    }

    /// Genuine, and no JSON object with the fields that make an event.
    fn unreadable(&mut self, kit: &'static Kit) {
        let kept = match kit.unreadable {
            Unreadable::Parked => Kept::Parked,
            Unreadable::Quarantined(_) => Kept::Unreadable,
        };
        let status = kit.unreadable.status();
        self.group = Group::of(kit);
        // Each its own bytes: of the same bytes, the second would be the first one's duplicate.
        let run = self.keys.run.clone();
        let not_utf8 = [b"\xff\xfe\x00", run.as_bytes()].concat();
        let bytes = self.event(kit, &not_utf8);
        self.add("a body that is not UTF-8", kit.name, bytes, status, kept.clone());
        let id = self.id();
        let texts = [
            ("a body that is no JSON", format!("nonsense {id}")),
            ("the fields of an event in a JSON array", (kit.listed)(&id).to_string()),
            ("two JSON documents", format!("{}{{}}", (kit.unknown)(&id))),
            ("a field that is there twice", doubled(kit, &id)),
        ];
        for (about, body) in texts {
            let way = self.http(kit, body);
            self.add(about, kit.name, way, status, kept.clone());
        }
        let way = self.http(kit, format!("{} {id}", deep()));
        self.add("nothing but 10,000 pairs of brackets", kit.name, way, status, kept);
    }

    /// Genuine and strange, and still an event.
    fn odd_but_readable(&mut self, kit: &'static Kit) {
        self.group = Group::All;
        let fields = [
            ("10,000 levels of nesting in a field nobody reads".to_string(), deep()),
            ("a number of 5,000 digits".to_string(), "9".repeat(5_000)),
            ("a number no machine holds".to_string(), "-1e999999".into()),
        ];
        for (about, field) in fields {
            let way = self.http(kit, with(kit, &self.id(), &field));
            self.add(about, kit.name, way, 200, Kept::Ignored);
        }
        let way = self.http(kit, format!("\u{feff}{}", self.genuine(kit)));
        self.add("a byte order mark before the JSON", kit.name, way, 200, Kept::Ignored);
        let way = self.http(kit, (kit.unknown)(&format!("{}#event#{}", self.id(), "x".repeat(3_000))));
        self.add("an id of 3,000 bytes with separators in it", kit.name, way, 200, Kept::Ignored);
        let marked = with(kit, &self.id(), "\"\u{1f}\"");
        let bytes: Vec<u8> = marked.bytes().map(|byte| if byte == 0x1f { 0xff } else { byte }).collect();
        let way = self.event(kit, &bytes);
        self.add("bytes that are not UTF-8 in a field nobody reads", kit.name, way, 200, Kept::Ignored);
    }

    fn signatures(&mut self) {
        let now = self.keys.now_secs;
        let refused = |code| Kept::Refused(code);
        type Spoil = fn(String) -> String;
        self.group = Group::Signing;
        for kit in ALL.iter().filter(|kit| kit.is_signed()) {
            let signed = |table: &Self| {
                let body = table.genuine(kit);
                (table.proof(kit, body.as_bytes(), now), body)
            };
            let spoilt: [(&str, Spoil, &'static str); 5] = [
                ("a signature of other bytes", |value| value, "wrong_signature"),
                ("half a signature", |value| value[..value.len() - 32].into(), "wrong_signature"),
                ("a signature that cannot be read", |value| value.replace('=', "=-"), "malformed_signature"),
                ("an empty signature header", |_| String::new(), "malformed_signature"),
                ("a signature header of 9,000 bytes", |_| "z".repeat(9_000), "malformed_signature"),
            ];
            for (about, spoil, code) in spoilt {
                let (mut proof, mut body) = signed(self);
                if about.ends_with("other bytes") {
                    body.push(' ');
                }
                proof.headers[0].1 = spoil(proof.headers[0].1.clone());
                self.add(about, kit.name, proved(kit, proof, body), 403, refused(code));
            }
            let (mut proof, body) = signed(self);
            let none = post(kit.path(None), Vec::new(), body.clone());
            self.add("no signature header", kit.name, none, 403, refused("missing_signature"));
            proof.headers[0].1 = [&*proof.headers[0].1, &*proof.headers[0].1].join(",");
            let twice = Way::Event(event(&kit.path(None), None, &owned(proof.headers), &body, false));
            self.add("the signature header twice, as joined", kit.name, twice, 403, refused("malformed_signature"));
        }
        self.group = Group::SigningTime;
        for (about, at, code) in
            [("signed 74 hours ago", now - 74 * 3600, "stale"), ("signed an hour ahead", now + 3600, "future")]
        {
            for kit in ALL.iter().filter(|kit| kit.signs_time()) {
                let body = self.genuine(kit);
                let proof = self.proof(kit, body.as_bytes(), at);
                self.add(about, kit.name, proved(kit, proof, body), 403, refused(code));
            }
        }
        self.group = Group::Tokened;
        for kit in ALL.iter().filter(|kit| !kit.is_signed()) {
            let token = self.keys.of(kit.name);
            for (about, given) in
                [("a guessed token", "guessed".to_string()), ("a token and more", format!("{token}0"))]
            {
                let way = post(kit.path(Some(&given)), Vec::new(), self.genuine(kit));
                self.add(about, kit.name, way, 403, refused("wrong_token"));
            }
        }
    }

    /// An event of exactly so many bytes. FinBox's function, since its deliveries come once.
    fn sizes(&mut self) {
        self.group = Group::One;
        for (about, bytes) in [
            ("an event one byte below Lambda's 6 MB", LAMBDA_BYTES - 1),
            ("an event of Lambda's 6 MB", LAMBDA_BYTES),
            ("an event one byte above (on AWS the gateway refuses it)", LAMBDA_BYTES + 1),
        ] {
            let (finbox, token, id) = (of("finbox"), self.keys.of("finbox"), self.id());
            let sized = |padding: usize| {
                let body = with(finbox, &id, &format!("\"{}\"", "a".repeat(padding)));
                event(&finbox.path(Some(token)), Some(token), &[], &body, false)
            };
            let way = Way::Event(sized(bytes - sized(0).len()));
            self.add(about, "finbox", way, 200, Kept::Ignored);
        }
    }

    /// One provider's genuine token or signature at another's URL.
    fn credentials_of_another(&mut self, of: &'static Kit, at: &'static Kit) {
        let body = self.genuine(at);
        let proof = self.proof(of, body.as_bytes(), self.keys.now_secs);
        if of == at {
            self.group = Group::All;
            let way = proved(at, proof, body);
            return self.add("what proves the provider itself: the control", at.name, way, 200, Kept::Ignored);
        }
        self.group = Group::of(at);
        // A URL that takes a token gets one of the other provider's, or none that is live.
        let token = (!at.is_signed()).then(|| self.keys.of(of.name).to_string());
        // Two may call their headers alike.
        let has = |wanted: &str| proof.headers.iter().any(|(name, _)| *name == wanted);
        let alike = (at.prove)(b"", "", 0).headers.iter().all(|(name, _)| has(name));
        let (about, code) = match at.is_signed() {
            true if alike => ("what proves another provider in a header of the same name", "malformed_signature"),
            true => ("what proves another provider", "missing_signature"),
            false => ("what proves another provider", "wrong_token"),
        };
        let way = proved(at, Proof { path_token: token, ..proof }, body.clone());
        self.add(about, at.name, way, 403, Kept::Refused(code));
        if at.is_signed() {
            let proof = (at.prove)(body.as_bytes(), self.keys.of(of.name), self.keys.now_secs);
            let about = "a signature with the secret of another provider";
            self.add(about, at.name, proved(at, proof, body), 403, Kept::Refused("wrong_signature"));
        }
    }
}

/// A POST with this proof.
fn proved(kit: &Kit, proof: Proof, body: String) -> Way {
    post(kit.path(proof.path_token.as_deref()), owned(proof.headers), body)
}

fn owned(headers: Vec<(&'static str, String)>) -> Vec<(String, String)> {
    headers.into_iter().map(|(name, value)| (name.into(), value)).collect()
}

fn post(path: String, mut headers: Vec<(String, String)>, body: String) -> Way {
    headers.push(("content-type".into(), "application/json".into()));
    Way::Http { method: "POST", path, headers, body: body.into_bytes() }
}
