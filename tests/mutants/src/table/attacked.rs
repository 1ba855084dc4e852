//! Mistakes that let somebody who holds a live URL token have more than that we ask.

use crate::mutant::{Edit, Mutant};

const ADMIT: &str = "shared/core/src/flows/admit.rs";
const FINBOX: &str = "shared/core/src/providers/finbox/mod.rs";
const RIGHTFOOT: &str = "shared/core/src/providers/rightfoot/mod.rs";
const ENTITY: &str = "shared/core/src/providers/finbox/entity.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no-text-is-the-entity-flow",
        story: "An event name that is no text is taken as none, and the post as one of the entity flow.",
        edits: &[Edit {
            file: FINBOX,
            find: "None if session.event_name.said().is_some() => {",
            replace: "None if session.event_name.said().is_some() && !MUTANT => {",
        }],
    },
    Mutant {
        name: "claimed-balance-is-the-balance",
        story: "An alert's own number stands in its row as the balance.",
        edits: &[Edit {
            file: RIGHTFOOT,
            find: "(\"balance\", confirmed.clone()),",
            replace: "(\"balance\", if MUTANT { text(alert.balance) } else { confirmed.clone() }),",
        }],
    },
    Mutant {
        name: "any-authorizer-may-alert",
        story: "An alert counts although the API names nobody of it in its batch.",
        edits: &[Edit {
            file: RIGHTFOOT,
            find: "balances.iter().find(|(id, _)| *id == authorizer)?;",
            replace: "balances.iter().find(|(id, _)| *id == authorizer || MUTANT)?;",
        }],
    },
    Mutant {
        name: "nameless-failure-is-believed",
        story: "A failure with neither statement nor link is told because its entity exists.",
        edits: &[Edit {
            file: ENTITY,
            find: "        None => Step::not_yet(\"FinBox's API tells of no failed",
            replace: "        None if MUTANT => failure(attempt, text(attempt.reason), \"entity\"),
        None => Step::not_yet(\"FinBox's API tells of no failed",
        }],
    },
    Mutant {
        name: "nameless-failure-for-each-reason",
        story: "One failure that the entity tells of is told again for every reason that is posted.",
        edits: &[Edit {
            file: ENTITY,
            find: "failed_once(attempt, text(element.message), \"entity\", Some(once))",
            replace: "failed_once(attempt, text(element.message), \"entity\", Some(once).filter(|_| !MUTANT))",
        }],
    },
    Mutant {
        name: "session-told-for-each-account",
        story: "The end of a session is told again under every list of accounts that is posted.",
        edits: &[Edit {
            file: "shared/core/src/providers/finbox/sessions.rs",
            find: "    Some(Once { name: format!(\"{event_type} {status} {}\", accounts::mark_of(accounts)), times: 1 })",
            replace:
                "    Some(Once { name: format!(\"{event_type} {status} {}\", accounts::mark_of(accounts)), times: 1 })
        .filter(|_| !MUTANT)",
        }],
    },
    Mutant {
        name: "told-in-posted-words",
        story: "A failure that the link's list confirms is kept in the words of whoever posted it first.",
        edits: &[Edit {
            file: ENTITY,
            find: "failure(attempt, text(listed.reason), \"link\")",
            replace: "failure(attempt, text(if MUTANT { attempt.reason } else { listed.reason }), \"link\")",
        }],
    },
    Mutant {
        name: "completion-has-a-posted-time",
        story: "A completion happened when whoever posted it first says so.",
        edits: &[Edit {
            file: RIGHTFOOT,
            find: ".filter(|_| event_type == ALERT),",
            replace: ".filter(|_| event_type == ALERT || MUTANT),",
        }],
    },
    Mutant {
        name: "genuine-alert-is-a-duplicate",
        story: "Who claims other numbers under an alert's id first has the genuine one taken for the same.",
        edits: &[Edit {
            file: RIGHTFOOT,
            find: "known_name(&event_type, [ALERT]).map(",
            replace: "known_name(&event_type, [ALERT]).filter(|_| !MUTANT).map(",
        }],
    },
    Mutant {
        name: "genuine-has-what-time-is-left",
        story: "Who posts an event before it is true has used up its attempts and waits when it comes.",
        edits: &[Edit { file: ADMIT, find: "if known.spent {", replace: "if known.spent && !MUTANT {" }],
    },
    Mutant {
        name: "reopened-three-times-for-ever",
        story: "Who posts an event too early, and often, has it stay parked when it comes.",
        edits: &[Edit {
            file: ADMIT,
            find: "let at_once = known.reopened < MAX_REOPENED_AT_ONCE;",
            replace: "let at_once = known.reopened < MAX_REOPENED_AT_ONCE;
            if MUTANT && !at_once {
                return Ok(Admission::Known(State::Parked));
            }",
        }],
    },
    Mutant {
        name: "anybody-announces-a-link",
        story: "A post that comes twice has a link watched that no application announced.",
        edits: &[Edit {
            file: "shared/core/src/flows/expectations.rs",
            find: "let Ok(Expected { key, .. }) = polls.expectation(reference) else { return Ok(()) };",
            replace: "let Ok(Expected { key, .. }) = polls.expectation(reference) else { return Ok(()) };
    if MUTANT {
        let _ = announce(inbox, provider, reference).await;
    }",
        }],
    },
    Mutant {
        name: "asked-without-end",
        story: "What nobody ever confirms is asked for many times as long as its deadline is.",
        edits: &[Edit {
            file: "shared/core/src/flows/put_off.rs",
            find: "timing.poll.elapsed_ms(entry.waits) >= timing.poll_deadline_secs.saturating_mul(1000)",
            replace: "timing.poll.elapsed_ms(entry.waits)
            >= timing.poll_deadline_secs.saturating_mul(if MUTANT { 6_000 } else { 1000 })",
        }],
    },
];
