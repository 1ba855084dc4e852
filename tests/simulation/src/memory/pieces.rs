//! Bodies too large for a row: in pieces of their own, written before the row that names them, as in the real table.

use hookledger_core::model::entry::NewEntry;
use hookledger_core::model::identity::digest_hex;
use hookledger_core::ports::StoreError;

use super::ledger::MemoryLedger;
use super::table::Pieces;

impl MemoryLedger {
    /// From now on a body of more than so many bytes lies in pieces of so many bytes. At first none does.
    pub fn keep_in_pieces(&self, bytes: usize) {
        self.piece_bytes.set(Some(bytes.max(1)));
    }

    /// Writes the pieces of a body that needs them, one call each. Their name holds the digest of the body: deliveries
    /// of one event at once may bring different bytes.
    pub(super) async fn write_pieces(&self, entry: &NewEntry) -> Result<Option<Pieces>, StoreError> {
        let Some(bytes) = self.piece_bytes.get().filter(|bytes| entry.body.len() > *bytes) else { return Ok(None) };
        let name = format!("{} {}", entry.event.key(), digest_hex(&entry.body));
        for (place, piece) in entry.body.chunks(bytes).enumerate() {
            self.call("put_piece", |_| {
                self.pieces.borrow_mut().insert((name.clone(), place), piece.to_vec());
                Ok(())
            })
            .await?;
        }
        Ok(Some(Pieces { name, count: entry.body.len().div_ceil(bytes) }))
    }

    /// The body that lies in these pieces.
    pub(super) fn assembled(&self, pieces: &Pieces) -> Vec<u8> {
        let held = self.pieces.borrow();
        (0..pieces.count).filter_map(|place| held.get(&(pieces.name.clone(), place))).flatten().copied().collect()
    }
}
