//! Four providers, and seven things that happen with each of them: the table below is the list.
//!
//! Where a provider can't have a case, the test shows what stands in its place, and its name says so. Fynapse is not
//! asked for anything by the work, so its audit's walk meets the provider's troubles; Fynapse can't be polled either,
//! and what it lost is reported. Run Payments' events are complete without its reports, so no refusal parks one.

mod finbox;
mod fynapse;
mod look;
mod pulled;
mod rightfoot;
mod runpayments;

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use hookledger_tests::local::{Local, Outcome};
use hookledger_tests::story::Scene;
use serde_json::{Value, json};

use super::scene;

/// One test for each cell of the table.
macro_rules! cells {
    ($($provider:ident { $($name:ident => $case:path,)+ })+) => {
        $($(
            #[tokio::test]
            async fn $name() {
                play(stringify!($provider), stringify!($name), $case).await;
            }
        )+)+
    };
}

cells! {
    rightfoot {
        rightfoot_happy_path => rightfoot::happy_path,
        rightfoot_outage_during_work => rightfoot::outage,
        rightfoot_lost_webhook_recovered => rightfoot::lost,
        rightfoot_duplicate_by_webhook_and_poll => rightfoot::duplicate,
        rightfoot_key_revoked_mid_walk => rightfoot::key_revoked,
        rightfoot_rate_limited => rightfoot::rate_limited,
        rightfoot_permanent_refusal_parked_and_replayed => rightfoot::refused,
    }
    fynapse {
        fynapse_happy_path => fynapse::happy_path,
        fynapse_outage_touches_the_audit_but_not_the_work => fynapse::outage,
        fynapse_lost_webhook_is_reported_as_a_loss => fynapse::lost,
        fynapse_duplicate_by_webhook_twice_for_it_cannot_be_polled => fynapse::duplicate,
        fynapse_token_expired_mid_walk_of_the_audit => fynapse::token_expired,
        fynapse_audit_rate_limited => fynapse::rate_limited,
        fynapse_permanent_refusal_of_the_audit_and_a_loss_parked_and_replayed => fynapse::refused,
    }
    finbox {
        finbox_happy_path => finbox::happy_path,
        finbox_outage_during_work => finbox::outage,
        finbox_lost_webhook_recovered => finbox::lost,
        finbox_duplicate_by_webhook_and_poll => finbox::duplicate,
        finbox_key_revoked_mid_walk => finbox::key_revoked,
        finbox_rate_limited => finbox::rate_limited,
        finbox_permanent_refusal_parked_and_replayed => finbox::refused,
    }
    runpayments {
        runpayments_happy_path => runpayments::happy_path,
        runpayments_outage_during_work => runpayments::outage,
        runpayments_lost_webhook_recovered => runpayments::lost,
        runpayments_duplicate_by_webhook_and_poll => runpayments::duplicate,
        runpayments_token_expired_mid_walk => runpayments::token_expired,
        runpayments_rate_limited => runpayments::rate_limited,
        runpayments_permanent_refusal_is_told_and_the_unreadable_parked_and_replayed => runpayments::refused,
    }
}

/// Plays one cell, and leaves the provider well, whatever came of it: faults are the provider's, for everybody.
async fn play(provider: &str, name: &str, case: impl AsyncFnOnce(&Scene)) {
    let (_guard, scene) = scene(&name.replace('_', "-")).await;
    let document = scene.local.secret(provider).await.unwrap();
    let outcome = AssertUnwindSafe(case(&scene)).catch_unwind().await;
    let healed = heal(&scene.local, provider, &document).await;
    outcome.unwrap_or_else(|panic| resume_unwind(panic));
    healed.unwrap();
}

async fn heal(local: &Local, provider: &str, document: &str) -> Outcome<()> {
    let well = json!({
        "outage": false, "status": 503, "fail_next": 0, "slow_ms": 0, "rate_limit_next": 0, "retry_after_secs": 0,
    });
    local.sandbox.faults(provider, well).await?;
    if local.secret(provider).await? != document {
        local.put_secret(provider, document).await?;
    }
    let secret: Value = serde_json::from_str(document).map_err(|error| error.to_string())?;
    if let Some(key) = secret["api"]["api_key"].as_str() {
        local.sandbox.control("PUT", &format!("{provider}/key"), &json!({ "api_key": key })).await?;
    }
    Ok(())
}
