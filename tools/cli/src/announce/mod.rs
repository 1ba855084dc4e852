//! `hookledger expect …`: what is waited for, announced and ended straight on the table, by the flows that the expectations
//! function uses, with your own credentials.
//!
//! ```text
//! expect  one reference: put, get, cancel      import  a file of references: lines, columns  how it is read
//! list    what waits now                                                  results         what became of each line
//! ```

mod columns;
mod expect;
mod import;
mod lines;
pub(crate) mod list;
mod results;

use clap::{Args, Subcommand};

use crate::out::{Ended, Format};
use crate::stack::Stack;

/// What the command is told.
#[derive(Args)]
pub(crate) struct Expect {
    #[command(subcommand)]
    order: Order,
}

#[derive(Subcommand)]
enum Order {
    /// Announces a completion that is waited for. One that waits already is left as it is.
    #[command(after_help = "Example: hookledger expect put rightfoot batch-7 --deadline 3d --why 'started by hand'")]
    Put(expect::Put),
    /// Shows how an announced completion stands. Ends with 3 where nobody announced it.
    #[command(after_help = "Example: hookledger expect get finbox link:abc -o json")]
    Get(expect::Which),
    /// Ends the wait for a completion. One that has ended already says how.
    #[command(after_help = "Example: hookledger expect cancel rightfoot authorizer:a-1")]
    Cancel(expect::Cancel),
    /// Lists what is waited for, the soonest deadline first.
    #[command(after_help = "Example: hookledger expect list --provider finbox --late")]
    List(list::Which),
    /// Announces every reference of a file, CSV or JSON lines. It may be run again, whole, whatever became of it.
    ///
    /// What waits already or was met is left as it is. A line that can't be read costs no other. Shown are those that failed;
    /// what became of each line is in FILE.result.jsonl, as it goes. Ends with 5 where some failed, with 1 where all did.
    #[command(after_help = "Example: hookledger expect import rightfoot batches.csv")]
    Import(import::Import),
}

/// Does it.
pub(crate) async fn run(stack: &Stack, format: Format, expect: &Expect) -> anyhow::Result<Ended> {
    match &expect.order {
        Order::Put(which) => expect::put(stack, format, which).await,
        Order::Get(which) => expect::get(stack, format, which).await,
        Order::Cancel(which) => expect::cancel(stack, format, which).await,
        Order::List(which) => list::run(stack, format, which).await,
        Order::Import(order) => import::run(stack, format, order).await,
    }
}
