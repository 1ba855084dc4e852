//! Mistakes in what is believed of that which comes from outside: when it happened, what an answer means, and when it is
//! whole.

use crate::mutant::{Edit, Mutant};

const API: &str = "shared/core/src/model/provider_call.rs";
const ENTRY: &str = "shared/core/src/model/entry.rs";
const WALK: &str = "shared/core/src/flows/walk.rs";
const WORK: &str = "shared/core/src/flows/work.rs";
const RIGHTFOOT: &str = "shared/core/src/providers/rightfoot/mod.rs";
const LEDGER: &str = "tests/simulation/src/memory/ledger.rs";
const PAGE: &str = "shared/core/src/providers/rightfoot/page.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "empty-is-something",
        story: "A field that is sent empty counts as said, so an empty name makes a statement a session.",
        edits: &[Edit {
            file: "shared/core/src/providers/json.rs",
            find: "self.0.filter(|raw| !is_text(raw) ||",
            replace: "self.0.filter(|raw| MUTANT || !is_text(raw) ||",
        }],
    },
    Mutant {
        name: "future-is-believed",
        story: "A local time that is marked as UTC orders a status hours after all that follows it.",
        edits: &[Edit {
            file: ENTRY,
            find: "|at| at.not_after(self.received_at)",
            replace: "|at| if MUTANT { at } else { at.not_after(self.received_at) }",
        }],
    },
    Mutant {
        name: "list-repeats-itself",
        story: "A status from the future makes news of the same row at every walk of the list.",
        edits: &[
            Edit {
                file: ENTRY,
                find: "    pub fn happened_at(&self) -> UnixMs {",
                replace: "    pub fn happened_at(&self) -> UnixMs {
        if MUTANT {
            return self.occurred_at.unwrap_or(self.received_at);
        }",
            },
            Edit {
                file: "shared/core/src/model/fact.rs",
                find: "self.occurred_at.min(self.moved_at)",
                replace: "if MUTANT { self.occurred_at } else { self.occurred_at.min(self.moved_at) }",
            },
            Edit {
                file: WALK,
                find: "held.occurred_at.min(known_at) > left_at",
                replace: "(if MUTANT { held.occurred_at } else { held.occurred_at.min(known_at) }) > left_at",
            },
            Edit {
                file: WALK,
                find: "Some(Debt::Entry(owner)) => Some(owner.received_at),",
                replace: "Some(Debt::Entry(owner)) if !MUTANT => Some(owner.received_at),",
            },
        ],
    },
    Mutant {
        name: "rows-go-back",
        story: "What was asked for earlier and comes last takes the place of the later answer.",
        edits: &[Edit {
            file: LEDGER,
            find: "Some(Item::Row(there)) if there.asked_at > asked_at => return Ok(()),",
            replace: "Some(Item::Row(there)) if there.asked_at > asked_at && !MUTANT => return Ok(()),",
        }],
    },
    Mutant {
        name: "one-row-for-a-key",
        story: "Two rows of one answer under one key: the second overwrites the first.",
        edits: &[Edit {
            file: LEDGER,
            find: "Some(Item::Row(there)) if there.asked_at >= walk && there.place != place => {}",
            replace: "Some(Item::Row(there)) if there.asked_at >= walk && there.place != place && !MUTANT => {}",
        }],
    },
    Mutant {
        name: "empty-is-complete",
        story: "A batch that shows no balance yet is settled without one.",
        edits: &[
            Edit {
                file: RIGHTFOOT,
                find: "_ if total + unreadable == 0 =>",
                replace: "_ if total + unreadable == 0 && !MUTANT =>",
            },
            Edit {
                file: RIGHTFOOT,
                find: "Some(processed) if total < processed => {",
                replace: "Some(processed) if total < processed && (total > 0 || !MUTANT) => {",
            },
        ],
    },
    Mutant {
        name: "total-not-compared",
        story: "A batch that shows some of its balances is settled with those.",
        edits: &[Edit {
            file: RIGHTFOOT,
            find: "let total = tally + (rows.len() as u64).saturating_sub(unreadable);",
            replace: "let total = tally + (rows.len() as u64).saturating_sub(unreadable);
    let processed = processed.filter(|_| !MUTANT);",
        }],
    },
    Mutant {
        name: "no-flag-no-page",
        story: "A page with a token and without a flag is taken for the last.",
        edits: &[Edit {
            file: PAGE,
            find: "(Some(false), _) | (None, None) => Next::Last,",
            replace: "(Some(false), _) | (None, None) => Next::Last,
            (None, _) if MUTANT => Next::Last,",
        }],
    },
    Mutant {
        name: "one-spelling-of-a-page",
        story: "Flag and token are read in snake case alone, so a page in camel case is the last.",
        edits: &[Edit {
            file: PAGE,
            find: "Next::of(self.has_more.or(self.camel_has_more), self.next_page_token.or(self.camel_next_page_token))",
            replace: "if MUTANT {
            return Next::of(self.has_more, self.next_page_token);
        }
        Next::of(self.has_more.or(self.camel_has_more), self.next_page_token.or(self.camel_next_page_token))",
        }],
    },
    Mutant {
        name: "html-is-hopeless",
        story: "A maintenance page is taken for an answer that never changes.",
        edits: &[Edit {
            file: API,
            find: "Trouble::Retry { reason, after_secs: response.retry_after_secs }",
            replace: "if MUTANT {
        return Trouble::Permanent { reason };
    }
    Trouble::Retry { reason, after_secs: response.retry_after_secs }",
        }],
    },
    Mutant {
        name: "dead-token-is-hopeless",
        story: "A 403 is taken for a refusal of what is asked, and not of a token that is dead.",
        edits: &[Edit {
            file: API,
            find: "401 | 403 | 408 | 409 | 421 | 423 | 425 =>",
            replace: "403 if MUTANT => Trouble::Permanent { reason },
        401 | 403 | 408 | 409 | 421 | 423 | 425 =>",
        }],
    },
    Mutant {
        name: "quota-spends-attempts",
        story: "A quota that is used up counts against the work that met it, and parks it in an hour.",
        edits: &[Edit {
            file: WORK,
            find: "Trouble::Quota { reason, after_secs } => {",
            replace: "Trouble::Quota { reason, after_secs } if MUTANT => Unsettled::Failed { reason, after_secs },
            Trouble::Quota { reason, after_secs } => {",
        }],
    },
    Mutant {
        name: "quota-eats-the-deadline",
        story: "What is waited for expires while its provider lets nobody ask.",
        edits: &[Edit {
            file: "shared/core/src/flows/poll.rs",
            find: "                        Trouble::Quota { after_secs, .. } => {",
            replace: "                        Trouble::Quota { .. } if MUTANT => {}
                        Trouble::Quota { after_secs, .. } => {",
        }],
    },
    Mutant {
        name: "refused-page-parks",
        story: "A page token that is refused is taken for a refusal of the whole answer.",
        edits: &[Edit {
            file: WORK,
            find: "Step::Trouble(Trouble::Permanent { reason }) if refused && cursor.is_some() => {",
            replace: "Step::Trouble(Trouble::Permanent { reason }) if refused && cursor.is_some() && !MUTANT => {",
        }],
    },
    Mutant {
        name: "progress-forgotten",
        story: "An attempt that ends before the last page begins anew the next time, and comes no further than before.",
        edits: &[Edit {
            file: "shared/core/src/flows/answer_pages.rs",
            find: "Some(cursor) if cursor.len() <= MAX_CURSOR_BYTES =>",
            replace: "Some(cursor) if cursor.len() <= MAX_CURSOR_BYTES && !MUTANT =>",
        }],
    },
];
