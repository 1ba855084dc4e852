//! One effect, whichever way it is learnt: a subject's status facts.
//!
//! A status change may be pushed (with an idempotency key and its own time) and may be seen in a list (with neither).
//! The effect of both is one *fact*: the `n`th time that this subject got this status. Whoever writes the fact's row
//! owns the effect and publishes it; the other finds it there and settles as known, once the owner has told it. The
//! current status is folded from the facts (`status`).

use crate::flows::status::move_status;
use crate::model::entry::{Entry, Origin};
use crate::model::fact::Fact;
use crate::model::identity::ItemKey;
use crate::model::time::CLOCK_SKEW_SECS;
use crate::ports::{Inbox, Results, StoreError};
use crate::providers::{Once, Outcome, StatusMove};

/// How often a fact is tried against others doing the same at once.
const MAX_RACES: u32 = 16;

/// Whose effect it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Effect {
    /// This entry's: it is to publish it.
    Own {
        /// The stable id of what is published.
        id: String,
        /// For a status: whether it became the current one, or came too late for that.
        applied: Option<bool>,
    },
    /// Other entries took it first, and each tells its own: unless it never got so far.
    Others(Vec<Owned>),
}

/// An effect that another entry took first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Owned {
    /// The entry that owns it.
    pub owner: ItemKey,
    /// The stable id of what is published.
    pub id: String,
    /// For a status: the move that the owner makes, or made.
    moved: Option<StatusMove>,
}

impl Owned {
    /// For a status: whether it is the current one, or came too late for that. Makes the move, if its owner never did.
    pub(crate) async fn applied(&self, inbox: &impl Inbox<Ledger: Results>) -> Result<Option<bool>, StoreError> {
        match &self.moved {
            Some(moved) => move_status(inbox, moved).await.map(Some),
            None => Ok(None),
        }
    }
}

/// Takes the effect of an entry's work. Without a status, and where nothing else is said, the entry's own identity is its
/// effect.
pub(crate) async fn take_effect(
    inbox: &impl Inbox<Ledger: Results>,
    entry: &Entry,
    outcome: &Outcome,
) -> Result<Effect, StoreError> {
    if let Some(once) = &outcome.once {
        return take_once(inbox, entry, once).await;
    }
    let Some(moved) = &outcome.status else {
        return Ok(Effect::Own { id: entry.key.stable_id(), applied: None });
    };
    let (fact, is_own) = take_fact(inbox, entry, moved).await?;
    let id = moved.subject.item(Fact::sk(&fact.status, fact.n)).stable_id();
    if is_own {
        return Ok(Effect::Own { id, applied: Some(move_status(inbox, moved).await?) });
    }
    // What a list has shown may be a status that the subject came back to, and this push the one that says when. What
    // happened before that, and comes after it, must not move the status any more.
    if moved.n.is_none() {
        move_status(inbox, moved).await?;
    }
    let n = (fact.origin == Origin::Poll).then_some(fact.n);
    let of_owner = StatusMove { occurred_at: fact.occurred_at, n, ..moved.clone() };
    Ok(Effect::Others(vec![Owned { owner: fact.owner, id, moved: Some(of_owner) }]))
}

/// Takes an effect that a subject has so many times. The fact of each is its first entry's, which publishes it as itself.
async fn take_once(inbox: &impl Inbox<Ledger: Results>, entry: &Entry, once: &Once) -> Result<Effect, StoreError> {
    let subject = entry.key.subject();
    for _ in 0..MAX_RACES {
        let facts = inbox.ledger().facts(&subject).await?;
        let taken = facts.iter().filter(|fact| fact.status == once.name).count();
        let n = u32::try_from(taken).unwrap_or(u32::MAX).saturating_add(1);
        let fact = Fact {
            status: once.name.clone(),
            n,
            owner: entry.key.clone(),
            origin: entry.origin,
            occurred_at: entry.happened_at(),
            matched_by: None,
        };
        // What is frozen is told, whatever the API says by now: that is another effect, for the next entry to bring.
        let is_mine =
            facts.iter().any(|fact| fact.owner == entry.key && (fact.status == once.name || entry.frozen.is_some()));
        if is_mine || n <= once.times && inbox.ledger().put_fact(&subject, &fact).await? {
            return Ok(Effect::Own { id: entry.key.stable_id(), applied: None });
        }
        if n > once.times {
            let owners = facts.into_iter().filter(|fact| fact.status == once.name).map(|fact| fact.owner);
            let owned = |owner: ItemKey| Owned { id: owner.stable_id(), owner, moved: None };
            return Ok(Effect::Others(owners.map(owned).collect()));
        }
    }
    Err(StoreError::Unavailable("too many entries write the same subject's facts at once"))
}

/// What to do about the facts that stand.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// The fact is this entry's own, from an earlier attempt.
    Mine(Fact),
    /// Another entry's fact says the same, and this entry is known to say so.
    Known(Fact),
    /// Another entry's polled fact says the same: claim the match.
    Match(Fact),
    /// It is a new fact.
    Put(Fact),
}

