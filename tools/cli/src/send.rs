//! `send`: a delivery as a provider would make it, signed with the stack's own secret, to the stack's own URL. Is the way in
//! open, and shut to what is forged or too old? Nothing is sent to a provider.

use std::io::Read as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_aws::ports::api::deliver;
use hookledger_core::model::act::Order;
use hookledger_core::model::delivery::Delivery;
use hookledger_core::model::entry::State;
use hookledger_core::model::identity::{ItemKey, digest_hex};
use hookledger_core::model::secret::{ProviderSecrets, Secret};
use hookledger_core::model::signature::Scheme;
use hookledger_core::model::signing::Signed;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, Desk as _, Quarantine as _};
use hookledger_core::providers::{Provider, definition};
use serde_json::json;

use crate::out::{self, Ended, Format};
use crate::samples;
use crate::stack::Stack;

/// How often it is looked whether the work is done.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long `--wait` waits, unless it is told.
const WAIT_SECS: &str = "60";
/// Refusals of a day that are searched for why this one was refused.
const MAX_SEARCHED: usize = 200;
/// A signature is made so much older than is allowed.
const TOO_OLD_BY_SECS: u64 = 60;

/// What to send.
#[derive(Args)]
pub(crate) struct Sending {
    /// The provider whose delivery it is.
    provider: String,
    /// A sample by its name (a wrong name shows them all), a file with the body, or `-` for standard input.
    event: String,
    /// Sign with a key that nobody has: ends with 0 where it is refused, with 1 where it is let in.
    #[arg(long, conflicts_with_all = ["stale", "wait"])]
    forged: bool,
    /// Sign as of a time that is too long ago: likewise. Only where the provider's signature holds a time.
    #[arg(long, conflicts_with = "wait")]
    stale: bool,
    /// Sign with the secret or token of this name, instead of the first that is live.
    #[arg(long, value_name = "ID", conflicts_with = "forged")]
    secret: Option<String>,
    /// Follow the event until its work is done, or for so many seconds.
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = WAIT_SECS)]
    wait: Option<u64>,
    /// Why, for whoever reads the entry later.
    #[arg(long, value_name = "TEXT", value_parser = crate::mend::why)]
    why: Option<String>,
}

/// Sends it, and says what came of it.
pub(crate) async fn run(stack: &Stack, format: Format, sending: &Sending) -> anyhow::Result<Ended> {
    let provider = stack.provider(&sending.provider)?;
    let body = body(provider, &sending.event)?;
    let base = stack.env.webhook_base_url()?;
    ensure!(
        !base.is_empty(),
        "nothing was sent: this stack does not know its own address. Set WEBHOOK_BASE_URL to its output WebhookBaseUrl"
    );
    let inbox = stack.inbox()?;
    let now = inbox.clock.now();
    let signed = sign(stack, provider, sending, &body, now).await?;
    let key = if sending.is_genuine() { key_of(provider, &signed, &body, stack, now).await? } else { None };
    let known = match &key {
        Some(key) => inbox.ledger.entry_header(key).await?.is_some(),
        None => false,
    };
    let order = stack.order(sending.why.clone()).await?;
    let (url, shown_url) = urls(&base, provider, signed.path_token.as_ref());
    let tls = stack.env.tls()?;
    let answer = deliver(&tls, &url, &signed.headers, body.clone()).await;
    let answer = answer.with_context(|| format!("{shown_url} gave no answer"))?;
    let is_let_in = (200..300).contains(&answer.status);
    let entry = if is_let_in && !known { mark(&inbox, key.as_ref(), &order, now).await? } else { None };
    let mut means = meaning(answer.status, provider, known);
    if answer.status == provider.answers().refused
        && let Some(reason) = why_refused(&inbox, provider, &body, now).await
    {
        means = format!("{means}: {reason}");
    }
    let (state, ended) = match (sending.is_genuine(), is_let_in) {
        (true, true) => follow(&inbox, key.as_ref(), sending.wait).await,
        (true, false) => (None, Ended::Failed),
        (false, _) if answer.status == provider.answers().refused => (None, Ended::Well),
        (false, _) => (None, Ended::Failed),
    };
    format.fields(&json!({
        "provider": provider.id().0,
        "url": shown_url,
        "sent_at": now.to_string(),
        "bytes": body.len(),
        "signed_with": if sending.forged { "a key that nobody has" } else { &signed.secret_id },
        "status": answer.status,
        "meaning": means,
        "subject": key.as_ref().map(|key| &key.pk),
        "entry": key.as_ref().map(|key| &key.sk),
        "marked": entry.is_some(),
        "state": state.as_ref().map(|(state, _)| state.as_str()),
        "reason": state.as_ref().and_then(|(_, reason)| reason.clone()),
    }));
    if !sending.is_genuine() {
        out::note(match (ended, is_let_in) {
            (Ended::Well, _) => "refused, as it should be",
            (_, true) => "LET IN, which must not be: is the URL this stack's, and its version this command's?",
            _ => "neither let in nor refused: nothing is shown by it",
        });
    }
    if entry.is_some() {
        out::note("its row says that you sent it; what is published of it does not, so consumers take it as real");
    }
    Ok(ended)
}

