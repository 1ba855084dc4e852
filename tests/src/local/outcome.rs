//! What everything that is done with the stack comes to.

/// What went wrong, for the person who watches.
pub type Outcome<T> = Result<T, String>;
