//! Result rows, status facts, the current status, and what was refused.

use aws_sdk_dynamodb::types::AttributeValue;
use hookledger_core::model::fact::{Fact, HeldBack, Status};
use hookledger_core::model::identity::{ItemKey, ProviderId, Subject};
use hookledger_core::model::refused::Kept;
use hookledger_core::model::refused::{QUARANTINE_SECS, Refused};
use hookledger_core::model::row::Row;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::StoreError;

use super::attribute::{Item, Reader, STATUS_SK, Stored, b, key_attributes, ms, n, put, s, texts, ttl};
use super::entry::origin;

/// When a row was asked for, and as the how-manieth of its walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct RowAt {
    pub(crate) asked_at: UnixMs,
    pub(crate) place: u64,
}

impl RowAt {
    /// Whether the row that was in the way has another place than this one.
    pub(crate) fn is_beside(&self, item: &Item) -> bool {
        let key = ItemKey { pk: String::new(), sk: String::new() };
        Reader::new(item, &key).get_number("place") != Some(self.place)
    }
}

/// A result row's item.
pub(crate) fn row_item(key: &ItemKey, row: &Row, at: &RowAt, document: Stored, expires_at: UnixMs) -> Item {
    let mut item = key_attributes(key);
    put(&mut item, "asked_at", ms(at.asked_at));
    put(&mut item, "place", n(at.place));
    put(&mut item, "columns", texts(row.columns.iter().map(|(name, text)| (*name, text.as_str()))));
    put(&mut item, "expires_at", ttl(expires_at));
    document.put("document", &mut item);
    item
}

/// Reads a result row: its columns, and where its document is.
pub(crate) fn row_from(item: &Item, key: &ItemKey) -> Result<(Vec<(String, String)>, Stored), StoreError> {
    let reader = Reader::new(item, key);
    Ok((reader.texts("columns"), Stored::read("document", &reader)?))
}

/// A status fact's item.
pub(crate) fn fact_item(subject: &Subject, fact: &Fact) -> Item {
    let mut item = key_attributes(&subject.item(Fact::sk(&fact.status, fact.n)));
    put(&mut item, "status", s(&fact.status));
    put(&mut item, "n", n(fact.n));
    put(&mut item, "owner_pk", s(&fact.owner.pk));
    put(&mut item, "owner_sk", s(&fact.owner.sk));
    put(&mut item, "origin", s(fact.origin.as_str()));
    put(&mut item, "occurred_at", ms(fact.occurred_at));
    if let Some(by) = &fact.matched_by {
        put(&mut item, "matched_pk", s(&by.pk));
        put(&mut item, "matched_sk", s(&by.sk));
    }
    item
}

/// Reads a status fact.
pub(crate) fn fact_from(item: &Item, key: &ItemKey) -> Result<Fact, StoreError> {
    let reader = Reader::new(item, key);
    let matched = (reader.optional_text("matched_pk"), reader.optional_text("matched_sk"));
    Ok(Fact {
        status: reader.text("status")?,
        n: reader.number("n")?,
        owner: ItemKey { pk: reader.text("owner_pk")?, sk: reader.text("owner_sk")? },
        origin: reader.word("origin", origin)?,
        occurred_at: reader.instant("occurred_at")?,
        matched_by: if let (Some(pk), Some(sk)) = matched { Some(ItemKey { pk, sk }) } else { None },
    })
}

/// The current status' item.
pub(crate) fn status_item(subject: &Subject, status: &Status) -> Item {
    let mut item = key_attributes(&subject.item(STATUS_SK));
    put(&mut item, "status", s(&status.status));
    put(&mut item, "rank", n(status.rank));
    put(&mut item, "occurred_at", ms(status.occurred_at));
    put(&mut item, "moved_at", ms(status.moved_at));
    put(&mut item, "version", n(status.version));
    if let Some(held_back) = &status.held_back {
        put(&mut item, "held_back", s(&held_back.status));
        put(&mut item, "held_back_rank", n(held_back.rank));
        put(&mut item, "held_back_at", ms(held_back.occurred_at));
    }
    item
}

/// Reads the current status.
pub(crate) fn status_from(item: &Item, key: &ItemKey) -> Result<Status, StoreError> {
    let reader = Reader::new(item, key);
    let held_back = reader.optional_text("held_back").map(|status| {
        let (rank, occurred_at) = (reader.number("held_back_rank")?, reader.instant("held_back_at")?);
        Ok(HeldBack { status, rank, occurred_at })
    });
    Ok(Status {
        status: reader.text("status")?,
        rank: reader.number("rank")?,
        occurred_at: reader.instant("occurred_at")?,
        moved_at: reader.instant("moved_at")?,
        version: reader.number("version")?,
        held_back: held_back.transpose()?,
    })
}

