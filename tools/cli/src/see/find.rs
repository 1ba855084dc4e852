//! `find`: which subjects have this id, at any provider.

use futures_util::future::try_join_all;
use hookledger_aws::AwsInbox;
use hookledger_core::model::identity::{ProviderId, Subject};
use hookledger_core::providers::ALL;
use serde_json::{Value, json};

use crate::out::{self, Ended, Format};
use crate::stack::Stack;

/// A subject that has the id.
pub(crate) struct Found {
    pub(crate) provider: ProviderId,
    pub(crate) kind: &'static str,
    pub(crate) subject: Subject,
}

/// Looks for it under every kind of subject.
pub(crate) async fn find(inbox: &AwsInbox, id: &str) -> anyhow::Result<Vec<Found>> {
    let kinds = ALL.iter().flat_map(|definition| definition.kinds.iter().map(|kind| (definition.id, *kind)));
    let look = async |(provider, kind): (ProviderId, &'static str)| {
        let subject = Subject::new(provider, kind, id);
        let known = inbox.ledger.is_known(subject.as_str()).await?;
        anyhow::Ok(known.then_some(Found { provider, kind, subject }))
    };
    Ok(try_join_all(kinds.map(look)).await?.into_iter().flatten().collect())
}

/// Shows what was found.
pub(crate) async fn run(stack: &Stack, format: Format, id: &str) -> anyhow::Result<Ended> {
    let found = find(&stack.inbox()?, id).await?;
    let found: Vec<Value> = found
        .iter()
        .map(|of| json!({ "provider": of.provider.0, "kind": of.kind, "subject": of.subject.as_str() }))
        .collect();
    format.rows(&["provider", "kind", "subject"], &found, None);
    if found.is_empty() {
        out::note(format!("{} knows nothing of {id:?} as any of these:", stack.title));
        for definition in ALL {
            out::note(format!("  {}: {}", definition.id, definition.kinds.join(", ")));
        }
        out::note("it may be the id of an event of another subject, or older than what is kept");
        return Ok(Ended::NotFound);
    }
    out::note("`hookledger story <subject>` tells all of it");
    Ok(Ended::Well)
}
