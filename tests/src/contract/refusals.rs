//! Refusals: kept for a person, but a flood can't fill the table.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use futures_util::future::join_all;
use hookledger_core::model::identity::{ProviderId, digest_hex};
use hookledger_core::model::refused::Kept;
use hookledger_core::model::refused::{
    MAX_QUARANTINED_PER_MINUTE, MAX_QUARANTINED_PER_SOURCE, MAX_UNREADABLE_BYTES, Refused,
};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Ledger;

use super::Inspect;
use super::sample::*;

/// The `n`th refusal of a minute that begins at `minute`.
fn refused(provider: ProviderId, minute: UnixMs, n: u64) -> Refused {
    let body = noise(n, 100);
    Refused {
        provider,
        code: "signature_mismatch".into(),
        reason: "no live secret gives this signature".into(),
        at: minute.plus_ms(n * 997),
        digest: digest_hex(&body),
        body_bytes: body.len(),
        body,
        token_digest: Some(digest_hex(&n.to_be_bytes())),
        headers: vec![
            ("x-signature".into(), "v1,abc".into()),
            ("x-signature".into(), "v2".into()),
            ("x-empty".into(), "".into()),
        ],
        source_ip: Some("203.0.113.9".into()),
    }
}

/// What one network may take of a minute.
const CAP: u64 = MAX_QUARANTINED_PER_SOURCE as u64;

/// The same from another network.
fn from(n: u64, refused: Refused) -> Refused {
    Refused { source_ip: Some(format!("198.51.{n}.7")), ..refused }
}

async fn kept<L: Ledger>(ledger: &L, provider: ProviderId, minute: UnixMs) -> Vec<bool> {
    let mut kept = Vec::new();
    for n in 0..CAP + 3 {
        kept.push(ledger.refuse(&refused(provider, minute, n)).await.expect("the store answers"));
    }
    kept
}

fn capped() -> Vec<bool> {
    (0..CAP + 3).map(|n| n < CAP).collect()
}

pub async fn a_minute_keeps_so_many<L: Ledger>(ledger: &L) {
    assert_eq!(kept(ledger, PROVIDER, NOW).await, capped());
}

pub async fn providers_minutes_and_shelves_do_not_share_a_cap<L: Ledger>(ledger: &L) {
    assert_eq!(kept(ledger, PROVIDER, NOW).await, capped());
    assert_eq!(kept(ledger, ProviderId("finbox"), NOW).await, capped());
    assert_eq!(kept(ledger, PROVIDER, at(60)).await, capped());
    assert_eq!(kept(ledger, PROVIDER, at(24 * 3600)).await, capped());
    assert_eq!(ledger.refuse(&refused(PROVIDER, NOW, 40)).await, Ok(false));
    // What anybody can send takes no room from what only few can.
    for code in ["missing_signature", "unreadable"] {
        for n in 0..CAP + 3 {
            let other = Refused { code: code.into(), ..refused(PROVIDER, NOW, n) };
            assert_eq!(ledger.refuse(&other).await, Ok(n < CAP), "{code} {n}");
        }
    }
}

pub async fn what_finds_no_room_is_counted_by_half_at_least<L: Inspect>(ledger: &L) {
    let more = async |ledger: &L| {
        let kept = ledger.kept(PROVIDER, &NOW.day(), None, 1_000).await.expect("the store answers");
        kept.iter().map(|kept| kept.more).sum::<u64>()
    };
    assert_eq!(kept(ledger, PROVIDER, NOW).await, capped());
    for beyond in 3..60 {
        let counted = more(ledger).await;
        assert!(counted <= beyond && counted * 2 >= beyond, "{counted} of {beyond}");
        assert_eq!(ledger.refuse(&refused(PROVIDER, NOW, 50)).await, Ok(false));
    }
    assert_eq!(ledger.kept(PROVIDER, &NOW.day(), None, 1_000).await.map(|kept| kept.len()), Ok(usize::from(CAP as u8)));
}

