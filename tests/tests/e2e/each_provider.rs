//! Four providers, and seven things that happen with each of them: the table below is the list.
//!
//! Where a provider can't have a case, the test shows what stands in its place, and its name says so. Fynapse is not
//! asked for anything by the work, so its audit's walk meets the provider's troubles; Fynapse can't be polled either,
//! and what it lost is reported. Run Payments' events are complete without its reports, so no refusal parks one.

#[path = "each_provider/finbox.rs"]
mod finbox;
#[path = "each_provider/fynapse.rs"]
mod fynapse;
#[path = "each_provider/pulled.rs"]
mod pulled;
#[path = "each_provider/rightfoot.rs"]
mod rightfoot;
#[path = "each_provider/runpayments.rs"]
mod runpayments;

use std::panic::{AssertUnwindSafe, resume_unwind};

use futures_util::FutureExt;
use hookledger_core::model::debt::{Debt, Listing};
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Ledger};
use hookledger_tests::local::{Local, Outcome, until};
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

fn now() -> UnixMs {
    hookledger_aws::ports::clock::SystemClock::new().now()
}

/// How many calls a provider's API got on the routes that start so: `"GET "`, `"POST /auth/token"`.
async fn calls(local: &Local, provider: &str, route: &str) -> Outcome<u64> {
    let url = format!("{}/control/requests", local.stack.sandbox_url);
    let counted = local.http.send("GET", &url, &[], Vec::new()).await?.json()?;
    let routes = counted[provider].as_object().ok_or("the sandbox counts no calls of this provider")?;
    Ok(routes.iter().filter(|(name, _)| name.starts_with(route)).filter_map(|(_, count)| count.as_u64()).sum())
}

/// A list's cursor.
async fn listing(local: &Local, provider: &'static str, list: &str) -> Outcome<Listing> {
    match local.ledger.debt(&Listing::key(ProviderId(provider), list)).await {
        Ok(Some(Debt::Listing(listing))) => Ok(listing),
        other => Err(format!("the cursor of {list} is {other:?}")),
    }
}

/// Waits until a walk of a list that began after this call has ended: the second one that ends.
async fn walked(local: &Local, provider: &'static str, list: &str) {
    for _ in 0..2 {
        let called_at = now();
        until("the list to be walked", async || {
            local.reconcile().await?;
            let listing = listing(local, provider, list).await?;
            // A walk that ends is due again after the interval, 5 s here. One that is under way has more time.
            let ended = (called_at.plus_secs(5)..=now().plus_secs(5)).contains(&listing.due_at);
            let ended = ended && listing.position.is_none();
            Ok(if ended { Ok(()) } else { Err(format!("its cursor is {listing:?}")) })
        })
        .await
        .unwrap();
    }
}
