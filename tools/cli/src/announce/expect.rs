//! `expect put`, `get` and `cancel`: one reference.

use anyhow::anyhow;
use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_core::flows::expectations::{ExpectError, announce_until, close, look_up};
use hookledger_core::model::act::Order;
use hookledger_core::model::debt::{Expectation, ExpectationState};
use hookledger_core::model::identity::{ItemKey, Subject};
use hookledger_core::ports::{Clock as _, Desk as _};
use hookledger_core::providers::{Provider, definition};
use serde_json::{Map, Value, json};

use crate::out::{self, Ended, Format};
use crate::stack::Stack;
use crate::when;

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

/// What to announce.
#[derive(Args)]
pub(crate) struct Put {
    #[command(flatten)]
    which: Which,
    /// Until when it is waited for: 3d, or 2026-12-04T10:00Z. If left out, as long as the stack waits for its kind.
    #[arg(long, value_name = "TIME")]
    deadline: Option<String>,
    #[command(flatten)]
    ordered: Ordered,
}

/// What to end.
#[derive(Args)]
pub(crate) struct Cancel {
    #[command(flatten)]
    which: Which,
    #[command(flatten)]
    ordered: Ordered,
}

/// Why somebody orders it.
#[derive(Args)]
pub(crate) struct Ordered {
    /// Why, for whoever reads the row later.
    #[arg(long, value_name = "TEXT", value_parser = crate::mend::why)]
    why: Option<String>,
}

impl Ordered {
    /// By whom, and why.
    pub(super) async fn order(&self, stack: &Stack) -> anyhow::Result<Order> {
        stack.order(self.why.clone()).await
    }
}

/// Writes into the row who did it: right after the act, which an application does by the same calls and without a name.
pub(super) async fn mark(inbox: &AwsInbox, key: &ItemKey, order: &Order, what: &str) -> Result<(), String> {
    let marked = inbox.ledger.mark(key, &order.act(what, inbox.clock.now())).await;
    marked.map(drop).map_err(|error| format!("it was done, and its row does not say by whom: {error}"))
}

/// Announces it.
pub(super) async fn put(stack: &Stack, format: Format, put: &Put) -> anyhow::Result<Ended> {
    let which = &put.which;
    let (inbox, provider) = (stack.inbox()?, stack.provider(&which.provider)?);
    let now = inbox.clock.now();
    let deadline = put.deadline.as_deref().map(|text| when::to_come(text, now)).transpose()?;
    let order = put.ordered.order(stack).await?;
    let announced = announce_until(&inbox, provider, &which.reference, deadline).await;
    let (expectation, is_new) = announced.map_err(|error| refused(provider, &which.reference, &error))?;
    if let Some(kind) = not_a_kind(provider, &which.reference, &expectation.key) {
        out::note(format!("{} has no kind {kind}: the whole text is taken as one id", provider.id()));
    }
    if is_new {
        mark(&inbox, &expectation.key, &order, "expect put").await.map_err(|why| anyhow!(why))?;
    }
    let mut fields = shown(&expectation);
    fields.insert("is_new".into(), is_new.into());
    format.fields(&fields.into());
    out::note(match is_new {
        true => "expected from now on",
        false => "expected already: nothing was changed, its deadline neither",
    });
    Ok(Ended::Well)
}

/// The word before the first colon, where it is taken as a part of the id: most likely it is a slip.
fn not_a_kind<'a>(provider: &dyn Provider, reference: &'a str, key: &ItemKey) -> Option<&'a str> {
    let (word, _) = reference.split_once(':')?;
    let is_whole = |kind: &&str| Subject::new(provider.id(), kind, reference).item("").pk == key.pk;
    definition(provider.id().0)?.kinds.iter().any(is_whole).then_some(word)
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
pub(super) async fn cancel(stack: &Stack, format: Format, cancel: &Cancel) -> anyhow::Result<Ended> {
    let which = &cancel.which;
    let (inbox, provider) = (stack.inbox()?, stack.provider(&which.provider)?);
    let refused = |error| refused(provider, &which.reference, &error);
    let order = cancel.ordered.order(stack).await?;
    let is_ended_now = close(&inbox, provider, &which.reference).await.map_err(refused)?;
    let Some(expectation) = look_up(&inbox, provider, &which.reference).await.map_err(refused)? else {
        return Ok(not_found(which));
    };
    if is_ended_now {
        mark(&inbox, &expectation.key, &order, "expect cancel").await.map_err(|why| anyhow!(why))?;
    }
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
        ExpectError::Reference(_) | ExpectError::OfASubmission => out::typed_wrongly(rule(provider, reference, error)),
        ExpectError::Deadline { .. } => out::typed_wrongly(format!("--deadline: {error}")),
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
    fn a_kind_that_is_none_is_noticed() {
        let providers = Providers::read(&|_| None);
        let provider = providers.get("rightfoot").unwrap();
        let rows = [
            ("batch-7", None),
            ("authorizer:a1", None),
            ("authoriser:a1", Some("authoriser")),
            ("link:l1", Some("link")),
        ];
        for (reference, expected) in rows {
            let key = provider.polls().offered().unwrap().expectation(reference).unwrap().key;
            assert_eq!(not_a_kind(provider, reference, &key), expected, "{reference}");
        }
    }

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
