//! Result rows: the same key however often the work is done, documents of any size.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use std::collections::BTreeMap;

use hookledger_core::model::identity::escape;
use hookledger_core::model::row::{MAX_ALIKE_ROWS, Row, Snapshot};
use hookledger_core::ports::StoreError;

use super::sample::*;
use super::{Inspect, ReadRow};

const KIB: usize = 1024;

/// The `n`th walk, asked for at its beginning.
fn walk(n: u64) -> Snapshot {
    Snapshot { asked_at: at(n), walk: at(n), first: 0 }
}

fn row(name: &str, document: impl Into<Vec<u8>>) -> Row {
    Row {
        sk: format!("balance#{}", escape(name)),
        columns: vec![("balance", "12.50".into()), ("currency", "USD".into())],
        document: document.into(),
    }
}

/// What reading these rows back should give; of one key, the last.
fn wanted(rows: &[Row]) -> BTreeMap<String, ReadRow> {
    let read = |row: &Row| ReadRow {
        columns: row.columns.iter().map(|(name, value)| (name.to_string(), value.clone())).collect(),
        document: row.document.clone(),
    };
    rows.iter().map(|row| (row.sk.clone(), read(row))).collect()
}

/// Asserts that the subject holds exactly these rows, without printing megabytes.
async fn assert_rows<L: Inspect>(ledger: &L, id: &str, rows: &[Row]) {
    let (got, wanted) = (ledger.rows_of(&subject(id), "balance#").await, wanted(rows));
    assert_eq!(got.keys().collect::<Vec<_>>(), wanted.keys().collect::<Vec<_>>());
    for (sk, row) in wanted {
        assert_same_bytes(&got[&sk].document, &row.document);
        assert_eq!(got[&sk].columns, row.columns, "{sk}");
    }
}

