//! The current status of a subject, folded from its facts: it moves forward in event time, and at equal times to the later
//! status of the provider's order. What a list has shown carries the time of looking, so it has rules of its own (`order`);
//! and what a list goes on showing puts right where the pushes' clocks led (`put_right` in `walk`). The flow tests in
//! `tests/tests/flows/runpayments.rs` hold it to that.

use crate::model::entry::Origin;
use crate::model::fact::{Fact, HeldBack, Status};
use crate::model::time::CLOCK_SKEW_SECS;
use crate::ports::{Clock, Entries, Inbox, Results, StoreError};
use crate::providers::StatusMove;

/// How often a move is tried against others doing the same at once.
const MAX_RACES: u32 = 16;

/// Moves the current status, if this one is later. True: it is the current one now.
pub(crate) async fn move_status(inbox: &impl Inbox<Ledger: Results>, moved: &StatusMove) -> Result<bool, StoreError> {
    let ledger = inbox.ledger();
    for _ in 0..MAX_RACES {
        let current = ledger.status(&moved.subject).await?;
        // What a list shows has no time of its own: it is the current status, whoever said since when.
        if let Some(current) = &current
            && current.status == moved.status
            && (moved.n.is_some() || current.occurred_at == moved.occurred_at)
        {
            return Ok(true);
        }
        let order = order(inbox, moved, current.as_ref()).await?;
        let held = current.as_ref().map(|current| current.version);
        let version = held.map_or(1, |version| version.saturating_add(1));
        let this = HeldBack { status: moved.status.clone(), rank: moved.rank, occurred_at: moved.occurred_at };
        let next = match (order, current) {
            (Order::Before, _) => return Ok(false),
            // As it is, but for its version: a push that was weighed before this one was known has to be weighed again.
            (Order::Weighed, Some(current)) => {
                let held_back = current.held_back.clone().into_iter().chain([this]).max_by_key(HeldBack::place);
                Status { version, held_back, ..current }
            }
            (Order::After | Order::Weighed, current) => {
                // What is later than a push that has moved the status is later than the list was, too.
                let held_back = current.and_then(|current| current.held_back).filter(|_| moved.n.is_none());
                let HeldBack { status, rank, occurred_at } =
                    held_back.filter(|held_back| held_back.place() > this.place()).unwrap_or(this);
                Status { status, rank, occurred_at, moved_at: inbox.clock().now(), version, held_back: None }
            }
        };
        if ledger.move_status(&moved.subject, held, &next).await? {
            let is_current = next.status == moved.status && next.occurred_at == moved.occurred_at;
            return Ok(order == Order::After && is_current);
        }
    }
    Err(StoreError::Unavailable("too many entries move the same subject's status at once"))
}

/// How a status stands to the current one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// It is the current one from now on.
    After,
    /// It was over before the current one began.
    Before,
    /// The same, but the current one is known from a list alone, and this one counts when other pushes are held against it.
    Weighed,
}

/// How a status stands to the current one: the later one follows.
///
/// One that was only seen in a list carries the time of looking, by a clock of ours: the change came before it, perhaps by
/// much, and the two clocks disagree. So against such a status the provider's order decides, unless the push is later by
/// more than clocks disagree.
async fn order(
    inbox: &impl Inbox<Ledger: Results>,
    moved: &StatusMove,
    current: Option<&Status>,
) -> Result<Order, StoreError> {
    let after = |after| if after { Order::After } else { Order::Before };
    let later = moved.moves(current);
    let Some(current) = current else { return Ok(after(later)) };
    let later = later || (moved.occurred_at, moved.rank) > (current.ordered_at(), current.rank);
    if moved.n.is_some() {
        // What a list shows may only advance: its page may be older than what was pushed meanwhile. And the clock that the
        // page was asked for by may be behind the provider's.
        let abreast = moved.occurred_at.plus_secs(CLOCK_SKEW_SECS) >= current.happened_at();
        return Ok(after(moved.rank > current.rank && abreast));
    }
    if later && moved.rank > current.rank {
        return Ok(Order::After);
    }
    let facts = inbox.ledger().facts(&moved.subject).await?;
    let Some(listed) = listed(&facts, current) else { return Ok(after(later)) };
    let weighed = |follows| if follows { Order::After } else { Order::Weighed };
    if moved.rank <= current.rank {
        return Ok(weighed(moved.occurred_at > current.occurred_at.plus_secs(CLOCK_SKEW_SECS)));
    }
    // Among pushes the times decide: whatever happened before another one is no news, on either side of it.
    if facts.iter().any(|fact| fact.origin == Origin::Push && fact.occurred_at > moved.occurred_at) {
        return Ok(Order::Weighed);
    }
    let Some(matched_by) = &listed.matched_by else { return Ok(Order::After) };
    let matched_at = inbox.ledger().entry(matched_by).await?.map(|(entry, _)| entry.happened_at());
    Ok(weighed(matched_at.is_none_or(|at| at <= moved.occurred_at)))
}

/// The fact that a status is, if a list has shown it and nothing else has said since when it is so.
fn listed<'f>(facts: &'f [Fact], status: &Status) -> Option<&'f Fact> {
    facts.iter().find(|fact| {
        fact.origin == Origin::Poll && fact.status == status.status && fact.occurred_at == status.occurred_at
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::{ProviderId, Subject};
    use crate::model::time::UnixMs;

    fn moved(status: &str, at: i64, n: Option<u32>) -> StatusMove {
        let subject = Subject::new(ProviderId("p"), "merchant", "m");
        StatusMove { subject, status: status.into(), rank: 6, occurred_at: UnixMs(at), n }
    }

    #[test]
    fn statuses_move_forward_only() {
        let current = |at, rank| Status {
            status: "boarded".into(),
            rank,
            occurred_at: UnixMs(at),
            moved_at: UnixMs(at),
            version: 1,
            held_back: None,
        };
        let rows = [
            ("first", None, true),
            ("later", Some(current(40, 5)), true),
            ("earlier", Some(current(60, 5)), false),
            ("same time, further along", Some(current(50, 5)), true),
            ("same time, not as far", Some(current(50, 7)), false),
        ];
        for (name, current, expected) in rows {
            assert_eq!(moved("live", 50, None).moves(current.as_ref()), expected, "{name}");
        }
    }
}
