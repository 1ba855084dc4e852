//! The walk through an answer of many pages: how far it has come, and what is kept of it between two attempts.

use std::collections::BTreeSet;

use crate::model::entry::{Entry, Progress};
use crate::model::identity::digest_hex;
use crate::model::row::{Row, Snapshot};
use crate::model::time::UnixMs;

/// The longest cursor that an entry keeps, in bytes. A walk with a longer one begins anew.
const MAX_CURSOR_BYTES: usize = 16 * 1024;

/// A walk through the provider's answer, page by page. It goes on where an earlier attempt ended.
pub(crate) struct AnswerPages {
    /// How far it has come, over all attempts.
    pub(crate) progress: Progress,
    /// How far the walk was when this attempt took it up.
    from: u32,
    /// The places and pages that this attempt has seen.
    seen: BTreeSet<String>,
}

impl AnswerPages {
    /// The walk of this entry's answer, from where the last attempt left it.
    pub(crate) fn of(entry: &Entry, now: UnixMs) -> Self {
        let mut progress = entry.progress.clone().unwrap_or_default();
        if progress.walk == 0 {
            progress = Progress { walk: now.0, restarts: progress.restarts, ..Progress::default() };
        }
        Self { from: progress.pages, progress, seen: BTreeSet::new() }
    }

    /// When the rows of the next page were asked for.
    pub(crate) fn snapshot(&self, asked_at: UnixMs) -> Snapshot {
        let Progress { walk, rows, unreadable, .. } = self.progress;
        Snapshot { asked_at, walk: UnixMs(walk), first: rows.saturating_add(unreadable) }
    }

    /// Takes a page down. `None` of a cursor: it was the last.
    pub(crate) fn turn(&mut self, rows: &[Row], unreadable: u64, cursor: Option<String>) {
        self.progress.pages = self.progress.pages.saturating_add(1);
        self.progress.rows += (rows.len() as u64).saturating_sub(unreadable);
        self.progress.unreadable += unreadable;
        self.progress.cursor = cursor;
    }

    /// Whether this place, or this page, was seen already.
    pub(crate) fn goes_in_circles(&mut self, rows: &[Row], cursor: &str) -> bool {
        let documents: Vec<&[u8]> = rows.iter().map(|row| row.document.as_slice()).collect();
        let page = format!("page {}", digest_hex(&documents.join(&b'\n')));
        let is_known = !self.seen.insert(format!("place {cursor}"));
        is_known || !rows.is_empty() && !self.seen.insert(page)
    }

    /// What is kept of it when this attempt ends before the last page, and whether the attempt came further.
    pub(crate) fn left_off(self) -> (Option<Progress>, bool) {
        let further = self.progress.pages > self.from;
        match &self.progress.cursor {
            Some(cursor) if cursor.len() <= MAX_CURSOR_BYTES => (Some(self.progress), further),
            _ => (begins_anew(self.progress.restarts), false),
        }
    }
}

/// What is kept of a walk that has to begin anew.
pub(crate) fn begins_anew(restarts: u32) -> Option<Progress> {
    (restarts > 0).then(|| Progress { restarts, ..Progress::default() })
}