/// A refused delivery's item.
pub(crate) fn refused_item(key: &ItemKey, refused: &Refused) -> Item {
    let mut item = key_attributes(key);
    put(&mut item, "provider", s(refused.provider.0));
    put(&mut item, "code", s(&refused.code));
    put(&mut item, "reason", s(&refused.reason));
    put(&mut item, "refused_at", ms(refused.at));
    put(&mut item, "digest", s(&refused.digest));
    put(&mut item, "body", b(refused.body.clone()));
    put(&mut item, "body_bytes", n(refused.body_bytes));
    // A header may come twice, so pairs rather than a map.
    let headers = refused.headers.iter().map(|(name, text)| AttributeValue::L(vec![s(name), s(text)])).collect();
    put(&mut item, "headers", AttributeValue::L(headers));
    if let Some(token_digest) = &refused.token_digest {
        put(&mut item, "token_digest", s(token_digest));
    }
    if let Some(source_ip) = &refused.source_ip {
        put(&mut item, "source_ip", s(source_ip));
    }
    put(&mut item, "expires_at", ttl(refused.at.plus_secs(QUARANTINE_SECS)));
    item
}

/// How many more were refused than are kept, as far as they are counted on this row.
pub(crate) const MORE: &str = "more";

/// Reads a refused delivery of this provider.
pub(crate) fn kept_from(item: &Item, key: &ItemKey, provider: ProviderId) -> Result<Kept, StoreError> {
    let reader = Reader::new(item, key);
    let body = item.get("body").and_then(|value| value.as_b().ok());
    let refused = Refused {
        provider,
        code: reader.text("code")?,
        reason: reader.text("reason")?,
        at: reader.instant("refused_at")?,
        digest: reader.text("digest")?,
        body: body.map(|blob| blob.as_ref().to_vec()).ok_or_else(|| reader.corrupt("body"))?,
        body_bytes: reader.number("body_bytes")?,
        token_digest: reader.optional_text("token_digest"),
        headers: item.get("headers").map(pairs).unwrap_or_default(),
        source_ip: reader.optional_text("source_ip"),
    };
    Ok(Kept { key: key.clone(), refused, more: reader.get_number(MORE).unwrap_or(0) })
}

fn pairs(value: &AttributeValue) -> Vec<(String, String)> {
    let pair = |value: &AttributeValue| match value.as_l().ok()?.as_slice() {
        [name, text] => Some((name.as_s().ok()?.clone(), text.as_s().ok()?.clone())),
        _ => None,
    };
    value.as_l().map(|list| list.iter().filter_map(pair).collect()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use hookledger_core::model::entry::Origin;

    use super::super::attribute::{Chunks, Place};
    use super::*;
    use crate::ports::ledger::codec::Encoding;

    fn subject() -> Subject {
        Subject::new(ProviderId("runpayments"), "merchant", "7")
    }

    #[test]
    fn facts_come_back_as_they_were() {
        for matched_by in [None, Some(subject().item("event#k"))] {
            let fact = Fact {
                status: "live".into(),
                n: 2,
                owner: subject().item("event#listing#7#live#2"),
                origin: Origin::Poll,
                occurred_at: UnixMs(5),
                matched_by,
            };
            let item = fact_item(&subject(), &fact);
            assert_eq!(super::super::attribute::key_of(&item), Some(subject().item("fact#live#000002")));
            assert_eq!(fact_from(&item, &subject().item("fact#live#000002")), Ok(fact));
        }
    }

    #[test]
    fn the_status_comes_back_as_it_was() {
        for held_back in [None, Some(HeldBack { status: "new".into(), rank: 1, occurred_at: UnixMs(7) })] {
            let (occurred_at, moved_at) = (UnixMs(5), UnixMs(6));
            let status = Status { status: "live".into(), rank: 4, occurred_at, moved_at, version: 9, held_back };
            let item = status_item(&subject(), &status);
            assert_eq!(status_from(&item, &subject().item("state")), Ok(status));
        }
    }

    #[test]
    fn rows_come_back_as_they_were_wherever_their_document_is() {
        let chunks = Place::Chunks(Chunks { digest: "d".into(), count: 3 });
        for place in [Place::Inline(vec![0, 255]), chunks] {
            let document = Stored { encoding: Encoding::Deflate, length: 9, place };
            let row = Row { sk: "balance#a".into(), columns: vec![("amount", "10.10".into())], document: Vec::new() };
            let key = subject().item(row.sk.clone());
            let at = RowAt { asked_at: UnixMs(7), place: 3 };
            let item = row_item(&key, &row, &at, document.clone(), UnixMs(1_000));
            assert!(!at.is_beside(&item) && RowAt { place: 4, ..at }.is_beside(&item));
            assert_eq!(row_from(&item, &key), Ok((vec![("amount".into(), "10.10".into())], document)));
            assert_eq!(item["expires_at"], n(1));
        }
    }

    #[test]
    fn refusals_come_back_with_what_verification_needs() {
        let refused = Refused {
            provider: ProviderId("fynapse"),
            code: "signature".into(),
            reason: "no signature matches".into(),
            at: UnixMs(60_000),
            digest: "abc".into(),
            body: vec![0, 159, 146, 150],
            body_bytes: 9_000,
            token_digest: Some("def".into()),
            headers: vec![("x-signature".into(), "t=1".into()), ("x-signature".into(), "t=2".into())],
            source_ip: Some("192.0.2.1".into()),
        };
        let key = ItemKey { pk: "p".into(), sk: "s".into() };
        let back = kept_from(&refused_item(&key, &refused), &key, refused.provider).unwrap();
        assert_eq!((back.key, back.refused), (key, refused));
    }
}
