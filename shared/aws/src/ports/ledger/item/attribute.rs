//! Attributes: how values are written and read, one by one.

use std::collections::HashMap;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
pub(crate) use hookledger_core::model::entry::RECENT_SHARDS;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::StoreError;

use crate::ports::ledger::codec::Encoding;

/// An item as the SDK has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// The sort key of a subject's current status.
pub(crate) const STATUS_SK: &str = "state";
/// The start of the sort key of a subject's status facts.
pub(crate) const FACT_PREFIX: &str = "fact#";

/// The partition of the `recent` index for one day's shard.
pub(crate) fn recent_shard_name(day: &str, shard: u8) -> String {
    format!("{day}#{shard}")
}

/// A text attribute.
pub(crate) fn s(text: impl Into<String>) -> AttributeValue {
    AttributeValue::S(text.into())
}

/// A number attribute.
pub(crate) fn n(number: impl ToString) -> AttributeValue {
    AttributeValue::N(number.to_string())
}

/// A binary attribute.
pub(crate) fn b(bytes: Vec<u8>) -> AttributeValue {
    AttributeValue::B(Blob::new(bytes))
}

/// An instant of the ledger: milliseconds.
pub(crate) fn ms(at: UnixMs) -> AttributeValue {
    n(at.0)
}

/// An instant for DynamoDB's TTL: whole seconds.
pub(crate) fn ttl(at: UnixMs) -> AttributeValue {
    n(at.secs())
}

/// The two key attributes.
pub(crate) fn key_attributes(key: &ItemKey) -> Item {
    HashMap::from([("pk".to_string(), s(&key.pk)), ("sk".to_string(), s(&key.sk))])
}

/// Puts an attribute.
pub(crate) fn put(item: &mut Item, name: &str, value: AttributeValue) {
    item.insert(name.to_string(), value);
}

/// Where stored bytes are, and how they are read back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    /// How the bytes were encoded.
    pub(crate) encoding: Encoding,
    /// How many bytes they decode to.
    pub(crate) length: usize,
    /// Where they are.
    pub(crate) place: Place,
}

/// Inside the item, or in chunks of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    /// The encoded bytes themselves.
    Inline(Vec<u8>),
    /// Under `<provider>#body#<digest>`.
    Chunks(Chunks),
}

/// The name of bytes kept in chunks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Chunks {
    /// What [`chunk_digest`](crate::ports::ledger::codec::chunk_digest) gave.
    pub(crate) digest: String,
    /// How many there are.
    pub(crate) count: usize,
}

impl Stored {
    /// Writes the attributes `<what>`, or `<what>_digest` and `<what>_chunks`, and the two that both need.
    pub(crate) fn put(self, what: &str, item: &mut Item) {
        put(item, &format!("{what}_encoding"), s(self.encoding.as_str()));
        put(item, &format!("{what}_bytes"), n(self.length));
        match self.place {
            Place::Inline(bytes) => put(item, what, b(bytes)),
            Place::Chunks(Chunks { digest, count }) => {
                put(item, &format!("{what}_digest"), s(digest));
                put(item, &format!("{what}_chunks"), n(count));
            }
        }
    }

    /// Reads what [`Stored::put`] wrote. `what` is `body` or `document`.
    pub(crate) fn read(what: &'static str, reader: &Reader<'_>) -> Result<Self, StoreError> {
        let named = |suffix: &str| format!("{what}_{suffix}");
        let encoding = reader.get_text(&named("encoding")).and_then(Encoding::from_stored);
        let length = reader.get_number(&named("bytes"));
        let place = match reader.item.get(what).and_then(|value| value.as_b().ok()) {
            Some(blob) => Some(Place::Inline(blob.as_ref().to_vec())),
            None => reader.chunks(what).map(Place::Chunks),
        };
        match (encoding, length, place) {
            (Some(encoding), Some(length), Some(place)) => Ok(Self { encoding, length, place }),
            _ => Err(reader.corrupt(what)),
        }
    }

