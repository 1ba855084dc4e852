//! Tolerant reading of providers' JSON: unknown fields are passed over, ids may come as strings or numbers, and a
//! number keeps the digits it was sent with.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::model::time::{UnixMs, Zone};
use crate::providers::contract::{Unexpectable, Unreadable};

/// A field as sent. Missing, `null`, `""` and blanks are one thing: nothing was said. So nobody can ask whether a field is
/// there, only what it says ([`Field::said`], [`text`]).
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(transparent)]
pub(super) struct Field<'a>(#[serde(borrow)] Option<&'a RawValue>);

impl<'a> Field<'a> {
    /// A field that was found in a map of fields.
    pub(super) fn of(field: Option<&'a RawValue>) -> Self {
        Self(field)
    }

    /// The other spelling of a field, where this one says nothing. Both may be sent.
    pub(super) fn or(self, other: Self) -> Self {
        if self.said().is_some() { self } else { other }
    }

    /// The JSON of a field that says something.
    pub(super) fn said(self) -> Option<&'a RawValue> {
        let is_text = |raw: &RawValue| raw.get().starts_with('"');
        self.0.filter(|raw| !is_text(raw) || written(raw).is_some_and(|text| !text.trim().is_empty()))
    }
}

/// Reads a JSON object.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unreadable> {
    let body = without_mark(body);
    // As text the bytes are checked once; as bytes, each field by itself. An object whose fields are text can be read
    // although something else in it is not.
    let read = match std::str::from_utf8(body) {
        Ok(text) => return object_text(text),
        Err(_) if is_object(body) => serde_json::from_slice(body).ok(),
        Err(_) => None,
    };
    read.ok_or_else(|| Unreadable::of(body))
}

/// The same of a body that is text throughout. Only such a one may be read with its [`Part`]s, in one pass: what such a
/// pass skips is not looked at as text.
pub(super) fn object_text<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, Unreadable> {
    let read = if is_object(body.as_bytes()) { serde_json::from_str(body).ok() } else { None };
    read.ok_or(Unreadable::NotAnObject)
}

/// The body behind a byte order mark, which some editors and gateways put before a text.
fn without_mark(body: &[u8]) -> &[u8] {
    body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body)
}

/// What is kept of an answer that is kept whole: its JSON, and nothing before it. Whoever reads it later reads it as JSON.
pub(super) fn document(body: &[u8]) -> Vec<u8> {
    without_mark(body).to_vec()
}

/// A derived struct would read an array as well, its fields one after the other.
fn is_object(body: &[u8]) -> bool {
    body.trim_ascii_start().starts_with(b"{")
}

/// An object inside the body that is read along with it. Anything else in its place, an array too, is an error.
pub(super) struct Part<T>(pub(super) T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Part<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object<T>(PhantomData<T>);
        impl<'de, T: Deserialize<'de>> Visitor<'de> for Object<T> {
            type Value = T;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<T, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map))
            }
        }
        deserializer.deserialize_map(Object(PhantomData)).map(Self)
    }
}

/// The text of a string field, or the digits of a number; `None` for everything else, and where nothing was said.
pub(super) fn text(field: Field<'_>) -> Option<String> {
    written(field.said()?).map(Cow::into_owned)
}

/// A yes or no, also one that was sent as a text or as 1 or 0.
pub(super) fn flag(field: Field<'_>) -> Option<bool> {
    let said = field.said()?.get().trim_matches('"').trim().to_ascii_lowercase();
    match said.as_str() {
        "true" | "1" | "yes" => Some(true),
        "false" | "0" | "no" => Some(false),
        _ => None,
    }
}

/// A whole number that is not negative.
pub(super) fn count(field: Field<'_>) -> Option<u64> {
    text(field)?.trim().parse().ok()
}

/// The instant that a field names; without a zone it is read in the provider's.
pub(super) fn instant(field: Field<'_>, zone: Zone) -> Option<UnixMs> {
    zone.read(&written(field.said()?)?)
}

