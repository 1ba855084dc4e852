//! The first flow: a delivery comes in.
//!
//! ```text
//! raw bytes ─ verify ─ parse ─ admit ─ 200
//!               │        │       └ store down → 503, come again (or the delivery itself goes onto the rescue queue)
//!               │        └ unreadable → parked for a person, or quarantined and answered as the provider asks
//!               └ refused → quarantined, 403 (503 where it is our configuration that is missing)
//! ```

use crate::flows::admit::{self, admit};
use crate::flows::expectations;
use crate::flows::span;
use crate::model::delivery::{Delivery, Verified};
use crate::model::entry::{Event, NewEntry, OnDuplicate, Origin, Start, UNREADABLE};
use crate::model::identity::{Identity, ProviderId, Subject};
use crate::model::job::{MAX_MESSAGE_BYTES, RescuedDelivery};
use crate::model::refused::{Refused, Shelf};
use crate::model::signature::Refusal;
use crate::ports::{Clock, Inbox, Meter, Metric, Refusals, Secrets, StoreError, WorkQueue};
use crate::providers::{Answers, Definition, OnStoreDown, OnUnreadable, Provider, Unreadable};

/// What the provider is answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// JSON body.
    pub body: String,
    /// `Retry-After` in seconds.
    pub retry_after_secs: Option<u32>,
}

/// How long we ask to be left alone when the fault is ours.
pub const RETRY_AFTER_SECS: u32 = 30;

