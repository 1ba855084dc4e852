//! Rules of the ledger, broken in the one in memory. The contract that both ledgers pass holds DynamoDB's adapter to them.

use crate::mutant::{Edit, Mutant};

const LEDGER: &str = "tests/simulation/src/memory/ledger.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "get-then-put",
        story: "Whether an entry is there is read first and written then, so two deliveries at once are both the first.",
        edits: &[Edit {
            file: LEDGER,
            find: "self.call(\"admit\", |table| {",
            replace: "if MUTANT {
            let key = entry.event.key();
            let known = self.call(\"admit\", |table| Ok(entry_mut(table, &key)?.map(|known| known.entry.clone()))).await?;
            if let Some(known) = known {
                let (state, event_type) = (known.state, known.event_type);
                return Ok(Admitted::Duplicate(hookledger_core::model::entry::Known {
                    state,
                    event_type,
                    reopened: 0,
                    spent: false,
                    is_unpushed: false,
                    body: None,
                }));
            }
        }
        self.call(\"admit\", |table| {
            if MUTANT {
                table.remove(&entry.event.key());
            }",
        }],
    },
    Mutant {
        name: "put-without-condition",
        story: "The entry is put without a condition, so a redelivery overwrites what was done long ago.",
        edits: &[Edit {
            file: LEDGER,
            find: "if let Some(known) = entry_mut(table, &key)? {",
            replace: "if let Some(known) = entry_mut(table, &key)?.filter(|_| !MUTANT) {",
        }],
    },
    Mutant {
        name: "fact-without-condition",
        story: "A status fact is put without a condition, so two entries both own its effect.",
        edits: &[Edit {
            file: LEDGER,
            find: "let free = !table.contains_key(&key);",
            replace: "if MUTANT {
                table.insert(key, Item::Fact(fact.clone()));
                return Ok(true);
            }
            let free = !table.contains_key(&key);",
        }],
    },
    Mutant {
        name: "chunks-keyed-by-entry",
        story: "The pieces of a large body lie under its entry's key, so two deliveries at once mix their bytes.",
        edits: &[Edit {
            file: "tests/simulation/src/memory/pieces.rs",
            find: "let name = format!(\"{} {}\", entry.event.key(), digest_hex(&entry.body));",
            replace: "let digest = if MUTANT { String::new() } else { digest_hex(&entry.body) };
        let name = format!(\"{} {digest}\", entry.event.key());",
        }],
    },
    Mutant {
        name: "quarantine-without-a-cap",
        story: "Every refusal is kept, so a flood of forgeries fills the table.",
        edits: &[Edit {
            file: LEDGER,
            find: "let kept = free.is_some();",
            replace: "let free = if MUTANT {
                let ItemKey { pk, sk } = refused.key_at(0);
                Some(ItemKey { pk, sk: format!(\"{sk}{}\", table.len()) })
            } else {
                free
            };
            let kept = free.is_some();",
        }],
    },
];