/// The name among `known` that is meant: in any case, with blanks or hyphens for underscores.
pub(super) fn known_name(said: &str, known: impl IntoIterator<Item = &'static str>) -> Option<&'static str> {
    let plain = plain_name(said);
    known.into_iter().find(|name| plain == plain_name(name))
}

/// A name in lower case, its words joined by underscores.
pub(super) fn plain_name(said: &str) -> String {
    let separated = said.to_lowercase().replace(['-', '_'], " ");
    separated.split_whitespace().collect::<Vec<_>>().join("_")
}

/// The same as [`text`], from the body itself where nothing is escaped.
fn written(field: &RawValue) -> Option<Cow<'_, str>> {
    let raw = field.get();
    match raw.as_bytes() {
        [b'"', inside @ .., b'"'] if !inside.contains(&b'\\') => raw.get(1..=inside.len()).map(Cow::Borrowed),
        [b'"', ..] => serde_json::from_str(raw).ok().map(Cow::Owned),
        [b'-' | b'0'..=b'9', ..] => Some(Cow::Borrowed(raw)),
        _ => None,
    }
}

/// The text of a field that must be there and not be empty.
pub(super) fn required(name: &'static str, field: Field<'_>) -> Result<String, Unreadable> {
    text(field).ok_or(Unreadable::Field { field: name, rule: "a non-empty text or number" })
}

/// An id that must be there.
pub(super) fn id(name: &'static str, field: Field<'_>) -> Result<String, Unreadable> {
    checked(name, required(name, field)?)
}

/// An id that may be absent.
pub(super) fn optional_id(name: &'static str, field: Field<'_>) -> Result<Option<String>, Unreadable> {
    text(field).map(|id| checked(name, id)).transpose()
}

/// Whoever posts an id makes us ask the provider for it. One that no provider would give out may be one that its API
/// breaks on, or that leads elsewhere.
fn checked(field: &'static str, id: String) -> Result<String, Unreadable> {
    if is_id(&id) { Ok(id) } else { Err(Unreadable::Field { field, rule: ID_RULE }) }
}

/// The id that a row of an answer shows, if that is one.
pub(super) fn shown_id(field: Field<'_>) -> Option<String> {
    text(field).filter(|id| is_id(id))
}

/// The longest id, in bytes.
const MAX_ID_BYTES: usize = 4_000;
/// What [`is_id`] asks, in words.
const ID_RULE: &str = "an id: 1 to 4000 bytes without control characters, and neither . nor ..";

/// Whether a text can be an id.
pub(super) fn is_id(id: &str) -> bool {
    !matches!(id.trim(), "" | "." | "..") && !id.chars().any(char::is_control) && id.len() <= MAX_ID_BYTES
}

/// The longest reference an application may wait for, in bytes.
const MAX_REFERENCE_BYTES: usize = 200;

/// Checks the id inside a reference.
pub(super) fn reference_id<'a>(id: &'a str, rule: &'static str) -> Result<&'a str, Unexpectable> {
    if is_id(id) && id.len() <= MAX_REFERENCE_BYTES { Ok(id) } else { Err(Unexpectable(rule)) }
}

/// A mark of what some fields say, whatever their white space and the order of what is in them. Numbers count by their
/// digits: 100.10 is another text than 100.1.
pub(super) fn content_mark<'a>(fields: impl IntoIterator<Item = Field<'a>>) -> String {
    let mut plain = String::new();
    for field in fields {
        if let Some(said) = field.said() {
            canonical(said, MAX_CANONICAL_DEPTH, &mut plain);
        }
        plain.push('\n');
    }
    let mut digits = crate::model::identity::digest_hex(plain.as_bytes());
    digits.truncate(32);
    digits
}

/// What lies deeper than this counts as it was written. Nothing a provider sends does; what is nested without end would
/// overflow the stack.
const MAX_CANONICAL_DEPTH: usize = 64;

