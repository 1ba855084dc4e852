//! JSON handled without touching a value: what was given comes out again digit for digit.
//!
//! Money never passes through a float here. An object is a map of raw values; a row is a raw value.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};

/// An object whose values are kept as the text they were written in.
pub(crate) type Fields = BTreeMap<String, Box<RawValue>>;

/// A value as raw JSON; `null` if it can't be written, which no type used here can cause.
pub(crate) fn raw<T: Serialize + ?Sized>(value: &T) -> Box<RawValue> {
    to_raw_value(value).unwrap_or_else(|_| RawValue::NULL.to_owned())
}

/// The object in `bytes`, or nothing if they hold no object.
pub(crate) fn fields(bytes: &[u8]) -> Option<Fields> {
    serde_json::from_slice(bytes).ok()
}

/// A string's content, or a number or boolean as written; nothing for null, objects, arrays and what is missing.
pub(crate) fn text(fields: &Fields, key: &str) -> Option<String> {
    scalar(fields.get(key)?)
}

/// As [`text`], for a value at hand.
pub(crate) fn scalar(value: &RawValue) -> Option<String> {
    let written = value.get();
    match written.as_bytes().first()? {
        b'"' => serde_json::from_str(written).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(written.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::{fields, raw, text};

    #[test]
    fn numbers_keep_their_digits() {
        let object = fields(br#"{"amount": 10.10, "id": 12345678901234567890, "name": "a\"b", "none": null}"#).unwrap();
        assert_eq!(text(&object, "amount").as_deref(), Some("10.10"));
        assert_eq!(text(&object, "id").as_deref(), Some("12345678901234567890"));
        assert_eq!(text(&object, "name").as_deref(), Some("a\"b"));
        assert_eq!(text(&object, "none"), None);
        assert_eq!(raw(&object).get().matches("10.10").count(), 1);
        assert!(fields(b"[1]").is_none());
    }
}
