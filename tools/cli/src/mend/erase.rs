//! `erase`: a subject's rows, bodies and documents go. The identity of each event stays, so that no redelivery brings it
//! back; what is left elsewhere is said.

use clap::Args;
use hookledger_aws::ports::ledger::Content;
use hookledger_core::ports::Clock as _;
use serde_json::json;

use crate::out::{self, Ended, Format};
use crate::stack::Stack;

/// What an erasure here does not reach.
const REMAINS: [&str; 5] = [
    "the identity of each event, and the facts of its status, in the ledger",
    "backups of the table, for as long as they are kept (point-in-time recovery: 35 days)",
    "refused deliveries of the last 14 days, in the quarantine",
    "pieces of documents that were replaced by smaller ones, until they expire by themselves",
    "what consumers of the bus have, and the provider",
];

/// What to erase.
#[derive(Args)]
pub(crate) struct Order {
    /// The subject: the partition key, such as finbox#entity#e1.
    subject: String,
    /// Why, for whoever asks later.
    #[arg(long, value_name = "TEXT", value_parser = super::why)]
    why: String,
    /// Do it. Without it what there is is shown, and nothing is done.
    #[arg(long)]
    yes: bool,
}

/// Erases, and writes the certificate.
pub(crate) async fn run(stack: &Stack, format: Format, order: &Order) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let subject = order.subject.as_str();
    let found = inbox.ledger.content(subject).await?;
    if found == Content::default() {
        out::note(format!("{} knows nothing of {subject}: `hookledger find ID` looks for an id", stack.title));
        return Ok(Ended::NotFound);
    }
    let Content { entries, rows, expectations, pieces, owed } = found;
    out::note(format!("{entries} entries, {rows} rows, {expectations} expectations, {pieces} pieces beside them"));
    anyhow::ensure!(
        owed == 0,
        "{owed} of them are still owed: wait until they are done (`hookledger story '{subject}'`), or close them; an \
         expectation that waits is ended by `hookledger expect cancel`"
    );
    if !order.yes {
        out::note("Nothing was done: --yes erases them, for good");
        return Ok(Ended::Well);
    }
    let act = stack.order(Some(order.why.clone())).await?.act("erase", inbox.clock.now());
    let expires_at = act.at.plus_secs(stack.env.timing.retention_secs());
    let erased = inbox.ledger.erase(subject, &act, expires_at).await?;
    format.fields(&json!({
        "subject": subject,
        "stack": stack.title,
        "erased_at": act.at.to_string(),
        "by": act.by,
        "why": act.why,
        "entries": erased.entries,
        "rows": erased.rows,
        "expectations": erased.expectations,
        "pieces": erased.pieces,
        "identity_until": expires_at.to_string(),
        "remains": REMAINS,
    }));
    Ok(Ended::Well)
}
