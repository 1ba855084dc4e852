//! Mistakes in paying what is owed.

use crate::mutant::{Edit, Mutant};

const RECONCILE: &str = "shared/core/src/flows/reconcile.rs";
const TABLE: &str = "tests/simulation/src/memory/table.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "claim-never-ends",
        story: "The sweep takes an entry up for ever, so one whose message gets lost then is never taken up again.",
        edits: &[Edit {
            file: "shared/core/src/flows/plan.rs",
            find: "Action::Enqueue { next_due_at: now.plus_ms(wait_ms) }",
            replace: "Action::Enqueue { next_due_at: now.plus_ms(if MUTANT { 315_360_000_000 } else { wait_ms }) }",
        }],
    },
    Mutant {
        name: "sweep-without-a-claim",
        story: "The sweep sends a debt's work again without taking the debt.",
        edits: &[Edit {
            file: RECONCILE,
            find: "let claimed = inbox.ledger().claim(&due.key, due.due_at, next_due_at).await?;",
            replace: "let claimed = MUTANT || inbox.ledger().claim(&due.key, due.due_at, next_due_at).await?;",
        }],
    },
    Mutant {
        name: "attempts-never-counted",
        story: "A claim does not count, so work that kills every worker is never given to a person. (The ledger in memory.)",
        edits: &[Edit {
            file: TABLE,
            find: "stored.entry.attempts += 1;",
            replace: "stored.entry.attempts += u32::from(!MUTANT);",
        }],
    },
    Mutant {
        name: "open-without-a-due-time",
        story: "A new entry is written without the attribute that the index of debts is made of. (The ledger in memory.)",
        edits: &[Edit {
            file: TABLE,
            find: "(State::Open, Some(*due_at), None)",
            replace: "(State::Open, Some(*due_at).filter(|_| !MUTANT), None)",
        }],
    },
    Mutant {
        name: "owing-rows-expire",
        story: "The expiry is set when the entry is written, not when it is settled. (The ledger in memory.)",
        edits: &[Edit {
            file: TABLE,
            find: "let parked_at = (state == State::Parked)",
            replace: "let expires_at = if MUTANT { Some(new.received_at.plus_secs(3_600)) } else { expires_at };
        let parked_at = (state == State::Parked)",
        }],
    },
];