impl Sending {
    fn is_genuine(&self) -> bool {
        !self.forged && !self.stale
    }
}

/// A sample, a file, or standard input.
fn body(provider: &dyn Provider, event: &str) -> anyhow::Result<Vec<u8>> {
    if let Some(body) = samples::named(provider.id().0, event) {
        return Ok(body.to_vec());
    }
    if event == "-" {
        let mut body = Vec::new();
        std::io::stdin().read_to_end(&mut body).context("standard input can't be read")?;
        return Ok(body);
    }
    let names = || samples::names(provider.id().0).collect::<Vec<_>>().join(", ");
    std::fs::read(Path::new(event)).map_err(|error| {
        let id = provider.id();
        out::typed_wrongly(format!("{event} is no file ({error}), and no sample of {id}: {}", names()))
    })
}

/// Signs the body: as the provider does, with a key that nobody has, or as of long ago.
async fn sign(
    stack: &Stack,
    provider: &dyn Provider,
    sending: &Sending,
    body: &[u8],
    now: UnixMs,
) -> anyhow::Result<Signed> {
    let (id, scheme) = (provider.id(), provider.scheme());
    let mut signed_at = now;
    if sending.stale {
        let Some(most) = scheme.max_age_secs() else {
            return Err(out::typed_wrongly(format!(
                "--stale: a delivery of {id} holds no time that is signed, so none is ever too old. Try --forged"
            )));
        };
        signed_at = now.minus_secs(most.saturating_add(TOO_OLD_BY_SECS));
    }
    let secrets = if sending.forged { made_up()? } else { secrets(stack, provider, sending.secret.as_deref()).await? };
    Ok(scheme.sign(body, &secrets, signed_at, now)?)
}

/// The provider's secrets: all, or one of this name alone.
async fn secrets(stack: &Stack, provider: &dyn Provider, only: Option<&str>) -> anyhow::Result<ProviderSecrets> {
    let document = stack.secrets_of(provider)?.document(provider.id()).await?;
    let mut secrets = ProviderSecrets::parse(document.reveal())?;
    if let Some(only) = only {
        let all = [&mut secrets.signing_secrets, &mut secrets.url_tokens];
        let mut left = 0;
        for list in all {
            list.retain(|secret| secret.id == only);
            left += list.len();
        }
        ensure!(left > 0, "{} has no secret {only}: `hookledger secret list` shows them", provider.id());
    }
    Ok(secrets)
}

/// Secrets that no stack has: in hex, which is a key in every encoding.
fn made_up() -> anyhow::Result<ProviderSecrets> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| anyhow::anyhow!("no random bytes: {error}"))?;
    let list = json!([{ "id": "forged", "value": hex::encode(bytes) }]);
    let document = json!({ "signing_secrets": list, "url_tokens": list, "static_header": list });
    Ok(ProviderSecrets::parse(&document.to_string())?)
}

