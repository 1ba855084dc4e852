//! The pure heart of Hookledger: what it means to receive a provider's event, to do its work once, and to notice that
//! one is missing. No clock, no environment, no network: time, settings and the world's answers come in as arguments.
//!
//! # The way of an event
//!
//! ```text
//!  provider ──POST──▶ receive ─ verify ─ parse ─┐
//!                                               ├─ admit ─▶ ledger (the entry, and what it owes)
//!  provider ◀──GET─── poll, walk ───────────────┘    │
//!                          ▲                         └─▶ queue ─▶ work ─ ask the provider ─ results ─ publish ─ settle
//!                          │
//!  schedule ─▶ reconcile ──┴─ every debt that is due ─▶ queue, or ask, or a person
//! ```
//!
//! # Floors
//!
//! Each names what is below it, and nothing above; no file names one that names it. (`cargo xtask check layering`)
//!
//! ```text
//! desk       orders of people and applications: replay, reverify, submit
//! flows      what is done, in reading order: receive, admit │ work and what it needs (pages, put_off, kept, effect, status,
//!            detail, tell) │ expectations, poll, walk, losses, plan, reconcile │ used by several: enqueue, park, settle, circuits,
//!            call, span
//! providers  what every provider says of itself (contract), and a folder for each
//! ports      the world, as traits: ledger, queue, bus, providers' APIs, secrets, clock, meter
//! model      plain data and its rules
//! ```
//!
//! # Invariants
//!
//! Each with the test that guards it.
//!
//! 1. Nothing is parsed before it is verified: [`model::delivery::Verified`] is made outside this crate by [`model::signature`] alone;
//!    here also for a body that was verified when it came. (`signature::tests`)
//! 2. A 2xx means durable and owed, settled, or parked for a person. No 2xx is sent on hope.
//!    (`tests/tests/flows/main.rs: a_2xx_means_durable`)
//! 3. One identity, one entry, however many deliveries race.
//!    (`tests/tests/contract/main.rs: admit::one_of_fifty_racers_is_new`)
//! 4. Push and poll share [`flows::admit`], and one effect. (`tests/tests/flows/main.rs: push_and_poll_have_one_effect`)
//! 5. Handling twice equals handling once. (`tests/tests/flows/main.rs: handling_twice_equals_handling_once`)
//! 6. Nothing is dropped silently: every refusal, ignore, park and expiry is counted and can be listed.
//!    (`tests/tests/flows/main.rs: what_is_not_handled_is_counted_and_kept`)
//! 7. Every loop, body, batch, page walk, wait and retry has a stated limit. (`backoff::tests`,
//!    `tests/tests/flows/main.rs: hopeless_work_is_parked`)
//! 8. This crate reads no clock, no environment and no network. (`shared/core/clippy.toml`, `cargo xtask check
//!    layering`)
//! 9. No secret, signature, body or personal datum in a log line, a metric, an error or a trace.
//!    (`secret::tests`, `delivery::tests`)
//! 10. A cursor moves only after its page is admitted. (`tests/tests/flows/main.rs: a_cursor_moves_only_after_its_page`)
//! 11. Fail closed: no live secret, no live token → refuse. (`signature::tests`,
//!     `tests/parsing/vectors.rs`)
//! 12. The provider decides the status codes: none is sent that makes it give up on what we may still fix.
//!     (`tests/tests/flows/main.rs: no_answer_makes_a_provider_give_up`)

pub mod model;
pub mod ports;
pub mod providers;
pub mod flows;
pub mod desk;