pub async fn a_network_leaves_room_for_others<L: Ledger>(ledger: &L) {
    assert_eq!(kept(ledger, PROVIDER, NOW).await, capped());
    // The same network, another address of it.
    let neighbour = Refused { source_ip: Some("203.0.113.200".into()), ..refused(PROVIDER, NOW, 50) };
    assert_eq!(ledger.refuse(&neighbour).await, Ok(false));
    let mut found_room = 0;
    for n in 0..20 {
        found_room += u64::from(ledger.refuse(&from(n, refused(PROVIDER, NOW, n))).await == Ok(true));
    }
    assert!(found_room >= 15, "{found_room} of 20 networks");
}

pub async fn racing_refusals_stay_within_the_cap<L: Ledger>(ledger: &L) {
    let flood: Vec<Refused> = (0..50).map(|n| refused(PROVIDER, NOW, n)).collect();
    let answers = join_all(flood.iter().map(|refused| ledger.refuse(refused))).await;
    assert_eq!(winners(answers), usize::from(MAX_QUARANTINED_PER_SOURCE));
}

pub async fn they_come_back_as_they_were<L: Inspect>(ledger: &L) {
    let bodies = [vec![], vec![0xff; 3], noise(1, MAX_UNREADABLE_BYTES), b"text".to_vec()];
    let mut wanted = Vec::new();
    for (n, body) in bodies.into_iter().enumerate() {
        let whole = refused(PROVIDER, NOW, n as u64);
        let bare =
            Refused { headers: vec![], source_ip: None, token_digest: None, body_bytes: 5_000_000, ..whole.clone() };
        let refused = Refused { body, ..if n % 2 == 0 { whole } else { bare } };
        assert_eq!(ledger.refuse(&refused).await, Ok(true));
        wanted.push(refused);
    }
    let mut kept = ledger.refusals(PROVIDER, &NOW.day()).await;
    kept.sort_by_key(|refused| refused.at);
    assert_eq!(kept, wanted);
    assert_eq!(ledger.refusals(ProviderId("finbox"), &NOW.day()).await.len(), 0);
}

pub async fn the_same_bytes_may_be_refused_twice<L: Inspect>(ledger: &L) {
    // Within one millisecond, too.
    let twice = refused(PROVIDER, NOW, 10);
    assert_eq!(join_all([ledger.refuse(&twice), ledger.refuse(&twice)]).await, [Ok(true), Ok(true)]);
    assert_eq!(ledger.refusals(PROVIDER, &NOW.day()).await.len(), 2);
}

pub async fn a_flood_leaves_no_more_rows_than_the_cap<L: Inspect>(ledger: &L) {
    for n in 0..10_000u64 {
        let body = n.to_be_bytes().to_vec();
        let at = NOW.plus_ms(n * 5);
        let forged = Refused { at, digest: digest_hex(&body), body, ..refused(PROVIDER, NOW, 0) };
        ledger.refuse(&from(n % 250, forged)).await.expect("the store answers");
    }
    assert_eq!(ledger.refusals(PROVIDER, &NOW.day()).await.len(), usize::from(MAX_QUARANTINED_PER_MINUTE));
}

pub async fn each_is_removed_once_and_only_as_it_was_seen<L: Inspect>(ledger: &L) {
    for n in 0..3 {
        assert_eq!(ledger.refuse(&refused(PROVIDER, NOW, n)).await, Ok(true));
    }
    let day = NOW.day();
    let kept = ledger.kept(PROVIDER, &day, None, 2).await.expect("the store answers");
    assert_eq!(kept.len(), 2, "the limit holds");
    let older = ledger.kept(PROVIDER, &day, Some(&kept[1].key), 10).await.expect("the store answers");
    assert!(older.len() == 1 && kept.iter().all(|kept| kept.key > older[0].key), "and the rest comes after it");
    let Kept { key, refused, .. } = &kept[0];
    assert_eq!(ledger.remove(key, "another body").await, Ok(false));
    let racing = join_all((0..5).map(|_| ledger.remove(key, &refused.digest))).await;
    assert_eq!(winners(racing), 1);
    assert_eq!(ledger.remove(key, &refused.digest).await, Ok(false));
    let left = ledger.refusals(PROVIDER, &day).await;
    assert!(left.len() == 2 && left.iter().all(|other| other.digest != refused.digest));
}
