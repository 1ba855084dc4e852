//! `hookledger doctor secrets`: which secrets prove deliveries today, and which do not and why. It shows ids, never a
//! value. It looks at the secrets whose ARNs it is given.

use anyhow::bail;
use clap::{Args, Subcommand};
use hookledger_aws::ports::clock::SystemClock;
use hookledger_aws::ports::secrets::SecretsManager;
use hookledger_core::model::secret::ProviderSecrets;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;

use crate::out::{self, Ended};
use crate::stack::Stack;

/// What the command is told.
#[derive(Args)]
pub(crate) struct Doctor {
    #[command(subcommand)]
    order: Order,
}

#[derive(Subcommand)]
enum Order {
    /// Says of every secret whether it is live, and names those that are too short to be used. Ends with 4 if anything is
    /// wrong.
    #[command(after_help = "Example: hookledger --stack hookledger doctor secrets")]
    Secrets,
}

/// Looks, and fails if there is something to mend.
pub(crate) async fn run(stack: &Stack, doctor: &Doctor) -> anyhow::Result<Ended> {
    let Order::Secrets = doctor.order;
    let secrets = SecretsManager::from_env(&stack.env, stack.clients.secrets.clone());
    let now = SystemClock::new().now();
    let (mut seen, mut wrong) = (0, 0);
    for provider in stack.providers.iter().filter(|provider| stack.env.secret_arn(provider.id()).is_ok()) {
        let findings = match secrets.document(provider.id()).await {
            Ok(document) => match ProviderSecrets::parse(document.reveal()) {
                Ok(secrets) => findings(&secrets, now),
                Err(error) => vec![(error.to_string(), true)],
            },
            Err(error) => vec![(error.to_string(), true)],
        };
        seen += 1;
        wrong += findings.iter().filter(|(_, wrong)| *wrong).count();
        for (finding, _) in findings {
            out::line(format!("{}  {finding}", provider.id()));
        }
    }
    match (seen, wrong) {
        (0, _) => bail!("no secret was named: HOOKLEDGER_SECRET_<PROVIDER> is the stack's output <Provider>SecretArn"),
        (_, 0) => Ok(Ended::Well),
        _ => {
            out::note(format!("{wrong} to mend"));
            Ok(Ended::NeedsAPerson)
        }
    }
}

/// What there is to say of each secret, and whether that is wrong.
fn findings(secrets: &ProviderSecrets, now: UnixMs) -> Vec<(String, bool)> {
    let mut findings = Vec::new();
    let mut live = 0;
    for (list, least, all) in secrets.lists() {
        for secret in all {
            let (state, wrong) = match secret.not_after {
                _ if secret.too_short => (format!("is not used: it has fewer than {least} characters"), true),
                Some(end) if end <= now => (format!("is over since {end}"), false),
                Some(end) => (format!("is live until {end}"), false),
                None => ("is live".to_string(), false),
            };
            live += usize::from(state.starts_with("is live"));
            findings.push((format!("{list}  {}  {state}", secret.id), wrong));
        }
    }
    if live == 0 {
        findings.push(("no secret is live: every delivery is answered 503".into(), true));
    }
    findings
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(document: &str) -> Vec<(String, bool)> {
        findings(&ProviderSecrets::parse(document).unwrap(), UnixMs::parse_rfc3339("2026-11-22T12:00:00Z").unwrap())
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
            ("url_tokens  a  is live until 2026-12-01T00:00:00.000Z", false),
            ("url_tokens  b  is not used: it has fewer than 22 characters", true),
            ("url_tokens  c  is over since 2026-01-01T00:00:00.000Z", false),
        ];
        assert_eq!(told, expected.map(|(finding, wrong)| (finding.to_string(), wrong)));
        assert!(!format!("{told:?}").contains("hunter2"));
    }

    #[test]
    fn a_document_without_a_live_secret_is_wrong() {
        for document in ["{}", r#"{"url_tokens":[{"id":"a","value":""}]}"#] {
            let (last, wrong) = told(document).pop().unwrap();
            assert!(wrong && last.starts_with("no secret is live"), "{last}");
        }
    }
}
