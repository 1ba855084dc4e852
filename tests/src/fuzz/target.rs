//! A target: what reads what others write, what an input came to there, and the input that breaks a promise.

/// What an input came to, in a few words that hold no part of the input. Inputs of one story are taken for one kind.
pub type Seen = String;

/// What feeds a target one input.
pub type Run = dyn Fn(&[u8]) -> Seen + Send + Sync;

/// Something that reads what others write.
pub struct Target {
    /// Its name, which is its folder's under `tests/corpora/`.
    pub name: &'static str,
    /// What is read, in a sentence.
    pub about: &'static str,
    /// Feeds it one input. Panics when a promise is broken.
    pub run: Box<Run>,
    /// Inputs to begin with, beside the committed ones.
    pub samples: Box<dyn Fn() -> Vec<Vec<u8>> + Send + Sync>,
}

/// An input that breaks a promise.
#[derive(Clone, Debug)]
pub struct Failure {
    /// What was promised, and where.
    pub message: String,
    /// The input, made as small as it could be made.
    pub input: Vec<u8>,
}
