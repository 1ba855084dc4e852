//! What is to happen, and what is in flight: an invocation, whose it is, and what its end means.

use std::pin::Pin;

use hookledger_core::flows::receive::Answer;
use hookledger_core::model::time::UnixMs;

use crate::memory::Message;

/// A thing that is to happen at a certain time.
pub(super) enum Act {
    Attempt { event: usize, made: u32 },
    Forge(usize),
    Post(usize),
    Announce(usize),
    Close(usize),
    Rotate(&'static str),
    ExpireCaches,
    AllowReread,
    Heal,
    Replay(usize),
}

/// Whose future it is, and what its end means.
pub(super) enum Role {
    Receiver { event: usize, made: u32, first_copy: bool },
    Replayed,
    Closer,
    Forged(usize),
    Posted,
    Worker(Vec<Message>),
    Reconciler,
    Announcer(usize),
}

pub(super) enum Ending {
    Answered(Answer),
    Worked(Vec<bool>),
    Reconciled,
    Announced(bool),
    Closed(bool),
}

pub(super) struct Invocation<'w> {
    pub(super) id: u32,
    pub(super) name: String,
    pub(super) role: Role,
    pub(super) future: Pin<Box<dyn Future<Output = Ending> + 'w>>,
    pub(super) started_at: UnixMs,
    pub(super) limit_ms: u64,
    pub(super) turns_left: Option<u32>,
}

/// What is known of an invocation that has ended.
#[derive(Clone, Copy)]
pub(super) struct Past {
    pub(super) id: u32,
    pub(super) started_at: UnixMs,
}

/// An ending in words, for the history.
pub(super) fn told(ending: &Ending) -> String {
    match ending {
        Ending::Answered(answer) => format!(", answered {}", answer.status),
        Ending::Worked(done) => format!(", done {done:?}"),
        Ending::Reconciled => String::new(),
        Ending::Closed(taken) | Ending::Announced(taken) => format!(", taken: {taken}"),
    }
}