    /// The bytes of an entry.
    pub(crate) fn body(item: &Item, key: &ItemKey) -> Result<Self, StoreError> {
        Self::read("body", &Reader::new(item, key))
    }
}

/// The chunks an entry's body is in, if it is in chunks.
pub(crate) fn body_chunks(item: &Item) -> Option<Chunks> {
    let key = ItemKey { pk: String::new(), sk: String::new() };
    Reader::new(item, &key).chunks("body")
}

/// Reads attributes, and names the one that is missing.
pub(crate) struct Reader<'a> {
    item: &'a Item,
    key: &'a ItemKey,
}

impl<'a> Reader<'a> {
    /// Reads the item that was found under `key`.
    pub(crate) fn new(item: &'a Item, key: &'a ItemKey) -> Self {
        Self { item, key }
    }

    pub(crate) fn corrupt(&self, what: &'static str) -> StoreError {
        StoreError::Corrupt { key: self.key.clone(), what }
    }

    pub(crate) fn get_text(&self, name: &str) -> Option<&'a str> {
        self.item.get(name)?.as_s().ok().map(String::as_str)
    }

    pub(crate) fn get_number<T: std::str::FromStr>(&self, name: &str) -> Option<T> {
        self.item.get(name)?.as_n().ok()?.parse().ok()
    }

    pub(crate) fn chunks(&self, what: &str) -> Option<Chunks> {
        let digest = self.get_text(&format!("{what}_digest"))?.to_string();
        Some(Chunks { digest, count: self.get_number(&format!("{what}_chunks"))? })
    }

    /// A text that must be there.
    pub(crate) fn text(&self, name: &'static str) -> Result<String, StoreError> {
        self.get_text(name).map(str::to_string).ok_or_else(|| self.corrupt(name))
    }

    /// A text that may be absent.
    pub(crate) fn optional_text(&self, name: &str) -> Option<String> {
        self.get_text(name).map(str::to_string)
    }

    /// A number that must be there.
    pub(crate) fn number<T: std::str::FromStr>(&self, name: &'static str) -> Result<T, StoreError> {
        self.get_number(name).ok_or_else(|| self.corrupt(name))
    }

    /// An instant that must be there.
    pub(crate) fn instant(&self, name: &'static str) -> Result<UnixMs, StoreError> {
        self.number(name).map(UnixMs)
    }

    /// An instant that may be absent.
    pub(crate) fn optional_instant(&self, name: &str) -> Option<UnixMs> {
        self.get_number(name).map(UnixMs)
    }

    /// A word of a closed vocabulary.
    pub(crate) fn word<T>(&self, name: &'static str, read: impl Fn(&str) -> Option<T>) -> Result<T, StoreError> {
        self.get_text(name).and_then(read).ok_or_else(|| self.corrupt(name))
    }

    /// A yes or no that must be there.
    pub(crate) fn flag(&self, name: &'static str) -> Result<bool, StoreError> {
        self.item.get(name).and_then(|value| value.as_bool().ok()).copied().ok_or_else(|| self.corrupt(name))
    }

    /// A map of texts; empty when absent.
    pub(crate) fn texts(&self, name: &str) -> Vec<(String, String)> {
        let map = self.item.get(name).and_then(|value| value.as_m().ok());
        let mut texts: Vec<(String, String)> = map
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.clone(), value.as_s().ok()?.clone())))
            .collect();
        texts.sort();
        texts
    }
}

/// The key of an item, when it has one.
pub(crate) fn key_of(item: &Item) -> Option<ItemKey> {
    let text = |name: &str| item.get(name)?.as_s().ok().cloned();
    Some(ItemKey { pk: text("pk")?, sk: text("sk")? })
}

/// A map of texts as an attribute.
pub(crate) fn texts<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> AttributeValue {
    AttributeValue::M(pairs.into_iter().map(|(name, text)| (name.to_string(), s(text))).collect())
}
