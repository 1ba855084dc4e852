//! A place in the list of what came in, as a page of it hands it to the next: behind one entry, whatever comes in meanwhile.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use hookledger_aws::ports::ledger::Pointer;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;

/// Behind an entry. Entries stand in the order of their time, the latest first, and those of one instant in that of their keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Cursor {
    /// From when on the first page looked: what is left of a day must not move on while somebody reads.
    pub(super) since: UnixMs,
    /// When the entry came.
    pub(super) at: UnixMs,
    key: ItemKey,
}

impl Cursor {
    pub(super) fn behind(pointer: &Pointer, since: UnixMs) -> Self {
        Self { since, at: pointer.received_at, key: pointer.key.clone() }
    }

    /// Whether an entry stands behind it.
    pub(super) fn is_before(&self, pointer: &Pointer) -> bool {
        (self.at, &pointer.key) > (pointer.received_at, &self.key)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Of letters that no shell reads as its own, whatever the ids are.
        let place = (self.since.0, self.at.0, &self.key.pk, &self.key.sk);
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(serde_json::json!(place).to_string()))
    }
}

impl FromStr for Cursor {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let bytes = BASE64_URL_SAFE_NO_PAD.decode(text).ok();
        let place = bytes.and_then(|bytes| serde_json::from_slice::<(i64, i64, String, String)>(&bytes).ok());
        let (since, at, pk, sk) = place.ok_or("it is none that a page of `events` has shown: copy it whole")?;
        Ok(Self { since: UnixMs(since), at: UnixMs(at), key: ItemKey { pk, sk } })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_read_as_it_was_shown_and_knows_what_is_behind_it() {
        let pointer = |at: i64, sk: &str| Pointer {
            key: ItemKey { pk: "rightfoot#batch#it's #1 / \u{fc}\n".into(), sk: sk.into() },
            received_at: UnixMs(at),
            event_type: "T".into(),
            origin: None,
            proof: None,
        };
        let cursor = Cursor::behind(&pointer(5, "b"), UnixMs(1));
        assert_eq!(cursor.to_string().parse(), Ok(cursor.clone()));
        for (at, sk, behind) in [(6, "z", false), (5, "a", false), (5, "b", false), (5, "c", true), (4, "a", true)] {
            assert_eq!(cursor.is_before(&pointer(at, sk)), behind, "{at} {sk}");
        }
        for text in ["", "x", "2026-11-27", "W10"] {
            assert!(text.parse::<Cursor>().is_err(), "{text}");
        }
    }
}
