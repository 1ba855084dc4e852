//! `close`: nothing is to be done for what waits for a person. It is the last word: no delivery opens it again.

use clap::Args;
use hookledger_aws::AwsInbox;
use hookledger_core::desk::close::close;
use hookledger_core::model::act;
use hookledger_core::model::debt::Debt;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::ports::Debts as _;
use serde_json::{Value, json};

use super::bulk::{Chosen, Plan};
use crate::out::{self, Ended, Format};
use crate::stack::Stack;

const COLUMNS: [&str; 3] = ["subject", "entry", "outcome"];
/// Of a row that is not there.
const MISSING: &str = "there is no such row";

/// What to end.
#[derive(Args)]
pub(crate) struct Order {
    #[command(flatten)]
    chosen: Chosen,
    /// Why, for whoever reads the row later.
    #[arg(long, value_name = "TEXT", value_parser = super::why)]
    why: String,
}

/// Ends one, and says what came of it.
pub(crate) async fn end(inbox: &AwsInbox, key: &ItemKey, by: &act::Order) -> Result<&'static str, String> {
    match close(inbox, key, by).await {
        Ok(true) => Ok("closed"),
        Ok(false) => Err(match inbox.ledger.debt(key).await {
            Ok(Some(Debt::Entry(entry))) => format!("is {}, not parked: nothing was done", entry.state.as_str()),
            Ok(Some(Debt::Expectation(of))) => format!("is {}, not expired: nothing was done", of.state.as_str()),
            Ok(Some(Debt::Listing(_))) => "is a list: it ends by itself".to_string(),
            Ok(None) => MISSING.to_string(),
            Err(error) => error.to_string(),
        }),
        Err(error) => Err(error.to_string()),
    }
}

/// Ends them.
pub(crate) async fn run(stack: &Stack, format: Format, order: &Order) -> anyhow::Result<Ended> {
    let inbox = stack.inbox()?;
    let keys = match order.chosen.plan(stack, &inbox, |_| true, "closes").await? {
        Plan::Do(keys) => keys,
        Plan::Shown => return Ok(Ended::Well),
        Plan::Nothing => return Ok(Ended::NotFound),
    };
    let by = stack.order(Some(order.why.clone())).await?;
    let outcomes = order.chosen.each(&keys, async |key: &ItemKey| end(&inbox, key, &by).await).await;
    let rows: Vec<Value> = keys
        .iter()
        .zip(&outcomes)
        .map(|(key, outcome)| {
            let words = match outcome {
                Ok(words) => words,
                Err(why) => why.as_str(),
            };
            json!({ "subject": key.pk, "entry": key.sk, "outcome": words })
        })
        .collect();
    format.rows(&COLUMNS, &rows, None);
    let failed = outcomes.iter().filter(|outcome| outcome.is_err()).count();
    out::note(format!("{} closed, {failed} failed", outcomes.len() - failed));
    let missing = outcomes.iter().filter(|outcome| outcome.as_ref().is_err_and(|why| why == MISSING)).count();
    Ok(Ended::of_several(outcomes.len(), failed, missing))
}
