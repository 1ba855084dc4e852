//! Rightfoot's lists, page by page.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::value::RawValue;

/// The most rows on a page.
pub(super) const PAGE_LIMIT: usize = 100;

/// One page of a list: its rows, and the token of the next one if there is one.
pub(super) fn page<'a>(
    rows: &'a [Box<RawValue>],
    list: &str,
    limit: usize,
    offset: usize,
) -> (&'a [Box<RawValue>], Option<String>) {
    let rest = rows.get(offset..).unwrap_or_default();
    let page = rest.get(..limit).unwrap_or(rest);
    (page, (rest.len() > page.len()).then(|| write_cursor(list, offset + page.len())))
}

/// A `limit` as it was asked for, or the default; nothing if it breaks the rule.
pub(super) fn page_limit(asked: Option<String>, default: usize) -> Option<usize> {
    let limit = asked.map_or(Some(default), |limit| limit.parse().ok());
    limit.filter(|limit| (1..=PAGE_LIMIT).contains(limit))
}

/// Opaque to the client, and of no use for another list.
fn write_cursor(list: &str, offset: usize) -> String {
    URL_SAFE_NO_PAD.encode(format!("{offset}:{list}"))
}

pub(super) fn read_cursor(token: &str, list: &str) -> Option<usize> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(token).ok()?).ok()?;
    let (offset, of_list) = decoded.split_once(':')?;
    (of_list == list).then_some(offset)?.parse().ok()
}
