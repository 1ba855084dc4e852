//! Pages of balances.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::model::identity::escape;
use crate::model::row::Row;
use crate::providers::json::{Field, flag, raw, text};
use crate::providers::step::unreadable_row;

#[derive(Deserialize)]
pub(super) struct Page<'a> {
    #[serde(borrow)]
    pub(super) batch_id: Field<'a>,
    #[serde(borrow)]
    pub(super) total_processed: Field<'a>,
    #[serde(borrow)]
    pub(super) balances: Vec<&'a RawValue>,
    #[serde(borrow)]
    pub(super) has_more: Field<'a>,
    #[serde(borrow, rename = "hasMore")]
    pub(super) camel_has_more: Field<'a>,
    #[serde(borrow)]
    pub(super) next_page_token: Field<'a>,
    #[serde(borrow, rename = "nextPageToken")]
    pub(super) camel_next_page_token: Field<'a>,
}

/// What a page says about the next.
pub(super) enum Next {
    /// There is none.
    Last,
    /// There is one under this token.
    Page(String),
    /// There is one, and no token.
    Unnamed,
}

impl Page<'_> {
    pub(super) fn next(&self) -> Next {
        Next::of(self.has_more.or(self.camel_has_more), self.next_page_token.or(self.camel_next_page_token))
    }
}

impl Next {
    /// Both are read in each spelling of the documents: in snake case in the newest ones, in camel case in older ones. A
    /// flag that says "over" ends the list; where there is none, a token says that more follows.
    pub(super) fn of(has_more: Field<'_>, token: Field<'_>) -> Self {
        match (flag(has_more), text(token)) {
            (Some(false), _) | (None, None) => Next::Last,
            (_, Some(token)) => Next::Page(token),
            (Some(true), None) => Next::Unnamed,
        }
    }
}

#[derive(Deserialize)]
pub(super) struct Balance<'a> {
    #[serde(borrow)]
    pub(super) authorizer_unique_id: Field<'a>,
    #[serde(borrow)]
    pub(super) balance: Field<'a>,
    #[serde(borrow)]
    pub(super) balance_status_code: Field<'a>,
    #[serde(borrow)]
    pub(super) timestamp: Field<'a>,
}

/// The rows of a page, and how many of them can't be read: they are kept as they came.
pub(super) fn balance_rows(page: &Page<'_>) -> (Vec<Row>, u64) {
    let mut unreadable = 0;
    let row = |document: &&RawValue| {
        balance_row(document).unwrap_or_else(|| {
            unreadable += 1;
            unreadable_row(document.get().as_bytes())
        })
    };
    let rows = page.balances.iter().map(row).collect();
    (rows, unreadable)
}

pub(super) fn balance_row(document: &RawValue) -> Option<Row> {
    let balance: Balance<'_> = serde_json::from_str(document.get()).ok()?;
    let authorizer = text(balance.authorizer_unique_id)?;
    let columns = [
        // The digits as sent: no float ever touches an amount. A null balance has no column.
        ("balance", text(balance.balance)),
        ("balance_status_code", text(balance.balance_status_code)),
        ("as_of", text(balance.timestamp)),
    ];
    Some(Row {
        sk: format!("balance#{}", escape(&authorizer)),
        columns: columns.into_iter().filter_map(|(name, value)| value.map(|value| (name, value))).collect(),
        document: raw(document),
    })
}
