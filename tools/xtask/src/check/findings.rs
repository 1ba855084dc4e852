//! What checks find.

use anyhow::{Result, bail};

/// Findings as an error, one a line; none is a pass.
pub(super) fn none_of(findings: Vec<String>) -> Result<()> {
    if findings.is_empty() { Ok(()) } else { bail!("  {}", findings.join("\n  ")) }
}
