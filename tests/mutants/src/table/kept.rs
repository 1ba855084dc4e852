//! Mistakes by which something is swallowed: another content, another type, an unknown status, a later truth, a loss.

use crate::mutant::{Edit, Mutant};

const ADMIT: &str = "shared/core/src/flows/admit.rs";
const AUDIT: &str = "shared/core/src/flows/losses.rs";
const RUNPAYMENTS: &str = "shared/core/src/providers/runpayments/mod.rs";
const WALK: &str = "shared/core/src/flows/walk.rs";
const WORK: &str = "shared/core/src/flows/work.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "overtaken-parks",
        story: "A failure that the provider has overtaken is given to a person.",
        edits: &[Edit {
            file: "shared/core/src/providers/finbox/entity.rs",
            find: "Some(COMPLETED) if told == FAILED => match completion(attempt) {",
            replace: "Some(COMPLETED) if told == FAILED && MUTANT => permanent(\"contradicted\"),
        Some(COMPLETED) if told == FAILED => match completion(attempt) {",
        }],
    },
    Mutant {
        name: "overtaken-by-nobody-knows-what",
        story: "A failure that was overtaken is settled, and what overtook it is not let in.",
        edits: &[Edit {
            file: WORK,
            find: "admit_found(self.asker.inbox, provider, by).await?;",
            replace: "if !MUTANT {
                    admit_found(self.asker.inbox, provider, by).await?;
                }",
        }],
    },
    Mutant {
        name: "other-content-dropped",
        story: "A second content under one signed id is a \"duplicate\", and gone without a trace.",
        edits: &[Edit {
            file: ADMIT,
            find: "let Some(mark) = provider.content(&entry.body) else { return Ok(None) };",
            replace: "let Some(mark) = provider.content(&entry.body).filter(|_| !MUTANT) else { return Ok(None) };",
        }],
    },
    Mutant {
        name: "other-content-not-counted",
        story: "A second content under one signed id is kept, and nobody hears of it.",
        edits: &[Edit {
            file: ADMIT,
            find: "inbox.meter().count(Metric::DeliveriesConflicting, Some(provider.id()), 1);",
            replace: "if !MUTANT {
            inbox.meter().count(Metric::DeliveriesConflicting, Some(provider.id()), 1);
        }",
        }],
    },
    Mutant {
        name: "type-is-no-identity",
        story: "Two types under one idempotency key are one event, and the second's status is lost.",
        edits: &[Edit {
            file: ADMIT,
            find: "if entry.origin == Origin::Push && known.event_type != entry.event.event_type {",
            replace: "if entry.origin == Origin::Push && known.event_type != entry.event.event_type && !MUTANT {",
        }],
    },
    Mutant {
        name: "unknown-status-passed-over",
        story: "A status in a list that is not known is passed over without a trace.",
        edits: &[Edit {
            file: WALK,
            find: "let Some(rank) = row.rank else { return self.keep_unknown(provider, row).await };",
            replace: "let Some(rank) = row.rank else {
            return if MUTANT { Ok(()) } else { self.keep_unknown(provider, row).await };
        };",
        }],
    },
    Mutant {
        name: "one-spelling-of-a-status",
        story: "A status in a list is known only as the documents spell it, so `Canceled` and two blanks are unknown.",
        edits: &[Edit {
            file: RUNPAYMENTS,
            find: "let status = status_named(&said).map_or_else(|| plain_name(&said), Into::into);",
            replace: "let named = if MUTANT { None } else { status_named(&said) };
    let status = named.map_or_else(|| said.to_lowercase().replace(' ', \"_\"), Into::into);",
        }],
    },
    Mutant {
        name: "hint-passed-over",
        story: "A delivery behind a live token that can't be read names its batch, and nobody asks about it.",
        edits: &[Edit {
            file: "shared/core/src/flows/receive.rs",
            find: "let Some(reference) = provider.reference_in(verified.body()) else { return };",
            replace: "let reference = provider.reference_in(verified.body()).filter(|_| !MUTANT);
    let Some(reference) = reference else { return };",
        }],
    },
    Mutant {
        name: "loss-passed-over",
        story: "A delivery that its provider says it made, and whose event is not here, is nobody's business.",
        edits: &[Edit {
            file: AUDIT,
            find: "(Fate::Delivered, Some(_)) => Some(UNKNOWN),",
            replace: "(Fate::Delivered, Some(_)) if MUTANT => None,
        (Fate::Delivered, Some(_)) => Some(UNKNOWN),",
        }],
    },
    Mutant {
        name: "loss-told-again-and-again",
        story: "A loss that is known is counted once more at every walk, and the alarm never ends.",
        edits: &[Edit {
            file: AUDIT,
            find: "if self.inbox.ledger().admit(&entry).await? == Admitted::New {",
            replace: "if self.inbox.ledger().admit(&entry).await? == Admitted::New || MUTANT {",
        }],
    },
    Mutant {
        name: "loss-never-closed",
        story: "A loss stays with a person although its event has arrived.",
        edits: &[Edit {
            file: AUDIT,
            find: "if !delivery.created_at.is_some_and(soon) {",
            replace: "if !delivery.created_at.is_some_and(soon) && !MUTANT {",
        }],
    },
    Mutant {
        name: "loss-while-it-is-tried",
        story: "A delivery that is still tried again is called lost, and a person called for nothing.",
        edits: &[Edit {
            file: AUDIT,
            find: "(Fate::Pending, _) | (Fate::Delivered, None) => None,",
            replace: "(Fate::Pending, Some(_)) if MUTANT => Some(UNKNOWN),
        (Fate::Pending, _) | (Fate::Delivered, None) => None,",
        }],
    },
    Mutant {
        name: "second-list-never-begun",
        story: "Only one list gets a cursor, and the other is never walked.",
        edits: &[Edit {
            file: "shared/core/src/flows/reconcile.rs",
            find: "let Some(lists) = provider.lists().offered() else { continue };",
            replace: "let Some(lists) = provider.lists().offered() else { continue };
            if MUTANT && provider.polls().offered().is_none() && lists.audit().offered().is_some() {
                continue;
            }",
        }],
    },
];
