//! Everything that was written, piece by piece, each with the place where it stood.

use std::io::Read as _;

use flate2::read::DeflateDecoder;

use super::Canary;

/// No item and no chunked body unpacks to more.
const MAX_UNPACKED_BYTES: u64 = 32 * 1024 * 1024;

/// What was found of a canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Find {
    /// Where.
    pub place: String,
    /// What the canary stands for. The value itself is not repeated.
    pub kind: &'static str,
    /// How it was written there.
    pub encoding: &'static str,
    /// Whether it may be there: the provider itself sent it as part of these bytes.
    pub is_body: bool,
}

struct Piece {
    place: String,
    text: String,
    is_body: bool,
}

/// The pieces.
#[derive(Default)]
pub struct Evidence {
    pieces: Vec<Piece>,
}

impl Evidence {
    /// Adds something that was written.
    pub fn add(&mut self, place: impl Into<String>, text: impl Into<String>) {
        self.pieces.push(Piece { place: place.into(), text: text.into(), is_body: false });
    }

    /// Adds bytes, as they are and unpacked, if that is possible. What else is in a row beside a body is never a body.
    pub fn add_bytes(&mut self, place: &str, bytes: &[u8], is_body: bool) {
        let mut add = |place: String, bytes: &[u8]| {
            self.pieces.push(Piece { place, text: String::from_utf8_lossy(bytes).into_owned(), is_body });
        };
        add(place.to_string(), bytes);
        let mut unpacked = Vec::new();
        // Of a broken stream, what came before the break is looked at all the same.
        let _ = DeflateDecoder::new(bytes).take(MAX_UNPACKED_BYTES).read_to_end(&mut unpacked);
        if !unpacked.is_empty() {
            add(format!("{place}, unpacked"), &unpacked);
        }
    }

    /// How many pieces there are whose place starts so.
    pub fn count(&self, place: &str) -> usize {
        self.pieces.iter().filter(|piece| piece.place.starts_with(place)).count()
    }

    /// Looks for canaries in every piece.
    pub fn search(&self, canaries: &[Canary]) -> Vec<Find> {
        let found_in = |piece: &Piece, canary: &Canary| -> Vec<Find> {
            let encodings = canary.encodings_in(&piece.text).into_iter();
            let (kind, is_body) = (canary.kind, piece.is_body);
            encodings.map(|encoding| Find { place: piece.place.clone(), kind, encoding, is_body }).collect()
        };
        self.pieces.iter().flat_map(|piece| canaries.iter().flat_map(|canary| found_in(piece, canary))).collect()
    }
}
