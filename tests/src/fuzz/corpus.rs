//! The inputs a target begins with: committed files, and what its samples are made of.

use std::path::{Path, PathBuf};

use hookledger_core::model::identity::digest_hex;

use super::target::{Failure, Target};

/// The folder of a target's committed inputs.
pub fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("corpora").join(target)
}

/// What a target begins with.
pub struct Corpus {
    /// The inputs, committed ones last.
    pub inputs: Vec<Vec<u8>>,
    /// How many of them are committed.
    pub committed: usize,
}

impl Corpus {
    /// Reads it, in the order of the files' names. A target without a folder has its samples.
    pub fn of(target: &Target) -> Self {
        let mut paths: Vec<PathBuf> = std::fs::read_dir(folder(target.name))
            .map(|files| files.filter_map(|file| Some(file.ok()?.path())).collect())
            .unwrap_or_default();
        paths.sort();
        let read = |path: &PathBuf| std::fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut inputs = (target.samples)();
        inputs.extend(paths.iter().map(read));
        Self { inputs, committed: paths.len() }
    }
}

/// Keeps an input that broke a promise, under a name that tells it from others. From then on every run tries it.
pub(crate) fn keep(target: &str, input: &[u8]) -> std::io::Result<PathBuf> {
    let folder = folder(target);
    std::fs::create_dir_all(&folder)?;
    let name: String = digest_hex(input).chars().take(12).collect();
    let path = folder.join(format!("found-{name}"));
    std::fs::write(&path, input)?;
    Ok(path)
}

impl Failure {
    /// Keeps the input in the target's corpus.
    pub fn keep(&self, target: &Target) -> std::io::Result<PathBuf> {
        keep(target.name, &self.input)
    }
}
