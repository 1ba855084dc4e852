//! One user of the local stack at a time.

use crate::project::Project;
use anyhow::{Context, Result, bail};
use std::fs::{self, File, TryLockError};

/// Held while a stack is being set up or taken down, and by `run` for as long as it runs. The system releases it
/// however the holder ends.
pub(crate) struct Lock(#[expect(dead_code, reason = "held, never read")] File);

impl Lock {
    pub(crate) fn take(project: &Project) -> Result<Self> {
        fs::create_dir_all(project.local())?;
        let file = File::create(project.local().join("lock")).context("the lock file can't be made")?;
        match file.try_lock() {
            Ok(()) => Ok(Self(file)),
            Err(TryLockError::WouldBlock) => {
                bail!(
                    "another `cargo xtask` is using the local stack; wait for it, or end it with ctrl-c in its terminal"
                )
            }
            Err(TryLockError::Error(error)) => Err(error).context("the lock file can't be locked"),
        }
    }
}
