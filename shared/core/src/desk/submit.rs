//! Submissions: an application's request to a provider, sent through us, so that its completion is expected before it
//! is asked for and no batch is ever silent.
//!
//! ```text
//! document ─ make it ours ─ write down that it is owed ─ send ─ expect what the provider calls it ─ no longer owed
//!               │                    │                    │                 │
//!               │ refused: nothing   │ failed: nothing    │ refused, lost,  │ killed: the submission stays owed,
//!               │ was sent           │ was sent           │ or killed here  │ and so is what was expected by then
//! ```
//!
//! What is owed is an expectation of its own, `submission:<digest>`, about which nothing can be asked. While it waits,
//! somebody may submit the same document again: the request is the same, byte for byte, the provider answers with the
//! batch it made the first time, and the debt is the same one. Left alone it expires at its deadline, is counted, and
//! is shown to a person.
//!
//! **What is kept.** Nothing of the document. The digest is keyed with the URL token, which is a secret: whoever reads
//! the table can't try out account numbers against it.

use std::cmp::Reverse;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::flows::expectations::{self, ExpectError};
use crate::model::debt::ExpectationState;
use crate::model::identity::ItemKey;
use crate::model::provider_call::{Trouble, encode};
use crate::model::secret::{NamedSecret, Secret, live};
use crate::ports::{Clock, Inbox, Meter, Metric, ProviderApi, Secrets, SecretsError};
use crate::providers::{Offer, Provider, SUBMISSION, Submission, Submits, Submitted, Unsubmittable};

/// The most live URL tokens that are tried for an earlier submission of the same document.
const MAX_TOKENS: usize = 8;
/// Hex digits of a submission's digest: 128 bits.
const DIGEST_DIGITS: usize = 32;

/// What submitting needs.
pub struct Submitter<'a, I, A, S> {
    /// The inbox.
    pub inbox: &'a I,
    /// The provider's API.
    pub api: &'a A,
    /// The secrets: the webhook URL holds a token.
    pub secrets: &'a S,
    /// Where providers reach us, without a trailing slash: `https://…`.
    pub webhook_base_url: &'a str,
}

/// A submission that the provider took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// What is expected now: the reference of an ordinary expectation.
    pub reference: String,
    /// The submission's own reference.
    pub submission: String,
    /// How many things were asked for.
    pub items: usize,
}

