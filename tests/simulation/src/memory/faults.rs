//! Faults on demand: a call that fails before its effect did nothing; one that fails after it did everything, and its
//! caller can't tell the two apart.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use super::turn::turn;

/// On which side of its effect a call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Nothing was done.
    Before,
    /// It was done, but the answer got lost.
    After,
}

/// What a [`Fate`] hears of a call that did its work and could not say so.
pub const LOST: &str = "done, but the answer is lost";

/// Decides about every call of a port, beyond what a test planned, and hears how it went. A simulation has one.
pub trait Fate: std::fmt::Debug {
    /// Whether this call fails, and on which side of its effect.
    fn strikes(&self, port: &'static str, call: &'static str) -> Option<Side>;
    /// How the call went: the side on which it failed, or what its own effect said.
    fn went(&self, port: &'static str, call: &'static str, how: &'static str);
}

/// The fault switches of one port, and the calls it had.
#[derive(Debug, Default)]
pub struct Faults {
    planned: RefCell<Vec<Planned>>,
    down: Cell<bool>,
    calls: RefCell<Vec<&'static str>>,
    fate: RefCell<Option<(&'static str, Rc<dyn Fate>)>>,
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

    /// From now on `fate` decides about every call, and knows this port by this name.
    pub fn leave_to(&self, port: &'static str, fate: Rc<dyn Fate>) {
        *self.fate.borrow_mut() = Some((port, fate));
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
        let fate = self.fate.borrow().as_ref().map(|(port, fate)| (*port, fate.clone()));
        // A simulation counts for itself; its seeds make too many calls to keep them all.
        if fate.is_none() {
            self.calls.borrow_mut().push(call);
        }
        let fated = fate.as_ref().and_then(|(port, fate)| fate.strikes(port, call));
        let went = |how| {
            if let Some((port, fate)) = &fate {
                fate.went(port, call, how)
            }
        };
        if self.down.get() || fated == Some(Side::Before) || self.strikes(call, Side::Before) {
            went("failed, nothing done");
            return Err(error);
        }
        let result = effect();
        let struck = fated == Some(Side::After);
        went(if struck {
            "done, but the answer is lost"
        } else if result.is_ok() {
            "ok"
        } else {
            "refused"
        });
        turn().await;
        if struck || self.strikes(call, Side::After) { Err(error) } else { result }
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
