//! Which processes are the stack's by now, for those who read `stack.json`.

use crate::process::processes::Record;
use crate::project::Project;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Writes the present pids into what clients read.
pub(crate) fn name_pids(project: &Project, record: &Record) -> Result<()> {
    let path = project.local().join("stack.json");
    let mut stack: Value = serde_json::from_slice(&fs::read(&path)?).context("stack.json is not JSON")?;
    if let Some(pids) = stack.get_mut("pids") {
        *pids = record.services.iter().map(|service| (service.name.clone(), json!(service.pid))).collect();
    }
    write_private(&path, &stack)
}

/// Writes JSON that only this user may read, whole or not at all.
pub(crate) fn write_private(path: &Path, value: &Value) -> Result<()> {
    let unfinished = path.with_extension("unfinished");
    let _ = fs::remove_file(&unfinished);
    let written = File::options().write(true).create_new(true).mode(0o600).open(&unfinished).and_then(|mut file| {
        file.write_all(format!("{value:#}\n").as_bytes())?;
        fs::rename(&unfinished, path)
    });
    written.with_context(|| format!("{} can't be written", path.display()))
}
