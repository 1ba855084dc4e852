//! `hookledger doctor`: can what was set up work? It looks at the secrets, tries each provider's API, looks whether the
//! reconciler is called, at the clock, at the account and at the alarms, and says what to do about what it finds. It shows
//! the ids of secrets, never a value.

mod account;
pub(crate) mod alarms;
mod finding;

use std::sync::Arc;

use clap::{Args, Subcommand};
use hookledger_aws::ports::api::HttpProviderApi;
use hookledger_aws::ports::secrets::SecretsManager;
use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::provider_call::{ApiError, ApiRequest};
use hookledger_core::model::secret::{NamedSecret, ProviderSecrets};
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock as _, ProviderApi as _};
use hookledger_core::providers::{Provider, definition};
use serde_json::Value;

pub(crate) use self::finding::Finding;
use crate::out::{self, Ended, Format};
use crate::stack::Stack;

/// A secret that ends sooner than this is told of, in seconds: a rotation takes days where a provider has to be written to.
const SOON_SECS: u64 = 14 * 24 * 3600;
/// An id that nothing has: what an API says of it shows that it lets us in.
const NOBODYS: &str = "hookledger-doctor";

/// What the command is told.
#[derive(Args)]
pub(crate) struct Doctor {
    #[command(subcommand)]
    order: Option<Order>,
}

impl Doctor {
    /// Told nothing: it looks at everything.
    pub(crate) const WHOLE: Self = Self { order: None };

    /// What it looks at then, in words.
    pub(crate) fn parts() -> Vec<String> {
        let command = Self::augment_args(clap::Command::new("doctor"));
        command.get_subcommands().filter_map(|part| Some(part.get_about()?.to_string())).collect()
    }
}

#[derive(Clone, Copy, Subcommand, PartialEq, Eq)]
enum Order {
    /// Says of every secret whether it is live, and names those that are too short to be used.
    #[command(after_help = "Example: hookledger --stack hookledger doctor secrets")]
    Secrets,
    /// Asks each provider's API for something that is not there: does it let us in?
    #[command(after_help = "Example: hookledger --stack hookledger doctor apis")]
    Apis,
    /// Looks whether the reconciler is called, at this machine's clock, and at how many functions the account runs at once.
    #[command(after_help = "Example: hookledger --stack hookledger doctor account")]
    Account,
    /// Says which alarms are on, and whether any tells nobody: switched off, without a topic, not confirmed.
    #[command(after_help = "Example: hookledger --stack hookledger doctor alarms")]
    Alarms,
}

/// What there is to say, for the command and for the page.
pub(crate) async fn look(stack: &Stack, doctor: &Doctor) -> anyhow::Result<Vec<Finding>> {
    let secrets = Arc::new(SecretsManager::from_env(&stack.env, stack.clients.secrets.clone()));
    let now = stack.inbox()?.clock.now();
    let named = named(stack);
    let mut found = Vec::new();
    if named.is_empty() && matches!(doctor.order, None | Some(Order::Secrets | Order::Apis)) {
        let to_do = "HOOKLEDGER_SECRET_<PROVIDER> is the stack's output <Provider>SecretArn";
        found.push(Finding::new("secrets", "no secret was named", Some(to_do)));
    }
    for (id, error) in stack.providers.all_stopped() {
        let is = format!("is stopped: {error}");
        found.push(Finding::new(id.to_string(), is, Some("mend the setting, and deploy")));
    }
    for provider in named {
        let id = provider.id();
        if matches!(doctor.order, None | Some(Order::Secrets)) {
            let of_secret = match secrets.document(id).await {
                Ok(document) => match ProviderSecrets::parse(document.reveal()) {
                    Ok(secrets) => findings(&secrets, now),
                    Err(error) => vec![(error.to_string(), Some("mend the document: docs/deploy.md has its shape"))],
                },
                Err(error) => vec![(error.to_string(), Some("is the secret there, and may you read it?"))],
            };
            found.extend(of_secret.into_iter().map(|(is, wrong)| Finding::new(format!("{id} secret"), is, wrong)));
        }
        if matches!(doctor.order, None | Some(Order::Apis)) {
            found.push(login(stack, provider, &secrets, now).await);
        }
    }
    if matches!(doctor.order, None | Some(Order::Account)) {
        found.extend(account::findings(stack).await?);
    }
    if matches!(doctor.order, None | Some(Order::Alarms)) {
        found.extend(alarms::findings(stack).await);
    }
    Ok(found)
}

