//! Result rows: the same key however often the work is done, documents of any size.
#![expect(missing_docs, reason = "the name of a case is the rule it asserts")]

use std::collections::BTreeMap;

use hookledger_core::entry::Row;
use hookledger_core::identity::escape;

use super::sample::*;
use super::{Inspect, ReadRow};

const KIB: usize = 1024;

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
    assert_eq!(ledger.put_rows(&subject("b1"), &rows).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}

pub async fn they_replace_what_stood_under_their_key<L: Inspect>(ledger: &L) {
    let kept = row("a2", "kept");
    assert_eq!(ledger.put_rows(&subject("b1"), &[row("a1", "first attempt"), kept.clone()]).await, Ok(()));
    let again = Row { columns: vec![("status", "CLOSED".into())], ..row("a1", "second attempt") };
    for _ in 0..2 {
        assert_eq!(ledger.put_rows(&subject("b1"), std::slice::from_ref(&again)).await, Ok(()));
        assert_rows(ledger, "b1", &[again.clone(), kept.clone()]).await;
    }
}

pub async fn the_last_of_one_key_wins<L: Inspect>(ledger: &L) {
    // A provider's page may name one account twice: that must not make the whole page unwritable.
    let rows = [row("a1", "earlier"), row("a2", "other"), row("a1", "later")];
    assert_eq!(ledger.put_rows(&subject("b1"), &rows).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}

pub async fn large_documents_come_back<L: Inspect>(ledger: &L) {
    let sizes = [1023, 1025, 256 * KIB - 1, 256 * KIB + 1, 401 * KIB, 1100 * KIB];
    let noisy = sizes.iter().map(|len| row(&format!("noise {len}"), noise(*len as u64, *len)));
    let plain = sizes.iter().map(|len| row(&format!("prose {len}"), prose(*len as u64, *len)));
    let rows: Vec<Row> = noisy.chain(plain).collect();
    assert_eq!(ledger.put_rows(&subject("b1"), &rows).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}

pub async fn a_smaller_document_replaces_a_larger_one_whole<L: Inspect>(ledger: &L) {
    for len in [1100 * KIB, 300 * KIB, 700 * KIB, 2 * KIB, 0, 900 * KIB] {
        let rows = [row("a1", noise(len as u64, len))];
        assert_eq!(ledger.put_rows(&subject("b1"), &rows).await, Ok(()));
        assert_rows(ledger, "b1", &rows).await;
    }
}

pub async fn many_are_written_at_once<L: Inspect>(ledger: &L) {
    let rows: Vec<Row> = (0..130).map(|n| row(&format!("a{n}"), prose(n, 900))).collect();
    assert_eq!(ledger.put_rows(&subject("b1"), &rows).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}

pub async fn none_is_fine<L: Inspect>(ledger: &L) {
    assert_eq!(ledger.put_rows(&subject("b1"), &[]).await, Ok(()));
    assert_rows(ledger, "b1", &[]).await;
}

pub async fn subjects_are_apart<L: Inspect>(ledger: &L) {
    // One subject's key is the beginning of the other's.
    let (first, second) = ([row("a1", "one")], [row("a1", noise(1, 500 * KIB))]);
    assert_eq!(ledger.put_rows(&subject("b1"), &first).await, Ok(()));
    assert_eq!(ledger.put_rows(&subject("b12"), &second).await, Ok(()));
    assert_rows(ledger, "b1", &first).await;
    assert_rows(ledger, "b12", &second).await;
}

pub async fn odd_keys_come_back<L: Inspect>(ledger: &L) {
    let rows: Vec<Row> = ODD_IDS.iter().map(|id| row(id, id.as_bytes())).collect();
    assert_eq!(ledger.put_rows(&subject("b1"), &rows).await, Ok(()));
    assert_rows(ledger, "b1", &rows).await;
}
