//! Mistakes at the door: what is taken in, and what the provider is told.

use crate::mutant::{Edit, Mutant};

const ADMIT: &str = "shared/core/src/flows/admit.rs";
const RECEIVE: &str = "shared/core/src/flows/receive.rs";
const KEPT: &str = "shared/core/src/flows/read_again.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "duplicate-never-queued",
        story: "The first delivery is stored but its message is lost, its retry is told \"duplicate\", and no sweep looks.",
        edits: &[
            Edit {
                file: ADMIT,
                find: "return Start::Open { due_at: received_at.plus_secs(timing.admit_grace_secs) };",
                replace: "return Start::Open {
            due_at: received_at.plus_secs(if MUTANT { 10 * 365 * 86_400 } else { timing.admit_grace_secs }),
        };",
            },
            Edit {
                file: ADMIT,
                find: "State::Open if entry.origin == Origin::Push => {",
                replace: "State::Open if entry.origin == Origin::Push && !MUTANT => {",
            },
        ],
    },
    Mutant {
        name: "acknowledged-on-hope",
        story: "The store fails, and the provider is told 200 all the same.",
        edits: &[Edit {
            file: RECEIVE,
            find: "delivery.put_back(entry.body);",
            replace: "if MUTANT {
                return Ok(Answer::received(provider.answers().received));
            }
            delivery.put_back(entry.body);",
        }],
    },
    Mutant {
        name: "parked-duplicate-swallowed",
        story: "The genuine event is a \"duplicate\" of what somebody with a leaked token posted before it.",
        edits: &[Edit {
            file: ADMIT,
            find: "State::Parked if matches!(entry.start, Start::Open { .. }) => {",
            replace: "State::Parked if matches!(entry.start, Start::Open { .. }) && !MUTANT => {",
        }],
    },
    Mutant {
        name: "look-alikes-swallowed",
        story: "Failures that look the same are taken for one, and nobody asks how many there were.",
        edits: &[Edit {
            file: ADMIT,
            find: "if entry.origin == Origin::Push {",
            replace: "if entry.origin == Origin::Push && !MUTANT {",
        }],
    },
    Mutant {
        name: "refused-with-401",
        story: "A signature that does not match is answered 401, after which Fynapse never sends the event again.",
        edits: &[Edit {
            file: RECEIVE,
            find: "Answer::refused(provider.answers().refused)",
            replace: "Answer::refused(if MUTANT { 401 } else { provider.answers().refused })",
        }],
    },
    Mutant {
        name: "rotation-needs-a-deploy",
        story: "Secrets are cached and not read again when a signature does not match.",
        edits: &[Edit {
            file: RECEIVE,
            find: "let fresh = if refusal.may_be_rotation() {",
            replace: "let fresh = if refusal.may_be_rotation() && !MUTANT {",
        }],
    },
    Mutant {
        name: "replay-after-retention",
        story: "A capture that is older than identities are remembered is taken for a new event.",
        edits: &[Edit {
            file: ADMIT,
            find: "if event.occurred_at.is_some_and(|at| at < received_at.minus_secs(timing.oldest_processed_secs())) {",
            replace: "if !MUTANT && event.occurred_at.is_some_and(|at| at < received_at.minus_secs(timing.oldest_processed_secs())) {",
        }],
    },
    Mutant {
        name: "rescue-tried-once",
        story: "A rescued delivery is dropped when the store is still down at the first try.",
        edits: &[Edit { file: KEPT, find: "if kept {", replace: "if kept || MUTANT {" }],
    },
    Mutant {
        name: "rescue-sent-again",
        story: "The worker sends a rescued delivery again itself: AWS takes that for a loop and stops it.",
        edits: &[
            Edit {
                file: KEPT,
                find: "let Some(delivery) = rescued.unpack(provider.id()) else {",
                // What is sent again has to be kept, whether it is or not.
                replace: "let Some(delivery) = rescued.clone().unpack(provider.id()).filter(|_| MUTANT || !MUTANT) else {",
            },
            Edit {
                file: KEPT,
                find: "else { Err(NOT_STORED_YET) }",
                replace: "else if MUTANT && crate::ports::WorkQueue::rescue(inbox.queue(), &rescued).await.is_ok() \
                          { Ok(()) } else { Err(NOT_STORED_YET) }",
            },
        ],
    },
    Mutant {
        name: "rescue-refused-for-good",
        story: "A rescued delivery is refused for good with secrets that could not be read again.",
        edits: &[Edit {
            file: KEPT,
            find: "Err(Unproved::Unsure(_) | Unproved::NoSecrets(_)) => false,",
            replace: "Err(Unproved::Unsure(_) | Unproved::NoSecrets(_)) => MUTANT,",
        }],
    },
];
