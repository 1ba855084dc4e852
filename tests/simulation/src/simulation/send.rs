//! How the providers send: their keys, and when they come again.

use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::secret::Secret;
use hookledger_core::model::time::UnixMs;
use hookledger_kit as kit;

use super::dice::Dice;
use super::plot::{ATTEMPT, Forging};
use crate::memory::{MemorySecrets, delivery};

/// The one whose deliveries stand in an audit.
pub(super) const FYNAPSE: &str = "fynapse";

/// Older than any signature may be: Fynapse's 72 hours, an hour, and some.
const STALE_SECS: u64 = 80 * 3600;
/// How far a provider's clock may be from ours: less than the 300 seconds that are tolerated, less our own clocks' part.
const MAX_AHEAD_MS: u64 = 290_000;
/// Further ahead than any clock.
const AHEAD_SECS: u64 = 3_600;

/// The networks and the header that unsigned deliveries are held to, where that is turned on.
pub(super) const NETWORKS: &str = "192.0.2.0/24";
pub(super) const STATIC_HEADER: &str = "x-static";

/// Two secrets that each scheme can read: as text, hex or base64.
const OLD: &str = "01d01d01d01d01d01d01d01d01d01d01";
const NEW: &str = "2e32e32e32e32e32e32e32e32e32e32e";

/// One provider's rotation: the new secret is stored, a while later the provider uses it, and later yet the old one ends.
struct Rotation {
    stored_at: UnixMs,
    used_at: UnixMs,
    old_ends_at: UnixMs,
}

/// When a delivery is sent.
#[derive(Clone, Copy)]
pub(super) struct Sent {
    /// Its event's first attempt.
    pub(super) first_at: UnixMs,
    /// This attempt.
    pub(super) at: UnixMs,
    /// By the receiver's clock.
    pub(super) received_at: UnixMs,
}

/// Which secret each provider uses when, and since when we know one: in the order of the kit.
pub(super) struct Keys {
    rotations: Vec<Option<Rotation>>,
    set_up_at: Vec<UnixMs>,
    /// Whether a retry is signed with the time it is sent, or with that of the first attempt, where nobody says it.
    restamps: bool,
    /// How far the signing clock is ahead of ours, or behind.
    ahead_ms: i64,
}

impl Keys {
    pub(super) fn new(dice: &Dice, start: UnixMs, span_secs: u64) -> Self {
        let rotation = |_| {
            let stored_at = start.plus_ms(dice.below(span_secs * 1000));
            // The cache lives for five minutes; who hurries relies on the second reading.
            let used_at = stored_at.plus_secs(dice.pick(&[0, 5, 310, 900]));
            let old_ends_at = used_at.plus_secs(dice.between(30, 1_800));
            dice.percent(40).then_some(Rotation { stored_at, used_at, old_ends_at })
        };
        let rotations = kit::names().map(rotation).collect();
        // A stack that was just deployed holds no secrets yet.
        let set_up = |_| start.plus_secs(if dice.percent(12) { dice.between(60, 1_500) } else { 0 });
        let set_up_at = kit::names().map(set_up).collect();
        let ahead_ms = i64::try_from(dice.below(2 * MAX_AHEAD_MS)).unwrap() - i64::try_from(MAX_AHEAD_MS).unwrap();
        Self { rotations, set_up_at, restamps: dice.percent(50), ahead_ms }
    }

    fn of(&self, provider: &str) -> Option<&Rotation> {
        let index = kit::names().position(|name| name == provider)?;
        self.rotations.get(index)?.as_ref()
    }

