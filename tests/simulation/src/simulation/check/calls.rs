//! The calls that an attacker's posts caused.

use super::super::truth::Calls;
use super::super::world::World;

/// The ids that were invented, with what they caused, and by how many posts.
pub(super) fn asked<L>(world: &World<L>) -> impl Iterator<Item = (&str, Calls, u64)> {
    world.truth.attack.invented.iter().map(|(id, posts)| (id.as_str(), world.truth.asked_about(id), *posts))
}

/// The most calls that one post caused: those that were answered, and those that met trouble.
pub(crate) fn most_calls<L>(world: &World<L>) -> (u64, u64) {
    let of_one = asked(world).filter(|(_, _, posts)| *posts == 1).map(|(_, calls, _)| (calls.answered, calls.troubled));
    of_one.fold((0, 0), |most, calls| (most.0.max(calls.0), most.1.max(calls.1)))
}
