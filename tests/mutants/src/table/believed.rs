//! Mistakes in what is believed of that which comes from outside.

use crate::{Edit, Mutant};

const API: &str = "shared/core/src/api.rs";
const WORK: &str = "shared/core/src/work.rs";
const RIGHTFOOT: &str = "shared/core/src/providers/rightfoot.rs";
const FINBOX: &str = "shared/core/src/providers/finbox.rs";
const LEDGER: &str = "tests/simulation/src/memory/ledger.rs";

pub(super) const MUTANTS: &[Mutant] = &[
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
                replace: "Some(processed) if total < processed && !MUTANT => {",
            },
        ],
    },
    Mutant {
        name: "no-flag-no-page",
        story: "A page with a token and without a flag is taken for the last.",
        edits: &[Edit {
            file: RIGHTFOOT,
            find: "(Some(false), _) | (None, None) => Next::Last,",
            replace: "(Some(false), _) | (None, None) => Next::Last,
            (None, _) if MUTANT => Next::Last,",
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
        name: "refused-page-parks",
        story: "A page token that is refused is taken for a refusal of the whole answer.",
        edits: &[Edit {
            file: WORK,
            find: "Step::Trouble(Trouble::Permanent { reason }) if refused && cursor.is_some() => {",
            replace: "Step::Trouble(Trouble::Permanent { reason }) if refused && cursor.is_some() && !MUTANT => {",
        }],
    },
    Mutant {
        name: "overtaken-parks",
        story: "A failure that the provider has overtaken is given to a person.",
        edits: &[Edit {
            file: FINBOX,
            find: "Some(COMPLETED) if told == FAILED => match completion(attempt) {",
            replace: "Some(COMPLETED) if told == FAILED && MUTANT => permanent(\"contradicted\"),
        Some(COMPLETED) if told == FAILED => match completion(attempt) {",
        }],
    },
];