/// JSON without white space, its objects' fields sorted.
fn canonical(raw: &RawValue, depth: usize, out: &mut String) {
    let text = raw.get();
    let Some(depth) = depth.checked_sub(1) else { return out.push_str(text) };
    if let Ok(fields) = serde_json::from_str::<BTreeMap<Cow<'_, str>, &RawValue>>(text) {
        for (name, value) in fields {
            out.push('{');
            out.push_str(&serde_json::Value::from(name.as_ref()).to_string());
            canonical(value, depth, out);
        }
        out.push('}');
    } else if let Ok(items) = serde_json::from_str::<Vec<&RawValue>>(text) {
        for item in items {
            out.push('[');
            canonical(item, depth, out);
        }
        out.push(']');
    } else if let Some(written) = written(raw).filter(|_| text.starts_with('"')) {
        out.push_str(&serde_json::Value::from(written.as_ref()).to_string());
    } else {
        out.push_str(text);
    }
}

/// The bytes of a field as sent.
pub(super) fn raw(field: &RawValue) -> Vec<u8> {
    field.get().as_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Deserialize)]
    struct One<'a> {
        #[serde(borrow)]
        id: Field<'a>,
    }

    #[test]
    fn ids_may_be_text_or_number_and_keep_their_digits() {
        let id = |json: &str| object::<One<'_>>(json.as_bytes()).map(|one| text(one.id));
        assert_eq!(id(r#"{"id":"a\u0062"}"#), Ok(Some("ab".into())));
        assert_eq!(id(r#"{"id":12345678901234567890.10}"#), Ok(Some("12345678901234567890.10".into())));
        assert_eq!(id(r#"{"id":null,"more":[{}]}"#), Ok(None));
        assert_eq!(id(r#"{"id":{"x":1}}"#), Ok(None));
        for absent in ["{}", r#"{"id":""}"#, r#"{"id":"  "}"#, r#"{"id":"\u0020\t"}"#, "\u{feff}{}"] {
            assert_eq!(id(absent), Ok(None), "{absent}");
        }
        assert_eq!(id("\u{1f}\u{8b}").unwrap_err(), Unreadable::NotAnObject, "not gzip: its second byte is another");
        assert_eq!(object::<One<'_>>(b"\x1f\x8b\x08").map(|_| ()), Err(Unreadable::Gzip));
        for broken in ["", "[]", "[7]", r#" ["id"]"#, "7", r#"{"id":1"#, r#"{"id":1,"id":2}"#] {
            assert_eq!(id(broken), Err(Unreadable::NotAnObject), "{broken}");
        }
    }

    #[test]
    fn names_are_known_in_any_spelling() {
        let known = ["in_underwriting", "cancelled"];
        for said in ["in_underwriting", "In  Underwriting", "IN-UNDERWRITING", " in underwriting "] {
            assert_eq!(known_name(said, known), Some("in_underwriting"), "{said}");
        }
        assert_eq!(known_name("underwriting", known), None);
    }

    #[test]
    fn content_is_what_is_said_not_how_it_is_written() {
        #[derive(Deserialize)]
        struct Data<'a> {
            #[serde(borrow)]
            data: Field<'a>,
        }
        let mark = |json: &str| content_mark([object::<Data<'_>>(json.as_bytes()).unwrap().data]);
        let first = mark(r#"{"data":{"a":[1.10,"x"],"b":null}}"#);
        assert_eq!(mark(r#"{"data": {"b": null, "a": [ 1.10, "\u0078" ] } }"#), first);
        for other in [
            r#"{"data":{"a":[1.1,"x"],"b":null}}"#,
            r#"{"data":{"a":["1.10","x"],"b":null}}"#,
            r#"{"data":{"a":[[1.10],"x"],"b":null}}"#,
            r#"{"data":{"a":["x",1.10],"b":null}}"#,
            r#"{"data":{"a":[1.10,"x"]}}"#,
        ] {
            assert_ne!(mark(other), first, "{other}");
        }
        let deep = |n: usize, inside: &str| format!("{{\"data\":{}{inside}{}}}", "[".repeat(n), "]".repeat(n));
        assert_ne!(mark(&deep(30_000, "1")), mark(&deep(30_000, "2")), "however deep it is");
    }
}
