//! Acts under way, each apart from any request: whoever closes the page, or looks again, finds the same act and all that came
//! of it. They are kept until the console ends; what each did stands in the rows themselves, too.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hookledger_core::model::act::Order;
use hookledger_core::model::identity::ItemKey;
use hookledger_core::model::time::UnixMs;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::out;

/// The most acts that are kept: of those that are over, the oldest go.
const KEPT: usize = 50;

/// What an act is, in words.
pub(crate) struct Plan {
    /// `Replay`.
    pub(crate) title: &'static str,
    /// How an outcome is called that went well, and one that did not: `opened`, `failed`.
    pub(crate) done: &'static str,
    pub(crate) failed: &'static str,
    /// The page from which it was ordered.
    pub(crate) page: &'static str,
    /// Where what is left can be seen, and the act be begun again.
    pub(crate) again: String,
    /// On what, in words.
    pub(crate) filter: Vec<(&'static str, String)>,
    pub(crate) by: Order,
    /// How many there are to do; where nobody counted them, as many as there were at least.
    pub(crate) all: usize,
    pub(crate) is_counted: bool,
}

/// What came of one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    /// The row, where there is one.
    pub(crate) key: Option<ItemKey>,
    /// When the delivery came, of what was refused.
    pub(crate) at: Option<UnixMs>,
    pub(crate) words: Result<String, String>,
}

/// How an act ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// There is no other.
    Whole,
    /// A person stopped it.
    Stopped,
    /// It could not go on.
    Failed(String),
}

/// An act, under way or over.
pub(crate) struct Job {
    pub(crate) id: usize,
    pub(crate) plan: Plan,
    pub(crate) began: UnixMs,
    outcomes: Mutex<Vec<Outcome>>,
    failed: AtomicUsize,
    is_stopped: AtomicBool,
    end: watch::Sender<Option<End>>,
}

impl Job {
    /// Writes down what came of one. What went wrong is told at the terminal too, which outlives the page.
    pub(crate) fn told(&self, outcome: Outcome) {
        if let Err(why) = &outcome.words {
            self.failed.fetch_add(1, Ordering::Relaxed);
            let of = outcome.key.as_ref().map(ToString::to_string);
            let of = of.or_else(|| outcome.at.map(|at| at.to_string())).unwrap_or_default();
            out::note(format!("{} {}: {of}: {why}", self.plan.title, self.id));
        }
        self.outcomes().push(outcome);
    }

    /// Whether it is to begin another one.
    pub(crate) fn goes_on(&self) -> bool {
        !self.is_stopped.load(Ordering::Relaxed)
    }

    /// Has it begin no other. What is begun is carried out.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    /// How it ended, if it has.
    pub(crate) fn end(&self) -> Option<End> {
        self.end.borrow().clone()
    }

    /// How many went well, how many did not, and how many are left.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let (all, failed) = (self.outcomes().len(), self.failed.load(Ordering::Relaxed));
        (all.saturating_sub(failed), failed, self.plan.all.saturating_sub(all))
    }

    /// What came of each so far, in the order in which they were done.
    pub(crate) fn outcomes(&self) -> MutexGuard<'_, Vec<Outcome>> {
        self.outcomes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for its end.
    async fn over(&self) {
        let mut end = self.end.subscribe();
        // The sender is its own, so it is there.
        let _ = end.wait_for(Option::is_some).await;
    }

    /// In a line: how far it came.
    pub(crate) fn summary(&self) -> String {
        let ((well, failed, left), plan) = (self.counts(), &self.plan);
        let left = if left > 0 && plan.is_counted { format!(", {left} left") } else { String::new() };
        format!("{well} {}, {failed} {}{left}", plan.done, plan.failed)
    }
}

/// The acts of this run of the console.
#[derive(Default)]
pub(crate) struct Jobs {
    known: Mutex<BTreeMap<usize, Arc<Job>>>,
}

