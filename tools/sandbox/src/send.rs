//! Sending a webhook: what was asked for becomes a parcel, a parcel becomes attempts.
//!
//! ```text
//! SendRequest ── pack ──> Parcel ── run ──> attempt ─ verdict ─ wait ─ attempt … ──> an ending
//!                            └ the provider notes that the event happened (a forged one did not)
//! ```

mod parcel;
pub(crate) mod request;

use std::sync::Arc;

use http::Uri;
use tokio::sync::oneshot;

use crate::deliveries::{Delivery, State, clip, now};
use crate::lock::locked;
use crate::provider::{Event, Forgery};
use crate::sandbox::Sandbox;
use crate::sign::Encoding;
use parcel::Parcel;
use request::{Refused, SendRequest, exact_bytes, extra_headers};

/// Copies of one delivery at once.
const TIMES_LIMIT: u32 = 64;

/// How long a delivery can be held back.
const DELAY_LIMIT_MS: u64 = 600_000;

/// Sends as asked and answers with the delivery as it then stands.
pub(crate) async fn send(sandbox: &Arc<Sandbox>, request: SendRequest) -> Result<Delivery, Refused> {
    let wait = request.wait.unwrap_or(request.faults.delay_ms == 0);
    let permit = sandbox.slots.clone().try_acquire_owned().map_err(|_| Refused::Busy)?;
    let (parcel, record) = pack(sandbox, request)?;
    let id = record.delivery_id.clone();

    let (done, first) = oneshot::channel();
    // A task of its own: whoever asked may hang up, the provider still sends.
    tokio::spawn(async move {
        parcel.run(done).await;
        drop(permit);
    });
    if wait {
        let _ = first.await;
    }
    Ok(locked(&sandbox.deliveries).get(&id).unwrap_or(record))
}

/// Checks a request against the configuration, and notes the event.
fn pack(sandbox: &Arc<Sandbox>, request: SendRequest) -> Result<(Parcel, Delivery), Refused> {
    let body = exact_bytes(&request)?;
    let extra = extra_headers(&request)?;
    let faults = request.faults;
    if !(1..=TIMES_LIMIT).contains(&faults.times.unwrap_or(1)) || faults.delay_ms > DELAY_LIMIT_MS {
        return Err(Refused::Invalid(format!("times is 1 to {TIMES_LIMIT}, delay_ms at most {DELAY_LIMIT_MS}")));
    }
    let provider = sandbox.provider(&request.provider);
    let provider = provider.ok_or_else(|| Refused::Invalid(format!("no provider is called {:?}", request.provider)))?;
    let name = provider.name();
    if let Some(forge) = faults.forge
        && !provider.forgeries().contains(&forge)
    {
        let known = provider.forgeries();
        return Err(Refused::Invalid(format!("{name} can't be forged as {forge:?}, only as {known:?}")));
    }
    let forging = locked(&sandbox.faults).get(name).is_none_or(|faults| faults.forging);
    let forge = faults.forge.filter(|_| forging);

    let (target, mut keys, signature_encoding) = {
        let config = locked(&sandbox.config);
        let target = provider.target(&body, config.targets.get(name).cloned());
        let keys = config.keys(name).map_err(Refused::Unconfigured)?;
        (target, keys, config.signature_encoding.get(name).copied().unwrap_or(Encoding::Hex))
    };
    let mut target = target.ok_or_else(|| Refused::Unconfigured(format!("no target is set for {name}")))?;
    if provider.forgeries().contains(&Forgery::Signature) && keys.is_empty() {
        return Err(Refused::Unconfigured(format!("no signing secret is set for {name}")));
    }
    let id = {
        let mut dice = locked(&sandbox.dice);
        match forge {
            Some(Forgery::Signature) => keys = vec![dice.bytes(32)],
            Some(Forgery::Token) => target = with_last_segment(&target, &dice.token()),
            Some(Forgery::Stale | Forgery::Future) | None => {}
        }
        dice.uuid()
    };

    let record = Delivery {
        delivery_id: id.clone(),
        provider: name,
        created_at: now(),
        state: State::Pending,
        forged: forge,
        body: clip(&body),
        body_bytes: body.len(),
        attempts: Vec::new(),
    };
    locked(&sandbox.deliveries).add(record.clone());
    // What somebody else makes up never happened at the provider.
    if forge.is_none() {
        let (update_listing, audit_status) = (request.update_listing, request.audit_status.as_deref());
        let ahead_secs = faults.ahead_secs;
        provider.happened(&Event { delivery_id: &id, body: &body, update_listing, audit_status, ahead_secs });
    }
    let epoch = sandbox.epoch.subscribe();
    let sandbox = sandbox.clone();
    let retry = request.retry;
    let provider = name;
    Ok((
        Parcel { sandbox, provider, id, target, body, extra, keys, signature_encoding, faults, forge, retry, epoch },
        record,
    ))
}

/// The same URL with another last path segment, where Hookledger's URLs carry their token.
fn with_last_segment(target: &Uri, segment: &str) -> Uri {
    let url = target.to_string();
    let path = url.split('?').next().unwrap_or(&url);
    let Some((front, _)) = path.rsplit_once('/') else { return target.clone() };
    format!("{front}/{segment}").parse().unwrap_or_else(|_| target.clone())
}

#[cfg(test)]
mod tests;
