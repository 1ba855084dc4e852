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
mod table;
mod write;

pub use kill::{Found, World, kill};
pub use write::write;

/// What stands in an edit's text for "this mutant is the one to run".
pub const SWITCH: &str = "MUTANT";

/// One bug.
#[derive(Clone, Copy, Debug)]
pub struct Mutant {
    /// What it is called on the command line.
    pub name: &'static str,
    /// The mistake, in a sentence.
    pub story: &'static str,
    /// Where it is made.
    pub edits: &'static [Edit],
}

/// One change of one file.
#[derive(Clone, Copy, Debug)]
pub struct Edit {
    /// The file, from the root of the workspace.
    pub file: &'static str,
    /// What is replaced. It occurs in the file exactly once.
    pub find: &'static str,
    /// What stands there instead, with [`SWITCH`] in it: while that is false, it does what the original does.
    pub replace: &'static str,
}

/// Every mutant, in the order in which they are numbered.
pub fn all() -> Vec<Mutant> {
    table::TABLES.concat()
}

#[cfg(test)]
mod tests;
