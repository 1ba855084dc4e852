//! A session's accounts as one mark: a digest that neither the order of accounts nor that of their fields can change.
//!
//! What is digested is every account printed with its fields sorted, one account a line, the lines sorted. Accounts as
//! FinBox sends them, flat and plain, are printed straight from the body's own text; anything else goes by way of
//! `serde_json::Value`, which says what the print is. Both print the same: the mark is part of a key.

use std::fmt;
use std::ops::Range;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::attempt::mark;
use crate::providers::json::Field;

/// An integer of so many digits is printed as it was sent: it fits into 64 bits.
const MAX_PLAIN_DIGITS: usize = 18;

/// The mark of these accounts.
pub(super) fn mark_of(accounts: Field<'_>) -> String {
    let Some(sent) = accounts.said().map(RawValue::get) else { return "none".into() };
    match Plain::read(sent) {
        Some(mut plain) => mark(plain.sorted()),
        None => through_values(sent),
    }
}

/// Any accounts at all.
fn through_values(sent: &str) -> String {
    match serde_json::from_str(sent) {
        Ok(Value::Array(list)) => {
            let mut lines: Vec<String> = list.iter().map(ToString::to_string).collect();
            lines.sort_unstable();
            mark(lines.iter().map(String::as_str))
        }
        Ok(other) => mark([other.to_string().as_str()]),
        Err(_) => "none".into(),
    }
}

/// Accounts without anything inside them that could be written in two ways.
struct Plain {
    /// All of them, printed one behind the other.
    text: String,
    /// Where each is in it.
    lines: Vec<Range<usize>>,
}

impl Plain {
    /// `None` where an account is not flat, or a text, number or key in it not plain.
    fn read(sent: &str) -> Option<Self> {
        let mut plain = Self { text: String::with_capacity(sent.len()), lines: Vec::new() };
        serde_json::Deserializer::from_str(sent).deserialize_seq(Accounts(&mut plain)).ok()?;
        Some(plain)
    }

    fn sorted(&mut self) -> impl Iterator<Item = &str> {
        let Self { text, lines } = self;
        lines.sort_unstable_by_key(|line| text.get(line.clone()));
        lines.iter().filter_map(|line| text.get(line.clone()))
    }

    fn print(&mut self, fields: &[(&str, &str)]) {
        let start = self.text.len();
        let mut before = "{";
        for (name, value) in fields {
            for part in [before, "\"", name, "\":", value] {
                self.text.push_str(part);
            }
            before = ",";
        }
        self.text.push_str(if fields.is_empty() { "{}" } else { "}" });
        self.lines.push(start..self.text.len());
    }
}

/// Reads the list.
struct Accounts<'p>(&'p mut Plain);

impl<'de> Visitor<'de> for Accounts<'_> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list of accounts")
    }
    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        let mut fields = Vec::new();
        while list.next_element_seed(Account(&mut fields))?.is_some() {
            self.0.print(&fields);
        }
        Ok(())
    }
}

/// Reads one account into a list of its fields, sorted.
struct Account<'f, 'de>(&'f mut Vec<(&'de str, &'de str)>);

impl<'de> DeserializeSeed<'de> for Account<'_, 'de> {
    type Value = ();
    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Account<'_, 'de> {
    type Value = ();
    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an account")
    }
    fn visit_map<A: MapAccess<'de>>(self, mut account: A) -> Result<(), A::Error> {
        self.0.clear();
        // A name that is not the body's own text, because something in it is escaped, is an error here.
        while let Some((name, value)) = account.next_entry::<&'de str, &'de RawValue>()? {
            if !is_plain(value.get()) {
                return Err(A::Error::custom("a value that may be written in two ways"));
            }
            self.0.push((name, value.get()));
        }
        self.0.sort_unstable();
        let twice = self.0.windows(2).any(|pair| matches!(pair, [(one, _), (other, _)] if one == other));
        if twice { Err(A::Error::custom("a field that is there twice")) } else { Ok(()) }
    }
}

/// Whether JSON has this value in one writing only, the one it was sent in.
fn is_plain(value: &str) -> bool {
    match value.as_bytes() {
        [b'"', text @ .., b'"'] => !text.contains(&b'\\'),
        [b'0'..=b'9', ..] => value.len() <= MAX_PLAIN_DIGITS && value.bytes().all(|digit| digit.is_ascii_digit()),
        other => matches!(other, b"true" | b"false" | b"null"),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn raw(json: &str) -> Box<RawValue> {
        RawValue::from_string(json.to_string()).expect("JSON")
    }

    fn is_read_plain(json: &str) -> bool {
        Plain::read(raw(json).get()).is_some()
    }

    #[test]
    fn accounts_as_finbox_sends_them_are_plain() {
        let sent = r#"[{"bank_name":"hdfc","account_id":"a-7","account_status":"COMPLETED","error_code":null,"months":12},{}]"#;
        assert!(is_read_plain(sent));
        assert_eq!(mark_of(Field::of(Some(&raw(sent)))), through_values(sent));
    }

    #[test]
    fn what_may_be_written_in_two_ways_is_not_plain() {
        let written_twice = [
            r#"[{"a":"\u0062"}]"#,
            r#"[{"\u0062":"a"}]"#,
            r#"[{"a":1.50}]"#,
            r#"[{"a":1e3}]"#,
            r#"[{"a":-0}]"#,
            r#"[{"a":1000000000000000000000}]"#,
            r#"[{"a":[1, 2]}]"#,
            r#"[{"a":{"c":1,"b":2}}]"#,
            r#"[{"a":1,"a":2}]"#,
            r#"["a"]"#,
            r#"{"a":1}"#,
        ];
        for json in written_twice {
            assert!(!is_read_plain(json), "{json}");
        }
    }

    #[test]
    fn order_changes_nothing_and_content_does() {
        let mark = |json: &str| mark_of(Field::of(Some(&raw(json))));
        let one = mark(r#"[{"id":"a","state":"done"},{"id":"b","state":"done"}]"#);
        assert_eq!(one, mark(r#"[ {"state" : "done","id":"b"}, {"state":"done","id":"a"} ]"#));
        assert_ne!(one, mark(r#"[{"id":"a","state":"done"},{"id":"b","state":"failed"}]"#));
        assert_ne!(one, mark(r#"[{"id":"a","state":"done"}]"#));
        assert_eq!(mark_of(Field::default()), "none");
    }

    /// Accounts that are nearly plain, in JSON as nobody would print it.
    fn accounts() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            6 => "\"[a-c \u{e9}]{0,4}\"",
            3 => Just("null".to_string()),
            3 => "[1-9][0-9]{0,20}",
            1 => Just("\"\\u0061\\n\"".to_string()),
            1 => "-?(0|[1-9][0-9]{0,3})\\.[0-9]{1,3}",
            1 => Just("[true, {\"b\" : 1,\"a\":2}]".to_string()),
        ];
        let field =
            ("[a-d]{1,2}", "[ \n]{0,2}", value).prop_map(|(name, gap, value)| format!("\"{name}\"{gap}:{gap}{value}"));
        let account = prop::collection::vec(field, 0..5).prop_map(|fields| format!("{{ {} }}", fields.join(" ,")));
        prop::collection::vec(account, 0..5).prop_map(|accounts| format!("[{}]", accounts.join(",\n")))
    }

    proptest! {
        #[test]
        fn plain_or_not_the_mark_is_the_same(sent in accounts()) {
            prop_assert_eq!(mark_of(Field::of(Some(&raw(&sent)))), through_values(&sent));
        }
    }
}
