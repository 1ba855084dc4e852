//! Mistakes in sparing a provider that is down, and what is owed to it.

use crate::mutant::{Edit, Mutant};

const CALL: &str = "shared/core/src/flows/call.rs";
const CIRCUIT: &str = "shared/core/src/model/circuit.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "circuit-never-closes",
        story: "A probe that is answered leaves the circuit open, so that its provider gets one call in half a minute for ever.",
        edits: &[Edit {
            file: CALL,
            find: "let closed = circuit.closed();",
            replace: "let closed =
            if MUTANT { Circuit { version: circuit.version + 1, ..circuit.clone() } } else { circuit.closed() };",
        }],
    },
    Mutant {
        name: "every-caller-probes",
        story: "Once a circuit's time has passed everybody calls, and nobody's call closes it or opens it again.",
        edits: &[Edit {
            file: CALL,
            find: "                Gate::HalfOpen => {}
            }",
            replace: "                Gate::HalfOpen if MUTANT => return Ok(Pass::Ordinary),
                Gate::HalfOpen => {}
            }",
        }],
    },
    Mutant {
        name: "one-circuit-for-all",
        story: "The circuit's key does not name the provider, so that one that is down holds up the three that are well.",
        edits: &[Edit {
            file: CIRCUIT,
            find: "sk: format!(\"circuit#{provider}\") }",
            replace: "sk: if MUTANT { \"circuit#all\".into() } else { format!(\"circuit#{provider}\") } }",
        }],
    },
    Mutant {
        name: "held-for-ever",
        story: "What an open circuit holds is left to whoever closes it, and has no time of its own to be due again.",
        edits: &[Edit {
            file: CALL,
            find: "until.max(clock.now()).plus_ms(MIN",
            replace: "until.max(clock.now()).plus_secs(if MUTANT { 10 * 365 * 86_400 } else { 0 }).plus_ms(MIN",
        }],
    },
    Mutant {
        name: "outage-counts-as-failure",
        story: "Work that could not be asked for counts as a failed attempt, so that an outage parks what waits for its end.",
        edits: &[Edit {
            file: "shared/core/src/flows/put_off.rs",
            find: "if now >= entry.received_at.plus_secs(MAX_SPARED_SECS) {
            return self.try_again",
            replace: "if MUTANT || now >= entry.received_at.plus_secs(MAX_SPARED_SECS) {
            return self.try_again",
        }],
    },
    Mutant {
        name: "outage-eats-the-deadline",
        story: "What is waited for expires while its provider is down, and nobody has asked.",
        edits: &[Edit {
            file: "shared/core/src/flows/poll.rs",
            find: "let spared = now < expectation.deadline.plus_secs(MAX_SPARED_SECS);",
            replace: "let spared = now < expectation.deadline.plus_secs(if MUTANT { 0 } else { MAX_SPARED_SECS });",
        }],
    },
];
