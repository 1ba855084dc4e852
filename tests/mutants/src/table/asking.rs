//! Mistakes in asking for what nobody told us, and in making one effect of both ways.

use crate::mutant::{Edit, Mutant};

const STATUS: &str = "shared/core/src/flows/status.rs";
const WALK: &str = "shared/core/src/flows/walk.rs";
const EFFECT: &str = "shared/core/src/flows/effect.rs";
const POLL: &str = "shared/core/src/flows/poll.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "met-before-admitted",
        story: "An expectation is met first and its event let in then, so a failure in between loses the event.",
        edits: &[Edit {
            file: POLL,
            find: "Polled::Found { found, unreadable, complete, more } => {",
            replace: "Polled::Found { found, unreadable, complete, more } => {
                    if MUTANT && complete && !expectation.repeats {
                        end(self.inbox, &expectation.key, ExpectationState::Met).await?;
                    }",
        }],
    },
    Mutant {
        name: "expiry-passed-over",
        story: "An expectation that never came true is closed as if it had done its duty.",
        edits: &[Edit {
            file: POLL,
            find: "let served = expectation.repeats && (seen > 0 || expectation.found > 0);",
            replace: "let served = MUTANT || expectation.repeats && (seen > 0 || expectation.found > 0);",
        }],
    },
    Mutant {
        name: "expiry-not-counted",
        story: "An expectation expires and nothing is counted, so no alarm goes off.",
        edits: &[Edit {
            file: POLL,
            find: "if end(self.inbox, &expectation.key, state).await? && state == ExpectationState::Expired {",
            replace: "if end(self.inbox, &expectation.key, state).await? && state == ExpectationState::Expired && !MUTANT {",
        }],
    },
    Mutant {
        name: "poll-is-another-event",
        story: "What is found by asking has an identity of its own, so push and poll are two events.",
        edits: &[Edit {
            file: "shared/core/src/providers/rightfoot/recovery.rs",
            find: "let identity = Identity::new(&[COMPLETED, batch_id]);",
            replace: "let identity = if MUTANT {
        Identity::new(&[COMPLETED, batch_id, \"polled\"])
    } else {
        Identity::new(&[COMPLETED, batch_id])
    };",
        }],
    },
    Mutant {
        name: "status-moves-back",
        story: "The status is the one that was handled last, not the one that happened last.",
        edits: &[Edit {
            file: STATUS,
            find: "let order = order(inbox, moved, current.as_ref()).await?;",
            replace: "let order = if MUTANT { Order::After } else { order(inbox, moved, current.as_ref()).await? };",
        }],
    },
    Mutant {
        name: "polled-fact-not-matched",
        story: "A push does not look for the same status found by a walk before, and publishes it once more.",
        edits: &[Edit {
            file: EFFECT,
            find: "fact.origin == Origin::Poll && fact.matched_by.is_none() && !left_between",
            replace: "!MUTANT && fact.origin == Origin::Poll && fact.matched_by.is_none() && !left_between",
        }],
    },
    Mutant {
        name: "return-is-a-redelivery",
        story: "A push of a status that the subject once had is taken for that time, and nobody hears that it came back.",
        edits: &[Edit {
            file: EFFECT,
            find: "None => n,
        },
        None => {",
            replace: "None => n,
        },
        None if MUTANT && same().next().is_some() => return Decision::Known(same().next().unwrap().clone()),
        None => {",
        }],
    },
    Mutant {
        name: "listed-return-without-its-time",
        story: "A push that a list was faster than does not say since when, and what was before it moves the status back.",
        edits: &[Edit { file: EFFECT, find: "if moved.n.is_none() {", replace: "if moved.n.is_none() && !MUTANT {" }],
    },
    Mutant {
        name: "walk-blind-to-facts",
        story: "A walk looks at the current status alone, and finds a status anew while its push is still in work.",
        edits: &[Edit {
            file: WALK,
            find: "if !by_held && !self.was_left(&facts, row, left_at).await? {",
            replace: "if !by_held && !MUTANT && !self.was_left(&facts, row, left_at).await? {",
        }],
    },
    Mutant {
        name: "list-puts-nothing-right",
        story: "Where two clocks of the provider turn two statuses round, the list that shows the right one is not heard.",
        edits: &[Edit {
            file: WALK,
            find: "let Some(held) = held else",
            replace: "let Some(held) = held.filter(|_| !MUTANT) else",
        }],
    },
    Mutant {
        name: "cursor-before-its-page",
        story: "The cursor moves on as soon as a page is read, before what the page shows is let in.",
        edits: &[Edit {
            file: WALK,
            find: "Listed::Page { rows, unreadable, next } => {",
            replace: "Listed::Page { rows, unreadable, next } => {
                if MUTANT
                    && let Some(crate::model::debt::Debt::Listing(held)) = self.inbox.ledger().debt(&listing.key).await?
                {
                    let ahead = Listing { due_at: held.due_at, position: next.clone(), ..listing.clone() };
                    self.inbox.ledger().advance_listing(&ahead, held.due_at).await?;
                }",
        }],
    },
    Mutant {
        name: "row-errors-passed-over",
        story: "A row of a list that could not be let in is passed over, and the cursor moves on.",
        edits: &[Edit {
            file: WALK,
            find: "ListedRow::Status(row) => self.compare(provider, row, requested_at).await?,",
            replace: "ListedRow::Status(row) => {
                            let compared = self.compare(provider, row, requested_at).await;
                            if !MUTANT {
                                compared?;
                            }
                        }",
        }],
    },
];