impl Jobs {
    /// Begins an act. `work` does it, tells each outcome, and says why if it can't go on.
    pub(crate) fn start<F>(&self, now: UnixMs, plan: Plan, work: impl FnOnce(Arc<Job>) -> F) -> Arc<Job>
    where
        F: Future<Output = Result<(), String>> + Send + 'static,
    {
        let mut known = self.known();
        let id = known.last_key_value().map_or(1, |(last, _)| last + 1);
        let (outcomes, failed, is_stopped) = (Mutex::default(), AtomicUsize::new(0), AtomicBool::new(false));
        let job = Arc::new(Job { id, plan, began: now, outcomes, failed, is_stopped, end: watch::Sender::new(None) });
        let over = known.values().filter(|job| job.end().is_some()).map(|job| job.id);
        let over: Vec<usize> = over.take((known.len() + 1).saturating_sub(KEPT)).collect();
        over.iter().for_each(|id| drop(known.remove(id)));
        known.insert(id, job.clone());
        // Apart from its end, so that one that breaks off has an end as well.
        let (work, job_of_end) = (tokio::spawn(work(job.clone())), job.clone());
        tokio::spawn(async move {
            let end = match work.await {
                Ok(Ok(())) if job_of_end.goes_on() => End::Whole,
                Ok(Ok(())) => End::Stopped,
                Ok(Err(why)) => End::Failed(why),
                Err(error) => End::Failed(error.to_string()),
            };
            out::note(format!("{} {}: {}", job_of_end.plan.title, job_of_end.id, job_of_end.summary()));
            job_of_end.end.send_replace(Some(end));
        });
        job
    }

    /// An act, by its number.
    pub(crate) fn get(&self, id: usize) -> Option<Arc<Job>> {
        self.known().get(&id).cloned()
    }

    /// All of them, the latest first.
    pub(crate) fn all(&self) -> Vec<Arc<Job>> {
        self.known().values().rev().cloned().collect()
    }

    /// Those that were ordered from this page, the latest first.
    pub(crate) fn of(&self, page: &str) -> Vec<Arc<Job>> {
        self.all().into_iter().filter(|job| job.plan.page == page).collect()
    }

    /// Has each begin no other row, and waits until what is begun is done.
    pub(crate) async fn end_all(&self) {
        let all = self.all();
        all.iter().for_each(|job| job.stop());
        for job in all {
            job.over().await;
        }
    }

    fn known(&self) -> MutexGuard<'_, BTreeMap<usize, Arc<Job>>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Waits for an act's end, but not for long: who ordered a few rows sees at once what came of them.
pub(crate) async fn wait_a_little(job: &Job, long: Duration) {
    let _ = timeout(long, job.over()).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(all: usize) -> Plan {
        Plan {
            title: "Replay",
            done: "opened",
            failed: "failed",
            page: "/parked",
            again: "/parked".into(),
            filter: Vec::new(),
            by: Order { by: "anna".into(), why: None },
            all,
            is_counted: true,
        }
    }

    fn outcome(words: Result<&str, &str>) -> Outcome {
        Outcome { key: None, at: None, words: words.map(Into::into).map_err(Into::into) }
    }

    #[tokio::test]
    async fn an_act_has_an_end_whatever_becomes_of_it() {
        let jobs = Jobs::default();
        let whole = jobs.start(UnixMs(0), plan(2), async |job: Arc<Job>| {
            job.told(outcome(Ok("open again")));
            job.told(outcome(Err("is done, not parked")));
            Ok(())
        });
        let failed = jobs.start(UnixMs(0), plan(2), async |_| Err("no secret".into()));
        let broken = jobs.start(UnixMs(0), plan(2), async |_| panic!("a mistake of ours"));
        let endless = jobs.start(UnixMs(0), plan(2), async |job: Arc<Job>| {
            while job.goes_on() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        });
        jobs.end_all().await;
        assert_eq!((whole.counts(), whole.summary()), ((1, 1, 0), "1 opened, 1 failed".into()));
        assert_eq!(failed.end(), Some(End::Failed("no secret".into())));
        assert!(matches!(broken.end(), Some(End::Failed(_))));
        assert_eq!((endless.end(), endless.summary()), (Some(End::Stopped), "0 opened, 0 failed, 2 left".into()));
    }

    #[tokio::test]
    async fn of_many_acts_those_that_are_over_go_first() {
        let jobs = Jobs::default();
        let endless = jobs.start(UnixMs(0), plan(1), async |job: Arc<Job>| {
            while job.goes_on() {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            Ok(())
        });
        for _ in 0..KEPT + 5 {
            let job = jobs.start(UnixMs(0), plan(0), async |_| Ok(()));
            wait_a_little(&job, Duration::from_secs(60)).await;
        }
        assert_eq!((jobs.all().len(), jobs.all()[0].id), (KEPT, KEPT + 6));
        assert!(jobs.get(endless.id).is_some() && jobs.get(endless.id + 1).is_none());
        jobs.end_all().await;
    }
}
