//! One text for every way to write the same JSON: fields in the order of their names, the elements of the outermost list
//! in the order of their texts.
//!
//! The text is `serde_json::Value`'s, number for number and escape for escape, since identities are digests of it. No
//! `Value` is built, because it would copy every name and every text of the body: here they are borrowed.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::{Number, Value};

/// The text of this JSON: a list's elements sorted, each on a line; anything else as it is. `None`: it is no JSON, or
/// too deep or a number too large to be read.
pub(super) fn canonical(json: &str) -> Option<String> {
    read(json).or_else(|| slowly(json))
}

fn read(json: &str) -> Option<String> {
    if !json.trim_start().starts_with('[') {
        return serde_json::to_string(&serde_json::from_str::<Node<'_>>(json).ok()?).ok();
    }
    let Lines { text, ends } = serde_json::from_str(json).ok()?;
    let starts = std::iter::once(0).chain(ends.iter().copied());
    let mut lines: Vec<&str> = starts.zip(&ends).filter_map(|(start, end)| text.get(start..*end)).collect();
    lines.sort_unstable();
    Some(lines.join("\n"))
}

/// The same by way of a `Value`: for the few texts that [`Node`] leaves alone.
fn slowly(json: &str) -> Option<String> {
    match serde_json::from_str(json).ok()? {
        Value::Array(list) => {
            let mut lines: Vec<String> = list.iter().map(ToString::to_string).collect();
            lines.sort();
            Some(lines.join("\n"))
        }
        other => Some(other.to_string()),
    }
}

/// The texts of a list's elements, one behind the other, and where each ends.
struct Lines {
    text: String,
    ends: Vec<usize>,
}

impl<'de> Deserialize<'de> for Lines {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Lines;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Lines, A::Error> {
                let (mut bytes, mut ends) = (Vec::new(), Vec::new());
                while let Some(node) = list.next_element::<Node<'de>>()? {
                    serde_json::to_writer(&mut bytes, &node).map_err(A::Error::custom)?;
                    ends.push(bytes.len());
                }
                Ok(Lines { text: String::from_utf8(bytes).map_err(A::Error::custom)?, ends })
            }
        }
        deserializer.deserialize_seq(List)
    }
}

/// A JSON value whose texts are where they were read from, unless they had escapes in them.
enum Node<'a> {
    Null,
    Bool(bool),
    Number(Number),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    /// In the order of their names. Of fields with one name the last counts.
    Object(Vec<(Name<'a>, Node<'a>)>),
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Name<'a>(Cow<'a, str>);

/// What `serde_json` calls the fields by which it hands values to itself. A `Value` takes them for more than names.
const PRIVATE: &str = "$serde_json::private::";

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a name")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_string())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

impl<'de> Deserialize<'de> for Node<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Node<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Node<'de>, E> {
                Ok(Node::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Node<'de>, E> {
                Ok(Node::Bool(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Node<'de>, E> {
                Ok(Node::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Node<'de>, E> {
                Ok(Node::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Node<'de>, E> {
                Ok(Number::from_f64(value).map_or(Node::Null, Node::Number))
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Node<'de>, E> {
                Ok(Node::Text(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Node<'de>, E> {
                Ok(Node::Text(Cow::Owned(text.to_string())))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Node<'de>, A::Error> {
                let mut nodes = Vec::new();
                while let Some(node) = list.next_element()? {
                    nodes.push(node);
                }
                Ok(Node::List(nodes))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Node<'de>, A::Error> {
                let mut fields: Vec<(Name<'de>, Node<'de>)> = Vec::new();
                while let Some((name, node)) = object.next_entry::<Name<'de>, _>()? {
                    if name.0.starts_with(PRIVATE) {
                        return Err(A::Error::custom("left to Value"));
                    }
                    fields.push((name, node));
                }
                // The sort keeps the order of equal names; turned around, the last of them comes first and stays.
                fields.reverse();
                fields.sort_by(|(one, _), (other, _)| one.cmp(other));
                fields.dedup_by(|(one, _), (other, _)| one == other);
                Ok(Node::Object(fields))
            }
        }
        deserializer.deserialize_any(Any)
    }
}

impl Serialize for Node<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Null => serializer.serialize_unit(),
            Self::Bool(value) => serializer.serialize_bool(*value),
            Self::Number(number) => number.serialize(serializer),
            Self::Text(text) => serializer.serialize_str(text),
            Self::List(nodes) => serializer.collect_seq(nodes),
            Self::Object(fields) => serializer.collect_map(fields.iter().map(|(name, node)| (name.0.as_ref(), node))),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_text_is_the_one_that_a_value_prints() {
        let deep = |levels: usize| format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let rows = [
            r#"[{"b":1,"a":"x"},{"a":[3,2,{"z":null,"y":true}],"A":false}]"#.to_string(),
            r#" [1, 1.10, 1e2, -0, -0.0, 18446744073709551616, 1e-400, 0.1e1]"#.to_string(),
            r#"["\u0041\/\n\ud83d\ude00","é\u00e9\u007f","\u0000"]"#.to_string(),
            r#"{"a":1,"b":2,"a":3,"\u0061":4,"c":{"x":1,"x":2}}"#.to_string(),
            r#"[{"$serde_json::private::RawValue":"[1]"},{"$serde_json::private::Number":"1"}]"#.to_string(),
            r#"{"a":{"$serde_json::private::RawValue":"{\"c\":1,\"b\":2}"}}"#.to_string(),
            r#"["\ud800"]"#.to_string(),
            "[1e999]".to_string(),
            "null".to_string(),
            "[]".to_string(),
            "[[],{}]".to_string(),
            "[1,]".to_string(),
            deep(126),
            deep(127),
            deep(128),
        ];
        for json in rows {
            assert_eq!(canonical(&json), slowly(&json), "{json}");
        }
        assert_eq!(canonical(r#"[{"b":1,"a":2}, 1]"#).as_deref(), Some("1\n{\"a\":2,\"b\":1}"));
    }

    proptest! {
        #[test]
        fn whatever_the_json(json in any_json(), spaces in "[ \n]{0,2}") {
            let json = json.to_string().replace(',', &format!(",{spaces}"));
            prop_assert_eq!(read(&json), slowly(&json));
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            any::<f64>().prop_map(Value::from),
            ".{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                proptest::collection::vec((".{0,4}", inner), 0..6)
                    .prop_map(|all| Value::Object(all.into_iter().collect())),
            ]
        })
    }
}
