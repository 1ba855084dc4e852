//! Sending a webhook: what was asked for becomes a parcel, a parcel becomes attempts.
//!
//! ```text
//! SendRequest ── pack ──> Parcel ── run ──> attempt ─ verdict ─ wait ─ attempt … ──> an ending
//!                            └ the provider notes that the event happened (a forged one did not)
//! ```

mod parcel;

use std::collections::BTreeMap;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Uri};
use serde::Deserialize;
use tokio::sync::oneshot;

use crate::deliveries::{Delivery, State, clip, now};
use crate::provider::{Event, Forgery};
use crate::sandbox::{Sandbox, locked};
use crate::sign::Encoding;
use parcel::Parcel;

/// Copies of one delivery at once.
const TIMES_LIMIT: u32 = 64;

/// How long a delivery can be held back.
const DELAY_LIMIT_MS: u64 = 600_000;

/// What `POST /control/send` takes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct SendRequest {
    provider: String,
    /// The exact bytes, as text.
    body: Option<String>,
    /// The exact bytes, when they are not text.
    body_base64: Option<String>,
    /// Added to the provider's own headers, or put in their place.
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    faults: SendFaults,
    /// On, the provider's documented retries follow a failure.
    #[serde(default)]
    retry: bool,
    #[serde(default = "yes")]
    update_listing: bool,
    audit_status: Option<String>,
    /// Whether the answer waits for the first attempt. By default it does, unless the delivery is held back.
    wait: Option<bool>,
}

/// What goes wrong on the way.
#[derive(Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SendFaults {
    /// Nothing is sent at all.
    drop: bool,
    /// So many first attempts are lost; with `retry`, the one after them arrives.
    drop_attempts: u32,
    /// So many identical requests at once, at the first attempt.
    times: Option<u32>,
    forge: Option<Forgery>,
    /// One byte is changed after signing.
    corrupt: bool,
    delay_ms: u64,
    /// The provider's stamps are so far ahead: a local time that is marked as UTC. The body is sent as it was given.
    ahead_secs: u32,
}

/// Why nothing was sent.
pub(crate) enum Refused {
    /// The request makes no sense.
    Invalid(String),
    /// It does, but the sandbox lacks a target or a secret.
    Unconfigured(String),
    /// Too much is under way.
    Busy,
}

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

fn exact_bytes(request: &SendRequest) -> Result<Bytes, Refused> {
    match (&request.body, &request.body_base64) {
        (Some(text), None) => Ok(Bytes::from(text.clone())),
        (None, Some(encoded)) => {
            let decoded = STANDARD.decode(encoded);
            decoded.map(Bytes::from).map_err(|error| Refused::Invalid(format!("body_base64: {error}")))
        }
        _ => Err(Refused::Invalid("give body or body_base64, one of them".to_owned())),
    }
}

fn extra_headers(request: &SendRequest) -> Result<HeaderMap, Refused> {
    let mut extra = HeaderMap::new();
    for (name, value) in &request.headers {
        let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) else {
            return Err(Refused::Invalid(format!("{name:?} can't be sent as a header")));
        };
        extra.insert(name, value);
    }
    Ok(extra)
}

/// The same URL with another last path segment, where Hookledger's URLs carry their token.
fn with_last_segment(target: &Uri, segment: &str) -> Uri {
    let url = target.to_string();
    let path = url.split('?').next().unwrap_or(&url);
    let Some((front, _)) = path.rsplit_once('/') else { return target.clone() };
    format!("{front}/{segment}").parse().unwrap_or_else(|_| target.clone())
}

fn yes() -> bool {
    true
}

#[cfg(test)]
mod tests;
