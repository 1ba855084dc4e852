//! What a mutant is.

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
