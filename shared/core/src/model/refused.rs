//! What was refused at the door, and where it is kept for a person.

use std::fmt;
use std::net::IpAddr;

use ipnet::IpNet;

use crate::model::entry::UNREADABLE;
use crate::model::identity::{ItemKey, ProviderId, digest_hex};
use crate::model::time::UnixMs;

/// A delivery that was not let in, kept for a while so that a person can look at it and verify it again.
#[derive(Clone, PartialEq, Eq)]
pub struct Refused {
    /// The provider whose URL was called.
    pub provider: ProviderId,
    /// The stable code of the reason.
    pub code: String,
    /// The rule that was broken, for a person.
    pub reason: String,
    /// When.
    pub at: UnixMs,
    /// SHA-256 of the whole body.
    pub digest: String,
    /// The body, up to [`Shelf::max_body_bytes`].
    pub body: Vec<u8>,
    /// The whole body's length.
    pub body_bytes: usize,
    /// SHA-256 of the URL's token in hex, where the URL had one: enough to verify it again, and no use to a reader.
    pub token_digest: Option<String>,
    /// The headers the scheme looks at.
    pub headers: Vec<(String, String)>,
    /// The client's address.
    pub source_ip: Option<String>,
}

impl Refused {
    /// The slots of its minute that it may be kept under, in the order in which they are tried. They follow from the
    /// network that it came from: whoever sends from one takes half of them at most, and leaves the others to others.
    pub fn slots(&self) -> impl Iterator<Item = u8> {
        let sum = |text: &str| text.bytes().fold(7u8, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte));
        let start = sum(&digest_hex(self.source_network().as_bytes())) % MAX_QUARANTINED_PER_MINUTE;
        // Several processes spread over the slots instead of queueing up.
        let turn = sum(&self.digest) % MAX_QUARANTINED_PER_SOURCE;
        (0..MAX_QUARANTINED_PER_SOURCE)
            .map(move |step| (start + (step + turn) % MAX_QUARANTINED_PER_SOURCE) % MAX_QUARANTINED_PER_MINUTE)
    }

    /// Where a provider's refusals of one UTC day are kept.
    pub fn collection(provider: ProviderId, day: &str) -> String {
        format!("{provider}#refused#{day}")
    }

    /// The minute whose slots it may be kept under.
    pub fn minute(&self) -> String {
        self.at.to_string().chars().take("2026-11-22T10:15".len()).collect()
    }

    /// The key of one of its slots.
    pub fn key_at(&self, slot: u8) -> ItemKey {
        let sk = format!("{}#{}{slot:02}", self.minute(), Shelf::of(&self.code).mark());
        ItemKey { pk: Self::collection(self.provider, &self.at.day()), sk }
    }

    /// The network that it came from, as wide as one customer of a hoster has it at least.
    fn source_network(&self) -> String {
        let address = self.source_ip.as_deref().and_then(|ip| ip.parse::<IpAddr>().ok());
        let network = address.and_then(|ip| IpNet::new(ip, if ip.is_ipv4() { 24 } else { 48 }).ok());
        network.map(|network| network.trunc().to_string()).unwrap_or_default()
    }
}

impl fmt::Debug for Refused {
    /// Why and when, never what: it may be genuine.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Refused")
            .field("provider", &self.provider.0)
            .field("code", &self.code)
            .field("at", &self.at)
            .field("body_bytes", &self.body_bytes)
            .finish_non_exhaustive()
    }
}

/// The most of a refused body that is kept.
pub const MAX_QUARANTINE_BYTES: usize = 4096;
/// The most of a body that is kept which is proved and can't be read.
pub const MAX_UNREADABLE_BYTES: usize = 16 * 1024;
/// Refusals kept for each provider, minute and [`Shelf`]. All are counted; a flood can't fill the table.
pub const MAX_QUARANTINED_PER_MINUTE: u8 = 40;
/// The most of them that one network of senders takes.
pub const MAX_QUARANTINED_PER_SOURCE: u8 = 20;

/// Where a refusal is kept. Each shelf has slots of its own, so that what anybody can send takes no room from what only
/// few can.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Shelf {
    /// No signature or token, or one that can't be read.
    Bare,
    /// A signature or token that none of the live secrets proves.
    Wrong,
    /// Proved, and not readable.
    Genuine,
}

impl Shelf {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Bare, Self::Wrong, Self::Genuine];

    /// What stands before the slot in its key.
    pub fn mark(self) -> &'static str {
        match self {
            Self::Bare => "",
            Self::Wrong => "w",
            Self::Genuine => "g",
        }
    }

    /// The most of a body that is kept on it.
    pub fn max_body_bytes(self) -> usize {
        match self {
            Self::Bare | Self::Wrong => MAX_QUARANTINE_BYTES,
            Self::Genuine => MAX_UNREADABLE_BYTES,
        }
    }

    /// The shelf of a refusal with this code.
    pub fn of(code: &str) -> Self {
        match code {
            "missing_signature" | "malformed_signature" => Self::Bare,
            UNREADABLE => Self::Genuine,
            _ => Self::Wrong,
        }
    }
}
/// How long a refusal is kept.
pub const QUARANTINE_SECS: u64 = 14 * 24 * 3600;

/// A refused delivery where it is kept.
#[derive(Clone, Debug)]
pub struct Kept {
    /// The row's key.
    pub key: ItemKey,
    /// What was refused.
    pub refused: Refused,
    /// How many more were refused than are kept, as far as they are counted here: their minute had no slot left for them.
    /// At least half of them are.
    pub more: u64,
}
