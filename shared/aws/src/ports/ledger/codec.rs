//! How bytes are stored: compressed when that helps, in the item when they fit, and what it takes to get them back.

use std::io::{Read as _, Write as _};

use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use sha2::{Digest, Sha256};

use hookledger_core::model::identity::ItemKey;

/// Below this a body is stored as it is: a webhook of a few hundred bytes gains nothing worth decoding for.
const COMPRESS_ABOVE_BYTES: usize = 1024;
/// The most that is kept inside an item. DynamoDB allows 400 KB with all other attributes; the rest is room for those,
/// the frozen detail included.
pub(crate) const MAX_INLINE_BYTES: usize = 256 * 1024;
/// One chunk of what does not fit. A chunk has nothing else in it, but a multiple of 1 KB wastes no write unit.
pub(crate) const CHUNK_BYTES: usize = 256 * 1024;
/// The most chunks of one document: 24 MB, above the 16 MiB that is read of a provider's answer and the 6 MB that
/// Lambda takes in.
pub(crate) const MAX_CHUNKS: usize = 96;
/// What stored bytes may unpack to. Nothing larger is ever stored, so more than this is not ours.
const MAX_DECODED_BYTES: usize = MAX_CHUNKS * CHUNK_BYTES;

/// How bytes are written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// As they are.
    Plain,
    /// Raw deflate (RFC 1951).
    Deflate,
}

impl Encoding {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Deflate => "deflate",
        }
    }

    pub(crate) fn from_stored(text: &str) -> Option<Self> {
        [Self::Plain, Self::Deflate].into_iter().find(|encoding| encoding.as_str() == text)
    }
}

/// Encodes bytes for storing.
pub(crate) fn encode(bytes: &[u8]) -> (Encoding, Vec<u8>) {
    if bytes.len() > COMPRESS_ABOVE_BYTES
        && let Some(packed) = deflate(bytes)
        && packed.len() < bytes.len()
    {
        return (Encoding::Deflate, packed);
    }
    (Encoding::Plain, bytes.to_vec())
}

fn deflate(bytes: &[u8]) -> Option<Vec<u8>> {
    // The fastest level: JSON packs to within a few per cent of the default's size, in a third of its time and, for
    // megabytes, an eighth (docs/performance/core.md).
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Decodes what [`encode`] made of `length` bytes. `None` when the bytes don't decode to exactly that many.
pub(crate) fn decode(encoding: Encoding, stored: Vec<u8>, length: usize) -> Option<Vec<u8>> {
    if length > MAX_DECODED_BYTES {
        return None;
    }
    let bytes = match encoding {
        Encoding::Plain => stored,
        Encoding::Deflate => {
            let mut bytes = Vec::with_capacity(length);
            // One byte more than announced is enough to see that the announcement is wrong.
            let limit = u64::try_from(length).ok()?.saturating_add(1);
            DeflateDecoder::new(stored.as_slice()).take(limit).read_to_end(&mut bytes).ok()?;
            bytes
        }
    };
    (bytes.len() == length).then_some(bytes)
}

/// The name of stored bytes that are kept in chunks: the SHA-256 of the owner's key and the bytes.
///
/// **Rationale.** The bytes are in it so that racing deliveries with different bytes write different chunks. The owner
/// is in it so that two rows never share chunks: settling one would set an end on the body that another still owes.
pub(crate) fn chunk_digest(owner: &ItemKey, stored: &[u8]) -> String {
    let digest = Sha256::new()
        .chain_update(&owner.pk)
        .chain_update([0])
        .chain_update(&owner.sk)
        .chain_update([0])
        .chain_update(stored)
        .finalize();
    hex::encode(digest)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn key(sk: &str) -> ItemKey {
        ItemKey { pk: "p".into(), sk: sk.into() }
    }

    #[test]
    fn only_what_shrinks_is_compressed() {
        assert_eq!(encode(&[b'a'; 1024]).0, Encoding::Plain);
        let (encoding, stored) = encode(&[b'a'; 1025]);
        assert_eq!(encoding, Encoding::Deflate);
        assert!(stored.len() < 100);
        // Bytes of a hash chain don't compress.
        let noise: Vec<u8> = (0u32..100).flat_map(|n| Sha256::digest(n.to_be_bytes())).collect();
        assert_eq!(encode(&noise).0, Encoding::Plain);
    }

    #[test]
    fn a_wrong_length_or_a_broken_stream_is_seen() {
        let (encoding, stored) = encode(&[b'a'; 5000]);
        for length in [0, 4999, 5001, usize::MAX] {
            assert_eq!(decode(encoding, stored.clone(), length), None, "{length}");
        }
        assert_eq!(decode(Encoding::Deflate, vec![0xff; 40], 40), None);
        assert_eq!(decode(Encoding::Plain, vec![1, 2], 3), None);
    }

    #[test]
    fn chunks_belong_to_one_row_and_one_content() {
        let digest = chunk_digest(&key("a"), b"x");
        assert_ne!(digest, chunk_digest(&key("b"), b"x"));
        assert_ne!(digest, chunk_digest(&key("a"), b"y"));
        assert_eq!(digest.len(), 64);
    }

    proptest! {
        #[test]
        fn what_was_stored_comes_back(bytes in proptest::collection::vec(any::<u8>(), 0..5000), repeat in 1usize..20) {
            let bytes = bytes.repeat(repeat);
            let (encoding, stored) = encode(&bytes);
            prop_assert!(stored.len() <= bytes.len());
            prop_assert_eq!(decode(encoding, stored, bytes.len()), Some(bytes));
        }
    }
}
