//! Turns: the places where a flow in the memory world stops, so that others can run or it can be killed.

use std::future::poll_fn;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

/// Lets everyone else run once.
pub(super) async fn turn() {
    let mut taken = false;
    poll_fn(|context| {
        if std::mem::replace(&mut taken, true) {
            return Poll::Ready(());
        }
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

/// Runs a flow for at most `turns` turns, then drops it where it stands: the function was killed. `None` if it was.
///
/// A port call takes two turns, one before its effect and one after, so that with `n` calls every number from 0 to
/// `2 n` kills at another place: an even one between two calls, an odd one after an effect the caller never hears of.
pub fn killed_after<T>(turns: usize, flow: impl Future<Output = T>) -> Option<T> {
    let mut flow = pin!(flow);
    let mut context = Context::from_waker(Waker::noop());
    for _ in 0..=turns {
        if let Poll::Ready(output) = flow.as_mut().poll(&mut context) {
            return Some(output);
        }
    }
    None
}

/// Runs a flow to its end.
pub fn run<T>(flow: impl Future<Output = T>) -> T {
    killed_after(TURNS_LIMIT, flow).expect("the flow does not end")
}

/// More turns than any flow of these tests needs: one that takes more waits for something outside the memory world.
const TURNS_LIMIT: usize = 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_flow_is_killed_where_it_stands() {
        let reached = Cell::new(0);
        let flow = || async {
            for step in 1..=3 {
                turn().await;
                reached.set(step);
            }
        };
        for turns in 0..3 {
            reached.set(0);
            assert_eq!(killed_after(turns, flow()), None);
            assert_eq!(reached.get(), turns);
        }
        assert_eq!(killed_after(3, flow()), Some(()));
    }
}