/// Looks, and ends with 4 where there is something to mend.
pub(crate) async fn run(stack: &Stack, format: Format, doctor: &Doctor) -> anyhow::Result<Ended> {
    let found = look(stack, doctor).await?;
    let rows: Vec<Value> = found.iter().map(Finding::row).collect();
    format.rows(&["what", "finding", "verdict", "to_do"], &rows, None);
    let wrong = found.iter().filter(|finding| finding.to_do().is_some()).count();
    if wrong == 0 {
        return Ok(Ended::Well);
    }
    out::note(format!("{wrong} to mend"));
    Ok(Ended::NeedsAPerson)
}

/// The providers whose secrets the stack names.
pub(crate) fn named(stack: &Stack) -> Vec<&dyn Provider> {
    stack.providers.iter().filter(|provider| stack.env.secret_arn(provider.id()).is_ok()).collect()
}

/// Whether a provider's API lets us in, by asking it for what is not there.
async fn login(stack: &Stack, provider: &dyn Provider, secrets: &Arc<SecretsManager>, now: UnixMs) -> Finding {
    let what = format!("{} API", provider.id());
    if let Err(error) = stack.provider_to_call(provider.id().0) {
        return Finding::new(what, format!("was not tried: {error}"), Some("name the stack with --stack"));
    }
    let Ok(tls) = stack.env.tls() else {
        return Finding::new(what, "was not tried: no TLS roots", Some("mend AWS_CA_BUNDLE"));
    };
    let api = HttpProviderApi::new(secrets.clone(), &tls);
    if !api.is_used(provider.id()).await {
        return Finding::new(what, "is not used: its secret is empty", None);
    }
    let Some(request) = harmless(provider, now) else {
        return Finding::unknown(what, "has nothing that can be asked without doing something");
    };
    let (is, wrong) = match api.call(provider.id(), &request).await {
        Ok(answer) if matches!(answer.status, 401 | 403) => (
            format!("refuses us: it answered {}", answer.status),
            Some("mend the credentials under `api` in its secret; they are read anew within minutes"),
        ),
        Ok(answer) if answer.status >= 500 || answer.status == 429 => {
            (format!("lets nobody in now: it answered {}", answer.status), Some("look again later"))
        }
        Ok(answer) => (format!("lets us in: it answered {}", answer.status), None),
        Err(error @ (ApiError::Unreachable | ApiError::TimedOut)) => {
            (error.to_string(), Some("is its address right (<Provider>ApiBaseUrl), and is it up?"))
        }
        Err(error) => (error.to_string(), Some("mend the credentials under `api` in its secret")),
    };
    Finding::new(what, is, wrong)
}

/// A request that changes nothing: for a reference that nobody has, or for the start of a list.
fn harmless(provider: &dyn Provider, now: UnixMs) -> Option<ApiRequest> {
    let polled = || {
        let polls = provider.polls().offered()?;
        let kinds = definition(provider.id().0)?.kinds;
        let plain = std::iter::once(NOBODYS.to_string());
        let mut references = plain.chain(kinds.iter().map(|kind| format!("{kind}:{NOBODYS}")));
        references.find_map(|reference| {
            let expected = polls.expectation(&reference).ok()?;
            let expectation = Expectation {
                key: expected.key,
                provider: provider.id().to_string(),
                reference,
                repeats: expected.repeats,
                state: ExpectationState::Waiting,
                created_at: now,
                due_at: Some(now),
                deadline: now,
                polls: 0,
                found: 0,
            };
            polls.poll(&expectation, None)
        })
    };
    let listed = || {
        let lists = provider.lists().offered()?;
        Some(lists.list(lists.names().first()?, None, now))
    };
    polled().or_else(listed)
}

