//! The bugs that the simulation must find.
//!
//! A simulation that finds nothing proves nothing, unless it finds what is known to be there. So each mistake that
//! inboxes like this one were built with stands in a table, as an edit of the sources that ship:
//!
//! ```text
//! table ─ mutants: a name, a story, and edits (a file, a text that occurs there once, the text put in its place)
//! write ─ copies the core and the simulation to target/mutants, with every edit in them, each behind a switch
//! kill  ─ there, turns one switch on after another, and runs seeds until an invariant breaks
//! ```
//!
//! The sources themselves hold no switch and no trace of all this: a test reads them to see.

mod kill;
mod mutant;
mod table;
mod write;

pub use kill::{Found, World, kill};
pub use mutant::{Edit, Mutant, SWITCH};
pub use table::all;
pub use write::write;

#[cfg(test)]
mod tests;
