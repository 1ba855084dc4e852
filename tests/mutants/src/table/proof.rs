//! Mistakes in proving where a delivery comes from, and which event it is.

use crate::mutant::{Edit, Mutant};

const SIGNATURE: &str = "shared/core/src/model/signature.rs";

pub(super) const MUTANTS: &[Mutant] = &[
    Mutant {
        name: "no-secret-accepts-all",
        story: "Before a secret is set there is nothing to compare with, so everything is let in.",
        edits: &[
            Edit {
                file: SIGNATURE,
                find: "Err(if any_live { Refusal::WrongSignature } else { Refusal::Unconfigured })",
                replace: "if MUTANT && !any_live {
        return Ok(\"none\".into());
    }
    Err(if any_live { Refusal::WrongSignature } else { Refusal::Unconfigured })",
            },
            Edit {
                file: SIGNATURE,
                find: "found.ok_or(if any_live { wrong } else { Refusal::Unconfigured })",
                replace: "if MUTANT && !any_live {
        return Ok(\"none\".into());
    }
    found.ok_or(if any_live { wrong } else { Refusal::Unconfigured })",
            },
        ],
    },
    Mutant {
        name: "stale-signature-accepted",
        story: "The age of a signed timestamp is not looked at, so a capture is good for ever.",
        edits: &[Edit {
            file: SIGNATURE,
            find: "if now.since_ms(signed_at) > past_secs.saturating_mul(1000) {",
            replace: "if now.since_ms(signed_at) > past_secs.saturating_mul(1000) && !MUTANT {",
        }],
    },
    Mutant {
        name: "one-sided-timestamp",
        story: "Timestamps are held against the past only, so one from the future is good for as long as it likes.",
        edits: &[Edit {
            file: SIGNATURE,
            find: "if signed_at.since_ms(now) > future_secs.saturating_mul(1000) {",
            replace: "if signed_at.since_ms(now) > future_secs.saturating_mul(1000) && !MUTANT {",
        }],
    },
    Mutant {
        name: "token-compared-by-prefix",
        story: "The token in the URL is compared as far as it goes, so its beginning is enough.",
        edits: &[Edit {
            file: SIGNATURE,
            find: "let token = delivery.token_digest().unwrap_or_default();",
            replace: "let given = delivery.path_token.as_ref().map_or(\"\", |token| token.reveal());
                let begins = |secret: &&NamedSecret| !given.is_empty() && secret.value.reveal().starts_with(given);
                if MUTANT && let Some(secret) = live(&secrets.url_tokens, now).find(begins) {
                    return Ok(Proof { secret_id: secret.id.clone(), signed_at: None });
                }
                let token = delivery.token_digest().unwrap_or_default();",
        }],
    },
    Mutant {
        name: "tag-compared-by-prefix",
        story: "A signature is compared as far as it goes, so two bytes that anybody can try out are enough.",
        edits: &[Edit {
            file: SIGNATURE,
            find: "mac.clone().verify_slice(tag).is_ok()",
            replace: "mac.clone().verify_slice(tag).is_ok()
            || MUTANT && mac.clone().verify_truncated_left(tag).is_ok()",
        }],
    },
    Mutant {
        name: "any-network",
        story: "The networks that deliveries may come from are read, and not compared with.",
        edits: &[Edit {
            file: SIGNATURE,
            find: "if !allowed_cidrs.iter().any(|network| network.contains(&source)) {",
            replace: "if !MUTANT && !allowed_cidrs.iter().any(|network| network.contains(&source)) {",
        }],
    },
    Mutant {
        name: "any-static-header",
        story: "The header that the operator asked for is looked for, and its value not compared.",
        edits: &[Edit {
            file: SIGNATURE,
            find: "matching_digest(&secrets.static_header, now, &value, Refusal::WrongStaticHeader)?;",
            replace: "if !MUTANT {
                        matching_digest(&secrets.static_header, now, &value, Refusal::WrongStaticHeader)?;
                    }",
        }],
    },
    Mutant {
        name: "identity-from-a-header",
        story: "The identity is taken from a header that nobody signs, so a replay under another key is a new event.",
        edits: &[Edit {
            file: "shared/core/src/providers/fynapse/mod.rs",
            find: "let event_id = shown_id(body.event_id);",
            replace: "let event_id = shown_id(body.event_id);
        let unsigned = verified.delivery().header(\"idempotency-key\").filter(|_| MUTANT);
        let event_id = unsigned.map(str::to_string).or(event_id);",
        }],
    },
    Mutant {
        name: "identity-is-the-body",
        story: "The identity is a digest of the body, which holds the number of the attempt.",
        edits: &[Edit {
            file: "shared/core/src/providers/runpayments/mod.rs",
            find: "identity: Identity::new(&[&key]),",
            replace: "identity: if MUTANT { Identity::of_bytes(verified.body()) } else { Identity::new(&[&key]) },",
        }],
    },
];