/// Why a submission did not get through. No text in it comes from the provider, nor from the document but the plain name of
/// a field.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// The provider takes no submissions.
    #[error("nothing can be submitted to this provider: {0}")]
    NotOffered(&'static str),
    /// The document can't be sent. Nothing was.
    #[error(transparent)]
    Document(#[from] Unsubmittable),
    /// We do not know our own address. Nothing was sent.
    #[error("nothing was sent: this stack does not know its own address (set WEBHOOK_BASE_URL)")]
    NoAddress,
    /// There is no live URL token to be called back with. Nothing was sent.
    #[error("nothing was sent: no live URL token is in the provider's secret")]
    NoToken,
    /// The secrets could not be read. Nothing was sent.
    #[error("nothing was sent: {0}")]
    Secrets(#[from] SecretsError),
    /// It could not be written down. Nothing was sent.
    #[error("nothing was sent, since it could not be written down: {0}")]
    NotRecorded(ExpectError),
    /// The provider refused it, or nobody can say whether it did.
    #[error("{}: {submission} stays owed until its deadline; {advice}", .trouble.reason(), advice = advice(.trouble))]
    NotAccepted {
        /// The submission's reference.
        submission: String,
        /// What came of it.
        trouble: Trouble,
    },
    /// The provider took it, and what is to be expected could not be written down.
    #[error("taken as {reference}, which could not be written down ({error}): submit the same document again")]
    NotExpected {
        /// The submission's reference.
        submission: String,
        /// What the provider calls it.
        reference: String,
        /// What went wrong.
        error: ExpectError,
    },
}

fn advice(trouble: &Trouble) -> &'static str {
    match trouble {
        Trouble::Retry { .. } | Trouble::Quota { .. } => "it may have been taken: submit the same document again",
        Trouble::Permanent { .. } => "then it is shown to a person, unless the same document is taken before",
    }
}

/// A request that is ready to go, under the reference it is owed by.
struct Ready {
    submission: Submission,
    reference: String,
}

impl<I: Inbox, A: ProviderApi, S: Secrets> Submitter<'_, I, A, S> {
    /// Sends an application's document to the provider, and expects what it starts.
    pub async fn submit(&self, provider: &dyn Provider, document: &[u8]) -> Result<Receipt, SubmitError> {
        let submits = match provider.submits() {
            Offer::Offered(submits) => submits,
            Offer::Unavailable(why) => return Err(SubmitError::NotOffered(why)),
        };
        let Ready { submission: Submission { request, items }, reference: submission } =
            self.ready(provider, submits, document).await?;
        // Nothing can be asked about it, so it falls due once: at its deadline.
        let deadline = self.inbox.clock().now().plus_secs(self.inbox.timing().poll_deadline_secs);
        let recorded = expectations::create(self.inbox, provider, &submission, deadline).await;
        let (owed, _) = recorded.map_err(SubmitError::NotRecorded)?;
        let submitted = match self.api.call(provider.id(), &request).await {
            Ok(response) => submits.submitted(&response),
            Err(error) => Submitted::Trouble(error.into()),
        };
        let reference = match submitted {
            Submitted::Accepted { reference } => reference,
            Submitted::Trouble(trouble) => {
                tracing::warn!(provider = provider.id().0, submission, reason = trouble.reason(), "not submitted");
                return Err(SubmitError::NotAccepted { submission, trouble });
            }
        };
        if let Err(error) = expectations::announce(self.inbox, provider, &reference).await {
            tracing::error!(provider = provider.id().0, submission, reference, %error, "submitted, but not expected");
            return Err(SubmitError::NotExpected { submission, reference, error });
        }
        self.paid(&owed.key).await;
        tracing::info!(provider = provider.id().0, submission, reference, items, "submitted");
        Ok(Receipt { reference, submission, items })
    }

    /// The completion is expected by now, so a failure here costs a needless look by a person and no event.
    async fn paid(&self, key: &ItemKey) {
        if let Err(error) = expectations::end(self.inbox, key, ExpectationState::Met).await {
            tracing::warn!(subject = key.pk, %error, "a submission that was taken will look as if it was not");
        }
    }

    /// The request with our URL in it. Of several live tokens it is the one that lives longest, unless this very
    /// document went out with another: a rotation in between must not make a second batch of it.
    async fn ready(
        &self,
        provider: &dyn Provider,
        submits: &dyn Submits,
        document: &[u8],
    ) -> Result<Ready, SubmitError> {
        if self.webhook_base_url.is_empty() {
            return Err(SubmitError::NoAddress);
        }
        let secrets = self.secrets.get(provider.id()).await;
        let secrets = secrets.inspect_err(|_| self.unconfigured(provider))?;
        let mut tokens: Vec<&NamedSecret> = live(&secrets.url_tokens, self.inbox.clock().now()).collect();
        tokens.sort_by_key(|token| Reverse(token.not_after.map_or(i64::MAX, |end| end.0)));
        tokens.truncate(MAX_TOKENS);
        let several = tokens.len() > 1;
        let mut first: Option<Ready> = None;
        for token in tokens {
            let ready = self.with_token(provider, submits, document, &token.value)?;
            let known = several && self.is_known(provider, &ready.reference).await?;
            if known {
                return Ok(ready);
            }
            first = first.or(Some(ready));
        }
        first.ok_or(SubmitError::NoToken).inspect_err(|_| self.unconfigured(provider))
    }

    fn unconfigured(&self, provider: &dyn Provider) {
        self.inbox.meter().count(Metric::Unconfigured, Some(provider.id()), 1);
    }

    fn with_token(
        &self,
        provider: &dyn Provider,
        submits: &dyn Submits,
        document: &[u8],
        token: &Secret,
    ) -> Result<Ready, SubmitError> {
        let url = format!("{}/webhooks/{}/{}", self.webhook_base_url, provider.id(), encode(token.reveal()));
        let submission = submits.submission(document, &url)?;
        let body = submission.request.json.as_ref().map_or(&[][..], |json| json.bytes());
        let digest = digest(token, body).ok_or(SubmitError::NoToken)?;
        Ok(Ready { submission, reference: format!("{SUBMISSION}{digest}") })
    }

    async fn is_known(&self, provider: &dyn Provider, reference: &str) -> Result<bool, SubmitError> {
        let found = expectations::look_up(self.inbox, provider, reference).await;
        Ok(found.map_err(SubmitError::NotRecorded)?.is_some())
    }
}

/// Tells one request from another, to nobody who does not hold the token. HMAC takes a key of any length.
fn digest(token: &Secret, body: &[u8]) -> Option<String> {
    let mac = Hmac::<Sha256>::new_from_slice(token.reveal().as_bytes()).ok()?.chain_update(body);
    Some(hex::encode(mac.finalize().into_bytes()).chars().take(DIGEST_DIGITS).collect())
}
