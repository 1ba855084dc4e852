//! `expect put`, `get` and `cancel`: one reference.

use anyhow::anyhow;
use clap::Args;
use hookledger_core::flows::expectations::{ExpectError, announce, close, look_up};
use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::providers::Provider;
use serde_json::{Map, Value, json};

use crate::out::{self, Ended, Format};
use crate::stack::Stack;

/// References of all kinds there are: of each provider, the first that it takes is shown as a good one.
const GOOD_ONES: [&str; 3] = ["batch-7", "link:abc", "entity:abc"];

/// Which one.
#[derive(Args)]
pub(crate) struct Which {
    /// The provider's name.
    provider: String,
    /// What is waited for: a batch id, link:ID, entity:ID, …; docs/announcing.md has them all.
    reference: String,
}

/// Announces it.
pub(super) async fn put(stack: &Stack, format: Format, which: &Which) -> anyhow::Result<Ended> {
    let (inbox, provider) = (stack.inbox()?, stack.provider(&which.provider)?);
    let announced = announce(&inbox, provider, &which.reference).await;
    let (expectation, is_new) = announced.map_err(|error| refused(provider, &which.reference, &error))?;
    let mut fields = shown(&expectation);
    fields.insert("is_new".into(), is_new.into());
    format.fields(&fields.into());
    out::note(match is_new {
        true => "expected from now on",
        false => "expected already: nothing was changed",
    });
    Ok(Ended::Well)
}

/// Shows it.
pub(super) async fn get(stack: &Stack, format: Format, which: &Which) -> anyhow::Result<Ended> {
    let (inbox, provider) = (stack.inbox()?, stack.provider(&which.provider)?);
    let found = look_up(&inbox, provider, &which.reference).await;
    match found.map_err(|error| refused(provider, &which.reference, &error))? {
        Some(expectation) => {
            format.fields(&shown(&expectation).into());
            Ok(Ended::Well)
        }
        None => Ok(not_found(which)),
    }
}

/// Ends it.
pub(super) async fn cancel(stack: &Stack, format: Format, which: &Which) -> anyhow::Result<Ended> {
    let (inbox, provider) = (stack.inbox()?, stack.provider(&which.provider)?);
    let refused = |error| refused(provider, &which.reference, &error);
    let is_ended_now = close(&inbox, provider, &which.reference).await.map_err(refused)?;
    let Some(expectation) = look_up(&inbox, provider, &which.reference).await.map_err(refused)? else {
        return Ok(not_found(which));
    };
    format.fields(&shown(&expectation).into());
    let pk = &expectation.key.pk;
    out::note(match (is_ended_now, expectation.state) {
        (true, _) => "closed: it is not asked for any more".to_string(),
        (false, ExpectationState::Expired) => {
            format!("was not waiting: it expired, and waits for a person; nothing was done. `hookledger story {pk}`")
        }
        (false, state) => {
            format!("was not waiting: it ended {}; nothing was done. `hookledger story {pk}` has when", state.as_str())
        }
    });
    Ok(Ended::Well)
}

fn not_found(Which { provider, reference }: &Which) -> Ended {
    out::note(format!("nobody announced {reference} of {provider}, or it is longer gone than it is kept"));
    Ended::NotFound
}

/// As the expectations function shows it.
pub(super) fn shown(expectation: &Expectation) -> Map<String, Value> {
    let fields = [
        ("provider", json!(expectation.provider)),
        ("reference", json!(expectation.reference)),
        ("subject", json!(expectation.key.pk)),
        ("state", json!(expectation.state.as_str())),
        ("created_at", json!(expectation.created_at.to_string())),
        ("next_poll_at", json!(expectation.due_at.map(|at| at.to_string()))),
        ("deadline", json!(expectation.deadline.to_string())),
        ("polls", json!(expectation.polls)),
        ("found", json!(expectation.found)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_string(), value)).collect()
}

/// Why it can't be waited for, and where the reference is at fault, a good one.
pub(super) fn refused(provider: &dyn Provider, reference: &str, error: &ExpectError) -> anyhow::Error {
    match error {
        ExpectError::Reference(_) | ExpectError::OfASubmission => anyhow!(rule(provider, reference, error)),
        error => anyhow!("{error}"),
    }
}

/// The rule that a reference breaks, what is wrong with this one, and a good one.
pub(super) fn rule(provider: &dyn Provider, reference: &str, error: &ExpectError) -> String {
    let takes = |good: &str| provider.polls().offered().is_some_and(|polls| polls.expectation(good).is_ok());
    let good = GOOD_ONES.into_iter().find(|good| takes(good));
    let good = good.map(|good| format!(". A good one: {good}")).unwrap_or_default();
    let this = fault(reference).map(|fault| format!("; this one {fault}")).unwrap_or_default();
    format!("{error}{this}{good}")
}

/// What can be seen to be wrong with it, whatever the provider's rule.
fn fault(reference: &str) -> Option<String> {
    /// What core takes at most, in bytes.
    const MOST: usize = 200;
    let id = reference.split_once(':').map_or(reference, |(_, id)| id);
    if reference.is_empty() {
        return Some("is empty".into());
    }
    if id.trim().is_empty() {
        return Some("has no id".into());
    }
    if id.chars().any(char::is_control) {
        return Some("holds a control character, such as a line break or a tab".into());
    }
    (id.len() > MOST).then(|| format!("has an id of {} bytes", id.len()))
}

#[cfg(test)]
mod tests {
    use hookledger_core::providers::Providers;

    use super::*;

    #[test]
    fn a_reference_that_is_refused_hears_the_rule_its_fault_and_a_good_one() {
        let providers = Providers::read(&|_| None);
        let long = format!("link:{}", "x".repeat(300));
        let rows = [
            ("finbox", "abc", "", "link:abc"),
            ("finbox", "link:", "has no id", "link:abc"),
            ("finbox", &long, "has an id of 300 bytes", "link:abc"),
            ("finbox", "link:a\nb", "control character", "link:abc"),
            ("rightfoot", "", "is empty", "batch-7"),
            ("rightfoot", "submission:0", "", "batch-7"),
        ];
        for (name, reference, wrong, good) in rows {
            let provider = providers.get(name).unwrap();
            let error = match provider.polls().offered().unwrap().expectation(reference) {
                Err(error) => ExpectError::Reference(error),
                Ok(_) => ExpectError::OfASubmission,
            };
            let said = rule(provider, reference, &error);
            assert!(said.starts_with("the reference must"), "{said}");
            assert!(said.contains(wrong) && said.ends_with(&format!("A good one: {good}")), "{reference:?}: {said}");
        }
    }
}
