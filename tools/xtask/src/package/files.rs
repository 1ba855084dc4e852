//! Copies of files and folders.

use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Copies a file, or a folder with all that is in it.
pub(super) fn copy(from: &Path, to: &Path) -> Result<()> {
    let copied = if from.is_dir() {
        fs::create_dir_all(to).and_then(|()| fs::read_dir(from)).map_err(anyhow::Error::from).and_then(|entries| {
            entries.flatten().try_for_each(|entry| copy(&entry.path(), &to.join(entry.file_name())))
        })
    } else {
        fs::copy(from, to).map(|_| ()).map_err(anyhow::Error::from)
    };
    copied.with_context(|| format!("{} can't be copied", from.display()))
}
