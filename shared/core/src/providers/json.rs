//! Tolerant reading of providers' JSON: unknown fields are passed over, ids may come as strings or numbers, and a
//! number keeps the digits it was sent with.

use std::borrow::Cow;
use std::fmt;
use std::marker::PhantomData;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use super::Unreadable;
use crate::time::UnixMs;

/// A field as sent: absent and `null` are both `None`.
pub(super) type Field<'a> = Option<&'a RawValue>;

/// Reads a JSON object.
pub(super) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Unreadable> {
    // As text the bytes are checked once; as bytes, each field by itself. An object whose fields are text can be read
    // although something else in it is not.
    let read = match std::str::from_utf8(body) {
        Ok(text) => return object_text(text),
        Err(_) if is_object(body) => serde_json::from_slice(body).ok(),
        Err(_) => None,
    };
    read.ok_or(Unreadable::NotAnObject)
}

/// The same of a body that is text throughout. Only such a one may be read with its [`Part`]s, in one pass: what such a
/// pass skips is not looked at as text.
pub(super) fn object_text<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, Unreadable> {
    let read = if is_object(body.as_bytes()) { serde_json::from_str(body).ok() } else { None };
    read.ok_or(Unreadable::NotAnObject)
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

/// The text of a string field, or the digits of a number; `None` for everything else.
pub(super) fn text(field: Field<'_>) -> Option<String> {
    written(field?).map(Cow::into_owned)
}

/// The instant that a field names in RFC 3339.
pub(super) fn instant(field: Field<'_>) -> Option<UnixMs> {
    UnixMs::parse_rfc3339(&written(field?)?)
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
    text(field)
        .filter(|text| !text.trim().is_empty())
        .ok_or(Unreadable::Field { field: name, rule: "a non-empty text or number" })
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
        assert_eq!(id("{}"), Ok(None));
        for broken in ["", "[]", "[7]", r#" ["id"]"#, "7", r#"{"id":1"#, r#"{"id":1,"id":2}"#] {
            assert_eq!(id(broken), Err(Unreadable::NotAnObject), "{broken}");
        }
    }
}
