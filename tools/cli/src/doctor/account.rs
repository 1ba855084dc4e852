//! What lies around the functions: the clock, whether the reconciler is called, how many functions the account lets run at once.

use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::Clock as _;

use super::finding::Finding;
use crate::said;
use crate::stack::{Stack, why_not};
use crate::when::words;

/// A last run this old says that nobody calls the reconciler: it is called each minute.
const STALE_SECS: u64 = 300;
/// AWS refuses what is signed five minutes off, and `--since 2h` means another span than was meant. A second of it is the
/// `Date` header's own.
const MAX_SKEW_SECS: u64 = 30;
/// With fewer than these for all functions together, a burst of one provider takes what the others need.
const FEW_AT_ONCE: i32 = 100;

/// Looks at all of it. What may not be looked at is said, and is nothing to mend.
pub(super) async fn findings(stack: &Stack) -> anyhow::Result<Vec<Finding>> {
    let inbox = stack.inbox()?;
    let last = inbox.ledger.list_runs().await?.iter().map(|run| run.at).max();
    let mut found = vec![runs(last, inbox.clock.now())];
    found.extend(said::clock().map(|(theirs, ours)| clock(theirs, ours)));
    found.push(at_once(stack).await);
    Ok(found)
}

fn runs(last: Option<UnixMs>, now: UnixMs) -> Finding {
    let secs = last.map(|at| now.since_ms(at) / 1000);
    let is = match secs {
        Some(secs) => format!("ran {} ago", words(secs)),
        None => "has not run".into(),
    };
    let wrong = secs.is_none_or(|secs| secs > STALE_SECS);
    let wrong = wrong
        .then_some("are its schedules enabled (EventBridge Scheduler, <stack>-…)? Then its function's log says why");
    Finding::new("reconciler", is, wrong)
}

fn clock(theirs: i64, ours: i64) -> Finding {
    let off = theirs.abs_diff(ours);
    let is = match off {
        0..=1 => "is that of AWS".to_string(),
        _ if ours > theirs => format!("is {off} s ahead of AWS's"),
        _ => format!("is {off} s behind AWS's"),
    };
    let wrong =
        (off > MAX_SKEW_SECS).then_some("set this machine's clock: AWS refuses what is signed five minutes off");
    Finding::new("clock", is, wrong)
}

/// How many functions of the account may run at once.
async fn at_once(stack: &Stack) -> Finding {
    let lambda = aws_sdk_lambda::Client::new(stack.clients.config());
    let answer = lambda.get_account_settings().send().await;
    let limit = answer.map(|answer| answer.account_limit);
    match limit {
        Ok(Some(limit)) => {
            let (all, free) = (limit.concurrent_executions, limit.unreserved_concurrent_executions.unwrap_or_default());
            let few = (all < FEW_AT_ONCE).then_some("ask AWS for more (Service Quotas, Lambda, concurrent executions)");
            Finding::new("account", format!("runs {all} functions at once, {free} of them unreserved"), few)
        }
        Ok(None) => Finding::unknown("account", "does not say how many functions it runs at once"),
        Err(error) => {
            let is = format!("was not looked at (lambda:GetAccountSettings): {}", why_not(&error));
            Finding::unknown("account", is)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_late_or_off_is_to_be_mended() {
        let now = UnixMs(1_760_000_000_000);
        let rows = [
            (runs(None, now), "has not run", true),
            (runs(Some(now.minus_secs(70)), now), "ran 70 s ago", false),
            (runs(Some(now.minus_secs(10_680)), now), "ran 2 h 58 min ago", true),
            (clock(1_000, 1_001), "is that of AWS", false),
            (clock(1_000, 1_020), "is 20 s ahead of AWS's", false),
            (clock(1_000, 400), "is 600 s behind AWS's", true),
        ];
        for (finding, is, wrong) in rows {
            assert_eq!((finding.is.as_str(), finding.to_do().is_some()), (is, wrong));
        }
    }
}
