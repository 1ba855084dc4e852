//! Bodies: byte for byte what was sent, whatever the size, and never a mixture of two.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::entry::{Admitted, State};
use hookledger_core::ports::{Attempt, Ledger, Postponed};

use super::sample::*;

const KIB: usize = 1024;

/// Admits each body, then reads all of them back.
async fn come_back<L: Ledger>(ledger: &L, bodies: Vec<Vec<u8>>) {
    let mut keys = Vec::new();
    for (n, body) in bodies.iter().enumerate() {
        keys.push(admit(ledger, &with_body(&format!("b{n}"), body.clone())).await);
    }
    for (key, body) in keys.iter().zip(&bodies) {
        assert_same_bytes(&read_whole(ledger, key).await.1, body);
    }
}

/// Compressible and incompressible bodies of one less, exactly, and one more than each size.
fn around(sizes: &[usize]) -> Vec<Vec<u8>> {
    let each = sizes.iter().flat_map(|size| [size - 1, *size, size + 1]);
    each.flat_map(|len| [prose(len as u64, len), noise(len as u64, len)]).collect()
}

pub async fn tiny_ones_come_back<L: Ledger>(ledger: &L) {
    come_back(ledger, vec![vec![], vec![0], vec![b'{'], b"{}".to_vec(), b"\xef\xbb\xbf{}\r\n".to_vec()]).await;
}

pub async fn bytes_that_are_no_text_come_back<L: Ledger>(ledger: &L) {
    let every_byte: Vec<u8> = (0..=255).collect();
    let zeros = vec![0; 5000];
    // What looks like one of the containers a ledger might wrap bodies in must not be unwrapped.
    let gzip_like = [&[0x1f, 0x8b, 8, 0][..], &noise(1, 40)].concat();
    let zlib_like = [&[0x78, 0x9c][..], &noise(2, 3000)].concat();
    let base64_like = b"eyJiYXRjaF9pZCI6ImIxIn0=".to_vec();
    come_back(ledger, vec![every_byte.repeat(8), every_byte, zeros, gzip_like, zlib_like, base64_like]).await;
}

pub async fn sizes_around_the_compression_limit_come_back<L: Ledger>(ledger: &L) {
    come_back(ledger, around(&[KIB])).await;
}

pub async fn sizes_around_the_inline_limit_come_back<L: Ledger>(ledger: &L) {
    come_back(ledger, around(&[256 * KIB])).await;
}

pub async fn what_no_item_holds_comes_back<L: Ledger>(ledger: &L) {
    come_back(ledger, around(&[400 * KIB, KIB * KIB])).await;
}

pub async fn the_largest_delivery_comes_back<L: Ledger>(ledger: &L) {
    // Lambda carries 6 MB of envelope: about so much where the gateway has to encode it, and nearly all of it as text.
    let sizes = [4_500_000, 5_900_000];
    come_back(ledger, sizes.iter().flat_map(|len| [prose(1, *len), noise(1, *len), vec![b'x'; *len]]).collect()).await;
}

pub async fn one_large_body_may_belong_to_two_events<L: Ledger>(ledger: &L) {
    come_back(ledger, vec![noise(1, 700 * KIB); 2]).await;
}

/// Races these bodies for one identity; whichever wins must be read back.
async fn race<L: Ledger>(ledger: &L, bodies: impl Iterator<Item = Vec<u8>>) {
    let racers: Vec<_> = bodies.map(|body| with_body("b1", body)).collect();
    let answers = join_all(racers.iter().map(|racer| ledger.admit(racer))).await;
    let won: Vec<_> = racers.iter().zip(&answers).filter(|(_, answer)| **answer == Ok(Admitted::New)).collect();
    assert_eq!(won.len(), 1, "{answers:?}");
    let (_, body) = read_whole(ledger, &racers[0].event.key()).await;
    assert_same_bytes(&body, &won[0].0.body);
}

pub async fn racing_bodies_do_not_mix<L: Ledger>(ledger: &L) {
    let sizes = [0, 1, 2 * KIB, 255 * KIB, 300 * KIB, 300 * KIB, 700 * KIB, 1100 * KIB];
    let noisy = sizes.iter().enumerate().map(|(n, len)| noise(n as u64, *len));
    let plain = sizes.iter().enumerate().map(|(n, len)| prose(n as u64, *len));
    race(ledger, noisy.chain(plain)).await;
}

pub async fn racing_large_bodies_of_one_size_do_not_mix<L: Ledger>(ledger: &L) {
    race(ledger, (0..12).map(|n| noise(n, 600 * KIB))).await;
}

pub async fn a_losing_body_leaves_the_winner_whole<L: Ledger>(ledger: &L) {
    let first = with_body("b1", noise(1, 900 * KIB));
    let key = admit(ledger, &first).await;
    for (n, len) in [(2, 900 * KIB), (3, 300 * KIB), (4, 10)] {
        assert_eq!(state_of(ledger.admit(&with_body("b1", noise(n, len))).await), State::Open);
        assert_same_bytes(&read_whole(ledger, &key).await.1, &first.body);
    }
    assert_eq!(state_of(ledger.admit(&first).await), State::Open);
    assert_same_bytes(&read_whole(ledger, &key).await.1, &first.body);
}

pub async fn they_outlive_every_change_of_state<L: Ledger>(ledger: &L) {
    for (id, body) in [("small", b"{}".to_vec()), ("large", noise(1, 600 * KIB))] {
        let key = admit(ledger, &with_body(id, body.clone())).await;
        let postponed = Postponed { due_at: at(200), reason: "503".into(), attempt: Attempt::Failed, progress: None };
        assert_eq!(ledger.postpone(&key, &postponed).await, Ok(true));
        assert_eq!(ledger.claim(&key, at(200), at(300)).await, Ok(true));
        assert_eq!(ledger.park(&key, "why", at(1)).await, Ok(true));
        assert_eq!(ledger.reopen(&key, at(9), DELIVERED).await, Ok(true));
        settle(ledger, &key).await;
        assert_same_bytes(&read_whole(ledger, &key).await.1, &body);
    }
}