/// What there is to say of each secret, and what to do where that is wrong.
fn findings(secrets: &ProviderSecrets, now: UnixMs) -> Vec<(String, Option<&'static str>)> {
    let mut findings = Vec::new();
    let mut live = 0;
    for (list, least, all) in secrets.lists() {
        for secret in all {
            let (state, wrong) = match secret.not_after {
                _ if secret.too_short => {
                    (format!("is not used: it has fewer than {least} characters"), Some("make a longer one"))
                }
                Some(end) if end <= now => (format!("is over since {end}"), None),
                Some(end) if end < now.plus_secs(SOON_SECS) && is_last(all, &secret.id, end) => {
                    (format!("is live until {end}"), Some("it is the last one: add another before"))
                }
                Some(end) => (format!("is live until {end}"), None),
                None => ("is live".to_string(), None),
            };
            live += usize::from(state.starts_with("is live"));
            findings.push((format!("{list}  {}  {state}", secret.id), wrong));
        }
    }
    if live == 0 {
        findings.push(("no secret is live: every delivery is answered 503".into(), Some("fill its secret")));
    }
    findings
}

/// Whether no other of the list that is used lives longer.
pub(crate) fn is_last(all: &[NamedSecret], id: &str, end: UnixMs) -> bool {
    let outlives =
        |other: &NamedSecret| other.id != id && !other.too_short && other.not_after.is_none_or(|at| at > end);
    !all.iter().any(outlives)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(document: &str) -> Vec<(String, bool)> {
        let now = UnixMs::parse_rfc3339("2026-11-22T12:00:00Z").unwrap();
        let found = findings(&ProviderSecrets::parse(document).unwrap(), now);
        found.into_iter().map(|(is, wrong)| (is, wrong.is_some())).collect()
    }

    #[test]
    fn a_secret_that_is_too_short_is_named_without_its_value() {
        let long = "0123456789012345678901";
        let document = serde_json::json!({
            "signing_secrets": [{ "id": "short", "value": "hunter2" }, { "id": "floor", "value": "0123456789012345" }],
            "url_tokens": [
                { "id": "a", "value": long, "not_after": "2026-12-01T00:00:00Z" },
                { "id": "b", "value": "012345678901234567890" },
                { "id": "c", "value": long, "not_after": "2026-01-01T00:00:00Z" },
            ],
        });
        let told = told(&document.to_string());
        let expected = [
            ("signing_secrets  short  is not used: it has fewer than 16 characters", true),
            ("signing_secrets  floor  is live", false),
            ("url_tokens  a  is live until 2026-12-01T00:00:00.000Z", true),
            ("url_tokens  b  is not used: it has fewer than 22 characters", true),
            ("url_tokens  c  is over since 2026-01-01T00:00:00.000Z", false),
        ];
        assert_eq!(told, expected.map(|(finding, wrong)| (finding.to_string(), wrong)));
        assert!(!format!("{told:?}").contains("hunter2"));
    }

    #[test]
    fn the_last_one_is_told_before_it_ends() {
        let list = |end: &str, other: &str| {
            let long = "0123456789012345678901";
            told(&format!(r#"{{"url_tokens":[{{"id":"a","value":"{long}","not_after":"{end}"}}{other}]}}"#)).remove(0).1
        };
        let (soon, later) = ("2026-12-01T00:00:00Z", "2027-01-01T00:00:00Z");
        assert!(list(soon, ""));
        assert!(!list(later, ""), "there is time");
        assert!(!list(soon, r#",{"id":"b","value":"0123456789012345678901"}"#), "there is another");
        assert!(list(soon, r#",{"id":"b","value":"short"}"#), "one that is used");
    }

    #[test]
    fn a_document_without_a_live_secret_is_wrong() {
        for document in ["{}", r#"{"url_tokens":[{"id":"a","value":""}]}"#] {
            let (last, wrong) = told(document).pop().unwrap();
            assert!(wrong && last.starts_with("no secret is live"), "{last}");
        }
    }
}
