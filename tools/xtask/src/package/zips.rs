//! The zip of a function: one file, always written alike, so that the same binary gives the same digest.

use anyhow::{Context, Result, ensure};
use std::io::{Cursor, Read, Write};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipArchive, ZipWriter};

/// What Lambda starts.
const NAME: &str = "bootstrap";
/// Everybody may read and start it: the functions' user is none that built it.
const MODE: u32 = 0o755;
/// The smallest zip; what Lambda unpacks is the same.
const LEVEL: i64 = 9;

/// A zip with this binary alone.
pub(super) fn write(binary: &[u8]) -> Result<Vec<u8>> {
    write_with_mode(binary, MODE)
}

fn write_with_mode(binary: &[u8], mode: u32) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    // The first moment that a zip can tell. When it was built says nothing of what it is.
    let options = SimpleFileOptions::default().last_modified_time(DateTime::DEFAULT).unix_permissions(mode);
    zip.start_file(NAME, options.compression_method(CompressionMethod::Deflated).compression_level(Some(LEVEL)))?;
    zip.write_all(binary)?;
    Ok(zip.finish()?.into_inner())
}

/// Reads a zip as Lambda will: the binary must be in it whole, under the name that is started, and may be started.
pub(super) fn check(zip: &[u8], binary: &[u8], limit_bytes: usize) -> Result<()> {
    let mut archive = ZipArchive::new(Cursor::new(zip)).context("it is no zip")?;
    ensure!(archive.len() == 1, "it holds {} files; Lambda needs {NAME} and no other", archive.len());
    let mut file = archive.by_name(NAME).with_context(|| format!("it lacks {NAME}, which is what Lambda starts"))?;
    let mode = file.unix_mode().unwrap_or_default();
    ensure!(
        mode & 0o111 == 0o111,
        "{NAME} has the mode {:o} in it and Lambda may not start it; pack it with {MODE:o}",
        mode & 0o777
    );
    let mut unpacked = Vec::new();
    file.read_to_end(&mut unpacked)?;
    ensure!(unpacked == binary, "{NAME} comes out of it otherwise than it went in; pack it again");
    ensure!(
        zip.len() <= limit_bytes,
        "it has {:.2} MB, more than the {:.2} MB of docs/performance.md; find what made it grow (cargo tree, cargo bloat), \
         or raise the limit in both places with the reason",
        zip.len() as f64 / 1e6,
        limit_bytes as f64 / 1e6
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const BINARY: &[u8] = b"any bytes, any bytes, any bytes";

    fn refusal(zip: &[u8], binary: &[u8], limit_bytes: usize) -> String {
        check(zip, binary, limit_bytes).unwrap_err().to_string()
    }

    #[test]
    fn the_same_binary_gives_the_same_zip() {
        let zip = write(BINARY).unwrap();
        check(&zip, BINARY, zip.len()).unwrap();
        assert_eq!(write(BINARY).unwrap(), zip);
        assert_ne!(write(b"other bytes").unwrap(), zip);
    }

    #[test]
    fn what_lambda_could_not_start_is_refused() {
        for mode in [0o644, 0o744, 0o666] {
            let zip = write_with_mode(BINARY, mode).unwrap();
            let expected =
                format!("bootstrap has the mode {mode:o} in it and Lambda may not start it; pack it with 755");
            assert_eq!(refusal(&zip, BINARY, 1_000), expected);
        }
    }

    #[test]
    fn what_is_damaged_or_too_large_is_refused() {
        let zip = write(BINARY).unwrap();
        assert!(refusal(&zip, b"other bytes", 1_000).contains("otherwise than it went in"));
        assert!(refusal(&zip, BINARY, zip.len() - 1).contains("of docs/performance.md"));
        assert!(refusal(b"PK", BINARY, 1_000).contains("it is no zip"));
    }
}