/// The key of the entry that it makes, by the same verification and reading as the receiver's. `None`: it is kept without
/// being read.
async fn key_of(
    provider: &dyn Provider,
    signed: &Signed,
    body: &[u8],
    stack: &Stack,
    now: UnixMs,
) -> anyhow::Result<Option<ItemKey>> {
    let mut delivery = Delivery::new(provider.id(), now, body.to_vec());
    delivery.headers = signed.headers.iter().map(|(name, value)| (name.clone(), value.reveal().to_string())).collect();
    delivery.path_token = signed.path_token.clone();
    if let Scheme::Unsigned { allowed_cidrs, .. } = provider.scheme() {
        // Where it will be seen to come from, only the gateway knows.
        delivery.source_ip = allowed_cidrs.first().map(|network| network.addr().to_string());
    }
    let document = stack.secrets_of(provider)?.document(provider.id()).await?;
    let secrets = ProviderSecrets::parse(document.reveal())?;
    let verified = provider.scheme().verify(delivery, &secrets, now);
    let verified = verified.map_err(|(refusal, _)| anyhow::anyhow!("nothing was sent: {refusal}"))?;
    match provider.parse(&verified) {
        Ok(event) => Ok(Some(event.key())),
        Err(why) => {
            out::note(format!("it can't be read ({why}), and is sent all the same: the stack keeps it for a person"));
            Ok(None)
        }
    }
}

/// The URL, and the same without its token.
fn urls(base: &str, provider: &dyn Provider, token: Option<&Secret>) -> (String, String) {
    let url = format!("{base}/webhooks/{}", provider.id());
    match token.filter(|_| definition(provider.id().0).is_some_and(|definition| definition.url_has_token)) {
        Some(token) => (format!("{url}/{}", token.reveal()), format!("{url}/***")),
        None => (url.clone(), url),
    }
}

/// Writes into the new entry who sent it.
async fn mark(
    inbox: &AwsInbox,
    key: Option<&ItemKey>,
    order: &Order,
    sent_at: UnixMs,
) -> anyhow::Result<Option<ItemKey>> {
    let Some(key) = key else { return Ok(None) };
    let marked = inbox.ledger.mark(key, &order.act("send: a test delivery", sent_at)).await;
    let marked = marked.context("it was taken, and its row does not say that you sent it")?;
    Ok(marked.then(|| key.clone()))
}

fn meaning(status: u16, provider: &dyn Provider, known: bool) -> String {
    let answers = provider.answers();
    let text = match status {
        _ if status == answers.received && known => {
            "taken; the event was here before, so nothing new comes of it. A file of yours with another id is a new one"
        }
        _ if status == answers.received => "taken: it is in the ledger",
        200..=299 => "taken",
        _ if status == answers.refused => "refused",
        404 => "there is no such route: is WEBHOOK_BASE_URL the address of this stack?",
        413 => "too large for the gateway",
        429 => "the gateway takes no more just now: try again later",
        503 => {
            "not taken now: no secret is live in the stack, or its table does not answer (`status`, `doctor secrets`)"
        }
        500..=599 => "the stack failed: its function's log says why",
        _ => "not what the stack answers to a delivery: is WEBHOOK_BASE_URL its address?",
    };
    text.to_string()
}

/// What the quarantine says of why it was refused: the answer says no more than "no". It is kept unless its minute is full.
async fn why_refused(inbox: &AwsInbox, provider: &dyn Provider, body: &[u8], sent_at: UnixMs) -> Option<String> {
    let digest = digest_hex(body);
    let kept = inbox.ledger.kept(provider.id(), &inbox.clock.now().day(), None, MAX_SEARCHED).await.ok()?;
    let of_this = kept.into_iter().filter(|kept| kept.refused.digest == digest);
    // Two clocks differ by seconds.
    let of_this = of_this.filter(|kept| kept.refused.at >= sent_at.minus_secs(5));
    of_this.max_by_key(|kept| kept.refused.at).map(|kept| kept.refused.reason)
}

/// Waits until the work is done, or the time is over. What became of it, and how the command ends.
async fn follow(
    inbox: &AwsInbox,
    key: Option<&ItemKey>,
    wait: Option<u64>,
) -> (Option<(State, Option<String>)>, Ended) {
    let (Some(key), Some(secs)) = (key, wait) else { return (None, Ended::Well) };
    let end = inbox.clock.now().plus_secs(secs);
    loop {
        // A look that fails is made again: it was taken all the same.
        let entry = inbox.ledger.entry_header(key).await.ok().flatten();
        let state = entry.map(|entry| (entry.state, entry.reason));
        match &state {
            Some((State::Done | State::Ignored, _)) => return (state, Ended::Well),
            Some((State::Parked, _)) => return (state, Ended::NeedsAPerson),
            _ if inbox.clock.now() >= end => {
                out::note(format!("not done after {secs} s: `hookledger show '{}' '{}'`", key.pk, key.sk));
                return (state, Ended::InPart);
            }
            _ => tokio::time::sleep(LOOK_EVERY).await,
        }
    }
}
