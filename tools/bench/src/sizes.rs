//! How large a function is: its files, and its zip.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use flate2::Compression;
use flate2::write::DeflateEncoder;

/// What a zip adds for each file: two headers.
const ZIP_HEADERS_BYTES: u64 = 30 + 46;

/// The bytes of these files and folders, as they are and as a zip holds them.
pub(crate) fn of(parcel: &[PathBuf]) -> Result<(u64, u64)> {
    let mut sizes = (0, 0);
    for path in parcel {
        add(path, &mut sizes).with_context(|| format!("{} can't be read", path.display()))?;
    }
    Ok(sizes)
}

fn add(path: &Path, sizes: &mut (u64, u64)) -> Result<()> {
    if path.is_dir() {
        // Tools of the environment that nobody deploys.
        let left_out = ["pip", "setuptools", "__pycache__"];
        for entry in fs::read_dir(path)? {
            let path = entry?.path();
            if !left_out.iter().any(|name| path.ends_with(name)) {
                add(&path, sizes)?;
            }
        }
        return Ok(());
    }
    let bytes = fs::read(path)?;
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&bytes)?;
    sizes.0 += bytes.len() as u64;
    sizes.1 += encoder.finish()?.len() as u64 + ZIP_HEADERS_BYTES;
    Ok(())
}
