//! The queues in memory. Jobs travel as the text they are on the real queues, with their limits.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use hookledger_core::model::identity::ProviderId;
use hookledger_core::model::job::{Job, JobError, MAX_MESSAGE_BYTES, RescuedDelivery};
use hookledger_core::model::settings::MAX_QUEUE_DELAY_SECS;
use hookledger_core::model::time::UnixMs;
use hookledger_core::ports::{Clock, QueueError, WorkQueue};

use super::clock::FixedClock;
use super::faults::Faults;

/// One message on a queue.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Its place in the order of sending; never used twice.
    pub id: u64,
    /// Whose queue it is on; nobody's, if it was sent by nobody we know.
    pub provider: &'static str,
    /// Whether it is on the rescue queue, which is no provider's work queue.
    pub rescue: bool,
    /// How many of the worker's own messages in a row led to it, itself included.
    pub links: u32,
    /// The text sent.
    pub body: String,
    /// From when on it can be received.
    pub visible_at: UnixMs,
    /// How often it was received.
    pub receives: u32,
}

impl Message {
    /// The job it carries.
    pub fn job(&self) -> Result<Job, JobError> {
        Job::parse(&self.body)
    }
}

/// The work queues and the rescue queue in memory, as one list. Faults are named `send`, `rescue` and `depth`.
pub struct MemoryQueue {
    /// The fault switches.
    pub faults: Faults,
    clock: Rc<FixedClock>,
    messages: RefCell<Vec<Message>>,
    sent: Cell<u64>,
    lost_next: Cell<u32>,
    doubled_next: Cell<u32>,
}

impl MemoryQueue {
    /// An empty queue that lives by this clock.
    pub fn new(clock: Rc<FixedClock>) -> Self {
        Self {
            faults: Faults::default(),
            clock,
            messages: RefCell::default(),
            sent: Cell::default(),
            lost_next: Cell::default(),
            doubled_next: Cell::default(),
        }
    }

    /// Puts any text on the queue, as a stranger or another version might.
    pub fn push(&self, body: impl Into<String>, delay_secs: u32) {
        self.push_for("", body, delay_secs);
    }

    /// Puts any text on a provider's queue.
    pub fn push_for(&self, provider: &'static str, body: impl Into<String>, delay_secs: u32) {
        let visible_at = self.clock.now().plus_secs(delay_secs.into());
        let body = body.into();
        self.put(Message { id: 0, provider, rescue: false, links: 0, body, visible_at, receives: 0 });
    }

    fn put(&self, message: Message) {
        let id = self.sent.replace(self.sent.get() + 1);
        self.messages.borrow_mut().push(Message { id, ..message });
    }

    /// Sends a job as whoever works on a message with `links - 1` links.
    pub async fn send_linked(
        &self,
        provider: ProviderId,
        job: &Job,
        delay_secs: u32,
        links: u32,
    ) -> Result<(), QueueError> {
        let accept = || {
            if delay_secs > MAX_QUEUE_DELAY_SECS {
                return Err(QueueError("a delay beyond 900 seconds"));
            }
            let visible_at = self.clock.now().plus_secs(delay_secs.into());
            let (provider, body) = (provider.0, job.to_json());
            self.accept(Message { id: 0, provider, rescue: false, links, body, visible_at, receives: 0 })
        };
        self.faults.call("send", QueueError("a fault of the test"), accept).await
    }

    /// Rescues a delivery as whoever works on a message with `links - 1` links.
    pub async fn rescue_linked(&self, delivery: &RescuedDelivery, links: u32) -> Result<(), QueueError> {
        let accept = || {
            let (body, visible_at) = (delivery.to_message(), self.clock.now());
            self.accept(Message { id: 0, provider: "", rescue: true, links, body, visible_at, receives: 0 })
        };
        self.faults.call("rescue", QueueError("a fault of the test"), accept).await
    }

    fn accept(&self, message: Message) -> Result<(), QueueError> {
        if message.body.len() > MAX_MESSAGE_BYTES {
            return Err(QueueError("a message beyond 1 MiB"));
        }
        if spend(&self.lost_next) {
            return Ok(());
        }
        if spend(&self.doubled_next) {
            self.put(message.clone());
        }
        self.put(message);
        Ok(())
    }

    /// The next `times` jobs are accepted and never seen again.
    pub fn lose_next(&self, times: u32) {
        self.lost_next.set(times);
    }

    /// The next `times` jobs arrive twice.
    pub fn double_next(&self, times: u32) {
        self.doubled_next.set(times);
    }

    /// Every message, visible or not, in the order of sending.
    pub fn messages(&self) -> Vec<Message> {
        self.messages.borrow().clone()
    }

    /// Every job, visible or not, in the order of sending; foreign messages are left out.
    pub fn jobs(&self) -> Vec<Job> {
        self.messages.borrow().iter().filter_map(|message| message.job().ok()).collect()
    }