impl Answer {
    fn received(status: u16) -> Self {
        Self { status, body: r#"{"status":"received"}"#.into(), retry_after_secs: None }
    }

    /// Says no more than "no": whoever forged a delivery learns nothing. The reason is in quarantine.
    fn refused(status: u16) -> Self {
        Self { status, body: r#"{"error":"refused"}"#.into(), retry_after_secs: None }
    }

    fn unreadable(status: u16, why: &Unreadable) -> Self {
        Self { status, body: serde_json::json!({ "error": why.to_string() }).to_string(), retry_after_secs: None }
    }

    /// Our own trouble: come again.
    pub fn unavailable() -> Self {
        Self {
            status: 503,
            body: r#"{"error":"temporarily unavailable, please send again"}"#.into(),
            retry_after_secs: Some(RETRY_AFTER_SECS),
        }
    }
}

/// Takes in one delivery. Whatever happens, the answer is one the provider's own rules allow.
pub async fn receive(
    inbox: &impl Inbox,
    secrets: &impl Secrets,
    provider: &dyn Provider,
    delivery: Delivery,
) -> Answer {
    match verify(inbox, secrets, provider, delivery).await {
        Ok(verified) => match store(inbox, provider, verified).await {
            Ok(answer) => answer,
            Err(delivery) => not_taken(inbox, provider, &delivery).await,
        },
        Err(Unproved::Answered(answer) | Unproved::Unsure(answer)) => answer,
        Err(Unproved::NoSecrets(delivery)) => not_taken(inbox, provider, &delivery).await,
    }
}

/// The store, or the secret store, is down: the provider comes again, or the delivery itself goes onto the rescue queue.
/// There it waits unproved, to be verified by the worker like any other.
async fn not_taken(inbox: &impl Inbox, provider: &dyn Provider, delivery: &Delivery) -> Answer {
    match provider.answers().store_down {
        OnStoreDown::AskAgain => Answer::unavailable(),
        OnStoreDown::Rescue => {
            rescue(inbox, provider.id(), provider.answers(), delivery, &provider.scheme().headers()).await
        }
    }
}

/// Answers for a provider that is stopped by one of its settings: nothing can be verified until that is mended. The
/// provider comes again; one that does not has its delivery put on the rescue queue, with all its headers, since nobody
/// knows which of them will be looked at.
pub async fn stopped(inbox: &impl Inbox, definition: &Definition, delivery: &Delivery) -> Answer {
    inbox.meter().count(Metric::Unconfigured, Some(definition.id), 1);
    match definition.answers.store_down {
        OnStoreDown::AskAgain => Answer::unavailable(),
        OnStoreDown::Rescue => {
            let headers: Vec<&str> = delivery.headers.iter().map(|(name, _)| name.as_str()).collect();
            rescue(inbox, definition.id, definition.answers, delivery, &headers).await
        }
    }
}

/// Why a delivery's origin is not proved.
pub(crate) enum Unproved {
    /// It was refused, and this is the answer.
    Answered(Answer),
    /// It was refused with secrets that may be out of date, since they could not be read again just now.
    Unsure(Answer),
    /// The secrets could not be read: nobody knows.
    NoSecrets(Box<Delivery>),
}

/// Proves the delivery's origin with the secrets at hand, and once more with freshly read ones: a rotation needs no
/// deploy. What stays unproved goes to quarantine. It is judged by the time it came, not by the time the store was back.
pub(crate) async fn verify(
    inbox: &impl Inbox,
    secrets: &impl Secrets,
    provider: &dyn Provider,
    delivery: Delivery,
) -> Result<Verified, Unproved> {
    let (id, now) = (provider.id(), delivery.received_at);
    let known = match secrets.get(id).await {
        Ok(known) => known,
        Err(error) => {
            tracing::error!(provider = id.0, %error, "no secrets: nothing can be verified");
            inbox.meter().count(Metric::Unconfigured, Some(id), 1);
            return Err(Unproved::NoSecrets(Box::new(delivery)));
        }
    };
    let (refusal, delivery) = match provider.scheme().verify(delivery, &known, now) {
        Ok(verified) => return Ok(verified),
        Err(refused) => refused,
    };
    let fresh = if refusal.may_be_rotation() { secrets.reread(id).await.ok().flatten() } else { None };
    let unsure = refusal.may_be_rotation() && fresh.is_none();
    let (refusal, delivery) = match fresh {
        Some(fresh) => match provider.scheme().verify(delivery, &fresh, now) {
            Ok(verified) => return Ok(verified),
            Err(refused) => refused,
        },
        None => (refusal, delivery),
    };
    // Failing to keep it changes no answer.
    let _kept = quarantine(inbox, provider, &delivery, refusal.code(), &refusal.to_string()).await;
    if refusal == Refusal::Unconfigured {
        inbox.meter().count(Metric::Unconfigured, Some(id), 1);
        return Err(Unproved::Answered(Answer::unavailable()));
    }
    let answer = Answer::refused(provider.answers().refused);
    Err(if unsure { Unproved::Unsure(answer) } else { Unproved::Answered(answer) })
}

/// Reads a verified delivery and writes it down, or gives it back because the store did not take it.
pub(crate) async fn store(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    verified: Verified,
) -> Result<Answer, Box<Delivery>> {
    let received_at = verified.delivery().received_at;
    let refused_at = verified.refused_at();
    let (mut event, start) = match provider.parse(&verified).and_then(bounded) {
        Ok(event) => {
            let start = admit::start(inbox.timing(), &event, received_at);
            (event, start)
        }
        Err(why) => match unreadable(inbox, provider, &verified, &why).await {
            Unread::Event(event) => (event, Start::Parked { reason: why.to_string() }),
            Unread::Answered(answer) => return Ok(answer),
            Unread::NotKept => return Err(Box::new(verified.into_parts().0)),
        },
    };
    span::name(&event);
    // It counts as come in today; that it was here before is for whoever asks.
    event.notes.extend(refused_at.map(|at| ("refused_at", at.to_string())));
    let (mut delivery, proof) = verified.into_parts();
    let entry = NewEntry {
        provider: provider.id(),
        start,
        event,
        origin: Origin::Push,
        received_at,
        proof: Some(proof.secret_id),
        body: delivery.take_bytes(),
    };
    match admit(inbox, provider, &entry).await {
        Ok(_) => Ok(Answer::received(provider.answers().received)),
        Err(error) => {
            tracing::error!(provider = provider.id().0, %error, "not stored");
            inbox.meter().count(Metric::StoreUnavailable, Some(provider.id()), 1);
            delivery.put_back(entry.body);
            Err(Box::new(delivery))
        }
    }
}

/// The longest event type that is one, in bytes.
const MAX_EVENT_TYPE_BYTES: usize = 200;
/// The most of a note that is kept, in characters.
const MAX_NOTE_CHARS: usize = 200;

/// What becomes attributes of the entry has a limit: the body may be large, the row's other parts may not.
pub(crate) fn bounded(mut event: Event) -> Result<Event, Unreadable> {
    if event.event_type.len() > MAX_EVENT_TYPE_BYTES {
        return Err(Unreadable::Field { field: "type", rule: "at most 200 bytes long" });
    }
    for (_, note) in &mut event.notes {
        if let Some((end, _)) = note.char_indices().nth(MAX_NOTE_CHARS) {
            note.truncate(end);
        }
    }
    Ok(event)
}

/// What becomes of a delivery that is verified and can't be read.
enum Unread {
    /// It is an event of its own, for a person.
    Event(Event),
    /// It was answered for.
    Answered(Answer),
    /// The store did not take what must not be lost.
    NotKept,
}

/// What is verified but can't be read becomes an entry under its digest, parked for a person; or it is quarantined, within
/// the cap, and answered with the status that the provider needs.
async fn unreadable(inbox: &impl Inbox, provider: &dyn Provider, verified: &Verified, why: &Unreadable) -> Unread {
    let id = provider.id();
    inbox.meter().count(Metric::DeliveriesUnreadable, Some(id), 1);
    match provider.answers().unreadable {
        OnUnreadable::Quarantine(status) => {
            let kept = quarantine(inbox, provider, verified.delivery(), UNREADABLE, &why.to_string()).await;
            let is_success = (200..300).contains(&status);
            Unread::Answered(match kept {
                // Only for what is kept: so that asking is bounded as the keeping is.
                Ok(true) => {
                    expect_named(inbox, provider, verified).await;
                    if is_success { Answer::received(status) } else { Answer::unreadable(status, why) }
                }
                // Nobody is told that something was taken which is not there.
                Ok(false) if is_success => Answer::unavailable(),
                Err(_) if is_success => return Unread::NotKept,
                Ok(false) | Err(_) => Answer::unreadable(status, why),
            })
        }
        OnUnreadable::Park => Unread::Event(Event {
            event_type: UNREADABLE.into(),
            subject: Subject::unreadable(id, &verified.delivery().received_at.day()),
            identity: Identity::new(&["sha256", &verified.delivery().digest()]),
            occurred_at: None,
            known: false,
            on_duplicate: OnDuplicate::Same,
            notes: Vec::new(),
        }),
    }
}

/// What can't be read may still name what it is about: then that is asked for. Failing to write this down changes no
/// answer, since the bytes are kept.
async fn expect_named(inbox: &impl Inbox, provider: &dyn Provider, verified: &Verified) {
    let Some(reference) = provider.reference_in(verified.body()) else { return };
    match expectations::announce(inbox, provider, &reference).await {
        Ok(_) => tracing::warn!(provider = provider.id().0, "an unreadable delivery names what can be asked for"),
        Err(error) => tracing::warn!(provider = provider.id().0, %error, "nothing is asked about it"),
    }
}

/// Puts the delivery itself on the rescue queue: the provider never sends again, and the store is down.
async fn rescue(
    inbox: &impl Inbox,
    id: ProviderId,
    answers: &Answers,
    delivery: &Delivery,
    headers: &[&str],
) -> Answer {
    let rescued = RescuedDelivery::pack(delivery, headers);
    if rescued.to_message().len() > MAX_MESSAGE_BYTES {
        tracing::error!(provider = id.0, "the delivery cannot be stored now, and is too large for the queue");
        return Answer::unavailable();
    }
    match inbox.queue().rescue(&rescued).await {
        Ok(()) => {
            inbox.meter().count(Metric::Rescued, Some(id), 1);
            Answer::received(answers.received)
        }
        Err(error) => {
            tracing::error!(provider = id.0, %error, "neither store nor queue took the delivery");
            Answer::unavailable()
        }
    }
}

/// Counts a refusal and keeps what was refused, within the cap. False: the cap is reached.
async fn quarantine(
    inbox: &impl Inbox,
    provider: &dyn Provider,
    delivery: &Delivery,
    code: &str,
    reason: &str,
) -> Result<bool, StoreError> {
    inbox.meter().count(Metric::DeliveriesRefused, Some(provider.id()), 1);
    tracing::warn!(provider = provider.id().0, code, "delivery refused");
    let looked_at = provider.scheme().headers();
    let kept = |name: &str| looked_at.iter().any(|header| header.eq_ignore_ascii_case(name));
    let refused = Refused {
        provider: provider.id(),
        code: code.into(),
        reason: reason.into(),
        at: inbox.clock().now(),
        digest: delivery.digest(),
        body: delivery.bytes().iter().take(Shelf::of(code).max_body_bytes()).copied().collect(),
        body_bytes: delivery.bytes().len(),
        token_digest: delivery.token_digest(),
        headers: delivery.headers.iter().filter(|(name, _)| kept(name)).cloned().collect(),
        source_ip: delivery.source_ip.clone(),
    };
    let kept = inbox.ledger().refuse(&refused).await;
    kept.inspect_err(|error| {
        tracing::warn!(provider = provider.id().0, %error, "the refused delivery could not be kept");
    })
}