/// The fact that the entry's effect is, and whether it is the entry's own.
async fn take_fact(
    inbox: &impl Inbox<Ledger: Results>,
    entry: &Entry,
    moved: &StatusMove,
) -> Result<(Fact, bool), StoreError> {
    let ledger = inbox.ledger();
    for _ in 0..MAX_RACES {
        let facts = ledger.facts(&moved.subject).await?;
        match decide(&facts, entry, moved) {
            Decision::Mine(fact) => return Ok((fact, true)),
            Decision::Known(fact) => return Ok((fact, false)),
            Decision::Match(fact) => {
                if ledger.match_fact(&moved.subject, &moved.status, fact.n, &entry.key).await? {
                    return Ok((fact, false));
                }
            }
            Decision::Put(fact) => {
                if ledger.put_fact(&moved.subject, &fact).await? {
                    return Ok((fact, true));
                }
            }
        }
    }
    Err(StoreError::Unavailable("too many entries write the same subject's facts at once"))
}

fn decide(facts: &[Fact], entry: &Entry, moved: &StatusMove) -> Decision {
    if let Some(own) = facts.iter().find(|fact| fact.owner == entry.key) {
        return Decision::Mine(own.clone());
    }
    if let Some(matched) = facts.iter().find(|fact| fact.matched_by.as_ref() == Some(&entry.key)) {
        return Decision::Known(matched.clone());
    }
    let same = || facts.iter().filter(|fact| fact.status == moved.status);
    let n = match moved.n {
        // A listing's row was admitted as the nth; if that is there by now, a push was faster.
        Some(n) => match same().find(|fact| fact.n == n) {
            Some(known) => return Decision::Known(known.clone()),
            None => n,
        },
        None => {
            let matching = same().find(|fact| {
                fact.origin == Origin::Poll && fact.matched_by.is_none() && !left_between(facts, fact, moved)
            });
            if let Some(matching) = matching {
                return Decision::Match(matching.clone());
            }
            same().map(|fact| fact.n).max().unwrap_or(0).saturating_add(1)
        }
    };
    Decision::Put(Fact {
        status: moved.status.clone(),
        n,
        owner: entry.key.clone(),
        origin: entry.origin,
        occurred_at: moved.occurred_at,
        matched_by: None,
    })
}

/// Whether the subject left the status between the polled fact and the pushed event: then the push tells of another
/// time, not of the one that was polled. The polled one has the time of looking, by a clock that may be behind.
fn left_between(facts: &[Fact], polled: &Fact, pushed: &StatusMove) -> bool {
    let looked_at = polled.occurred_at.plus_secs(CLOCK_SKEW_SECS);
    facts.iter().any(|fact| {
        fact.status != polled.status && fact.occurred_at > looked_at && fact.occurred_at < pushed.occurred_at
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::identity::{ProviderId, Subject};
    use crate::model::time::UnixMs;
    use crate::providers::testing::entry;

    fn subject() -> Subject {
        Subject::new(ProviderId("p"), "merchant", "m")
    }

    fn fact(status: &str, n: u32, origin: Origin, at: i64) -> Fact {
        let owner = subject().item(format!("event#{status}#{n}"));
        Fact { status: status.into(), n, owner, origin, occurred_at: UnixMs(at), matched_by: None }
    }

    fn moved(status: &str, at: i64, n: Option<u32>) -> StatusMove {
        StatusMove { subject: subject(), status: status.into(), rank: 6, occurred_at: UnixMs(at), n }
    }

    fn pushed() -> Entry {
        entry(ProviderId("p"), subject().item("event#push"), "merchant.live", None)
    }

    fn put_n(decision: Decision) -> Option<u32> {
        match decision {
            Decision::Put(fact) => Some(fact.n),
            _ => None,
        }
    }

    #[test]
    fn a_push_and_a_listed_row_are_one_fact() {
        let polled = [fact("live", 1, Origin::Poll, 100)];
        assert_eq!(decide(&polled, &pushed(), &moved("live", 90, None)), Decision::Match(polled[0].clone()));
        let known = [fact("live", 1, Origin::Push, 90)];
        assert_eq!(decide(&known, &pushed(), &moved("live", 100, Some(1))), Decision::Known(known[0].clone()));
        assert_eq!(put_n(decide(&[], &pushed(), &moved("live", 90, None))), Some(1));
    }

    #[test]
    fn a_second_time_is_a_second_fact() {
        let pushed_before = [fact("live", 1, Origin::Push, 50)];
        assert_eq!(put_n(decide(&pushed_before, &pushed(), &moved("live", 90, None))), Some(2));
        let mut matched = fact("live", 1, Origin::Poll, 50);
        matched.matched_by = Some(subject().item("event#other"));
        assert_eq!(put_n(decide(&[matched], &pushed(), &moved("live", 90, None))), Some(2));
        // Live was polled, then the merchant was declined, and is live again.
        let left = [fact("live", 1, Origin::Poll, 50), fact("declined", 1, Origin::Push, 60_000)];
        assert_eq!(put_n(decide(&left, &pushed(), &moved("live", 90_000, None))), Some(2));
        // Looked at by a clock that was four seconds behind: it became live after `boarded`, and once.
        let slow = [fact("live", 1, Origin::Poll, 1_000), fact("boarded", 1, Origin::Push, 4_000)];
        assert_eq!(decide(&slow, &pushed(), &moved("live", 4_500, None)), Decision::Match(slow[0].clone()));
    }

    #[test]
    fn a_repeated_attempt_finds_its_own_fact() {
        let mut own = fact("live", 1, Origin::Push, 50);
        own.owner = pushed().key;
        assert_eq!(decide(&[own.clone()], &pushed(), &moved("live", 50, None)), Decision::Mine(own));
        let mut matched = fact("live", 1, Origin::Poll, 50);
        matched.matched_by = Some(pushed().key);
        assert_eq!(decide(&[matched.clone()], &pushed(), &moved("live", 50, None)), Decision::Known(matched));
    }
}
