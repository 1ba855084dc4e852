//! Faults on demand: a call that fails before its effect did nothing; one that fails after it did everything, and its
//! caller can't tell the two apart.

use std::cell::{Cell, RefCell};

use super::turn::turn;

/// On which side of its effect a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing was done.
    Before,
    /// It was done, but the answer got lost.
    After,
}

/// The fault switches of one port, and the calls it had.
#[derive(Debug, Default)]
pub struct Faults {
    planned: RefCell<Vec<Planned>>,
    down: Cell<bool>,
    calls: RefCell<Vec<&'static str>>,
}

#[derive(Debug)]
struct Planned {
    call: Option<&'static str>,
    side: Side,
    left: u32,
}

impl Faults {
    /// The next `times` calls fail on this side.
    pub fn next(&self, side: Side, times: u32) {
        self.planned.borrow_mut().push(Planned { call: None, side, left: times });
    }

    /// The next `times` calls of this method of the port fail on this side.
    pub fn next_of(&self, call: &'static str, side: Side, times: u32) {
        self.planned.borrow_mut().push(Planned { call: Some(call), side, left: times });
    }

    /// While down, every call fails before its effect.
    pub fn down(&self, down: bool) {
        self.down.set(down);
    }

    /// Everything works again.
    pub fn clear(&self) {
        self.planned.borrow_mut().clear();
        self.down.set(false);
    }

    /// The methods called so far, in order, those that failed included.
    pub fn calls(&self) -> Vec<&'static str> {
        self.calls.borrow().clone()
    }

    /// One call of a port: a turn, the effect, another turn, with the planned faults in between.
    pub(super) async fn call<T, E>(
        &self,
        call: &'static str,
        error: E,
        effect: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        turn().await;
        self.calls.borrow_mut().push(call);
        if self.down.get() || self.strikes(call, Side::Before) {
            return Err(error);
        }
        let result = effect();
        turn().await;
        if self.strikes(call, Side::After) { Err(error) } else { result }
    }

    fn strikes(&self, call: &'static str, side: Side) -> bool {
        let mut planned = self.planned.borrow_mut();
        let hit = planned
            .iter_mut()
            .find(|fault| fault.left > 0 && fault.side == side && fault.call.is_none_or(|only| only == call));
        if let Some(fault) = hit {
            fault.left -= 1;
            return true;
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use super::super::run;
    use super::*;

    #[test]
    fn faults_strike_on_their_side_of_the_effect() {
        let faults = Faults::default();
        let effects = Cell::new(0);
        let effect = || {
            effects.set(effects.get() + 1);
            Ok(())
        };
        let call = |name| run(faults.call(name, "fault", effect));

        faults.next(Side::Before, 1);
        faults.next_of("settle", Side::After, 1);
        assert_eq!((call("admit"), effects.get()), (Err("fault"), 0));
        assert_eq!((call("admit"), effects.get()), (Ok(()), 1));
        assert_eq!((call("settle"), effects.get()), (Err("fault"), 2));
        assert_eq!((call("settle"), effects.get()), (Ok(()), 3));
        faults.down(true);
        assert_eq!((call("settle"), effects.get()), (Err("fault"), 3));
        faults.clear();
        assert_eq!((call("settle"), effects.get()), (Ok(()), 4));
        assert_eq!(faults.calls(), ["admit", "admit", "settle", "settle", "settle", "settle"]);
    }
}