    /// The secret this provider uses now.
    fn current(&self, provider: &str, now: UnixMs) -> &'static str {
        self.of(provider).filter(|rotation| rotation.used_at <= now).map_or(OLD, |_| NEW)
    }

    /// Whether somebody has given us this provider's secret by now.
    pub(super) fn set_up(&self, provider: &str, now: UnixMs) -> bool {
        let index = kit::names().position(|name| name == provider);
        index.and_then(|index| self.set_up_at.get(index)).is_some_and(|at| *at <= now)
    }

    /// When a provider's secrets are stored: the first ones, and those of a rotation.
    pub(super) fn changes(&self) -> impl Iterator<Item = (&'static str, UnixMs)> {
        let first = kit::names().zip(self.set_up_at.iter().copied());
        first.chain(kit::names().filter_map(|provider| Some((provider, self.of(provider)?.stored_at))))
    }

    /// Stores what is to be stored by now.
    pub(super) fn store(&self, provider: &'static str, now: UnixMs, secrets: &MemorySecrets) {
        if !self.set_up(provider, now) {
            return secrets.rotate(ProviderId(provider), "{}");
        }
        let mut values = vec![format!(r#"{{"id":"old","value":"{OLD}"}}"#)];
        if let Some(rotation) = self.of(provider).filter(|rotation| rotation.stored_at <= now) {
            let end = rotation.old_ends_at;
            values = vec![
                format!(r#"{{"id":"old","value":"{OLD}","not_after":"{end}"}}"#),
                format!(r#"{{"id":"new","value":"{NEW}"}}"#),
            ];
        }
        let values = values.join(",");
        secrets.rotate(
            ProviderId(provider),
            &format!(r#"{{"signing_secrets":[{values}],"url_tokens":[{values}],"static_header":[{values}]}}"#),
        );
    }

    /// A true delivery of this body.
    pub(super) fn genuine(&self, provider: &'static str, body: &str, attempt: u32, sent: Sent) -> Delivery {
        let body = body.replace(ATTEMPT, &attempt.to_string());
        let signs_anew = self.restamps || kit::of(provider).retries.signs_anew;
        let stamped_at = if signs_anew { sent.at } else { sent.first_at };
        let stamped_at = UnixMs(stamped_at.0 + self.ahead_ms);
        seal(provider, &body, self.current(provider, sent.at), stamped_at, sent.received_at)
    }

    /// A post of somebody who has the live token, and all else that belongs to it.
    pub(super) fn posted(&self, provider: &'static str, body: &str, now: UnixMs, received_at: UnixMs) -> Delivery {
        seal(provider, body, self.current(provider, now), now, received_at)
    }

    /// A delivery that its provider never sent. `captured` is the body whose headers an eavesdropper has.
    pub(super) fn forged(
        &self,
        provider: &'static str,
        body: &str,
        how: Forging,
        captured: &str,
        now: UnixMs,
    ) -> Delivery {
        let body = body.replace(ATTEMPT, "1");
        match how {
            Forging::Bare => Delivery::new(ProviderId(provider), now, body.into_bytes()),
            Forging::Guessed => seal(provider, &body, "guessed", now, now),
            Forging::Leaked => seal(provider, &body, self.current(provider, now), now, now),
            Forging::Cut => cut(seal(provider, &body, self.current(provider, now), now, now)),
            Forging::Stale => seal(provider, &body, self.current(provider, now), now.minus_secs(STALE_SECS), now),
            Forging::Ahead => seal(provider, &body, self.current(provider, now), now.plus_secs(AHEAD_SECS), now),
            Forging::Replayed(_) => {
                let captured = captured.replace(ATTEMPT, "1");
                let mut replayed = seal(provider, &captured, self.current(provider, now), now, now);
                for (name, value) in &mut replayed.headers {
                    if name.ends_with("idempotency-key") {
                        *value = "another".into();
                    }
                }
                replayed
            }
            Forging::Elsewhere => {
                let mut elsewhere = seal(provider, &body, self.current(provider, now), now, now);
                elsewhere.source_ip = Some("203.0.113.9".into());
                elsewhere
            }
            Forging::Headless => {
                let mut headless = seal(provider, &body, self.current(provider, now), now, now);
                headless.headers.clear();
                headless
            }
            Forging::Altered(_) => {
                let mut altered = Delivery::new(ProviderId(provider), now, body.into_bytes());
                altered.headers = seal(provider, captured, self.current(provider, now), now, now).headers;
                altered
            }
        }
    }
}

/// The delivery with the first half of its signature, or the beginning of its token: what somebody finds out who tries long enough.
fn cut(mut delivery: Delivery) -> Delivery {
    let token = delivery.path_token.take();
    delivery.path_token = token.map(|token| Secret::new(token.reveal().chars().take(8).collect::<String>()));
    for (name, value) in &mut delivery.headers {
        if name.contains("signature") {
            value.truncate(value.len() / 2);
        }
    }
    delivery
}

fn seal(provider: &'static str, body: &str, secret: &str, now: UnixMs, received_at: UnixMs) -> Delivery {
    let kit = kit::of(provider);
    let proof = (kit.prove)(body.as_bytes(), secret, now.secs());
    let mut delivery = delivery(kit, body.as_bytes(), proof, received_at);
    delivery.headers.extend((kit.beside)(body).into_iter().map(|(name, value)| (name.into(), value)));
    if !kit.is_signed() {
        delivery.headers.push((STATIC_HEADER.into(), secret.into()));
    }
    delivery.source_ip = Some("192.0.2.7".into());
    delivery
}

/// What a provider does after an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// It was told that we have it.
    Content,
    /// It was given an answer that makes it give up at once.
    GivesUp,
    /// It has tried often enough.
    Exhausted,
    /// It comes again.
    Again {
        /// After so long.
        after_ms: u64,
    },
}

/// The documented schedules. `made` attempts were made; the last was answered `status`, or not at all.
pub(super) fn next(provider: &str, made: u32, status: Option<u16>, retry_after_secs: Option<u32>, dice: &Dice) -> Next {
    if status.is_some_and(|status| (200..300).contains(&status)) {
        return Next::Content;
    }
    let retries = &kit::of(provider).retries;
    if status.is_some_and(|status| retries.gives_up_at.contains(&status)) {
        return Next::GivesUp;
    }
    let Some(wait) = (retries.wait)(made) else { return Next::Exhausted };
    let units = if wait.first == wait.last { wait.first } else { dice.between(wait.first, wait.last) };
    let asked_ms = retry_after_secs.filter(|_| retries.heeds_retry_after).map_or(0, |secs| u64::from(secs) * 1000);
    Next::Again { after_ms: (units * wait.unit_ms).max(asked_ms) }
}
