//! Bytes too large for an item: chunks of their own, under `<provider>#body#<digest>`, written before the row that names
//! them. The provider is their owner's, so that a function which may touch one provider's rows alone can store them.
//!
//! What owes must never lose its body, and what was never admitted must not stay. So a chunk is born with an end
//! (`expires_at`), loses it when its entry is parked, since a person may take any time, and gets one again when the
//! entry is settled.

use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::StoreError;

use super::codec::{CHUNK_BYTES, MAX_CHUNKS, MAX_INLINE_BYTES, chunk_digest, decode, encode};
use super::item::{Chunks, Item, Place, Stored, b, key_attributes, put, ttl};
use super::read::{collection, walk};
use super::table::DynamoLedger;
use super::write::{Update, put_if};

/// How much longer than the retention a chunk lives. The entry is settled later than its chunks are written; this
/// bridges the time in between, and outlives any work that is not parked.
const MARGIN_SECS: u64 = 30 * 24 * 3600;

impl DynamoLedger {
    /// When chunks and result rows written at `at` may be deleted.
    pub(super) fn end_of(&self, at: UnixMs) -> UnixMs {
        at.plus_secs(self.retention_secs).plus_secs(MARGIN_SECS)
    }

    /// Encodes bytes for a row, and writes them first if they don't fit into it.
    pub(super) async fn store_bytes(
        &self,
        owner: &ItemKey,
        bytes: &[u8],
        expires_at: UnixMs,
    ) -> Result<Stored, StoreError> {
        let (encoding, stored) = encode(bytes);
        let place = if stored.len() <= MAX_INLINE_BYTES {
            Place::Inline(stored)
        } else {
            Place::Chunks(self.write_chunks(owner, &stored, expires_at).await?)
        };
        Ok(Stored { encoding, length: bytes.len(), place })
    }

    async fn write_chunks(&self, owner: &ItemKey, stored: &[u8], expires_at: UnixMs) -> Result<Chunks, StoreError> {
        let chunks = Chunks { digest: chunk_digest(owner, stored), count: stored.len().div_ceil(CHUNK_BYTES) };
        if chunks.count > MAX_CHUNKS {
            return Err(StoreError::Refused("the document is larger than 24 MB"));
        }
        for (key, bytes) in chunk_keys(owner, &chunks).zip(stored.chunks(CHUNK_BYTES)) {
            let mut item = key_attributes(&key);
            put(&mut item, "bytes", b(bytes.to_vec()));
            put(&mut item, "expires_at", ttl(expires_at));
            // A redelivery against parking: the chunk may be there, without an end, for an entry that waits for a
            // person. It has the same bytes; giving it an end again would take the body away from that entry. One
            // that has an end is written anew, so that what is left of an earlier attempt doesn't expire under us.
            put_if(&self.table, item, "attribute_not_exists(#pk) OR attribute_exists(#expires_at)", &[]).await?;
        }
        Ok(chunks)
    }

    /// Brings the bytes of a row, wherever they are. `what` names them in the error when they are not whole.
    pub(super) async fn load_bytes(
        &self,
        owner: &ItemKey,
        stored: Stored,
        what: &'static str,
    ) -> Result<Vec<u8>, StoreError> {
        let corrupt = || StoreError::Corrupt { key: owner.clone(), what };
        let bytes = match stored.place {
            Place::Inline(bytes) => bytes,
            Place::Chunks(chunks) => {
                let bytes = self.read_chunks(owner, &chunks).await?;
                if chunk_digest(owner, &bytes) != chunks.digest {
                    return Err(corrupt());
                }
                bytes
            }
        };
        decode(stored.encoding, bytes, stored.length).ok_or_else(corrupt)
    }

    async fn read_chunks(&self, owner: &ItemKey, chunks: &Chunks) -> Result<Vec<u8>, StoreError> {
        let items = walk(collection(&self.table, &partition(owner, chunks), ""), MAX_CHUNKS).await?;
        let bytes = |item: &Item| item.get("bytes").and_then(|value| value.as_b().ok()).cloned();
        // A missing chunk shows in the digest.
        Ok(items.iter().filter_map(bytes).flat_map(|blob| blob.into_inner()).collect())
    }

    /// Takes the end off the chunks of an entry that is about to wait for a person.
    pub(super) async fn keep_chunks(&self, owner: &ItemKey, chunks: &Chunks) -> Result<(), StoreError> {
        for key in chunk_keys(owner, chunks) {
            // Parking against TTL: a chunk that was deleted meanwhile must not come back as a row without bytes.
            Update::only_if(&key, "attribute_exists(#pk)").remove("expires_at").send(&self.table).await?;
        }
        Ok(())
    }

    /// Gives the chunks of a settled entry their end.
    pub(super) async fn end_chunks(
        &self,
        owner: &ItemKey,
        chunks: &Chunks,
        expires_at: UnixMs,
    ) -> Result<(), StoreError> {
        for key in chunk_keys(owner, chunks) {
            // Settling against TTL, as in `keep_chunks`.
            let update = Update::only_if(&key, "attribute_exists(#pk)");
            update.set("expires_at", ttl(expires_at.plus_secs(MARGIN_SECS))).send(&self.table).await?;
        }
        Ok(())
    }
}

/// Where the chunks of a row are. The row's own partition begins with its provider, and so does this one.
fn partition(owner: &ItemKey, chunks: &Chunks) -> String {
    format!("{}#body#{}", owner.provider(), chunks.digest)
}

pub(super) fn chunk_keys(owner: &ItemKey, chunks: &Chunks) -> impl Iterator<Item = ItemKey> {
    let pk = partition(owner, chunks);
    // Padded, so that the order of the sort keys is the order of the bytes.
    (0..chunks.count).map(move |n| ItemKey { pk: pk.clone(), sk: format!("{n:04}") })
}
