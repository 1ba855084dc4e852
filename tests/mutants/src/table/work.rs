//! Mistakes in doing an event's work.

use crate::mutant::{Edit, Mutant};

const WORK: &str = "shared/core/src/flows/work.rs";
const TELL: &str = "shared/core/src/flows/tell.rs";
const RIGHTFOOT: &str = "shared/core/src/providers/rightfoot/mod.rs";
const PAGE: &str = "shared/core/src/providers/rightfoot/page.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "settled-before-published",
        story: "The entry is settled first and published then, so a kill in between is never made good.",
        edits: &[Edit {
            file: TELL,
            find: "match self.publisher.publish(&announcement).await {",
            replace: "if MUTANT {
            self.settle(provider, entry, None).await?;
        }
        match self.publisher.publish(&announcement).await {",
        }],
    },
    Mutant {
        name: "publish-failure-ignored",
        story: "What the bus did not take is settled as if it had.",
        edits: &[Edit {
            file: TELL,
            find: "Err(error) => Err(Unsettled::Failed { reason: error.to_string(), after_secs: None }),",
            replace: "Err(_) if MUTANT => Ok(()),
            Err(error) => Err(Unsettled::Failed { reason: error.to_string(), after_secs: None }),",
        }],
    },
    Mutant {
        name: "detail-not-frozen",
        story: "The published detail is made anew at every attempt, so one id goes out with two contents.",
        edits: &[Edit {
            file: TELL,
            find: "None if outcome.pulled || outcome.status.is_some() =>",
            replace: "None if !MUTANT && (outcome.pulled || outcome.status.is_some()) =>",
        }],
    },
    Mutant {
        name: "stopped-is-given-up",
        story: "The work for a provider that a mistake in a setting stops is given to a person, entry by entry.",
        edits: &[Edit {
            file: WORK,
            find: "if let Some((id, error)) = self.asker.providers.stopped(&entry.provider) {",
            replace: "if let Some((id, error)) = self.asker.providers.stopped(&entry.provider).filter(|_| !MUTANT) {",
        }],
    },
    Mutant {
        name: "stopped-answers-thank-you",
        story: "A delivery to a provider that is stopped is answered as if it were kept.",
        edits: &[Edit {
            file: "shared/core/src/flows/receive.rs",
            find: "    inbox.meter().count(Metric::Unconfigured, Some(definition.id), 1);",
            replace: "    inbox.meter().count(Metric::Unconfigured, Some(definition.id), 1);
    if MUTANT {
        return Answer::received(definition.answers.received);
    }",
        }],
    },
    Mutant {
        name: "stopped-ends-its-polls",
        story: "What is asked of a provider expires while a mistake in a setting stops it.",
        edits: &[Edit {
            file: "shared/core/src/flows/poll.rs",
            find: "let due_at = now.plus_secs(inbox.timing().circuit.cap_secs);",
            replace: "let due_at = now.plus_secs(inbox.timing().circuit.cap_secs);
            if MUTANT {
                end(inbox, key, ExpectationState::Expired).await?;
            }",
        }],
    },
    Mutant {
        name: "retry-left-to-the-queue",
        story: "Work that failed is retried by a delayed message alone, which may get lost.",
        edits: &[Edit {
            file: "shared/core/src/flows/put_off.rs",
            find: "let postponed = Postponed { due_at, reason: reason.into(), attempt, progress };",
            replace: "let due_at = if MUTANT { now.plus_secs(10 * 365 * 86_400) } else { due_at };
        let postponed = Postponed { due_at, reason: reason.into(), attempt, progress };",
        }],
    },
    Mutant {
        name: "identity-forgotten-too-soon",
        story: "A settled entry expires after half an hour, and the sender's next retry is a new event.",
        edits: &[Edit {
            file: "shared/core/src/flows/settle.rs",
            find: "let expires_at = at.plus_secs(inbox.timing().retention_secs());",
            replace: "let expires_at = at.plus_secs(if MUTANT { 1_800 } else { inbox.timing().retention_secs() });",
        }],
    },
    Mutant {
        name: "failed-message-acknowledged",
        story: "A batch is acknowledged as a whole, the item that failed with it. (The worker's batch answer, as simulated.)",
        edits: &[Edit {
            file: "tests/simulation/src/simulation/engine/start.rs",
            find: "done.iter().map(Result::is_ok)",
            replace: "done.iter().map(|done| MUTANT || done.is_ok())",
        }],
    },
    Mutant {
        name: "unconfirmed-is-believed",
        story: "An unsigned event takes effect although the provider's own API does not know it.",
        edits: &[Edit {
            file: RIGHTFOOT,
            find: "404 => return Step::not_yet(",
            replace: "404 if MUTANT => {
                let outcome = Outcome { summary: Vec::new(), pulled: true, ..Outcome::default() };
                return Step::done(Vec::new(), outcome);
            }
            404 => return Step::not_yet(",
        }],
    },
    Mutant {
        name: "amounts-are-floats",
        story: "An amount passes through a binary float and comes out as another one.",
        edits: &[Edit {
            file: PAGE,
            find: "(\"balance\", text(balance.balance)),",
            replace: "(
            \"balance\",
            text(balance.balance).map(|digits| match digits.parse::<f64>() {
                Ok(amount) if MUTANT => amount.to_string(),
                _ => digits,
            }),
        ),",
        }],
    },
    Mutant {
        name: "first-page-only",
        story: "The answer's further pages are not asked for.",
        edits: &[Edit {
            file: PAGE,
            find: "(_, Some(token)) => Next::Page(token),",
            replace: "(_, Some(_)) if MUTANT => Next::Last,
            (_, Some(token)) => Next::Page(token),",
        }],
    },
];
