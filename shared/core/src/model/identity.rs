//! What makes two deliveries the same event, and where an event is kept.
//!
//! A *subject* is the thing events are about (a batch, an entity, a merchant); it is the partition key, so that one
//! query tells its whole story. An *identity* says which event of the subject this is; it is the sort key, so that one
//! conditional put decides a race of any number of deliveries.
//!
//! Both are pinned by the snapshots of every file in `events/`: deriving them differently for stored events would make
//! yesterday's event a stranger to its own redelivery. Changing them is a migration.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// The longest id, in bytes once escaped, that enters a key as itself. Longer ones enter as their digest.
///
/// **Rationale.** DynamoDB allows 1,024 bytes of sort key; five parts of this length and their separators fit.
const MAX_PART_BYTES: usize = 180;

/// A provider's name: the folder, the path segment, the key prefix.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(transparent)]
pub struct ProviderId(pub &'static str);

impl fmt::Display for ProviderId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

/// What an event is about, as a partition key: `<provider>#<kind>#<id>`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Subject(String);

impl Subject {
    /// The subject `id` of this `kind` at this provider. The id is opaque: any text is safe.
    pub fn new(provider: ProviderId, kind: &str, id: &str) -> Self {
        Self([provider.0, &escaped(kind), &escaped(id)].join("#"))
    }

    /// Where verified deliveries that could not be read are kept: one collection for each provider and UTC day.
    pub fn unreadable(provider: ProviderId, day: &str) -> Self {
        Self::new(provider, "unreadable", day)
    }

    /// A subject read back from the ledger.
    pub fn from_stored(pk: String) -> Self {
        Self(pk)
    }

    /// The partition key.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The key of one row in this subject's collection.
    pub fn item(&self, sk: impl Into<String>) -> ItemKey {
        ItemKey { pk: self.0.clone(), sk: sk.into() }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Which event of its subject this is. Printed as a sort key, `event#<part>#<part>…`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Identity(String);

impl Identity {
    /// The identity made of these parts, in this order.
    pub fn new(parts: &[&str]) -> Self {
        // An identity always has a part; that of none would be `event#`.
        let start = if parts.is_empty() { "event#" } else { "event" };
        let mut key = String::with_capacity(parts.iter().map(|part| part.len() + 1).sum::<usize>() + start.len());
        key.push_str(start);
        for part in parts {
            key.push('#');
            key.push_str(&escaped(part));
        }
        Self(key)
    }

    /// This identity, told apart from others by more parts.
    pub fn with(&self, parts: &[&str]) -> Self {
        let more: String = parts.iter().map(|part| format!("#{}", escaped(part))).collect();
        Self(format!("{}{more}", self.0))
    }

    /// The identity of bytes that carry no better one.
    pub fn of_bytes(bytes: &[u8]) -> Self {
        Self::new(&["sha256", &digest_hex(bytes)])
    }

    /// The sort key.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The key of one row of the table.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ItemKey {
    /// Partition key.
    pub pk: String,
    /// Sort key.
    pub sk: String,
}

impl ItemKey {
    /// The key of the entry for this event.
    pub fn entry(subject: &Subject, identity: &Identity) -> Self {
        subject.item(identity.as_str())
    }

    /// The subject whose collection holds this row.
    pub fn subject(&self) -> Subject {
        Subject(self.pk.clone())
    }

    /// The name of the provider whose row this is: what stands before the first `#`. Rows of no provider's have another
    /// word there, or all of their partition key.
    pub fn provider(&self) -> &str {
        self.pk.split('#').next().unwrap_or_default()
    }

    /// An id for this row that never changes: what consumers deduplicate published events by.
    pub fn stable_id(&self) -> String {
        let mut hasher = Sha256::new();
        hasher.update(self.pk.as_bytes());
        hasher.update([0]);
        hasher.update(self.sk.as_bytes());
        hex::encode(hasher.finalize()).chars().take(32).collect()
    }

    /// Spreads rows evenly over `count` shards.
    pub fn shard(&self, count: u8) -> u8 {
        let digest = Sha256::new().chain_update(&self.pk).chain_update([0]).chain_update(&self.sk).finalize();
        digest.first().copied().unwrap_or(0) % count.max(1)
    }
}

impl fmt::Display for ItemKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pk, self.sk)
    }
}

/// SHA-256 as 64 lower-case hex digits.
pub fn digest_hex(bytes: &[u8]) -> String {
    let mut digits = vec![b'0'; 64];
    // It fits: two digits for each of 32 bytes. `hex::encode` would push them one character at a time.
    let _ = hex::encode_to_slice(Sha256::digest(bytes), &mut digits);
    String::from_utf8(digits).unwrap_or_default()
}

/// Makes any text safe inside a key: `#` separates, so it and everything unprintable is percent-encoded, and what is
/// too long is replaced by its digest behind a `~` that no escaped text can start with.
pub fn escape(part: &str) -> String {
    escaped(part).into_owned()
}

/// The same, without a copy of what is safe as it is: most ids are.
fn escaped(part: &str) -> Cow<'_, str> {
    if part.len() <= MAX_PART_BYTES && !part.bytes().any(is_escaped) {
        return Cow::Borrowed(part);
    }
    let mut escaped = String::with_capacity(part.len());
    for byte in part.bytes() {
        if is_escaped(byte) {
            escaped.push_str(&format!("%{byte:02X}"));
        } else {
            escaped.push(char::from(byte));
        }
    }
    Cow::Owned(if escaped.len() > MAX_PART_BYTES { format!("~{}", digest_hex(part.as_bytes())) } else { escaped })
}

fn is_escaped(byte: u8) -> bool {
    matches!(byte, b'#' | b'%' | b'~' | 0..=b' ' | 0x7f..=0xff)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const PROVIDER: ProviderId = ProviderId("rightfoot");

    #[test]
    fn separators_in_ids_cannot_make_two_events_one() {
        assert_ne!(Identity::new(&["a#b", "c"]), Identity::new(&["a", "b#c"]));
        assert_ne!(Identity::new(&["a", ""]), Identity::new(&["a"]));
        assert_eq!(Subject::new(PROVIDER, "batch", "a#1").as_str(), "rightfoot#batch#a%231");
    }

    #[test]
    fn long_ids_become_their_digest() {
        let long = "x".repeat(4000);
        let identity = Identity::new(&["type", &long]);
        assert!(identity.as_str().len() < 100, "{}", identity.as_str());
        assert_ne!(identity, Identity::new(&["type", &"x".repeat(4001)]));
        assert_ne!(identity, Identity::new(&["type", &format!("~{}", digest_hex(long.as_bytes()))]));
    }

    proptest! {
        #[test]
        fn different_parts_give_different_keys(a in ".{0,300}", b in ".{0,300}") {
            prop_assert_eq!(escape(&a) == escape(&b), a == b);
        }

        #[test]
        fn keys_stay_within_dynamodb_limits(parts in proptest::collection::vec(".{0,400}", 1..5)) {
            let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
            prop_assert!(Identity::new(&parts).as_str().len() <= 1024);
        }
    }
}