    /// Receives the visible messages that `take` wants, counts that, and hides each for as many milliseconds as `take`
    /// says: none at all, and it is delivered once more.
    pub fn receive_some(&self, mut take: impl FnMut(&Message) -> Option<u64>) -> Vec<Message> {
        let now = self.clock.now();
        let mut messages = self.messages.borrow_mut();
        let visible = messages.iter_mut().filter(|message| message.visible_at <= now);
        let taken = visible.filter_map(|message| {
            let hidden_ms = take(message)?;
            message.receives += 1;
            message.visible_at = now.plus_ms(hidden_ms);
            Some(message.clone())
        });
        taken.collect()
    }

    /// Takes away the visible messages that were received as often already as `max_receives` says: they are dead letters
    /// now.
    pub fn take_dead(&self, max_receives: impl Fn(&Message) -> u32) -> Vec<Message> {
        let now = self.clock.now();
        let mut messages = self.messages.borrow_mut();
        let dead = |message: &Message| message.visible_at <= now && message.receives >= max_receives(message);
        let (dead, alive) = messages.drain(..).partition(dead);
        *messages = alive;
        dead
    }

    /// Receives at most `max` visible messages, counts that, and hides them for `hidden_secs`.
    pub fn receive(&self, max: usize, hidden_secs: u64) -> Vec<Message> {
        let now = self.clock.now();
        let mut messages = self.messages.borrow_mut();
        let visible = messages.iter_mut().filter(|message| message.visible_at <= now).take(max);
        visible
            .map(|message| {
                message.receives += 1;
                message.visible_at = now.plus_secs(hidden_secs);
                message.clone()
            })
            .collect()
    }

    /// Deletes a message, as the service does with one that was not reported as failed. False: it is gone already.
    pub fn delete(&self, id: u64) -> bool {
        let mut messages = self.messages.borrow_mut();
        let before = messages.len();
        messages.retain(|message| message.id != id);
        messages.len() < before
    }

    /// The instant at which the next message becomes visible, or became.
    pub fn next_visible_at(&self) -> Option<UnixMs> {
        self.messages.borrow().iter().map(|message| message.visible_at).min()
    }
}

impl WorkQueue for MemoryQueue {
    async fn send(&self, provider: ProviderId, job: &Job, delay_secs: u32) -> Result<(), QueueError> {
        self.send_linked(provider, job, delay_secs, 0).await
    }

    async fn rescue(&self, delivery: &RescuedDelivery) -> Result<(), QueueError> {
        self.rescue_linked(delivery, 0).await
    }

    /// Visible messages only: the service counts delayed ones and those in work elsewhere.
    async fn depth(&self, provider: ProviderId) -> Result<u64, QueueError> {
        let now = self.clock.now();
        let waits = |message: &&Message| message.visible_at <= now && message.provider == provider.0;
        let visible = || self.messages.borrow().iter().filter(waits).count() as u64;
        self.faults.call("depth", QueueError("a fault of the test"), || Ok(visible())).await
    }
}

fn spend(times: &Cell<u32>) -> bool {
    let left = times.get();
    times.set(left.saturating_sub(1));
    left > 0
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use super::*;
    use hookledger_core::model::identity::ItemKey;

    const PROVIDER: ProviderId = ProviderId("finbox");

    fn queue() -> (Rc<FixedClock>, MemoryQueue) {
        let clock = Rc::new(FixedClock::new(1));
        (clock.clone(), MemoryQueue::new(clock))
    }

    fn job() -> Job {
        Job::entry(ItemKey { pk: "p".into(), sk: "s".into() })
    }

    #[test]
    fn messages_wait_until_they_are_visible_and_come_back_unless_deleted() {
        let (clock, queue) = queue();
        run(queue.send(PROVIDER, &job(), 30)).unwrap();
        assert!(queue.receive(10, 60).is_empty());
        assert_eq!((run(queue.depth(PROVIDER)).unwrap(), queue.jobs().len()), (0, 1));
        clock.advance_secs(30);
        let first = queue.receive(10, 60);
        assert_eq!((first.len(), first[0].receives, first[0].job()), (1, 1, Ok(job())));
        assert!(queue.receive(10, 60).is_empty());
        clock.advance_secs(60);
        assert_eq!(queue.receive(10, 60)[0].receives, 2);
        assert!(queue.delete(first[0].id) && !queue.delete(first[0].id));
    }

    #[test]
    fn jobs_are_lost_doubled_and_refused_on_demand() {
        let (_, queue) = queue();
        queue.lose_next(1);
        queue.double_next(1);
        run(queue.send(PROVIDER, &job(), 0)).unwrap();
        assert_eq!(queue.jobs().len(), 0);
        run(queue.send(PROVIDER, &job(), 0)).unwrap();
        assert_eq!(queue.jobs().len(), 2);
        assert!(run(queue.send(PROVIDER, &job(), 901)).is_err());
    }
}
