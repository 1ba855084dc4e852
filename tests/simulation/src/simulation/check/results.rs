//! What came of the work, when all is quiet: the rows of what is done, and what the provider itself has overtaken.

use super::super::world::Glass;
use super::Check;

impl<L: Glass> Check<'_, L> {
    /// The rows of what is done are what the provider knows, to the digit.
    pub(super) fn results(&mut self) {
        let world = self.world;
        let kept = |event: &_| world.kept(event);
        let held = world.held(&kept);
        self.violations.extend(world.truth.sides.all().flat_map(|side| side.results(&held)));
    }
}
