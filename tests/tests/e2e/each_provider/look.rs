//! The ways to look at a provider and its lists: the time, the calls it got, and where a walk stands.

use hookledger_core::model::debt::{Debt, Listing};
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, Debts};
use hookledger_tests::local::{Local, Outcome, until};

pub(super) fn now() -> UnixMs {
    hookledger_aws::ports::clock::SystemClock::new().now()
}

/// How many calls a provider's API got on the routes that start so: `"GET "`, `"POST /auth/token"`.
pub(super) async fn calls(local: &Local, provider: &str, route: &str) -> Outcome<u64> {
    let url = format!("{}/control/requests", local.stack.sandbox_url);
    let counted = local.http.send("GET", &url, &[], Vec::new()).await?.json()?;
    let routes = counted[provider].as_object().ok_or("the sandbox counts no calls of this provider")?;
    Ok(routes.iter().filter(|(name, _)| name.starts_with(route)).filter_map(|(_, count)| count.as_u64()).sum())
}

/// A list's cursor.
pub(super) async fn listing(local: &Local, provider: &'static str, list: &str) -> Outcome<Listing> {
    match local.ledger.debt(&Listing::key(ProviderId(provider), list)).await {
        Ok(Some(Debt::Listing(listing))) => Ok(listing),
        other => Err(format!("the cursor of {list} is {other:?}")),
    }
}

/// Waits until a walk of a list that began after this call has ended: the second one that ends.
pub(super) async fn walked(local: &Local, provider: &'static str, list: &str) {
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