pub async fn they_come_back<L: Inspect>(ledger: &L) {
    let bare = Row { columns: vec![], ..row("bare", "") };
    let odd = Row {
        columns: vec![("amount", "-0.000000000000000000001".into()), ("empty", String::new())],
        ..row("odd", "\0")
    };
    let rows = [row("a1", r#"{"balance": 12.50}"#), bare, odd];
    assert_eq!(ledger.put_rows(&subject("b1"), &rows, &walk(1)).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}

pub async fn they_replace_what_stood_under_their_key<L: Inspect>(ledger: &L) {
    let kept = row("a2", "kept");
    assert_eq!(ledger.put_rows(&subject("b1"), &[row("a1", "first attempt"), kept.clone()], &walk(1)).await, Ok(()));
    let again = Row { columns: vec![("status", "CLOSED".into())], ..row("a1", "second attempt") };
    for n in 2..4 {
        assert_eq!(ledger.put_rows(&subject("b1"), std::slice::from_ref(&again), &walk(n)).await, Ok(()));
        assert_rows(ledger, "b1", &[again.clone(), kept.clone()]).await;
    }
}

pub async fn they_never_go_back<L: Inspect>(ledger: &L) {
    // Asked at 5, and what was asked at 3 comes after it; then the same instant again, which is the same answer.
    let (older, newer) = (row("a1", "older"), row("a1", noise(5, 300 * KIB)));
    let beside = row("a2", "asked only then");
    assert_eq!(ledger.put_rows(&subject("b1"), std::slice::from_ref(&newer), &walk(5)).await, Ok(()));
    assert_eq!(ledger.put_rows(&subject("b1"), &[older, beside.clone()], &walk(3)).await, Ok(()));
    assert_rows(ledger, "b1", &[newer.clone(), beside]).await;
    let again = row("a1", "at the same time");
    assert_eq!(ledger.put_rows(&subject("b1"), std::slice::from_ref(&again), &walk(5)).await, Ok(()));
    assert_eq!(ledger.rows_of(&subject("b1"), "balance#a1").await["balance#a1"].document, again.document);
}

pub async fn two_of_one_walk_are_both_kept<L: Inspect>(ledger: &L) {
    // On one page, and on the next one; and however often a page is written again.
    let numbered = |n: &str, text: &str| Row { sk: format!("balance#a1{n}"), ..row("a1", text) };
    let page = [row("a1", "one"), row("a2", "other"), row("a1", "two")];
    let next = Snapshot { asked_at: at(9), first: 3, ..walk(1) };
    for _ in 0..2 {
        assert_eq!(ledger.put_rows(&subject("b1"), &page, &walk(1)).await, Ok(()));
        assert_eq!(ledger.put_rows(&subject("b1"), &[row("a1", "three")], &next).await, Ok(()));
        let all = [numbered("", "one"), row("a2", "other"), numbered("#2", "two"), numbered("#3", "three")];
        assert_rows(ledger, "b1", &all).await;
    }
    // The next walk replaces them, each in its order.
    assert_eq!(ledger.put_rows(&subject("b1"), &[row("a1", "1"), row("a1", "2")], &walk(20)).await, Ok(()));
    let all = [numbered("", "1"), row("a2", "other"), numbered("#2", "2"), numbered("#3", "three")];
    assert_rows(ledger, "b1", &all).await;
}

pub async fn a_late_walk_writes_the_second_of_two_all_the_same<L: Inspect>(ledger: &L) {
    // A later one has written the first of them and then died; or its clock was ahead.
    assert_eq!(ledger.put_rows(&subject("b1"), &[row("a1", "later")], &walk(9)).await, Ok(()));
    assert_eq!(ledger.put_rows(&subject("b1"), &[row("a1", "one"), row("a1", "two")], &walk(5)).await, Ok(()));
    let second = Row { sk: "balance#a1#2".into(), ..row("a1", "two") };
    assert_rows(ledger, "b1", &[row("a1", "later"), second]).await;
}

pub async fn what_has_a_name_alone_is_one<L: Inspect>(ledger: &L) {
    // Two entries of one subject ask at once, one of them after something else.
    let named = |sk: &str, text: &str| Row { sk: sk.into(), columns: vec![], document: text.into() };
    let first = [named("balance#a", "x"), named("balance", "first")];
    assert_eq!(ledger.put_rows(&subject("b1"), &first, &walk(1)).await, Ok(()));
    let second = [named("balance", "second")];
    let later = Snapshot { asked_at: at(3), ..walk(1) };
    assert_eq!(ledger.put_rows(&subject("b1"), &second, &later).await, Ok(()));
    let rows = ledger.rows_of(&subject("b1"), "balance").await;
    assert_eq!(rows.keys().collect::<Vec<_>>(), ["balance", "balance#a"]);
    assert_eq!(rows["balance"].document, b"second");
}

pub async fn so_many_of_one_walk_and_no_more<L: Inspect>(ledger: &L) {
    let rows: Vec<Row> = (0..=MAX_ALIKE_ROWS).map(|n| row("a1", n.to_string())).collect();
    let refused = ledger.put_rows(&subject("b1"), &rows, &walk(1)).await;
    assert!(matches!(refused, Err(StoreError::Refused(_))), "{refused:?}");
}

pub async fn large_documents_come_back<L: Inspect>(ledger: &L) {
    let sizes = [1023, 1025, 256 * KIB - 1, 256 * KIB + 1, 401 * KIB, 1100 * KIB];
    let noisy = sizes.iter().map(|len| row(&format!("noise {len}"), noise(*len as u64, *len)));
    let plain = sizes.iter().map(|len| row(&format!("prose {len}"), prose(*len as u64, *len)));
    let rows: Vec<Row> = noisy.chain(plain).collect();
    assert_eq!(ledger.put_rows(&subject("b1"), &rows, &walk(1)).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}

pub async fn a_smaller_document_replaces_a_larger_one_whole<L: Inspect>(ledger: &L) {
    for (n, len) in [1100 * KIB, 300 * KIB, 700 * KIB, 2 * KIB, 0, 900 * KIB].into_iter().enumerate() {
        let rows = [row("a1", noise(len as u64, len))];
        assert_eq!(ledger.put_rows(&subject("b1"), &rows, &walk(n as u64)).await, Ok(()));
        assert_rows(ledger, "b1", &rows).await;
    }
}

pub async fn many_are_written_at_once<L: Inspect>(ledger: &L) {
    let rows: Vec<Row> = (0..130).map(|n| row(&format!("a{n}"), prose(n, 900))).collect();
    assert_eq!(ledger.put_rows(&subject("b1"), &rows, &walk(1)).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}

pub async fn none_is_fine<L: Inspect>(ledger: &L) {
    assert_eq!(ledger.put_rows(&subject("b1"), &[], &walk(1)).await, Ok(()));
    assert_rows(ledger, "b1", &[]).await;
}

pub async fn subjects_are_apart<L: Inspect>(ledger: &L) {
    // One subject's key is the beginning of the other's.
    let (first, second) = ([row("a1", "one")], [row("a1", noise(1, 500 * KIB))]);
    assert_eq!(ledger.put_rows(&subject("b1"), &first, &walk(1)).await, Ok(()));
    assert_eq!(ledger.put_rows(&subject("b12"), &second, &walk(1)).await, Ok(()));
    assert_rows(ledger, "b1", &first).await;
    assert_rows(ledger, "b12", &second).await;
}

pub async fn odd_keys_come_back<L: Inspect>(ledger: &L) {
    let rows: Vec<Row> = ODD_IDS.iter().map(|id| row(id, id.as_bytes())).collect();
    assert_eq!(ledger.put_rows(&subject("b1"), &rows, &walk(1)).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}
